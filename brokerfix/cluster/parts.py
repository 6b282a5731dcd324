"""How shards divide a limit: each shard's agent takes, and gives back, with nobody in the middle.

A limit is one document that all shards' agents write over the revision that they have read: what each may use at most.
What a broker itself takes to be its part is never above that:

- it is raised after the document is, and only right after: a write of ours that was lost on its way, and comes late,
  is over a revision that is no longer there;
- it is lowered before the document is, to no less than what is used; the broker takes requests in the order in which
  they were made, and none that is late.

So whatever is lost, late, or killed, the brokers' parts are together at most the limit. A shard that is gone counts
with all that it was given: its orders may be open. Its successor begins with a higher `epoch` and has the part then.

Everybody takes ahead: the aim is that all have as much left. Who has less than half of that takes from what is free,
and who has more gives it back. An order that was refused only because the part was too small is a need that goes
before: who needed first is served first, out of what others do not use, if there is enough for it at all. A shard that
has no account has nothing ahead, and no entry once nothing of it counts.
"""

from collections.abc import Generator, Iterable, Mapping
from typing import NamedTuple

import msgspec

from brokerfix.domain import money_text, to_money

LACK_SECONDS = 1.0
"""For so long after it was refused an order's need counts."""
HUNGRY, FULL = 2, 4
"""Who has less than a half of what all should have left takes; who has a quarter more than that gives."""
NEWS = 8
"""What is used is told anew when it has changed by an eighth of what is left."""


class Entry(msgspec.Struct, frozen=True):
    """What a shard has of a limit: the `amount` that it may use at most, and, as it was told last, what it uses, what
    it `needs` for an order that was refused, and since when (0: for none), and the `limit` as its broker has it; of the
    shard's agent of this `epoch`."""

    amount: int
    used: int
    needs: int
    since: int
    limit: int
    epoch: int

    @property
    def counts(self) -> int:
        """What of the limit nobody else may have: also what is used beyond the part, as prices have moved."""
        return max(self.amount, self.used)


Entries = Mapping[str, Entry]
"""By shard."""


class Document(msgspec.Struct):
    """A limit's document as it was read, and when."""

    revision: int
    entries: dict[str, Entry]
    read_at: float


class View(NamedTuple):
    """A limit as the broker has it: whole, its part, what is used, what a refused order needed (0: none) since when,
    and what accounts that are on their way have taken off the part. `idle`: it has no account."""

    limit: int
    part: int
    used: int
    needs: int = 0
    since: int = 0
    carried: int = 0
    idle: bool = False


class Write(NamedTuple):
    """Write the document over the revision that was read. Whoever does it throws what keeps him from knowing that it is
    written into the generator."""

    entries: dict[str, Entry]


class SetPart(NamedTuple):
    """Have the broker take this as its part. It is answered with what the part is then."""

    amount: int


Effects = Generator[Write | SetPart, int | None, None]


def whole(entries: Iterable[Entry]) -> int:
    """What is divided: the lowest that any shard's broker has. A limit that is raised counts when all have it."""
    return min(entry.limit for entry in entries)


def free(entries: Iterable[Entry]) -> int:
    """What nobody has (below 0: there is more use than the limit allows)."""
    known = list(entries)
    return whole(known) - sum(entry.counts for entry in known)


def brought(entries: Entries, me: str, epoch: int, view: View) -> dict[str, Entry]:
    """The document with what the broker tells now."""
    had = entries.get(me)
    needs = max(view.needs, view.used)
    entry = Entry(
        had.amount if had is not None else 0,
        view.used,
        needs,
        view.since if needs > view.used else 0,
        view.limit,
        epoch,
    )
    return {**entries, me: entry}


def wanted(entries: Entries, me: str, alive: frozenset[str]) -> int:
    """The amount that the shard `me` should have, by a document that has its own news."""
    mine, left = entries[me], free(entries.values())
    spare = max(0, mine.amount - mine.used)
    if left < 0:
        return mine.amount - min(spare, -left)
    before, after = _unmet(entries, me, alive, left)
    if mine.needs > mine.counts and _is_feasible(entries, me, alive, left):
        own = mine.needs - mine.counts
        if left - sum(before) >= own:
            return mine.needs
        return mine.amount - min(spare, max(0, sum(before) - left))
    # What is used beyond the part counts already: it is only put in its place.
    amount = max(mine.amount, mine.used)
    give = min(spare, max(0, sum(before) - left))
    give += min(max(0, mine.amount - give - mine.needs), max(0, sum(before) + sum(after) - left - give))
    if give or sum(before) + sum(after):
        return amount - give
    return _ahead(entries, me, alive, left, amount)


