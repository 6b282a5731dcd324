"""The market around an order, out of the journal: the consolidated best prices that were recorded, and those that
routing decisions have seen."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from brokerfix import facts as f
from brokerfix.domain import day_of
from brokerfix.operate.order_evidence import Evidence
from brokerfix.record.journal import START, Place, read, segments

MS, MINUTE = 10**6, 60 * 10**9
LEAST_AROUND, MOST_AROUND = 20 * MS, 5 * MINUTE
MOST_POINTS = 4000
"""Best prices that a picture has; of more, the last of each of so many spans."""


class Best(NamedTuple):
    """The best prices from a time on (ns UTC), in ticks; None: nobody shows one, or it is not known."""

    at: int
    bid: int | None
    ask: int | None


def span(found: Evidence) -> tuple[int, int]:
    """From some time before the order's receipt to some time after its end (or of one that works, the journal's)."""
    end = found.ended or found.of.until
    if found.fills:
        end = max(end, *(fill.at for fill in found.fills))
    around = min(max((end - found.began) // 3, LEAST_AROUND), MOST_AROUND)
    return found.began - around, end + (around if found.ended else around // 10)


def market_around(folder: Path, found: Evidence) -> list[Best]:
    """The best prices of the order's instrument in its span, oldest first, and the last before it. Raises
    JournalError."""
    since, until = span(found)
    before: Best | None = None
    points: dict[int, Best] = {}
    width = max(1, (until - since) // MOST_POINTS)
    for best in _bests(folder, found, until):
        if best.at < since:
            before = best
        else:
            points[(best.at - since) // width] = best
    first = [before._replace(at=since)] if before is not None else []
    return first + list(points.values())


def _bests(folder: Path, found: Evidence, until: int) -> Iterator[Best]:
    """What is known of the market from the begin of the order's trading day on. A process that does not run knows
    nothing."""
    symbol, at, ours = found.of.symbol, 0, {found.of.order_id}
    for record in read(folder, since=_day_of(folder, found.of.order_id)):
        for fact in record.facts:
            if fact.at > until:
                return
            if isinstance(fact, f.Started):
                yield Best(at, None, None)
            at = max(at, fact.at)
            if isinstance(fact, f.OrderAccepted) and fact.symbol == symbol:
                ours.add(fact.id)
            elif isinstance(fact, f.Quoted) and fact.symbol == symbol:
                yield Best(at, *(side[0][0] if side else None for side in (fact.bids, fact.asks)))
            elif isinstance(fact, f.RouteDecided) and fact.order_id in ours:
                yield Best(at, *(side[0] if side is not None else None for side in (fact.bid, fact.ask)))
            elif isinstance(fact, f.Stopped):
                yield Best(at, None, None)


def _day_of(folder: Path, order_id: int) -> Place:
    """Where the segment begins that the order's number is in."""
    day = str(day_of(order_id))
    return next((Place(one.name, START.offset) for one in segments(folder) if one.name.startswith(day)), START)
