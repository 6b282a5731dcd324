"""Wash trades: trades without a change of the beneficial owner, or of its position.

Sources: Regulation (EU) 596/2014, annex I.A (c), with Delegated Regulation (EU) 2016/522, annex II, section 1, 3 (a);
Securities Exchange Act, section 9(a)(1), and FINRA Rule 5210.02 (self-trades).

Two patterns, each within `wash_window_seconds`:

- `wash_crosses` trades of an owner with itself: both sides of a trade in our book or, at an exchange, a buy and a sell
  of the same quantity at the same price within `wash_met_ms`.
- Round trips: at least `wash_round_trips` orders were filled on each side; what was bought and sold differ by no more
  than `wash_net_percent` of the larger, and their average prices by no more than `wash_price_bps`.
"""

from collections.abc import Iterator

from brokerfix.domain import Finding
from brokerfix.settings.surveillance import Thresholds
from brokerfix.surveillance.tape import MOST, SECOND, Fill, Memory, Order, Washing
from brokerfix.surveillance.words import Words, finding, score, span

NAME = "wash-trades"
MILLISECOND = 10**6
MOST_UNMET, MOST_PLACES = 8, 200
"""Fills that wait for another side: of one exchange, price, quantity and side, and how many of these there are."""


def filled(memory: Memory, order: Order, fill: Fill, terms: Thresholds) -> Iterator[Finding]:
    """One side of a trade with somebody else, or an exchange's fill."""
    if not order.is_watched:
        return
    done = _window(memory, order, terms)
    other = _met(done, fill, terms.wash_met_ms * MILLISECOND)
    if other is not None:
        if other in done.fills:
            done.fills.remove(other)
            done.add(other, -1)
        yield from _crossed(memory, order, done, [other, fill], terms)
        return
    done.fills.append(fill)
    done.add(fill)
    if len(done.fills) > MOST:
        done.add(done.fills.pop(0), -1)
    if _is_round(done, terms):
        yield _round_trips(memory, order, done, terms)
        done.fills, done.bought, done.sold, done.paid, done.got = [], 0, 0, 0, 0


def crossed(memory: Memory, order: Order, fills: list[Fill], terms: Thresholds) -> Iterator[Finding]:
    """A trade in our book with both sides of one owner, whose order the taker's is."""
    yield from _crossed(memory, order, _window(memory, order, terms), fills, terms)


def _window(memory: Memory, order: Order, terms: Thresholds) -> Washing:
    """What the owner has done; what is too old for the window is dropped."""
    key = order.owner, order.symbol
    done = memory.washing.get(key)
    if done is None:
        done = memory.washing[key] = Washing()
    since = memory.now - terms.wash_window_seconds * SECOND
    count = 0
    for fill in done.fills:
        if fill.at >= since:
            break
        done.add(fill, -1)
        count += 1
    del done.fills[:count]
    while done.crosses and done.crosses[0][-1].at < since:
        del done.crosses[0]
    return done


def _met(done: Washing, fill: Fill, within: int) -> Fill | None:
    """The fill of the owner's other side that this one has probably traded with at the exchange; else it waits for
    one."""
    if not fill.venue:
        return None
    others = done.unmet.get((fill.venue, fill.price, fill.qty, not fill.is_buy))
    while others:
        other = others.pop()
        if other.at >= fill.at - within:
            return other
        others.clear()
    waiting = done.unmet.setdefault((fill.venue, fill.price, fill.qty, fill.is_buy), [])
    waiting.append(fill)
    del waiting[:-MOST_UNMET]
    if len(done.unmet) > MOST_PLACES:
        done.unmet = {key: one for key, one in done.unmet.items() if one and one[-1].at >= fill.at - within}
    return None


def _crossed(
    memory: Memory, order: Order, done: Washing, fills: list[Fill], terms: Thresholds
) -> Iterator[Finding]:  # fmt: skip
    done.crosses.append(fills)
    if len(done.crosses) < terms.wash_crosses:
        return
    every = [fill for cross in done.crosses for fill in cross]
    words = Words(order.symbol, memory.instruments.get(order.symbol))
    count, qty = len(done.crosses), sum(cross[0].qty for cross in done.crosses)
    prices = sorted({fill.price for fill in every})
    where = sorted({fill.venue or "our book" for fill in every})
    at = words.price(prices[0]) if len(prices) == 1 else f"{words.price(prices[0])} to {words.price(prices[-1])}"
    accounts = sorted({fill.account for fill in every})
    yield finding(
        NAME, fills[-1].exec_id, accounts, order.symbol, score(count, terms.wash_crosses),
        [
            f"{order.owner} was on both sides of {count} trade{'s' if count > 1 else ''} in {order.symbol} "
            f"({', '.join(where)}): {words.qty(qty)} at {at}, "
            f"{span(every[0].at, every[-1].at)}, for account{'s' if len(accounts) > 1 else ''} "
            f"{', '.join(accounts)}. The owner's position is what it was."
        ],
        [number for fill in every for number in (fill.order_id, fill.fact)],
        [("pattern", "crosses"), ("trades", count), ("quantity", words.qty(qty)),
         ("lowest price", words.price(prices[0])), ("highest price", words.price(prices[-1]))],
        [("wash_crosses", terms.wash_crosses), ("wash_window_seconds", terms.wash_window_seconds),
         ("wash_met_ms", terms.wash_met_ms)],
        [fill.at for fill in every],
    )  # fmt: skip
    done.crosses = []


def _is_round(done: Washing, terms: Thresholds) -> bool:
    more = max(done.bought, done.sold)
    if not (done.bought and done.sold) or abs(done.bought - done.sold) * 100 > terms.wash_net_percent * more:
        return False
    paid, got = done.paid * done.sold, done.got * done.bought
    if abs(paid - got) * 10_000 > terms.wash_price_bps * abs(paid):
        return False
    buys, sells = ({fill.order_id for fill in done.fills if fill.is_buy is is_buy} for is_buy in (True, False))
    return min(len(buys), len(sells)) >= terms.wash_round_trips


def _round_trips(memory: Memory, order: Order, done: Washing, terms: Thresholds) -> Finding:
    words = Words(order.symbol, memory.instruments.get(order.symbol))
    fills, bought, sold = done.fills, words.qty(done.bought), words.qty(done.sold)
    buys, sells = ({fill.order_id for fill in fills if fill.is_buy is is_buy} for is_buy in (True, False))
    paid, got = words.average(done.paid, done.bought), words.average(done.got, done.sold)
    return finding(
        NAME, fills[-1].exec_id, {fill.account for fill in fills}, order.symbol,
        score(min(len(buys), len(sells)), terms.wash_round_trips),
        [
            f"{order.owner} bought {bought} {order.symbol} by {len(buys)} orders at {paid} on average and sold {sold} "
            f"by {len(sells)} orders at {got}, {span(fills[0].at, fills[-1].at)}: its position "
            "hardly changed, nor did it earn or lose by the prices."
        ],
        [number for fill in fills for number in (fill.order_id, fill.fact)],
        [("pattern", "round trips"), ("bought", bought), ("sold", sold), ("orders to buy", len(buys)),
         ("orders to sell", len(sells)), ("average bought at", paid), ("average sold at", got)],
        [("wash_round_trips", terms.wash_round_trips), ("wash_window_seconds", terms.wash_window_seconds),
         ("wash_net_percent", terms.wash_net_percent), ("wash_price_bps", terms.wash_price_bps)],
        [fill.at for fill in fills],
    )  # fmt: skip
