"""The words of the reports on execution and routing: columns, horizons, notes, and numbers as text."""

from fractions import Fraction
from typing import Any

from brokerfix.domain import to_text

OWN_BOOK = "own book"
DIGITS = 6
MS, SECOND = 10**6, 10**9
HORIZONS = (
    ("realised_50ms", 50 * MS), ("realised_1s", SECOND), ("realised_15s", 15 * SECOND),
    ("realised_1m", 60 * SECOND), ("realised_5m", 300 * SECOND),
)  # fmt: skip
"""After the execution, ns: 17 CFR 242.605(a)(1)(i) as amended."""
BUCKETS: tuple[tuple[str, float], ...] = (
    ("under_100us", MS // 10), ("under_1ms", MS), ("under_10ms", 10 * MS), ("under_1s", SECOND),
    ("under_10s", 10 * SECOND), ("under_30s", 30 * SECOND), ("under_5m", 300 * SECOND), ("from_5m", float("inf")),
)  # fmt: skip
"""From the receipt to the execution: each is from where the one before ends to below its end, ns; the rule as above."""

HEADING = "Execution quality by the measures of SEC Rule 605 as amended in 2024. Not a certified filing."
NOTES = (
    "Averages are weighted by shares; prices are per share. By trading day of receipt, with all later fills; fills "
    "that were busted are left out, corrected ones are as corrected.",
    "Quotes are consolidated, our own book's with them, and recorded at a conflated rate (record_interval_ms, about "
    "each second by default): a horizon of 50 ms is only as fine as that.",
    "The quote at receipt is that of the order's first routing decision, else the newest recorded before. What has "
    "none is counted as 'no quote' and in no measure.",
    "Spreads, price and size improvement are of orders to be filled at once: market, marketable limit, limit at the "
    "midpoint or better, and stops from when they are triggered; by type there are also the realized spreads of orders "
    "that wait. Price improvement is against the best price that exchanges showed (where none did, our book), "
    "'displayed' with our book.",
    "Slippage is what was paid more (below 0: less) than the mid at receipt, the market's VWAP and the time-weighted "
    "mid from receipt to the last fill. Inside, at and near the quote are the kinds of the rule before 2024.",
    "By exchange, shares are those sent there, which are more than ordered where what one did not fill went on "
    "to another.",
)

THEMES: dict[str, tuple[str, ...]] = {
    "orders": (
        "orders", "shares", "canceled_orders", "canceled_shares", "filled_shares", "here_shares", "away_shares",
        "fill_rate_pct", "no_quote_orders", "no_quote_shares", "fees", "exchange_fees",
    ),
    "spreads": (
        "midpoint", "quoted_spread", "effective_spread", "effective_bps", "eq_pct", *(name for name, _ in HORIZONS),
    ),
    "price improvement": (
        "improved_fills", "improved_shares", "improved_per_share", "improvement", "at_quote_shares", "outside_shares",
        "outside_per_share", "displayed_improved_shares", "displayed_improved_per_share", "displayed_improvement",
        "size_improved_shares",
    ),
    "speed": (
        "latency_mean_ms", "latency_median_ms", "latency_p99_ms", *(name for name, _ in BUCKETS),
    ),
    "slippage": (
        "slippage_arrival", "slippage_arrival_bps", "slippage_vwap", "slippage_twap", "no_slippage_arrival_shares",
        "no_slippage_vwap_shares", "no_slippage_twap_shares",
    ),
    "expected and realised": (
        "expected_shares", "expected_got_shares", "expected_px", "realised_px", "expected_px_missed", "expected_fee",
        "realised_fee",
    ),
}  # fmt: skip
"""By table: its columns, after the ones that say what a row is of."""


def table(rows: list[dict[str, Any]], theme: str) -> list[dict[str, Any]]:
    """The rows with the columns of a theme; those with nothing in them are left out."""
    columns = THEMES[theme]
    heads = ("by", "name", "currency") if any(row["currency"] for row in rows) else ("by", "name")
    return [
        {name: row[name] for name in (*heads, *columns)}
        for row in rows
        if theme == "orders" or any(row[name] not in (None, 0, "0", "0.00") for name in columns)
    ]


def decimal(value: Fraction | None, digits: int = DIGITS, least: int = 2) -> str | None:
    """A number as decimal text, rounded half to even to so many decimals, without trailing zeros beyond the `least`."""
    if value is None:
        return None
    whole, _, part = to_text(round(value * 10**digits), digits).partition(".")
    part = part.rstrip("0").ljust(least, "0")
    return f"{whole}.{part}" if part else whole


def percent(part: Fraction | int | None, of: Fraction | int | None) -> str | None:
    """`part` in percent of `of`, None where that is nothing."""
    return decimal(Fraction(part) / of * 100, 2) if part is not None and of else None
