"""Unusual size: an order, or an account's trading of a day, that is far larger than what there was before.

Sources: Regulation (EU) 596/2014, annex I.A (a), with Delegated Regulation (EU) 2016/522, annex II, section 1 (unusual
concentration of transactions and orders); FINRA Rule 3110 (review of transactions).

An order is compared with the account's own orders in the symbol in the last `size_days` days, if there are
`size_sample` of them (the last 200 count), else with those of all accounts in the symbol (the last 2,000), with none
where those are too few. It is found where it is at least `size_times` their median, and `size_mads` median absolute
deviations above it. In the same way what an account has traded in a symbol on a day is compared with its own earlier
days on which it has traded there, if there are `size_day_sample` of them in `size_days` days; once a day.
"""

from collections.abc import Iterator

from brokerfix.domain import Finding, later
from brokerfix.settings.surveillance import Thresholds
from brokerfix.surveillance.tape import Daily, Fill, Memory, Order, Sizes, twice_median
from brokerfix.surveillance.words import Words, clock, finding, score

NAME = "unusual-size"
MOST_OWN, MOST_OF_ALL, MOST_DAYS = 200, 2000, 400
MOST_FACTS = 30
"""The last fills of a day that are evidence."""


class Usual:
    """What is usual, of sizes in order. Numbers are four times the quantities, so that all are whole."""

    def __init__(self, ordered: list[int], terms: Thresholds) -> None:
        twice = twice_median(ordered)
        # Of numbers that are twice the deviations the median, twice, is four times the median deviation.
        self.mad4 = twice_median(sorted(abs(2 * size - twice) for size in ordered))
        self.median4 = 2 * twice
        self.most4 = max(terms.size_times * self.median4, self.median4 + terms.size_mads * self.mad4)

    def is_beyond(self, size: int) -> bool:
        return 4 * size >= self.most4


def accepted(memory: Memory, order: Order, terms: Thresholds) -> Iterator[Finding]:
    if not order.is_watched:
        return
    own = memory.sizes.setdefault((order.account, order.symbol), Sizes())
    every = memory.sizes.setdefault(("", order.symbol), Sizes())
    first = later(memory.day, -terms.size_days)
    for sizes in (own, every):
        sizes.trim(first)
    basis = next((one for one in (own, every) if len(one.ordered) >= terms.size_sample), None)
    # What is not above that many medians needs no look at the deviations, which takes long.
    if basis is not None and 2 * order.qty >= terms.size_times * twice_median(basis.ordered):
        usual = Usual(basis.ordered, terms)
        if usual.is_beyond(order.qty):
            whose = order.account if basis is own else "all accounts"
            yield _order(memory, order, usual, whose, len(basis.ordered), terms)
    own.add(memory.day, order.qty, MOST_OWN)
    every.add(memory.day, order.qty, MOST_OF_ALL)


def filled(memory: Memory, order: Order, fill: Fill, terms: Thresholds) -> Iterator[Finding]:
    if not order.is_watched:
        return
    daily = memory.daily.setdefault((order.account, order.symbol), Daily())
    if daily.day != memory.day:
        begin_day(daily, memory.day)
        daily.past.trim(later(memory.day, -terms.size_days))
    daily.qty += fill.qty
    daily.facts.append(fill.fact)
    del daily.facts[:-MOST_FACTS]
    days = daily.past.ordered
    if daily.is_told or len(days) < terms.size_day_sample or 2 * daily.qty < terms.size_times * twice_median(days):
        return
    usual = Usual(days, terms)
    if usual.is_beyond(daily.qty):
        daily.is_told = True
        yield _day(memory, order, fill, daily, usual, terms)


def begin_day(daily: Daily, day: int) -> None:
    if daily.qty:
        daily.past.add(daily.day, daily.qty, MOST_DAYS)
    daily.day, daily.qty, daily.is_told, daily.facts = day, 0, False, []


def _order(
    memory: Memory, order: Order, usual: Usual, whose: str, count: int, terms: Thresholds
) -> Finding:  # fmt: skip
    words = Words(order.symbol, memory.instruments.get(order.symbol))
    side = "buy" if order.is_buy else "sell"
    median, mad = words.half_qty(usual.median4 // 2), words.half_qty(usual.mad4 // 2)
    return finding(
        NAME, order.order_id, [order.account], order.symbol, score(4 * order.qty, usual.most4),
        [
            f"{order.account} sent an order to {side} {words.qty(order.qty)} {order.symbol} at {clock(order.at)} UTC; "
            f"the median of the last {count} orders of {whose} there is {median}, their median absolute "
            f"deviation {mad}."
        ],
        [order.order_id],
        [("of", "an order"), ("quantity", words.qty(order.qty)), ("compared with", whose), ("sample", count),
         ("median", median), ("median absolute deviation", mad)],
        [(name, getattr(terms, name)) for name in ("size_days", "size_sample", "size_times", "size_mads")],
        [order.at],
    )  # fmt: skip


def _day(
    memory: Memory, order: Order, fill: Fill, daily: Daily, usual: Usual, terms: Thresholds
) -> Finding:  # fmt: skip
    words = Words(order.symbol, memory.instruments.get(order.symbol))
    median, mad, count = words.half_qty(usual.median4 // 2), words.half_qty(usual.mad4 // 2), len(daily.past.ordered)
    return finding(
        NAME, fill.exec_id, [order.account], order.symbol, score(4 * daily.qty, usual.most4),
        [
            f"{order.account} has traded {words.qty(daily.qty)} {order.symbol} on the day until {clock(fill.at)} UTC; "
            f"the median of the {count} days before on which it traded there is {median}, their median absolute "
            f"deviation {mad}."
        ],
        [order.order_id, *daily.facts],
        [("of", "a day"), ("quantity", words.qty(daily.qty)), ("sample", count), ("median", median),
         ("median absolute deviation", mad)],
        [(name, getattr(terms, name)) for name in ("size_days", "size_day_sample", "size_times", "size_mads")],
        [fill.at],
    )  # fmt: skip
