"""Recorded markets as an observer takes them: recordings, see `simulate.recording`, and a data folder's history."""

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sortedcontainers import SortedDict

from brokerfix.calibration.estimate import Observer, Settings
from brokerfix.simulate.recording import ASK, BID, BOOK, TOP, TRADE, Event, Levels, RecordingError, events, look

if TYPE_CHECKING:
    from pyarrow import Table

    from brokerfix.projections.recorded import Recorded

AT_ONCE = 1 << 12
"""Rows of a history that are Python's at a time."""
COLUMNS = ("at", "bid1", "ask1", "last_px", "volume")


class Top:
    """A venue's best prices. A recording may tell of its book and of its best levels: what came last counts, as books
    are often told less often."""

    def __init__(self) -> None:
        self.bid: float | None = None
        self.ask: float | None = None
        self._bids: SortedDict[float, None] = SortedDict()
        self._asks: SortedDict[float, None] = SortedDict()

    def apply(self, event: Event) -> None:
        """Take a book, changes of one, or the best levels."""
        if event.kind == TOP:
            best = {side: float(price) for side, price, _ in event.levels}
            self.bid, self.ask = best.get(BID), best.get(ASK)
            return
        if event.kind == BOOK:
            self._bids.clear()
            self._asks.clear()
        self._change(event.levels)
        self.bid = self._bids.peekitem(-1)[0] if self._bids else None
        self.ask = self._asks.peekitem(0)[0] if self._asks else None

    def _change(self, levels: Levels) -> None:
        for side, price, qty in levels:
            book = self._bids if side == BID else self._asks
            if qty:
                book[float(price)] = None
            else:
                book.pop(float(price), None)


def observe_file(path: Path, venues: Collection[str], settings: Settings) -> dict[str, Observer]:
    """Read a recording once. Returns an observer for each of these venues, or of all without any. Raises
    RecordingError, also for a venue that is not in it."""
    found: dict[str, tuple[Observer, Top]] = {}
    for event in events(path, venues or None):
        known = found.get(event.venue)
        if known is None:
            known = found[event.venue] = Observer(settings), Top()
        observer, top = known
        if event.kind == TRADE:
            for taker, price, _ in event.levels:
                observer.trade(event.at, float(price), taker)
        else:
            before = top.bid, top.ask
            top.apply(event)
            if (top.bid, top.ask) != before:
                observer.quote(event.at, top.bid, top.ask)
            else:
                observer.see(event.at)
    for venue in venues:
        if venue not in found:
            raise RecordingError(f"{path}: there is no venue {venue}; there are {', '.join(look(path).kinds)}")
    if not found:
        raise RecordingError(f"{path}: there is no row of kind S, D, Q or T in it")
    return {venue: observer for venue, (observer, _) in found.items()}


def observe_history(recorded: "Recorded", symbol: str, days: int, settings: Settings) -> Observer:
    """Read the last so many trading days that a market history has of a symbol. What has traded from one recorded quote
    to the next is one trade, at the last price, before the second of them. Raises NoHistory."""
    observer = Observer(settings)
    unit = 10.0 ** -recorded.terms(symbol).price_digits
    for day in recorded.days(symbol)[-days:]:
        traded = 0
        for table in recorded.tables(symbol, day):
            for at, bid, ask, last, volume in _rows(table):
                if volume > traded and last is not None:
                    observer.trade(at, last * unit)
                traded = volume
                observer.quote(at, None if bid is None else bid * unit, None if ask is None else ask * unit)
    return observer


def _rows(table: "Table") -> Iterator[tuple[Any, ...]]:
    """The values of COLUMNS, times as ns, in a few lists at a time."""
    columns = table.select(COLUMNS).set_column(0, "at", table["at"].cast("int64"))
    for batch in columns.to_batches(max_chunksize=AT_ONCE):
        yield from zip(*(one.to_pylist() for one in batch), strict=True)
