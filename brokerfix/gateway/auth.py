"""Is this Logon its client's? Names, times, address, certificate, password: all of it before the broker hears of it."""

import asyncio
import hashlib
import json
import logging
import os
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import msgspec

from brokerfix.gateway.messages import Bad, Pairs, split, whole_number
from brokerfix.gateway.sources import Address, Networks
from brokerfix.settings import passwords
from brokerfix.settings.registry import added_clients
from brokerfix.settings.sections import COMP_ID, ClientSection, Config
from brokerfix.settings.whole import write_whole

log = logging.getLogger("brokerfix.gateway")
MOST_CHECKS = 16
"""How many passwords wait to be checked at most. Each takes some 50 ms of one processor."""
MOST_OF_ONE = 4
"""And how many of one source."""
OVERDUE_SECONDS = 1.0
CLOCK_SKEW = 120.0
"""Seconds by which SendingTime may differ from our clock: QuickFIX's MaxLatency."""
ENCRYPTED = (1400, 1401, 1402, 1403, 1404)
T = TypeVar("T")
LONGEST_PASSWORD = 128
NOBODY = passwords.hash_of_none()
"""Checked where there is no such client, so that the answer takes as long."""


class LogonRefused(Exception):
    """Why a Logon is refused: for our log. `credentials`: its sender has not shown that it is the client, which counts
    against its source; whoever knows the secret is never locked out for anything else. `told`: what its sender has to
    change, where that is for the client's people; a Logout tells it. All others are closed without a word, because many
    FIX engines count a Logout that the broker has never numbered."""

    def __init__(self, reason: str, *, credentials: bool = False, told: str = "") -> None:
        super().__init__(reason)
        self.credentials, self.told = credentials, told


class Logon:
    """A Logon as a client sent it. Raises LogonRefused where it can't be one of this broker's clients'."""

    def __init__(self, message: bytes) -> None:
        self.begin_string = message[2 : message.index(b"\x01")].decode("ascii")
        self.digest = hashlib.sha256(message).digest()
        try:
            self.pairs: Pairs = split(message)
        except Bad as error:
            raise LogonRefused(f"the first message is not well formed: {error.text}") from error
        tags: dict[int, str] = {}
        for tag, value in self.pairs:
            if tag in tags:
                raise LogonRefused(f"tag {tag} stands twice in the Logon")
            tags[tag] = value.decode("utf-8", "surrogateescape")
        if tags.get(35) != "A":
            raise LogonRefused(f"the first message is no Logon but MsgType {tags.get(35)!r}")
        self.tags = tags
        self.sender, self.target = tags.get(49, ""), tags.get(56, "")
        if not (COMP_ID.fullmatch(self.sender) and COMP_ID.fullmatch(self.target)):
            raise LogonRefused("SenderCompID or TargetCompID is no CompID of ours")
        number = whole_number(tags.get(34, "").encode("ascii", "replace"))
        if not number:
            raise LogonRefused("MsgSeqNum(34) is no number from 1 on")
        self.seq_num = number
        self.time = tags.get(52, "")
        self.reset = tags.get(141, "")
        if tags.get(43) == "Y":
            raise LogonRefused("a Logon with PossDupFlag=Y, which the broker would not answer")
        if self.reset == "Y" and self.seq_num != 1:
            raise LogonRefused("ResetSeqNumFlag=Y with a MsgSeqNum other than 1")
        try:
            sent = datetime.strptime(self.time[:17], "%Y%m%d-%H:%M:%S").replace(tzinfo=UTC).timestamp()
        except ValueError as error:
            raise LogonRefused("SendingTime(52) is no time") from error
        if abs(sent - time.time()) > CLOCK_SKEW:
            raise LogonRefused("SendingTime(52) is more than 120 s from now: an old message, or a wrong clock")


