"""What the page "Execution quality" says: scorecards, columns, ages."""

from collections.abc import Iterator, Sequence
from typing import Any

Row = dict[str, Any]
BY = {"exchange": "By exchange", "client": "By client", "type": "By order type", "algorithm": "By algorithm"}
NOTHING = "-"
SCORES = (
    ("Effective spread", "effective_spread", "Twice what fills paid beyond the mid at receipt, per share"),
    ("Effective, bps", "effective_bps", "The same in basis points of the mid"),
    ("Quoted spread", "quoted_spread", "The best offer less the best bid at receipt, per share"),
    ("Effective / quoted, %", "eq_pct", "Below 100: fills were better than the quote"),
    ("Realized spread, 1 s", "realised_1s", "Twice what fills paid beyond the mid a second after them, per share"),
    ("Price improvement", "improvement", "Money saved against the best price that exchanges showed"),
    ("Fill rate, %", "fill_rate_pct", "Filled shares of those ordered"),
    ("Speed, median ms", "latency_median_ms", "From receipt to fill: half of the filled shares came sooner"),
    ("Speed, 99 % ms", "latency_p99_ms", "From receipt to fill: 99 of 100 filled shares came sooner"),
    ("Slippage, bps", "slippage_arrival_bps", "What was paid more than the mid at receipt, in basis points"),
    ("Slippage to VWAP", "slippage_vwap", "What was paid more than the market's VWAP until the last fill, per share"),
)
"""Name, field of the report's row, and what it is."""
NAMED = (("name", "Name"), ("currency", "Currency"))
TABLES: dict[str, tuple[tuple[str, str], ...]] = {
    "orders": (
        *NAMED, ("#orders", "Orders"), ("#shares", "Shares"), ("#filled_shares", "Filled"),
        ("#fill_rate_pct", "Fill rate, %"), ("#canceled_shares", "Canceled"), ("#here_shares", "In our book"),
        ("#away_shares", "At exchanges"), ("#no_quote_shares", "No quote"), ("#fees", "Fees"),
        ("#exchange_fees", "Exchanges' fees"),
    ),
    "spreads and price improvement": (
        *NAMED, ("#quoted_spread", "Quoted"), ("#effective_spread", "Effective"), ("#effective_bps", "Effective, bps"),
        ("#eq_pct", "E/Q, %"), ("#realised_1s", "Realized 1 s"), ("#realised_1m", "Realized 1 min"),
        ("#improved_shares", "Improved"), ("#improved_per_share", "per share"), ("#improvement", "Improvement"),
        ("#at_quote_shares", "At the quote"), ("#outside_shares", "Outside"),
    ),
    "speed and slippage": (
        *NAMED, ("#latency_mean_ms", "Mean, ms"), ("#latency_median_ms", "Median, ms"), ("#latency_p99_ms", "99 %, ms"),
        ("#slippage_arrival", "Against arrival"), ("#slippage_arrival_bps", "bps"), ("#slippage_vwap", "Against VWAP"),
        ("#slippage_twap", "Against TWAP"), ("#expected_px_missed", "Against expected"),
    ),
}  # fmt: skip
"""By table: (field, title); "#": a number."""
EXCHANGES = (
    ("exchange", "Exchange"), ("symbols", "Symbols"), ("#sent", "Sent"), ("#ack_us", "Ack, us"),
    ("#fill_us", "Fill, us"), ("#filled_pct", "Filled, %"), ("#rejected_pct", "Rejected, %"),
    ("#canceled_pct", "Canceled, %"), ("#improvement", "Improvement"), ("#markout_1s", "Markout 1 s"),
    ("#markout_10s", "Markout 10 s"), ("circuit", "Circuit"),
)  # fmt: skip


def scores(every: Sequence[Row]) -> Iterator[tuple[str, str]]:
    """The scorecard out of the rows of all orders: where there are several, each currency's."""
    for name, field, _ in SCORES:
        values = [
            f"{row[field]} {row['currency'] if len(every) > 1 else ''}".strip()
            for row in every
            if row[field] is not None
        ]
        yield name, ", ".join(values) or NOTHING


def table_rows(rows: Sequence[Row], name: str) -> list[Row]:
    """The report's rows for a table."""
    fields = [field.lstrip("#") for field, _ in TABLES[name]]
    return [
        {"key": f"{row['name']} {row['currency']}"}
        | {field: NOTHING if row[field] is None else row[field] for field in fields}
        for row in rows
    ]


def exchange_row(row: Row) -> Row:
    """What the broker says of an exchange, for a table."""
    return {**row, "key": f"{row['exchange']}/{row['symbols']}"}


def age(seconds: float) -> str:
    """How long ago, for people."""
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole} s"
    return f"{whole // 60} min" if whole < 7200 else f"{whole // 3600} h"
