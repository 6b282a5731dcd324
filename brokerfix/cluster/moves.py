"""Which shard has which account: a key for each, and the hand-over of those that move.

A move has two steps. The shard that has the account lets go of it by a fact, that holds all it has; then the account's
key says where it goes, with what it has; then the other shard takes it by a fact; then the key says that it is done.
Each step can be done again, and is, by whoever finds it undone: until the key says that it is done the first shard has
in its state what it let go of, and the other takes no move twice. The key is written when the fact before it is safe:
a standby that takes over has it. The account is never on both, and never on none for
longer than the two shards' agents are away.
"""

import logging
import time
from typing import Any

import msgspec

from brokerfix.cluster.broker_end import BrokerEnd
from brokerfix.cluster.keys import Keys
from brokerfix.cluster.lease import Stale
from brokerfix.cluster.standing import CarriedOut
from brokerfix.operate.admin import ActionRefused

log = logging.getLogger("brokerfix.cluster")

PREFIX = "account."
RESCAN_SECONDS = 30.0
CHUNK = 500
"""Accounts that the broker is told of at once."""


class Move(msgspec.Struct):
    """An account on its way: from which shard, with what."""

    source: int
    holdings: str
    carried: list[list[str]]


class Since(msgspec.Struct):
    """Of what an account has (`engine.risk.moves.Holdings`): up to where what is asked of all is in it; -1: an older
    version has not told."""

    standing: int = -1


class Place(msgspec.Struct, omit_defaults=True):
    """Where an account is, or goes to: the `shard`, and how many `moves` it has made. `move` is the last one, while it
    is not done."""

    shard: int
    moves: int = 0
    move: Move | None = None


class Accounts:
    """The accounts' keys as the agent of one shard knows them, and what it does about them."""

    def __init__(self, keys: Keys, broker: BrokerEnd, standing: CarriedOut, shard: int) -> None:
        self._keys, self._broker, self._standing, self._shard = keys, broker, standing, shard
        self.known: dict[str, tuple[int, Place]] = {}
        self.changed: dict[str, None] = {}
        self.rescan_at = 0.0
        self.busy = False
        self._refused: dict[str, str] = {}

    async def refresh(self) -> None:
        """Read the keys that have changed; now and then all. Raises Away."""
        if time.monotonic() >= self.rescan_at:
            self.changed.clear()
            for key, (revision, value) in (await self._keys.below(PREFIX)).items():
                self.known[key.removeprefix(PREFIX)] = revision, msgspec.json.decode(value, type=Place)
            self.rescan_at = time.monotonic() + RESCAN_SECONDS
        for name in list(self.changed):
            await self._read(name)
            self.changed.pop(name, None)

    async def _read(self, name: str) -> tuple[int, Place] | None:
        found = await self._keys.read(PREFIX + name)
        if found is None:
            return None
        self.known[name] = found[0], msgspec.json.decode(found[1], type=Place)
        return self.known[name]

    async def _write(self, name: str, place: Place, over: int) -> bool:
        """Write an account's key. Returns whether it had not changed."""
        try:
            self.known[name] = await self._keys.write(PREFIX + name, msgspec.json.encode(place), over), place
        except Stale:
            self.changed[name] = None
            return False
        return True

    async def look(self, tell_parts: Any) -> None:
        """Claim, place, hand over and take accounts, as far as it is their turn. `tell_parts` is awaited where the
        limits' documents have to say what is used now, and says whether they do. Raises Away, NotRunning and
        ActionRefused."""
        await self.refresh()
        placed = await self._broker.ask("placed")
        for name in (*placed["begin"], *placed["here"]):
            # What is here and has no key had one: the cluster's keys were lost.
            if name not in self.known and await self._read(name) is None:
                await self._write(name, Place(self._shard, placed["moves"].get(name, 0)), 0)
        for name, moving in placed["moving"].items():
            if not moving["waits"]:
                await self._let_go(name)
                placed = await self._broker.ask("placed")
        for name, handed in placed["handed"].items():
            await self._hand_on(name, handed, tell_parts)
        for name, (_, place) in list(self.known.items()):
            if place.shard == self._shard and place.move is not None and placed["moves"].get(name, 0) < place.moves:
                await self._take(name, place, tell_parts)
        await self._place(await self._broker.ask("placed"))
        self.busy = bool(placed["moving"] or placed["handed"])

    async def _let_go(self, name: str) -> None:
        found = self.known.get(name) or await self._read(name)
        number = found[1].moves + 1 if found is not None else 1
        try:
            await self._broker.ask("move-out", account=name, move=number, sequence=self._standing.done)
        except ActionRefused as error:
            # It has got an order to wait for meanwhile, or the number is another one.
            log.info("account %s: %s", name, error)
            self.changed[name] = None

    async def _hand_on(self, name: str, handed: dict[str, Any], tell_parts: Any) -> None:
        """The next step of a move that this shard has begun, or taken."""
        number, found = handed["move"], await self._read(name)
        revision, place = found if found is not None else (0, Place(self._shard))
        if place.moves > number or (place.moves == number and place.move is None):
            await self._broker.ask("end-move", account=name, move=number)
        elif handed["out"] and place.moves < number:
            await self._broker.settled(for_good=True)
            if await tell_parts():
                carried = [list(map(str, one)) for one in handed["carried"]]
                move = Move(self._shard, handed["holdings"], carried)
                await self._write(name, Place(handed["other"], number, move), revision)
        elif not handed["out"]:
            if place.move is not None:
                # What was asked of all while it was on its way has been done to nothing of it.
                since = msgspec.json.decode(place.move.holdings, type=Since).standing
                await self._standing.do_again(name, since)
            await self._broker.settled(for_good=True)
            if await tell_parts():
                await self._write(name, Place(self._shard, number), revision)

    async def _take(self, name: str, place: Place, tell_parts: Any) -> None:
        move = place.move
        assert move is not None
        try:
            await self._broker.ask(
                "move-in", account=name, shard=move.source, move=place.moves, holdings=move.holdings,
                tables={"carried": move.carried},
            )  # fmt: skip
        except ActionRefused as error:
            if self._refused.get(name) != str(error):
                self._refused[name] = str(error)
                log.error("account %s comes from shard %d, and can't be taken: %s", name, move.source, error)
                told = f"account {name} comes from shard {move.source}, and can't be taken: {error}"
                await self._broker.ask("alert", code="MOVE", text=told[:200])
            return
        self._refused.pop(name, None)
        log.warning("account %s has come from shard %d", name, move.source)
        placed = await self._broker.ask("placed")
        await self._hand_on(name, placed["handed"][name], tell_parts)

    async def _place(self, placed: dict[str, Any]) -> None:
        """Tell the broker where accounts are, of which it does not know it."""
        news = {
            name: place.shard
            for name, (_, place) in self.known.items()
            if (placed["here"].get(name) is not True if place.shard == self._shard else
                placed["elsewhere"].get(name) != place.shard)
            if not (place.shard == self._shard and place.move is not None)
        }  # fmt: skip
        # Those that are elsewhere first: limits of who has accounts on several shards are divided from then on.
        names = sorted(news, key=lambda name: (news[name] == self._shard, name))
        for at in range(0, len(names), CHUNK):
            await self._broker.ask("place", tables={name: news[name] for name in names[at : at + CHUNK]})
