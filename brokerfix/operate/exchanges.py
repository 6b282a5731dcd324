"""What exchanges have been like, for people."""

from typing import Any

from brokerfix.domain import to_text
from brokerfix.engine.routing.statistics import SHARE, VenueScore, is_open
from brokerfix.engine.state import State

MICROSECOND = 1000


def exchanges(state: State, at: int) -> list[dict[str, Any]]:
    """A row for each exchange and class of symbols of which something is known: averages of latencies (us), shares
    (percent) and prices (price units of the smallest decimal), and whether it is routed to at the time `at` (ns)."""
    return [_row(state, key, score, at) for key, score in sorted(state.scores.items())]


def _row(state: State, key: str, score: VenueScore, at: int) -> dict[str, Any]:
    venue, _, group = key.partition("/")
    return {
        "exchange": venue,
        "symbols": group or "all others",
        "sent": score.sent,
        "ack_us": score.ack // MICROSECOND,
        "fill_us": score.fill // MICROSECOND,
        "filled_pct": _percent(score.filled),
        "rejected_pct": _percent(score.rejected),
        "canceled_pct": _percent(score.canceled),
        "improvement": _units(score.improvement),
        "markout_1s": _units(score.markouts[0]),
        "markout_10s": _units(score.markouts[1]),
        "circuit": (is_open(state, venue, at) if venue in state.venues else "") or "closed",
    }


def _percent(share: int) -> str:
    return to_text(share, 2)


def _units(value: int) -> str:
    return f"{value / SHARE:.2f}"
