"""What operators ask of shards: of all at once, at the door of the agent beside them, and what comes here from another
shard's agent."""

import asyncio
import json
import logging
import time
from typing import TYPE_CHECKING, Any

import msgspec
import nats.errors
from nats.aio.msg import Msg

from brokerfix.access.roles import Role, may
from brokerfix.cluster.lease import Away
from brokerfix.cluster.moves import Place
from brokerfix.cluster.parts import dumps
from brokerfix.cluster.standing import (
    ANSWER_SECONDS,
    FOR_ALL,
    FOR_ONE,
    STANDING,
    CarriedOut,
    ask_all,
    ask_broker,
    ask_one,
    read_standing,
)
from brokerfix.operate.admin import ActionRefused, Answer, NotRunning
from brokerfix.operate.asker import who_asks, why_not

if TYPE_CHECKING:
    from brokerfix.cluster.shard import Shard

log = logging.getLogger("brokerfix.cluster")

QUESTIONS_AT_ONCE = 2
"""That the broker is asked for others."""


class Operators:
    """Of one shard's agent. `standing` is what stands, and was carried out here."""

    def __init__(self, agent: "Shard") -> None:
        self._agent = agent
        self.standing = CarriedOut(agent.keys, agent.broker, agent.shard)
        self._tasks: set[asyncio.Task[None]] = set()
        self._questions = asyncio.Semaphore(QUESTIONS_AT_ONCE)

    # What comes from other shards

    async def asked(self, message: Msg) -> None:
        """Another shard's agent, or an operator's tool, asks. Nothing waits here for the answer to what came before."""
        task = asyncio.get_running_loop().create_task(self._respond(message))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _respond(self, message: Msg) -> None:
        payload = json.dumps(await self._answered(message.data)).encode()
        if len(payload) > self._agent.client.max_payload:
            told = f"its answer has {len(payload):,} bytes, and the servers take {self._agent.client.max_payload:,}"
            payload = json.dumps({"ok": False, "error": f"{told}: ask it on its own machine"}).encode()
        try:
            await message.respond(payload)
        except nats.errors.Error as error:
            log.warning("shard %s could not answer: %s", self._agent.me, error)

    async def _answered(self, data: bytes) -> Answer:
        try:
            asked = json.loads(data)
        except ValueError as error:
            return {"ok": False, "error": f"that is no request: {error}"}
        return await self._safely(asked)

    async def _safely(self, asked: Any) -> Answer:
        try:
            return await self._answer(asked["by"], asked.get("role", ""), asked["number"], asked["request"])
        except ActionRefused as error:
            return {"ok": False, "error": str(error)}
        except NotRunning:
            return {"ok": False, "error": "its broker does not answer", "away": True}
        except Away as error:
            return {"ok": False, "error": str(error), "away": True}
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            return {"ok": False, "error": f"that is no request: {error}"}

    async def _answer(self, by: str, role: str, number: int, request: dict[str, Any]) -> Answer:
        action = request["action"]
        if number:
            async with self._agent.lock:
                return await self.standing.answer(number)
        if action == "move-account":
            return {"ok": True, **await self._begin_move(by, role, request)}
        if action not in (*FOR_ALL, *FOR_ONE):
            raise ActionRefused(f"{action} can't be asked of another shard")
        if action in STANDING:
            return {"ok": True, **await ask_broker(self._agent.broker, by, role, request)}
        async with self._questions:
            if not self._agent.answers:
                # Who asks is told at once, where each question would be waited for.
                raise NotRunning("our broker does not answer")
            return {"ok": True, **await ask_broker(self._agent.broker, by, role, request)}

    async def _begin_move(self, by: str, role: str, request: dict[str, Any]) -> Answer:
        agent = self._agent
        name, to = request["account"], request["shard"]
        if to >= 0:
            if str(to) not in agent.alive:
                raise ActionRefused(f"shard {to} is not there")
            rows = (await agent.broker.ask("positions", account=name))["positions"]
            asked = {"action": "can-take", "tables": {row["symbol"]: 1 for row in rows if row["symbol"]}}
            answer = await ask_one(agent.client, agent.cluster, to, by, asked, role=role)
            if not answer["ok"]:
                raise ActionRefused(f"shard {to}: {answer['error']}")
        done = await ask_broker(self._agent.broker, by, role, request)
        agent.accounts.busy = True
        return done

    # The door

    async def at_the_door(self, operator: str, request: dict[str, Any]) -> Answer:
        """An operator of this machine asks. The other shards trust us that he may, and are told his role. Raises
        ActionRefused, NotRunning and Away."""
        agent = self._agent
        operator, role = who_asks(agent.config, operator, request)
        action = request.get("action")
        if action == "shards":
            return await self._shards()
        if action == "parts":
            return {"parts": self._parts()}
        if action == "account":
            return await self._where(request["account"])
        if action == "all":
            asked = request["request"]
            if asked.get("action") not in FOR_ALL:
                raise ActionRefused(f"{asked.get('action')} can't be asked of all shards")
            await self._check_role(operator, role, asked["action"])

            async def asking(shard: int, number: int) -> Answer:
                if shard == agent.shard:
                    return await self._here(operator, role, asked, number)
                return await ask_one(agent.client, agent.cluster, shard, operator, asked, number, role.value)

            return await ask_all(agent.keys, asking, operator, asked, role.value, {agent.shard, *map(int, agent.told)})
        if action == "one":
            asked, at = request["request"], int(request["shard"])
            if asked.get("action") not in FOR_ONE:
                raise ActionRefused(f"{asked.get('action')} can't be asked of another shard")
            return await self._of_one(operator, role, at, asked)
        if action == "move-account":
            return await self._of_one(operator, role, (await self._where(request["account"]))["shard"], request)
        raise ActionRefused(f"there is no action {action!r}")

    async def _here(self, operator: str, role: Role, request: dict[str, Any], number: int) -> Answer:
        """The shard beside us is asked without the cluster's servers, as if it were another one."""
        asked = {"by": operator, "role": role.value, "number": number, "request": request}
        try:
            answer = await asyncio.wait_for(self._safely(asked), ANSWER_SECONDS)
        except TimeoutError:
            answer = {"ok": False, "error": "it does not answer", "away": True}
        return {"shard": self._agent.shard, **answer}

    async def _of_one(self, operator: str, role: Role, at: int, request: dict[str, Any]) -> Answer:
        await self._check_role(operator, role, request["action"])
        answer = await ask_one(self._agent.client, self._agent.cluster, at, operator, request, role=role.value)
        if not answer["ok"]:
            raise ActionRefused(f"shard {at}: {answer['error']}")
        return answer

    async def _check_role(self, operator: str, role: Role, action: str) -> None:
        """What a role may not do our broker refuses, and has on record. Raises ActionRefused."""
        if not may(role, action):
            await self._agent.broker.ask(action, operator, role=role.value)
            raise ActionRefused(why_not(role, action))

    async def _where(self, name: str) -> Answer:
        found = await self._agent.keys.read(f"account.{name}")
        if found is None:
            raise ActionRefused(f"no shard has an account {name}")
        place = msgspec.json.decode(found[1], type=Place)
        return {"shard": place.shard, "moves": place.moves, "under_way": place.move is not None}

    async def _shards(self) -> Answer:
        """How every shard is, by what was heard of it; `asked` is how many requests to all there are, of which each has
        carried out so many as it has in `standing`; `here` is ours, `trouble` why the cluster's keys can't be read."""
        agent, trouble = self._agent, ""
        try:
            self.standing.last = max(self.standing.last, (await read_standing(agent.keys))[1].last)
        except Away as away:
            trouble = f"{away}"
        now, alive = time.monotonic(), agent.alive
        found = []
        for name, beat in sorted(agent.told.items(), key=lambda one: one[1].shard):
            heard = now - agent.beats.get(name, now)
            if beat.at and name not in alive:
                # What we have found at our start may be from long before.
                heard = max(heard, (time.time_ns() - beat.at) / 10**9)
            found.append({
                "shard": beat.shard, "node": beat.node, "name": beat.name, "state": "up" if name in alive else "away",
                "heard_s": round(heard, 1), "accounts": beat.accounts, "epoch": beat.epoch, "standing": beat.done,
            })  # fmt: skip
        last = max([self.standing.last, *(beat.done for beat in agent.told.values())])
        return {"shards": found, "asked": last, "here": agent.shard, "trouble": trouble}

    def _parts(self) -> list[dict[str, Any]]:
        """Every divided limit as the cluster has it on record: which shard has how much of it, also one that is away,
        and what that has told last of its use."""
        found = []
        for key, document in sorted(self._agent.documents.items()):
            kind, _, rest = key.removeprefix("part.").partition(".")
            name, _, limit = rest.rpartition(".")
            shards = json.loads(dumps(document.entries))
            found.append({"kind": kind, "name": "" if name == "-" else name, "limit": limit, "shards": shards})
        return found
