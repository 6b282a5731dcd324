"""The agent's part in a cluster of shards: parts of limits, and accounts. What operators ask stands in `operators`."""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec
from nats.aio.client import Client
from nats.aio.msg import Msg

from brokerfix.cluster.broker_end import BrokerEnd
from brokerfix.cluster.door import open_door
from brokerfix.cluster.keys import Keys, open_keys
from brokerfix.cluster.lease import Away, Stale
from brokerfix.cluster.moves import Accounts
from brokerfix.cluster.operators import Operators
from brokerfix.cluster.parts import LACK_SECONDS, Document, SetPart, View, Write, dumps, loads, step, whole
from brokerfix.cluster.shared import Shared
from brokerfix.cluster.standing import Beat
from brokerfix.cluster.standing import subject_of as subject_of_shard
from brokerfix.domain import money_text, to_money
from brokerfix.operate.admin import ActionRefused, Answer, NotRunning
from brokerfix.settings.sections import Config

log = logging.getLogger("brokerfix.cluster")

EVERY = 0.05
"""Seconds from one look at the broker's use of limits to the next."""
REREAD_SECONDS = 2.0
BEAT_SECONDS = 0.5
GONE_SECONDS = 2.5
"""A shard that was not heard of for so long is away: what it has counts as used."""
STANDING_SECONDS = 2.0
ACCOUNTS_SECONDS = 1.0
REQUEST_SECONDS = 1.0
NEAR_SECONDS = 60.0
HEARD = ("part.>", "account.>", "shard.>")
"""The keys of which it is heard when they are written."""
TROUBLE = (Away, ActionRefused, NotRunning)


