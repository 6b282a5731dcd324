"""What the database has of one order: its terms, children and fills, and the best prices around it."""

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from brokerfix.projections.published import moment
from brokerfix.projections.reading import Reading, Row, Unreadable, reading_of
from brokerfix.projections.tables import number_of
from brokerfix.settings.sections import Config

SECOND = 10**9
LEAST_AROUND, MOST_AROUND = 15 * SECOND, 300 * SECOND
MOST_FILLS, MOST_CHILDREN, MOST_QUOTES = 500, 500, 20_000
SECONDS = 15.0
ORDER = "select * from orders where order_id = :order"
CHILDREN = f"""
    select * from child_orders where order_id = :order order by {number_of("child_id")} desc limit :most"""
FILLS = f"select * from executions where order_id = :order order by {number_of('exec_id')} desc limit :most"
QUOTES = f"""
    select at, bid_px, ask_px from quotes
    where id >= :first and id < :beyond and symbol = :symbol and at >= :since and at <= :until
    order by {number_of("id")} limit :most"""
BEFORE = f"""
    select at, bid_px, ask_px from quotes
    where id >= :first and id < :beyond and symbol = :symbol and at < :since
    order by {number_of("id")} desc limit 1"""


class Known(msgspec.Struct):
    """Rows as the database has them, children and fills newest first, quotes oldest first. `trouble` says why there are
    none. `since` and `until` (ns UTC) are what the quotes are of."""

    order: Row | None = None
    children: list[Row] = []
    fills: list[Row] = []
    quotes: list[Row] = []
    since: int = 0
    until: int = 0
    trouble: str = ""


def read(config: Config, order_id: str, symbol: str, began: int, until: int) -> Known:
    """All of it; to be called in a thread. The order's `symbol` ("") and begin (0; ns) are those of its row where they
    are not known; `until` is when it was over (0: by its last fill)."""
    try:
        reading = reading_of(config, SECONDS)
    except Unreadable as error:
        return Known(trouble=f"{error}")
    try:
        return _read(reading, order_id, symbol, began, until)
    except Unreadable as error:
        return Known(trouble=f"{error}")
    finally:
        reading.close()


def _read(reading: Reading, order_id: str, symbol: str, began: int, until: int) -> Known:
    values = {"order": order_id}
    found = next(iter(reading.query(ORDER, values)), None)
    known = Known(
        found,
        reading.query(CHILDREN, {**values, "most": MOST_CHILDREN}),
        reading.query(FILLS, {**values, "most": MOST_FILLS}),
    )
    symbol = symbol or (found["symbol"] if found is not None else "")
    began = began or (nanoseconds(found["entered"]) if found is not None else 0)
    if symbol and began:
        until = until or max([began, *(nanoseconds(fill["at"]) for fill in known.fills)])
        known.since, known.until = window(began, until)
        known.quotes = _quotes(reading, symbol, known.since, known.until, int(order_id[:8]))
    return known


def window(began: int, until: int) -> tuple[int, int]:
    """From some time before an order to some time after it (ns)."""
    around = min(max((until - began) // 3, LEAST_AROUND), MOST_AROUND)
    return began - around, until + around


def _quotes(reading: Reading, symbol: str, since: int, until: int, day: int) -> list[Row]:
    """The best prices of a time, and the last before it. An order may be older than the day that it is looked at on."""
    last = max(day, int(f"{datetime.fromtimestamp(until / SECOND, UTC):%Y%m%d}") + 1)
    values = {
        "first": f"{day}", "beyond": f"{last + 1}", "symbol": symbol, "since": moment(since), "until": moment(until),
    }  # fmt: skip
    rows = reading.query(QUOTES, {**values, "most": MOST_QUOTES})
    before = reading.query(BEFORE, {name: value for name, value in values.items() if name != "until"})
    return [{**row, "at": moment(since)} for row in before] + rows


def nanoseconds(text: str) -> int:
    """ISO 8601 -> ns since 1970."""
    when = datetime.fromisoformat(text if text.endswith("Z") or "+" in text else f"{text}+00:00")
    return int(when.timestamp()) * SECOND + when.microsecond * 1000


def fewer(rows: Sequence[Row], most: int) -> list[Row]:
    """Of many rows every so manieth, and the last."""
    step = -(-len(rows) // most)
    return list(rows) if step <= 1 else [*rows[::step], rows[-1]]
