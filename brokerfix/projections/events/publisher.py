"""Follows the journal and has its facts at a destination: at least once, in order, from where the destination is."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable
from pathlib import Path

from brokerfix.domain import id_text
from brokerfix.projections.events.checkpoints import Checkpoints
from brokerfix.projections.events.destination import Destination, Has, ServerAway, Where
from brokerfix.projections.events.form import Message, without_fact
from brokerfix.projections.events.source import Source, Wanted
from brokerfix.projections.events.values import moment_text
from brokerfix.projections.lag import Lag
from brokerfix.record.journal import JournalError, Place
from brokerfix.settings.base import ConfigError

log = logging.getLogger("brokerfix.projections.events")
BATCH = 256
"""Messages that are sent together."""
MOST_BATCHES = 4
"""Batches that may be under way: what is not confirmed is kept, and no more than that."""
POLL_SECONDS = 0.02
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0
NEAR_SECONDS = 1.0
"""A stream whose last fact is not older than this has caught up."""
END_SECONDS = 3.0
"""For so long it sends what is left when it is told to end."""
SECOND = 10**9
MOST_CHECKPOINTS = 64
"""Checkpoints that are sent before facts have their turn again."""


class OtherFacts(Exception):
    """The destination has what this journal has not."""


class Publisher:
    """Has the journal in `folder` at a destination. What is wrong is told once, and again when it is another thing."""

    def __init__(
        self, where: Where, folder: Path, destination: Destination, lag: Lag, clock: Callable[[], int] = time.time_ns,
        confirmed: Callable[[Place], bool] = lambda place: True,
    ) -> None:  # fmt: skip
        """`confirmed` says of a place whether the journal up to it may be told."""
        self._may_be_told = confirmed
        self.where, self.folder, self.destination, self.lag, self.clock = where, folder, destination, lag, clock
        self.confirmed = 0
        # All facts up to this number are there: of a destination in parts `confirmed` may be further.
        self._whole = 0
        self._checkpoints = Checkpoints(folder.parent, where.shard, where.section.format) if where.checkpoints else None
        self._source: Source | None = None
        self._has: Has | None = None
        self._checks = False
        self._again: deque[Message] = deque()
        self._under_way: deque[tuple[list[Message], Awaitable[None]]] = deque()
        self._market_due = 0.0
        self._told = ""
        self._made_progress = False

    async def run(self, ended: Callable[[], bool]) -> None:
        """Until `ended` says so; then what is left is sent, if that takes no time."""
        pause = FIRST_PAUSE
        while not ended():
            try:
                await self._session(ended)
            except (ServerAway, OtherFacts, ConfigError) as error:
                self._note(str(error))
            except JournalError as error:
                # What it has read of the journal is of no use any more.
                self._source = None
                self._note(str(error))
            finally:
                await self._close()
            pause = FIRST_PAUSE if self._made_progress else min(2 * pause, LONGEST_PAUSE)
            self._made_progress = False
            until = time.monotonic() + pause
            while not ended() and time.monotonic() < until:
                await asyncio.sleep(POLL_SECONDS)

    def _note(self, trouble: str) -> None:
        if trouble and trouble != self._told:
            log.error("events.%s: facts wait: %s", self.where.name, trouble)
        elif self._told and not trouble:
            log.warning("events.%s: its queue takes facts again", self.where.name)
        self._told = trouble
        if trouble:
            self.lag.fails(trouble)

    async def _close(self) -> None:
        """What was under way is to be sent again, if the destination has not got it."""
        sent = [message for batch, _ in self._under_way for message in batch]
        self._again.extendleft(reversed(sent))
        waiting = [ticket for _, ticket in self._under_way]
        self._under_way.clear()
        await self.destination.close()
        await asyncio.gather(*waiting, return_exceptions=True)

    async def _session(self, ended: Callable[[], bool]) -> None:
        """From the destination's opening until it is away, or the end."""
        if not self._told:
            self.lag.fails("its queue is not open yet")
        has = await self.destination.open()
        source = self._begin(has)
        deadline = 0.0
        while True:
            batch = self._next(source, has)
            if batch:
                await self._send(batch)
            while self._under_way and (not batch or len(self._under_way) > MOST_BATCHES):
                await self._confirm()
            await self._send_market(source)
            await self._send_checkpoints(source)
            if not batch:
                self._check(source, has)
                self._is_at_end(source)
                if ended():
                    await self._send_market(source, is_last=True)
                    return
                await asyncio.sleep(POLL_SECONDS)
            elif ended():
                deadline = deadline or time.monotonic() + END_SECONDS
                if time.monotonic() > deadline:
                    return

    def _begin(self, has: Has) -> Source:
        """Go on where the destination is."""
        is_same = not self._checks or (self._has is not None and (has.last, has.at) == (self._has.last, self._has.at))
        self._has = has
        section, since = self.where.section, 0
        if self._checkpoints is not None:
            keep = 0 if has.checkpoint else self.where.keep_seconds
            self._checkpoints.begin(has.checkpoint, self.clock() - keep * SECOND if keep else 0)
        if self._source is not None and has.last >= self.confirmed and is_same:
            self._again = deque(message for message in self._again if has.lacks(message))
            return self._source
        # It has nothing of ours in its memory, or has lost what it had confirmed.
        if has.has_forgotten and self.where.keep_seconds:
            since = self.clock() - self.where.keep_seconds * SECOND
        wanted = Wanted(frozenset(section.kinds), frozenset(section.accounts), since)
        self._again.clear()
        self._source = source = Source(self.folder, has.after, section.format, wanted, self._may_be_told)
        self.confirmed, self._checks = has.last, bool(has.last and has.at)
        self._whole = has.after
        if source.gap:
            log.error(
                "events.%s: the journal in %s begins with the fact %s: those between the last one that its queue has "
                "and it are not told", self.where.name, self.folder, id_text(source.gap),
            )  # fmt: skip
        return source

    def _next(self, source: Source, has: Has) -> list[Message]:
        if self._again:
            return [self._again.popleft() for _ in range(min(BATCH, len(self._again)))]
        batch = source.read(BATCH)
        if batch and batch[0].number <= has.last:
            # Parts of the destination are further than others.
            batch = [message for message in batch if has.lacks(message)]
            return batch or self._next(source, has)
        if batch:
            self._check(source, has)
        return batch

    def _check(self, source: Source, has: Has) -> None:
        """The destination's last fact has to be one of this journal, as far as that can be seen by now. Raises
        OtherFacts."""
        if not self._checks or source.gap:
            return
        name, folder, last = self.where.name, self.folder, id_text(has.last)
        what = "Name another subject, or delete the stream at the queue: then it begins with all facts anew"
        if source.last_id < has.last:
            raise OtherFacts(
                f"its queue has facts up to {last}, and the journal in {folder} ends with {id_text(source.last_id)}: "
                f"is it another broker's, or an older copy? {what}"
            )
        here = moment_text(source.at_after)
        if source.after == has.last and here != has.at:
            raise OtherFacts(
                f"its queue has the fact {last} of {has.at}, and the journal in {folder} one of {here or 'no time'}: "
                f"the journal has lost its end since, or is another broker's. {what}"
            )
        log.debug("events.%s: goes on behind %s", name, last)
        self._checks = False

    async def _send(self, batch: list[Message]) -> None:
        most = self.destination.most_bytes
        for at, message in enumerate(batch):
            if len(message.body) > most:
                log.error(
                    "events.%s: the fact %s (%s) has %d bytes, and its queue takes %d: it is told without its contents",
                    self.where.name, id_text(message.number), message.kind, len(message.body), most,
                )  # fmt: skip
                batch[at] = without_fact(message, self.where.section.format)
        try:
            self._under_way.append((batch, await self.destination.send(batch)))
        except ServerAway:
            self._again.extendleft(reversed(batch))
            raise

    async def _confirm(self) -> None:
        """Wait for the oldest batch."""
        batch, ticket = self._under_way[0]
        try:
            await ticket
        except TimeoutError as error:
            raise ServerAway(f"{self.where.path}: events.{self.where.name}: its queue confirms nothing") from error
        self._under_way.popleft()
        last = batch[-1]
        self.confirmed = max(self.confirmed, last.number)
        self._whole = last.number
        self._made_progress = True
        self.lag.has(last.number, last.at)
        if self.clock() - last.at < NEAR_SECONDS * SECOND:
            self.lag.caught_up()
            self._note("")

    def _is_at_end(self, source: Source) -> None:
        self.lag.has(source.last_id)
        if source.waits:
            self.lag.fails("the journal's records are not confirmed by the cluster, and so not told")
        else:
            self.lag.caught_up()
            self._note("")

    async def _send_market(self, source: Source, is_last: bool = False) -> None:
        every, now = self.where.section.market_data_ms / 1000, time.monotonic()
        if every and (is_last or now >= self._market_due):
            self._market_due = now + every
            messages = source.market.take()
            if messages:
                await self.destination.send_market(messages)

    async def _send_checkpoints(self, source: Source) -> None:
        """Those whose facts are all there."""
        for _ in range(MOST_CHECKPOINTS if self._checkpoints is not None else 0):
            assert self._checkpoints is not None
            found = self._checkpoints.next(source.place)
            if found is None:
                return
            covered, message = found
            if covered > self._whole and (self._under_way or self._again):
                return
            await self.destination.send_checkpoint(message)
            self._checkpoints.sent()
            self._made_progress = True
