"""Drop-copy sessions of exchanges, against what the exchanges' own sessions tell of the same fills.

Nothing of this is in the state: a broker that starts again compares what comes from then on. A fill that only one of
the two has told within some seconds, or that both tell differently, is a break.
"""

from itertools import islice
from typing import NamedTuple

from brokerfix.commands import ReportBreak, VenueReport
from brokerfix.domain import ExecType, id_text, to_text
from brokerfix.engine.orders.order import Child, Fill
from brokerfix.engine.state import State

PATIENCE = 6 * 10**9
"""Nanoseconds within which both sessions have to tell of a fill."""
MOST_SEEN = 5000
"""New ExecIDs of one exchange that are looked at in one turn."""
FILLED = (ExecType.TRADE, "1", "2")

Key = tuple[str, str]
"""An exchange's name, and its ExecID."""


class Copy(NamedTuple):
    """A fill as a drop copy tells it."""

    due: int
    session: str
    child_id: int
    qty: int
    price: int


class Copies:
    """Compares. `take` is given each report of a drop-copy session, and `check` is called every second or so."""

    def __init__(self) -> None:
        self._copied: dict[Key, Copy] = {}
        self._unconfirmed: dict[Key, tuple[int, int]] = {}
        self._seen: dict[str, int] = {}

    def take(self, state: State, report: VenueReport, at: int) -> None:
        """A drop-copy session tells of something."""
        if report.exec_type not in FILLED or report.qty <= 0:
            return
        child = state.children.get(report.cl_ord_id)
        venue = child.venue if child is not None else report.venue
        copy = Copy(at + PATIENCE, report.venue, report.cl_ord_id, report.qty, report.price)
        self._copied[venue, report.exec_id] = copy

    def check(self, state: State, at: int) -> list[ReportBreak]:
        """What the two sessions differ in by now."""
        sessions = {
            venue: [name for name, one in state.venues.items() if _tells_of(state, name, venue)]
            for venue in state.venues
        }
        self._unconfirmed = {key: one for key, one in self._unconfirmed.items() if sessions[key[0]]}
        for venue, copied_by in sessions.items():
            self._look_at_new(state, venue, at, bool(copied_by))
        breaks = list(self._matched(state, at))
        for key, copy in [one for one in self._copied.items() if one[1].due <= at]:
            del self._copied[key]
            told = self._told(state, copy.child_id, copy.qty, copy.price)
            text = f"{copy.session} tells of a fill that {key[0]} has not told: {told}, ExecID {key[1]}"
            breaks.append(ReportBreak(at, key[0], "COPY_ONLY", copy.child_id, copy.qty, copy.price, text))
        for key, (_, number) in [one for one in self._unconfirmed.items() if one[1][0] <= at]:
            del self._unconfirmed[key]
            fill = state.fills.get(number)
            if fill is not None and fill.qty:
                told = self._told(state, fill.child_id, fill.qty, fill.price)
                text = f"{', '.join(sessions[key[0]])} does not tell of a fill of {key[0]}: {told}, ExecID {key[1]}"
                breaks.append(ReportBreak(at, key[0], "NOT_COPIED", fill.child_id, fill.qty, fill.price, text))
        return breaks

    def _look_at_new(self, state: State, venue: str, at: int, is_copied: bool) -> None:
        """The fills that the exchange's own session has told since the last look wait for their copies."""
        execs = state.venue_execs.get(venue, {})
        seen = self._seen.get(venue)
        self._seen[venue] = len(execs)
        if not is_copied or seen is None or len(execs) <= seen:
            # Of what was there before there was a copy, none comes.
            return
        for exec_id, number in islice(reversed(execs.items()), min(len(execs) - seen, MOST_SEEN)):
            fill = state.fills.get(number)
            if fill is not None and fill.child_id:
                self._unconfirmed[venue, exec_id] = at + PATIENCE, number

    def _matched(self, state: State, at: int) -> list[ReportBreak]:
        """Let go of what both have told; where they differ it is a break."""
        breaks = []
        for key, copy in list(self._copied.items()):
            venue, exec_id = key
            number = next(
                (execs[venue][exec_id] for execs in (state.venue_execs, state.old_venue_execs)
                 if exec_id in execs.get(venue, {})), 0,
            )  # fmt: skip
            fill = state.fills.get(number)
            if fill is None or not fill.child_id:
                continue
            del self._copied[key]
            self._unconfirmed.pop(key, None)
            if fill.qty and (fill.qty, fill.price, fill.child_id) != (copy.qty, copy.price, copy.child_id):
                breaks.append(self._differs(state, key, copy, fill, at))
        return breaks

    def _differs(self, state: State, key: Key, copy: Copy, fill: Fill, at: int) -> ReportBreak:
        ours = self._told(state, fill.child_id, fill.qty, fill.price)
        theirs = self._told(state, copy.child_id, copy.qty, copy.price)
        text = f"{copy.session} tells of {theirs}, and {key[0]} of {ours}, both as ExecID {key[1]}"
        return ReportBreak(at, key[0], "COPY_DIFFERS", fill.child_id, copy.qty - fill.qty, copy.price, text)

    @staticmethod
    def _told(state: State, child_id: int, qty: int, price: int) -> str:
        child: Child | None = state.children.get(child_id)
        if child is None:
            return f"{qty} (scaled) of an order that is not ours"
        instrument = state.instruments[child.symbol]
        size, at = to_text(qty, instrument.qty_digits), to_text(price, instrument.price_digits)
        return f"{size} {child.symbol} at {at} of {id_text(child.child_id)}"


def _tells_of(state: State, session: str, venue: str) -> bool:
    """Whether a drop-copy session that is up tells of an exchange's fills."""
    one = state.venues[session]
    return one.drop_copy and bool(state.market.up.get(session)) and (not one.drop_copy_of or venue in one.drop_copy_of)