def _unmet(entries: Entries, me: str, alive: frozenset[str], left: int) -> tuple[list[int], list[int]]:
    """What other shards need and do not have, if there is enough for it: those that come before me, and after."""
    mine = entries[me]
    my_rank = (mine.since, me) if mine.needs > mine.counts else None
    before: list[int] = []
    after: list[int] = []
    for name, entry in entries.items():
        if name == me or name not in alive or entry.needs <= entry.counts:
            continue
        if _is_feasible(entries, name, alive, left):
            is_first = my_rank is None or (entry.since, name) < my_rank
            (before if is_first else after).append(entry.needs - entry.counts)
    return before, after


def _is_feasible(entries: Entries, name: str, alive: frozenset[str], left: int) -> bool:
    """Whether all that others do not use is enough for what a shard needs."""
    spare = sum(
        max(0, entry.amount - entry.used) for other, entry in entries.items() if other != name and other in alive
    )
    return entries[name].needs - entries[name].counts <= left + spare


def _ahead(entries: Entries, me: str, alive: frozenset[str], left: int, amount: int) -> int:
    """What to have ahead, where nobody needs anything."""
    living = [entry for name, entry in entries.items() if name in alive or name == me]
    gone = sum(entry.counts for name, entry in entries.items() if name not in alive and name != me)
    each = max(0, whole(entries.values()) - gone - sum(max(one.used, one.needs) for one in living)) // len(living)
    spare = amount - max(entries[me].used, entries[me].needs)
    if spare * HUNGRY < each:
        return amount + max(0, min(each - spare, left))
    if (spare - each) * FULL <= each:
        return amount
    hungry = 0
    for name, entry in entries.items():
        has = entry.amount - max(entry.used, entry.needs)
        if name != me and name in alive and has * HUNGRY < each:
            hungry += each - has
    return amount - min(spare - each, max(0, hungry - left))


def is_news(had: Entry | None, now: Entry, left: int) -> bool:
    """Whether the others should know."""
    if had is None or (had.needs > had.used, had.limit, had.epoch) != (now.needs > now.used, now.limit, now.epoch):
        return True
    if now.needs > now.used and now.needs != had.needs:
        return True
    room = max(0, left) + max(0, now.amount - now.used)
    return abs(now.used - had.used) * NEWS > room or (now.used > now.amount) != (had.used > had.amount)


def step(entries: Entries, me: str, epoch: int, view: View, alive: frozenset[str], news: bool = False) -> Effects:
    """What a shard's agent does about one limit, by the document that it has just read: a generator of effects. With
    `news` it is written in any case. The agent of an earlier epoch does nothing."""
    had = entries.get(me)
    if had is not None and had.epoch > epoch:
        return
    told = brought(entries, me, epoch, view)
    mine = told[me]
    if view.part > mine.amount - view.carried:
        # The document was lost, or is an older one: what it does not give is not used.
        part = yield SetPart(mine.amount - view.carried)
        assert part is not None
        view = view._replace(part=part)
    amount = wanted(told, me, alive)
    if view.idle:
        # It may be stopped for good: then nobody has to count with it.
        amount = min(amount, max(mine.used, mine.needs))
    if amount < mine.amount:
        # Also where it has no more: a request of ours that is late must not raise it afterwards.
        part = yield SetPart(min(view.part, amount - view.carried))
        assert part is not None
        # The broker may have used more meanwhile.
        amount = min(mine.amount, max(amount, part + view.carried))
        yield Write({**told, me: msgspec.structs.replace(mine, amount=amount)})
        return
    if view.idle and not amount and not view.carried and view.part <= 0:
        if had is not None:
            yield Write({name: entry for name, entry in entries.items() if name != me})
        return
    raised = {**told, me: msgspec.structs.replace(mine, amount=amount)}
    # What moves have taken off, and what was not told since a start, is more only if there is as much.
    target = amount - view.carried
    lacks = view.part < target and free(raised.values()) >= 0
    if lacks or amount > mine.amount or news or is_news(had, mine, free(told.values())):
        yield Write(raised)
        if lacks:
            yield SetPart(target)


def dumps(entries: Entries) -> bytes:
    """A document as JSON, with numbers as people write them."""
    return msgspec.json.encode(
        {
            name: {
                "amount": money_text(entry.amount), "used": money_text(entry.used), "needs": money_text(entry.needs),
                "since": entry.since, "limit": money_text(entry.limit), "epoch": entry.epoch,
            }
            for name, entry in entries.items()
        }
    )  # fmt: skip


class _Told(msgspec.Struct):
    amount: str
    used: str
    needs: str
    since: int
    limit: str
    epoch: int


_decode = msgspec.json.Decoder(dict[str, _Told]).decode


def loads(data: bytes) -> dict[str, Entry]:
    """A document of its JSON. Raises msgspec.DecodeError."""
    return {
        name: Entry(
            to_money(one.amount), to_money(one.used), to_money(one.needs), one.since, to_money(one.limit), one.epoch
        )
        for name, one in _decode(data).items()
    }
