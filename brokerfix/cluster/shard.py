"""The agent's part in a cluster of shards: parts of limits, accounts, and what operators ask of all."""

import asyncio
import json
import logging
import time
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec
from nats.aio.client import Client
from nats.aio.msg import Msg

from brokerfix.access.roles import Role, may
from brokerfix.cluster.broker_end import BrokerEnd
from brokerfix.cluster.door import open_door
from brokerfix.cluster.keys import Keys, open_keys
from brokerfix.cluster.lease import Away, Stale
from brokerfix.cluster.moves import Accounts, Place
from brokerfix.cluster.parts import LACK_SECONDS, SetPart, View, Write, dumps, loads, step, whole
from brokerfix.cluster.shared import Shared
from brokerfix.cluster.standing import FOR_ALL, CarriedOut, ask_all, ask_one, fields
from brokerfix.cluster.standing import subject_of as subject_of_shard
from brokerfix.domain import money_text, to_money
from brokerfix.operate.admin import ActionRefused, Answer, NotRunning
from brokerfix.operate.asker import who_asks, why_not
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


class Beat(msgspec.Struct):
    """What a shard tells of itself, again and again."""

    shard: int
    node: str
    name: str
    epoch: int
    accounts: int
    beat: int
    done: int


class Document(msgspec.Struct):
    """A limit's document as it was read."""

    revision: int
    entries: dict[str, Any]
    read_at: float


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
        self.beats: dict[str, float] = {}
        self.told: dict[str, Beat] = {}
        self._number = 0
        self._documents: dict[str, Document] = {}
        self.standing = CarriedOut(self.keys, self.broker, self.shard)
        self.accounts = Accounts(self.keys, self.broker, self.standing, self.shard)
        self._lock = asyncio.Lock()
        self._trouble = ""
        self._near: dict[str, float] = {}

    async def run(self) -> None:
        """Until it is canceled."""
        head = f"$KV.{self.cluster}."
        await self._until_there(lambda: open_keys(self.client.jetstream(), self.cluster, self._replicas()))
        heard = [await self.client.subscribe(head + what, cb=self._heard) for what in HEARD]
        heard.append(await self.client.subscribe(subject_of_shard(self.cluster, self.shard), cb=self._asked))
        door = await open_door(self.config.data, self.config.login_names, self._at_the_door)
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
            document = self._documents.get(message.subject.removeprefix(f"$KV.{self.cluster}."))
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
        count = 0
        while True:
            count += 1
            here = sum(place.shard == self.shard for _, place in self.accounts.known.values())
            beat = Beat(
                self.shard, self._node(), self.config.broker.name, self.epoch, here, count, max(0, self.standing.kept)
            )
            try:
                if self.epoch:
                    await self.keys.write(f"shard.{self.me}", msgspec.json.encode(beat))
            except Away as away:
                self._note(str(away))
            await asyncio.sleep(BEAT_SECONDS)

    def _node(self) -> str:
        assert self.config.cluster is not None
        return self.config.cluster.node_name

    # The broker's turn

    async def _look(self) -> None:
        standing_at = accounts_at = 0.0
        while True:
            try:
                async with self._lock:
                    now = time.monotonic()
                    parts = await self.broker.ask("parts")
                    if not self.epoch or parts["epoch"] != self.epoch:
                        await self._begin()
                        parts = await self.broker.ask("parts")
                        standing_at, accounts_at = now + STANDING_SECONDS, now + ACCOUNTS_SECONDS
                    if now >= standing_at:
                        await self.standing.catch_up()
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
                    self.epoch = 0
            await asyncio.sleep(EVERY)

    async def _begin(self) -> None:
        """The broker, or this process, has begun anew: what stands is carried out, then it may take orders. Raises
        Away, ActionRefused and NotRunning."""
        self.epoch = 0
        epoch = await self._next_epoch()
        await self.standing.catch_up()
        await self.broker.ask("hold-parts", epoch=epoch)
        self._number, self._documents, self.accounts.rescan_at = 0, {}, 0.0
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
        document = self._documents.get(key)
        if document is None or news or time.monotonic() - document.read_at > REREAD_SECONDS:
            found = await self.keys.read(key)
            revision, entries = (found[0], loads(found[1])) if found is not None else (0, {})
            document = self._documents[key] = Document(revision, entries, time.monotonic())
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
            self._documents.pop(key, None)
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

    # What operators ask for

    async def _asked(self, message: Msg) -> None:
        """Another shard's agent, or an operator's tool, asks."""
        try:
            asked = json.loads(message.data)
            answer = await self._answer(asked["by"], asked["number"], asked["request"])
        except ActionRefused as error:
            answer = {"ok": False, "error": str(error)}
        except NotRunning:
            answer = {"ok": False, "error": "its broker does not answer", "away": True}
        except Away as error:
            answer = {"ok": False, "error": str(error), "away": True}
        except (ValueError, KeyError, TypeError) as error:
            answer = {"ok": False, "error": f"that is no request: {error}"}
        await message.respond(json.dumps(answer).encode())

    async def _answer(self, by: str, number: int, request: dict[str, Any]) -> Answer:
        action = request["action"]
        if number:
            async with self._lock:
                return await self.standing.answer(number)
        if action == "move-account":
            return {"ok": True, **await self._begin_move(by, request)}
        if action not in (*FOR_ALL, "can-take"):
            raise ActionRefused(f"{action} can't be asked of another shard")
        return {"ok": True, **await self.broker.ask(action, by, **fields(request))}

    async def _begin_move(self, by: str, request: dict[str, Any]) -> Answer:
        name, to = request["account"], request["shard"]
        if to >= 0:
            if str(to) not in self.alive:
                raise ActionRefused(f"shard {to} is not there")
            rows = (await self.broker.ask("positions", account=name))["positions"]
            symbols = {row["symbol"]: 1 for row in rows if row["symbol"]}
            answer = await ask_one(self.client, self.cluster, to, by, {"action": "can-take", "tables": symbols})
            if not answer["ok"]:
                raise ActionRefused(f"shard {to}: {answer['error']}")
        done = await self.broker.ask("move-account", by, **fields(request))
        self.accounts.busy = True
        return done

    async def _at_the_door(self, operator: str, request: dict[str, Any]) -> Answer:
        """An operator of this machine asks. The other shards trust us that he may."""
        operator, role = who_asks(self.config, operator, request)
        action = request.get("action")
        if action == "all":
            if request["request"].get("action") not in FOR_ALL:
                raise ActionRefused(f"{request['request'].get('action')} can't be asked of all shards")
            await self._check_role(operator, role, request["request"]["action"])
            return await ask_all(self.client, self.keys, operator, request["request"])
        if action == "shards":
            return {"shards": self._shards()}
        if action == "account":
            return await self._where(request["account"])
        if action == "move-account":
            await self._check_role(operator, role, action)
            at = (await self._where(request["account"]))["shard"]
            answer = await ask_one(self.client, self.cluster, at, operator, request)
            if not answer["ok"]:
                raise ActionRefused(f"shard {at}: {answer['error']}")
            return answer
        raise ActionRefused(f"there is no action {action!r}")

    async def _check_role(self, operator: str, role: Role, action: str) -> None:
        """What a role may not do our broker refuses, and has on record. Raises ActionRefused."""
        if not may(role, action):
            await self.broker.ask(action, operator, role=role.value)
            raise ActionRefused(why_not(role, action))

    async def _where(self, name: str) -> Answer:
        found = await self.keys.read(f"account.{name}")
        if found is None:
            raise ActionRefused(f"no shard has an account {name}")
        place = msgspec.json.decode(found[1], type=Place)
        return {"shard": place.shard, "moves": place.moves, "under_way": place.move is not None}

    def _shards(self) -> list[dict[str, Any]]:
        now, alive = time.monotonic(), self.alive
        return [
            {
                "shard": beat.shard, "node": beat.node, "name": beat.name, "state": "up" if name in alive else "away",
                "heard_s": round(now - self.beats.get(name, now), 1), "accounts": beat.accounts, "epoch": beat.epoch,
                "standing": beat.done,
            }
            for name, beat in sorted(self.told.items(), key=lambda one: one[1].shard)
        ]  # fmt: skip