class Authenticator:
    """Checks Logons. One thread computes the hashes, and only so many wait for it."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.path = config.data / "passwords.json"
        self._idle = ThreadPoolExecutor(1, "passwords", _behind_the_others)
        self._urgent = ThreadPoolExecutor(1, "overdue-passwords")
        self._waiting: Counter[str] = Counter()
        self._accepted: OrderedDict[bytes, float] = OrderedDict()
        self._networks = {name: Networks(client.addresses) for name, client in config.clients.items()}
        self._changed = _read_changed(self.path)

    def client(self, name: str) -> ClientSection | None:
        """A client of the configuration, or one that was added to the running broker."""
        section = self.config.clients.get(name)
        if section is None:
            section = added_clients(self.config.data).get(name)
            if section is not None:
                self.config.clients[name] = section
                self._networks[name] = Networks(section.addresses)
        return section

    async def check(self, logon: Logon, source: str, address: Address, fingerprint: str, *, again: bool = False) -> str:
        """Check a Logon from a `source` (see `sources`). `fingerprint` is that of its TLS certificate, '' without.
        `again`: it came in a session that is up, where a recording is worth nothing.
        Returns the hash of the new password that it asks for, or ''. Raises LogonRefused."""
        client = self.client(logon.sender)
        if any(tag in logon.tags for tag in ENCRYPTED):
            raise LogonRefused(
                "EncryptedPassword is not taken", told="EncryptedPassword(1402) is not taken: use Password(554)"
            )
        # The password is looked at whatever else is wrong, so that all refusals take as long.
        wrong = self._out_of_place(logon, client, address, fingerprint)
        new = await self._check_password(logon, client, source, fingerprint, wrong)
        assert client is not None
        if logon.reset == "Y" and client.reset_seq_num == "refuse":
            raise LogonRefused("ResetSeqNumFlag=Y is not allowed", told="ResetSeqNumFlag(141)=Y is not allowed")
        if logon.digest in self._accepted and not again:
            raise LogonRefused("this very Logon came before")
        return new

    def _out_of_place(
        self, logon: Logon, client: ClientSection | None, address: Address, fingerprint: str
    ) -> LogonRefused | None:
        """Why a Logon can't be the client's whatever its password is, or None."""
        if client is None:
            return LogonRefused(f"there is no client {logon.sender}", credentials=True)
        if logon.target != self.config.broker.name:
            return LogonRefused(f"{logon.target} is not the TargetCompID of this broker")
        if logon.begin_string != client.fix:
            return LogonRefused(f"{logon.sender} speaks {client.fix}, not {logon.begin_string}")
        networks = self._networks[logon.sender]
        if networks and address not in networks:
            return LogonRefused(f"{logon.sender} does not come from {address}", credentials=True)
        if client.certificates and fingerprint not in client.certificates:
            return LogonRefused(f"{logon.sender} has not the certificate {fingerprint or '(none)'}", credentials=True)
        others = [name for name, other in self.config.clients.items() if fingerprint in other.certificates]
        if fingerprint and others and logon.sender not in others:
            return LogonRefused(f"the certificate is that of {others[0]}, not of {logon.sender}", credentials=True)
        return None

    async def _check_password(
        self, logon: Logon, client: ClientSection | None, source: str, fingerprint: str, wrong: LogonRefused | None
    ) -> str:
        """Returns the hash of a new password, or ''. Raises LogonRefused, also for what is `wrong` besides: then it
        counts only if the client's secret, its password or else its certificate, was not shown."""
        name, new = logon.sender, logon.tags.get(925, "")
        stored = self.stored(name, client) if client is not None else ""
        known = client is not None and fingerprint in client.certificates
        if stored or wrong is not None:
            # FIX 4.2 has no Password: by custom it comes as RawData.
            given = logon.tags.get(554, logon.tags.get(96, "") if logon.begin_string == "FIX.4.2" else "")
            if len(given) > LONGEST_PASSWORD:
                raise LogonRefused(f"a password of {len(given)} characters for {name}", credentials=True)
            right = await self._compute(source, passwords.matches, given, stored or NOBODY)
            if stored and not right:
                raise LogonRefused(str(wrong or f"wrong password for {name}"), credentials=True)
            if wrong is not None:
                raise LogonRefused(str(wrong), credentials=wrong.credentials and not (stored or known))
            assert client is not None
            if logon.tags.get(553, name) != (client.username or name) and (client.username or 553 in logon.tags):
                raise LogonRefused(f"wrong username for {name}")
        if not new:
            return ""
        if not stored or len(new) > LONGEST_PASSWORD:
            why = f"up to {LONGEST_PASSWORD} characters" if stored else "this client has no password"
            raise LogonRefused(f"a NewPassword of {name} that can't be", told=f"NewPassword(925): {why}")
        return await self._compute(source, passwords.make_hash, new)

    def stored(self, name: str, known: ClientSection) -> str:
        """The hash of a client's password: the one that it chose, unless the configuration has another one since."""
        chosen = self._changed.get(name)
        return chosen[0] if chosen is not None and chosen[1] == known.password_hash else known.password_hash

    async def _compute(self, source: str, function: Callable[..., T], *arguments: str) -> T:
        """Call the function in a password thread: with what the processors have left or, where they have nothing left
        for too long, like any other work. Raises LogonRefused where too many wait already."""
        if self._waiting.total() >= MOST_CHECKS or self._waiting[source] >= MOST_OF_ONE:
            raise LogonRefused("too many passwords wait to be checked")
        self._waiting[source] += 1
        loop = asyncio.get_running_loop()
        try:
            return await asyncio.wait_for(loop.run_in_executor(self._idle, function, *arguments), OVERDUE_SECONDS)
        except TimeoutError:
            return await loop.run_in_executor(self._urgent, function, *arguments)
        finally:
            self._waiting[source] -= 1
            if not self._waiting[source]:
                del self._waiting[source]

    def change(self, name: str, chosen: str) -> None:
        """Keep a new password's hash: it stands for the configured one, also after a restart. Raises OSError."""
        changed = {**self._changed, name: (chosen, self.config.clients[name].password_hash)}
        write_whole(self.path, json.dumps(changed, indent=2).encode(), 0o600)
        self._changed = changed
        log.info("%s has changed its password", name)

    def heard(self, logon: Logon) -> None:
        """The broker has taken a Logon. It counts once: a recording of it is worth nothing."""
        now = time.time()
        while self._accepted and next(iter(self._accepted.values())) < now - 2 * CLOCK_SKEW - 1:
            self._accepted.popitem(last=False)
        self._accepted[logon.digest] = now


def _behind_the_others() -> None:
    """Strangers can have many passwords checked, and a thread that computes keeps others from a processor for some
    milliseconds each time; one of this policy does not."""
    os.sched_setscheduler(threading.get_native_id(), os.SCHED_IDLE, os.sched_param(0))


def _read_changed(path: Path) -> dict[str, tuple[str, str]]:
    """Client -> the hash of the password that it has chosen, and the configured one that this stands for."""
    if not path.exists():
        return {}
    return msgspec.json.decode(path.read_bytes(), type=dict[str, tuple[str, str]])
