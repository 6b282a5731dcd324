"""The door: messages of a queue become requests of the broker's clients, and are acknowledged when these are answered.

Messages are taken in order of arrival. Two that are about the same account or have a ClOrdID in common are dealt with
one after the other; others beside each other. One that the broker could not answer for a reason of its own, as it is
away, waits, and with it the queue.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Hashable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from brokerfix.doors import orders
from brokerfix.doors.desk import Caller, Desk, key_of
from brokerfix.doors.model import Order
from brokerfix.doors.users import User
from brokerfix.doors.waiting import RequestRefused, Unavailable
from brokerfix.gateway.budgets import KINDS
from brokerfix.intake import messages as m
from brokerfix.intake.dead import DeadAlerts
from brokerfix.intake.queue import Delivery, Queue, as_letter
from brokerfix.intake.reports import Reports
from brokerfix.projections.published import moment
from brokerfix.queues.away import UNREADABLE, ServerAway
from brokerfix.settings.sections import Config

log = logging.getLogger("brokerfix.intake")
RETRY_SECONDS = 0.2
END_SECONDS = 1.0
FIRST_SECONDS = 30.0
SCOPES: dict[type, str] = {
    m.New: "trade", m.ReplaceOrder: "trade", m.Cancel: "trade", m.MassCancel: "trade", m.Status: "read",
    m.MassStatus: "read",
}  # fmt: skip
SPENDS: dict[type, bytes] = {
    m.New: b"D", m.ReplaceOrder: b"G", m.Cancel: b"F", m.MassCancel: b"q", m.Status: b"H", m.MassStatus: b"H",
}  # fmt: skip


class Door:
    """Answers the messages of the section `orders_from.NAME`."""

    def __init__(self, config: Config, name: str, queue: Queue) -> None:
        section = config.orders_from[name]
        self.config, self.name, self.queue, self.tries = config, name, queue, section.tries
        keys = {key: config.api_keys[key] for key in section.api_keys}
        self.desk = Desk(config, keys, section.answer_seconds)
        # Half of what the broker can send again: the other half comes while the session is being ended.
        most = config.broker.resend_messages // 2
        self.reports = [Reports(self.desk, user, queue, most) for user in self.desk.users.values()]
        self.alerts = DeadAlerts(config, name)
        self.answered = 0
        self._last: dict[Hashable, asyncio.Task[None]] = {}
        self._under_way: set[asyncio.Task[None]] = set()

    async def run(self, stop: asyncio.Event) -> None:
        """Answer until `stop`. The queue is open."""
        held = {user: user.session.hold() for user in self.desk.users.values()}
        for user in held:
            user.session.start()
        beside = [asyncio.create_task(one.run()) for one in self.reports]
        beside.append(asyncio.create_task(self.alerts.run()))
        begun = asyncio.create_task(self._begin(held))
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait((stopping, *beside, begun), return_when=asyncio.FIRST_COMPLETED)
            if begun.done() and begun.exception() is None:
                await asyncio.wait((stopping, *beside), return_when=asyncio.FIRST_COMPLETED)
            for task in (*beside, begun):
                if task.done():
                    task.result()
        finally:
            await self._end([*beside, begun, stopping])

    async def _begin(self, held: dict[User, int]) -> None:
        """Take messages once all sessions are logged on: before, another process may be at it. What comes first may
        have been answered in the run before: were this one to end at once too, the next has to be told that again."""
        for user in held:
            await user.ready()
        await self._persist(lambda: self.queue.follow(self.take))
        log.info("orders from %s are taken", self.name)
        for user, number in held.items():
            asyncio.get_running_loop().call_later(FIRST_SECONDS, user.session.release, number)

    async def _end(self, tasks: list[asyncio.Task[Any]]) -> None:
        """What is under way gets a moment; what is not answered then will come again."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=END_SECONDS)
        for task in (*tasks, *self._under_way):
            task.cancel()
        await asyncio.gather(*tasks, *self._under_way, return_exceptions=True)
        await asyncio.gather(*(user.session.stop() for user in self.desk.users.values()))

    @staticmethod
    async def _persist(what: Callable[[], Awaitable[None]]) -> None:
        """Do it, and try again for as long as the queue is away."""
        told = ""
        while True:
            try:
                return await what()
            except ServerAway as error:
                if str(error) != told:
                    log.warning("%s: it is tried again", error)
                told = str(error)
                await asyncio.sleep(RETRY_SECONDS)

    # Messages

    def take(self, delivery: Delivery) -> None:
        """A message has come: it has its turn behind those before it that have to do with it."""
        caller: Caller | None = None
        try:
            caller = self._caller(delivery)
            if delivery.reply_to and not self._may_reply(delivery):
                raise m.Poison(f"an answer can't be sent to {delivery.reply_to[:100]}")
            asked = m.decode(delivery.body)
        except m.Poison as error:
            why = str(error)
            self._start(lambda: self._bury(delivery, why, caller), ())
            return
        self._start(lambda: self._deal_with(delivery, caller, asked), self._turns(caller, asked))

    def _may_reply(self, delivery: Delivery) -> bool:
        """Whether an answer can be sent: what no queue takes would be tried for ever, and all else behind it."""
        return delivery.has_short_names and self.queue.may_reply(delivery.reply_to)

    def _caller(self, delivery: Delivery) -> Caller:
        """Whose key a message has. Raises Poison."""
        if why := delivery.headers.get(UNREADABLE):
            raise m.Poison(f"its properties and headers can't be read: {why}")
        key = key_of(delivery.headers.get(m.AUTHORIZATION, ""))
        if not key:
            raise m.Poison("no API key: a header is needed: authorization: Bearer KEY")
        found = self.desk.find(key)
        if found is None:
            raise m.Poison(f"there is no such API key for orders_from.{self.name}")
        return found

    def _turns(self, caller: Caller, asked: m.Asked) -> set[Hashable]:
        """What a message has to do with: those before it that have something of that in common come first."""
        user = self.desk.users[caller.key.client]
        turns: set[Hashable] = {(user.name, "name", name) for name in m.names(asked)}
        own = self.desk.accounts(caller)
        if isinstance(asked, m.New):
            accounts: Iterable[str] = [asked.account or own[0]]
        elif isinstance(asked, m.MassCancel | m.MassStatus):
            accounts = asked.accounts or own
        else:
            known = [one.account for name in m.names(asked) if (one := user.orders.named(name)) is not None]
            accounts = [account for account in known if account] or own
        return turns | {(user.name, "account", account) for account in accounts}

    def _start(self, work: Callable[[], Coroutine[Any, Any, None]], turns: Iterable[Hashable]) -> None:
        turns = list(turns)
        before = {self._last[turn] for turn in turns if turn in self._last}

        async def in_turn() -> None:
            if before:
                await asyncio.wait(before)
            await work()

        task = asyncio.get_running_loop().create_task(in_turn())
        self._under_way.add(task)
        self._last.update(dict.fromkeys(turns, task))

        def done(task: asyncio.Task[None]) -> None:
            self._under_way.discard(task)
            for turn in turns:
                if self._last.get(turn) is task:
                    del self._last[turn]
            if not task.cancelled() and task.exception() is not None:
                log.error("a message could not be dealt with; it will come again", exc_info=task.exception())

        task.add_done_callback(done)

    async def _deal_with(self, delivery: Delivery, caller: Caller, asked: m.Asked) -> None:
        """Answer a message, and acknowledge it."""
        user = self.desk.user(caller)
        with _held(user):
            try:
                reply = await self._answer(user, caller, asked)
            except m.Poison as poison:
                return await self._bury(delivery, str(poison), caller, m.action_of(asked))
            except Exception as error:
                log.exception("a message could not be answered: %s", delivery.place)
                why = f"this message could not be answered ({type(error).__name__}); the log tells more"
                return await self._bury(delivery, why, caller, m.action_of(asked))
            await self._reply(delivery, reply)
            self.answered += 1

    async def _reply(self, delivery: Delivery, reply: m.Reply) -> None:
        if delivery.reply_to:
            await self._persist(lambda: self.queue.reply(delivery, msgspec.json.encode(reply)))
        await delivery.ack()

    async def _answer(self, user: User, caller: Caller, asked: m.Asked) -> m.Reply:
        """What the broker says. Raises Poison where it says nothing though it could."""
        action, name = m.action_of(asked), getattr(asked, "cl_ord_id", "")
        scope, tries = SCOPES[type(asked)], 0
        if scope not in caller.key.scopes:
            return m.Reply(action, 403, name, f"this API key has no scope {scope!r}")
        await self._spend(user, SPENDS[type(asked)])
        while True:
            await user.ready()
            if not self.desk.counts(caller):
                raise m.Poison("its API key was revoked while it waited")
            try:
                return await self._ask(user, caller, asked)
            except RequestRefused as error:
                return m.Reply(action, error.status, name, str(error), error.order)
            except Unavailable as error:
                log.warning("%s %s of %s waits: %s", action, name, caller.name, error)
                # Of a broker that is away or answers nothing at all, this message is not the reason.
                if await _answers(user):
                    tries += 1
                    if tries >= self.tries:
                        raise m.Poison(f"no answer in {tries} tries: {error}") from error

    async def _ask(self, user: User, caller: Caller, asked: m.Asked) -> m.Reply:
        """Raises RequestRefused, Unavailable."""
        action, desk = m.action_of(asked), self.desk
        if isinstance(asked, m.New):
            order, is_new = await orders.enter(desk, caller, asked)
            return m.Reply(action, 201 if is_new else 200, asked.cl_ord_id, order=order)
        if isinstance(asked, m.ReplaceOrder):
            order = await orders.replace(desk, caller, asked.orig_cl_ord_id, asked)
            return m.Reply(action, 200, asked.cl_ord_id, order=order)
        if isinstance(asked, m.Cancel):
            order = await orders.cancel(desk, caller, asked.orig_cl_ord_id, asked.cl_ord_id)
            return m.Reply(action, 200, asked.cl_ord_id, order=order)
        if isinstance(asked, m.Status):
            return m.Reply(action, 200, asked.cl_ord_id, order=await orders.look(desk, caller, asked.cl_ord_id))
        terms = asked.symbol, asked.side or ""
        accounts = desk.chosen(caller, asked.accounts)
        if isinstance(asked, m.MassStatus):
            return _many(action, 200, await user.open_orders(*terms, accounts))
        if asked.accounts is None and desk.sees_all(caller):
            found, have_ended = await user.cancel_all(*terms)
        else:
            found = await user.open_orders(*terms, accounts)
            for _ in found:
                await self._spend(user, b"F")
            found, have_ended = await user.cancel_each(found)
        return _many(action, 200 if have_ended else 202, found)

    @staticmethod
    async def _spend(user: User, message_type: bytes) -> None:
        """Take a message from the client's budget, once there is room in it: a queue can wait."""
        bucket = user.limits.buckets[KINDS[message_type]]
        while not bucket.take(time.monotonic()):
            await asyncio.sleep(bucket.wait())

    async def _bury(self, delivery: Delivery, why: str, caller: Caller | None, action: str = "") -> None:
        """Put a message to the dead letters, tell its sender and the operator, and acknowledge it."""
        name = caller.name if caller is not None else ""
        why = " ".join(why.split())[:500]
        log.error("dead letter: message %s of %s: %s", delivery.place, name or "an unknown key", why)
        headers = {m.REASON: why, m.WHO: name, m.AT: moment(time.time_ns()), m.SOURCE: delivery.place}
        letter = as_letter(delivery)
        await self._persist(lambda: self.queue.bury(letter, headers))
        self.alerts.tell(f"message {delivery.place}: {why}")
        if caller is not None and self._may_reply(delivery):
            await self._reply(delivery, m.Reply(action, 400, detail=f"dead letter: {why}"))
        else:
            await delivery.ack()


async def _answers(user: User) -> bool:
    """Whether the broker answers what needs no exchange."""
    try:
        await user.asked_status(f"no-order-{time.time_ns()}")
    except Unavailable:
        return False
    return True


@contextmanager
def _held(user: User) -> Iterator[None]:
    """Until a message is acknowledged, the session's next run is told its answer again."""
    number = user.session.hold()
    try:
        yield
    finally:
        user.session.release(number)


def _many(action: str, status: int, found: list[Order]) -> m.Reply:
    return m.Reply(action, status, count=len(found), orders=found[: m.MOST_ORDERS])
