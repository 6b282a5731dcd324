"""A client's FIX session on the asyncio loop: it stays logged on, and hands over what comes."""

import asyncio
import contextlib
import logging
import re
import time
from collections import Counter
from collections.abc import Callable, Mapping

from brokerfix.access.vouch import VOUCHER, read_secret, socket_path, voucher
from brokerfix.doors.waiting import Unavailable
from brokerfix.settings.addresses import addresses
from brokerfix.settings.sections import Config, ConfigError
from brokerfix.tools.client import Client, Disconnected, Message, TooLow

log = logging.getLogger("brokerfix.doors")
RECONNECT_SECONDS = 1.0
TICK_SECONDS = 1.0
SEND_SECONDS = 0.5
"""How long the broker may leave a message of ours untaken: the loop waits with it."""

EXPECTED = re.compile("MsgSeqNum too low, expecting ([0-9]+)")

Handler = Callable[[Message, list[tuple[int, str]]], None]


class Session:
    """The session of a client of the broker. All of it runs on the loop's thread; only while it logs on has another
    thread its client. `up`: it is logged on. `began` is called then, `ended` when it is lost, and `handlers` by
    MsgType; `began_at`: a time (ns UTC) before it logged on. `answer_seconds` is how long an answer of the broker's is
    waited for, `number` the MsgSeqNum of the message that is handled now. It logs on while `may_log_on`."""

    def __init__(
        self, config: Config, name: str, began: Callable[[], None], ended: Callable[[], None],
        handlers: Mapping[str, Handler], answer_seconds: float,
    ) -> None:  # fmt: skip
        self.config, self.name, self.answer_seconds = config, name, answer_seconds
        self._began, self._ended, self._handlers = began, ended, handlers
        section = config.clients[name]
        assert config.gateway is not None
        if config.gateway.upstream:
            self._nodes = [(host, section.port or port) for host, port in addresses(config.gateway.upstream)]
        else:
            self._nodes = [(str(socket_path(config, name if section.port else "")), section.port)]
        self.client = Client(
            name, config.broker.name, *self._nodes[0], config.data / "clients" / f"{name}.json",
            vouch=self._vouch,
        )  # fmt: skip
        self.client.resume_at = self._resume_at
        self.up = False
        self.may_log_on = True
        self.began_at = self.number = 0
        self._held: Counter[int] = Counter()
        self._descriptor = -1
        self._task: asyncio.Task[None] | None = None

    def _vouch(self, seq_num: int, sent: str, reset: bool) -> tuple[int, str]:
        told = self.name, self.config.broker.name, str(seq_num), sent, "Y" if reset else ""
        return VOUCHER, voucher(read_secret(self.config), *told)

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._stay())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
        await self.leave()

    async def leave(self) -> None:
        """Log out; it logs on again if it may."""
        if self.up:
            self._unfollow()
            self._ended()
            await asyncio.get_running_loop().run_in_executor(None, self.client.logout)

    def hold(self, number: int = 0) -> int:
        """Somebody is not done with the message of this MsgSeqNum, or with what comes from here on: until `release`,
        the next run of this door will be told it again. Returns the number."""
        number = number or self.client.next_in
        self._held[number] += 1
        return number

    def release(self, number: int) -> None:
        self._held[number] -= 1
        if not self._held[number]:
            del self._held[number]

    def _resume_at(self) -> int:
        waiting = self.client.messages
        return min([self.client.next_in, *self._held, *([int(waiting[0][34])] if waiting else [])])

    async def _stay(self) -> None:
        """Stay logged on."""
        told = ""
        while True:
            if not self.up and self.may_log_on:
                try:
                    await asyncio.get_running_loop().run_in_executor(None, self._log_on)
                except (Disconnected, ConfigError, OSError, ValueError) as error:
                    self.client.close()
                    # Of several nodes one is the primary.
                    self._nodes.append(self._nodes.pop(0))
                    self.client.address = self._nodes[0]
                    if str(error) != told:
                        log.warning("%s can't log on: %s", self.name, error)
                        told = str(error)
                    await asyncio.sleep(RECONNECT_SECONDS)
                    continue
                told = ""
                log.info("%s has logged on", self.name)
                self._came_up()
            await asyncio.sleep(TICK_SECONDS)
            if self.up:
                self._readable()
                self.client.save()

    def _log_on(self) -> None:
        """In a thread of its own: nobody else uses the client meanwhile. The numbers begin anew where the broker's
        have."""
        self.began_at = time.time_ns()
        try:
            self.client.connect()
        except TooLow as error:
            self.client.close()
            self.began_at = time.time_ns()
            expected = EXPECTED.search(str(error))
            if expected is not None and self.client.next_in > 1:
                # Our file is older than our last messages, after a loss of power. What we are owed is still ours.
                self.client.next_out = int(expected[1])
                self.client.connect()
            else:
                log.info("%s begins its sequence numbers anew: %s", self.name, error)
                self.client.connect(reset=True)
        self.client.set_timeout(SEND_SECONDS)

    def _came_up(self) -> None:
        self.up = True
        self._descriptor = self.client.fileno()
        asyncio.get_running_loop().add_reader(self._descriptor, self._readable)
        with contextlib.suppress(Unavailable):
            self._began()
        self._take_in()

    def _readable(self) -> None:
        try:
            self.client.poll(0.0)
        except Disconnected as error:
            self._lost(error)
        self._take_in()

    def _unfollow(self) -> None:
        asyncio.get_running_loop().remove_reader(self._descriptor)
        self.up = False

    def _lost(self, error: Exception) -> None:
        if not self.up:
            return
        self._unfollow()
        log.warning("the session of %s is lost: %s", self.name, error)
        self._ended()

    def _take_in(self) -> None:
        while self.client.messages:
            message, every = self.client.messages.popleft(), self.client.received_pairs.popleft()
            self.number = int(message[34])
            handler = self._handlers.get(message[35])
            if handler is not None:
                handler(message, every)

    def send(self, send: Callable[[], int]) -> int:
        """Send something. Returns its MsgSeqNum. Raises Unavailable."""
        if not self.up:
            raise Unavailable("there is no session with the broker now; try again")
        try:
            return send()
        except (Disconnected, OSError) as error:
            self._lost(error)
            raise Unavailable(f"the session with the broker was lost: {error}") from error