class Shard:
    """One shard's agent."""

    def __init__(self, config: Config, client: Client, shared: Shared | None = None) -> None:
        """`shared` is what this process and the broker share."""
        assert config.cluster is not None
        self.config = config
        self.shard = config.broker.shard
        self.me = str(self.shard)
        self.cluster = config.cluster.name
        self.client = client
        self.keys = Keys(client, self.cluster, REQUEST_SECONDS)
        self.broker = BrokerEnd(config.data, shared, config.broker.durability)
        self.epoch = 0
        self.answers = True
        """Whether our broker has answered last."""
        self.beats: dict[str, float] = {}
        self.told: dict[str, Beat] = {}
        self._number = self._count = 0
        self.documents: dict[str, Document] = {}
        self.lock = asyncio.Lock()
        self.operators = Operators(self)
        self.accounts = Accounts(self.keys, self.broker, self.operators.standing, self.shard)
        self._trouble = ""
        self._near: dict[str, float] = {}

    async def run(self) -> None:
        """Until it is canceled."""
        head = f"$KV.{self.cluster}."
        await self._until_there(lambda: open_keys(self.client.jetstream(), self.cluster, self._replicas()))
        heard = [await self.client.subscribe(head + what, cb=self._heard) for what in HEARD]
        heard.append(await self.client.subscribe(subject_of_shard(self.cluster, self.shard), cb=self.operators.asked))
        door = await open_door(self.config.data, self.config.login_names, self.operators.at_the_door)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._beat())
                group.create_task(self._look())
        finally:
            door.close()
            for one in heard:
                await one.unsubscribe()

    def _replicas(self) -> int:
        assert self.config.cluster is not None
        return self.config.cluster.replicas

    async def _until_there(self, asked: Callable[[], Coroutine[Any, Any, None]]) -> None:
        while True:
            try:
                return await asked()
            except Away as away:
                self._note(str(away))
                await asyncio.sleep(0.2)

    def _note(self, trouble: str) -> None:
        if trouble != self._trouble:
            self._trouble = trouble
            log.log(
                logging.WARNING if trouble else logging.INFO, "shard %s: %s", self.me, trouble or "all is well again"
            )

    # What the others write

    async def _heard(self, message: Msg) -> None:
        """Somebody has written a key. It may be stored or not: it is read before anything follows from it."""
        kind, _, rest = message.subject.removeprefix(f"$KV.{self.cluster}.").partition(".")
        if kind == "part":
            document = self.documents.get(message.subject.removeprefix(f"$KV.{self.cluster}."))
            if document is not None:
                document.read_at = 0.0
        elif kind == "account":
            self.accounts.changed[rest] = None
        elif kind == "shard" and message.data:
            self.beats[rest] = time.monotonic()
            self.told[rest] = msgspec.json.decode(message.data, type=Beat)

    @property
    def alive(self) -> frozenset[str]:
        now = time.monotonic()
        return frozenset({self.me, *(name for name, at in self.beats.items() if now - at < GONE_SECONDS)})

    async def _beat(self) -> None:
        while True:
            try:
                if self.epoch:
                    await self._tell_all(self.epoch)
            except Away as away:
                self._note(str(away))
            await asyncio.sleep(BEAT_SECONDS)

    async def _tell_all(self, epoch: int) -> None:
        """Tell the others that we are there. Raises Away."""
        self._count += 1
        here = sum(place.shard == self.shard for _, place in self.accounts.known.values())
        name, done = self.config.broker.name, max(0, self.operators.standing.kept)
        beat = Beat(self.shard, self._node(), name, epoch, here, self._count, done, time.time_ns())
        await self.keys.write(f"shard.{self.me}", msgspec.json.encode(beat))

    def _node(self) -> str:
        assert self.config.cluster is not None
        return self.config.cluster.node_name

    # The broker's turn

    async def _look(self) -> None:
        standing_at = accounts_at = 0.0
        while True:
            try:
                async with self.lock:
                    now = time.monotonic()
                    parts = await self.broker.ask("parts")
                    self.answers = True
                    if not self.epoch or parts["epoch"] != self.epoch:
                        await self._begin()
                        parts = await self.broker.ask("parts")
                        standing_at, accounts_at = now + STANDING_SECONDS, now + ACCOUNTS_SECONDS
                    if now >= standing_at:
                        await self.operators.standing.catch_up()
                        standing_at = now + STANDING_SECONDS
                    await self._divide(parts)
                    is_due = now >= accounts_at or self.accounts.changed or self.accounts.busy or parts["moves"]
                    if is_due:
                        await self.accounts.look(self._tell_parts)
                        accounts_at = now + ACCOUNTS_SECONDS
                self._note("")
            except TROUBLE as error:
                self._note(str(error))
                if isinstance(error, NotRunning):
                    # Whether it has done it is not known: what may be late is refused in a new epoch.
                    self.epoch, self.answers = 0, False
            await asyncio.sleep(EVERY)

    async def _begin(self) -> None:
        """The broker, or this process, has begun anew: what stands is carried out, then it may take orders. Raises
        Away, ActionRefused and NotRunning."""
        self.epoch = 0
        epoch = await self._next_epoch()
        await self.operators.standing.catch_up()
        await self.broker.ask("hold-parts", epoch=epoch)
        self._number, self.documents, self.accounts.rescan_at = 0, {}, 0.0
        # Before it takes orders, so that what is asked of all is asked of it.
        await self._tell_all(epoch)
        self.epoch = epoch
        for name, (_, value) in (await self.keys.below("shard.")).items():
            # Who is gone is found out.
            self.beats.setdefault(name.removeprefix("shard."), time.monotonic())
            self.told[name.removeprefix("shard.")] = msgspec.json.decode(value, type=Beat)
        await self._tell_parts()
        await self.accounts.look(self._tell_parts)
        log.info("shard %s takes part, in epoch %d", self.me, epoch)

    async def _next_epoch(self) -> int:
        while True:
            found = await self.keys.read(f"epoch.{self.me}")
            epoch = int(found[1]) + 1 if found is not None else 1
            try:
                await self.keys.write(f"epoch.{self.me}", str(epoch).encode(), found[0] if found is not None else 0)
                return epoch
            except Stale:
                continue

    # Limits

    async def _tell_parts(self) -> bool:
        """Have every limit's document say what is used now. Returns whether all do."""
        parts = await self.broker.ask("parts")
        return await self._divide(parts, news=True)

    async def _divide(self, parts: Answer, news: bool = False) -> bool:
        done = [await self._divide_one(row, parts["idle"], news) for row in parts["parts"]]
        return all(done)

    async def _divide_one(self, row: dict[str, Any], idle: bool, news: bool) -> bool:
        key = f"part.{row['kind']}.{row['name'] or '-'}.{row['limit']}"
        document = self.documents.get(key)
        if document is None or news or time.monotonic() - document.read_at > REREAD_SECONDS:
            found = await self.keys.read(key)
            revision, entries = (found[0], loads(found[1])) if found is not None else (0, {})
            document = self.documents[key] = Document(revision, entries, time.monotonic())
        limit, part, used = (to_money(row[name]) for name in ("whole", "part", "used"))
        recent = row["age"] < LACK_SECONDS
        needs, since = (to_money(row["lacked"]), time.time_ns() - int(row["age"] * 10**9)) if recent else (0, 0)
        view = View(limit, part, used, needs, since, to_money(row["carried"]), idle)
        running = step(document.entries, self.me, self.epoch, view, self.alive, news)
        answer: int | None = None
        try:
            while True:
                effect = running.send(answer)
                answer = await self._do(effect, key, row, document)
        except StopIteration:
            pass
        except (Stale, Away) as error:
            self.documents.pop(key, None)
            if isinstance(error, Away):
                raise
            return False
        await self._tell_near(row, document)
        return True

    async def _do(self, effect: Write | SetPart, key: str, row: dict[str, Any], document: Document) -> int | None:
        if isinstance(effect, Write):
            had, has = (entries.get(self.me) for entries in (document.entries, effect.entries))
            if had is not None and (has is None or has.counts < had.counts):
                # Others may have what is given back: it must not be used here again after a takeover.
                await self.broker.settled()
            document.revision = await self.keys.write(key, dumps(effect.entries), document.revision)
            document.entries = effect.entries
            return None
        self._number += 1
        answer = await self.broker.ask(
            "set-parts", kind=row["kind"], name=row["name"], limit=row["limit"], amount=money_text(effect.amount),
            epoch=self.epoch, sequence=self._number,
        )  # fmt: skip
        return to_money(answer["part"])

    async def _tell_near(self, row: dict[str, Any], document: Document) -> None:
        """Operators are told when shards together have nearly used a limit up: by one shard, once in a minute."""
        entries = document.entries
        if not entries or self.me != min(self.alive):
            return
        used, most = sum(one.used for one in entries.values()), whole(entries.values())
        what = f"{row['kind']} {row['name']}".strip() + f": {row['limit']}"
        if used * 10 > most * 9 and time.monotonic() - self._near.get(what, -NEAR_SECONDS) >= NEAR_SECONDS:
            self._near[what] = time.monotonic()
            told = f"{what} is {money_text(most)}, and shards use {money_text(used)} of it"
            await self.broker.ask("alert", code="LIMIT_NEAR", text=told)
