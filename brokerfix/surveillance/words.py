"""What rules write their findings with: numbers and times as people write them."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from brokerfix.domain import Finding, Instrument, average_text, day_of, id_text, to_text
from brokerfix.surveillance.tape import SECOND

MOST_EVIDENCE = 500
"""Numbers of facts in one finding, the first ones."""
LEAST_SCORE = 50
"""Where a threshold is just reached."""


class Words:
    """Writes an instrument's prices and quantities."""

    def __init__(self, symbol: str, instrument: Instrument | None) -> None:
        self.symbol = symbol
        self._prices = instrument.price_digits if instrument is not None else 0
        self._qtys = instrument.qty_digits if instrument is not None else 0

    def price(self, price: int) -> str:
        return to_text(price, self._prices)

    def qty(self, qty: int) -> str:
        return to_text(qty, self._qtys)

    def half_price(self, twice: int) -> str:
        return to_text(5 * twice, self._prices + 1)

    def half_qty(self, twice: int) -> str:
        return to_text(5 * twice, self._qtys + 1)

    def average(self, notional: int, qty: int) -> str:
        return average_text(notional, qty, self._prices)


def clock(at: int) -> str:
    """Nanoseconds UTC -> 14:30:05.123."""
    return f"{datetime.fromtimestamp(at // SECOND, UTC):%H:%M:%S}.{at % SECOND // 10**6:03d}"


def span(first: int, last: int) -> str:
    """When something was, in a sentence."""
    begins, ends = clock(first), clock(last)
    return f"at {begins} UTC" if begins == ends else f"from {begins} to {ends} UTC"


def score(value: int, threshold: int) -> int:
    """50 where a value reaches its threshold, 100 at twice that."""
    return min(100, LEAST_SCORE * value // max(1, threshold))


MOST_SENTENCE = 400
"""Characters: what the broker takes. The evidence has the rest."""


def _short(sentence: str) -> str:
    return sentence if len(sentence) <= MOST_SENTENCE else sentence[: MOST_SENTENCE - 2] + " …"


def finding(
    rule: str, number: int, accounts: Iterable[str], symbol: str, scored: int, sentences: Sequence[str],
    evidence: Iterable[int], values: Iterable[tuple[str, object]], thresholds: Iterable[tuple[str, object]],
    times: Sequence[int],
) -> Finding:  # fmt: skip
    """A finding whose pattern the fact, or ExecID, of this number has completed; `times` are those of its facts."""
    return Finding(
        f"{rule}-{id_text(number)}",
        rule,
        tuple(sorted(set(accounts))),
        symbol,
        day_of(number),
        scored,
        tuple(_short(sentence) for sentence in sentences),
        tuple(sorted(set(evidence)))[:MOST_EVIDENCE],
        tuple((name, str(value)) for name, value in values),
        tuple((name, str(value)) for name, value in thresholds),
        min(times),
        max(times),
    )
