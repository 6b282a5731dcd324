"""Layering and spoofing: orders on one side that go once the same owner has traded on the other side.

Sources: Regulation (EU) 596/2014, annex I.A (f), with Delegated Regulation (EU) 2016/522, annex II, section 1, 5 (e);
FINRA Rule 5210.03, the first kind of disruptive quoting and trading activity; Securities Exchange Act, section 9(a)(2),
and SEC Rule 10b-5.

A fill is looked at when `layering_after_seconds` are over. Of the owner's orders on the other side count those that
could be seen (limit orders that may rest), came at most `layering_before_seconds` before the fill, were canceled by
their client from `layering_lead_seconds` before to `layering_after_seconds` after it, and of which at most
`layering_filled_percent` was filled. It is found where there are `layering_orders` of them, or one that is large (at
least `layering_large_percent` of what its side showed when it came, or `layering_large_median` times the instrument's
median order), and what was canceled is at least `layering_ratio` times what the owner traded on the fill's side
meanwhile.
"""

from collections.abc import Iterator

from brokerfix.domain import Finding
from brokerfix.settings.surveillance import Thresholds
from brokerfix.surveillance.tape import MOST, SECOND, Fill, Gone, Layers, Memory, Order, twice_median
from brokerfix.surveillance.words import Words, clock, finding, score, span

NAME = "layering"
MOST_TOLD = 10
"""Orders that have a sentence each."""


def filled(memory: Memory, order: Order, fill: Fill, terms: Thresholds) -> None:
    if not order.is_watched:
        return
    layers = _layers(memory, order)
    layers.fills.append(fill)
    if len(layers.fills) > MOST:
        del layers.fills[0]
    if not layers.due:
        layers.due = fill.at + terms.layering_after_seconds * SECOND
        memory.wake(layers.due, NAME, order.owner, order.symbol)


def canceled(memory: Memory, order: Order, fact: int, terms: Thresholds) -> None:
    """The client has canceled an order."""
    if not (order.is_watched and order.may_rest) or order.cum * 100 > terms.layering_filled_percent * order.qty:
        return
    layers = _layers(memory, order)
    since = (layers.fills[0].at if layers.fills else memory.now) - terms.layering_lead_seconds * SECOND
    count = next((number for number, one in enumerate(layers.gone) if one.canceled >= since), len(layers.gone))
    del layers.gone[: max(count, len(layers.gone) - MOST)]
    layers.gone.append(
        Gone(
            order.order_id, order.account, order.is_buy, order.qty, order.cum, order.price, order.at, memory.now, fact,
            order.touch, order.shown,
        )
    )  # fmt: skip


def look(memory: Memory, owner: str, symbol: str, terms: Thresholds) -> Iterator[Finding]:
    """Look at the fills that are old enough; the others will be looked at later."""
    layers = memory.layers.get((owner, symbol))
    if layers is None:
        return
    layers.due = 0
    after = terms.layering_after_seconds * SECOND
    while layers.fills and layers.fills[0].at + after < memory.now:
        fill = layers.fills[0]
        found = _behind(memory, layers, fill, symbol, terms)
        if found is None:
            del layers.fills[0]
            continue
        orders, fills = found
        yield _finding(memory, owner, symbol, orders, fills, terms)
        layers.gone = [one for one in layers.gone if one not in orders]
        layers.fills = [one for one in layers.fills if one not in fills]
    if layers.fills:
        layers.due = layers.fills[0].at + after
        memory.wake(layers.due, NAME, owner, symbol)
    elif not layers.gone:
        del memory.layers[owner, symbol]


def _layers(memory: Memory, order: Order) -> Layers:
    key = order.owner, order.symbol
    layers = memory.layers.get(key)
    if layers is None:
        layers = memory.layers[key] = Layers()
    return layers


def _behind(
    memory: Memory, layers: Layers, fill: Fill, symbol: str, terms: Thresholds
) -> tuple[list[Gone], list[Fill]] | None:
    """The canceled orders behind a fill, and all fills that they may have been for."""
    before, after, lead = (
        seconds * SECOND
        for seconds in (terms.layering_before_seconds, terms.layering_after_seconds, terms.layering_lead_seconds)
    )
    orders = [
        one
        for one in layers.gone
        if one.is_buy is not fill.is_buy
        and fill.at - before <= one.entered <= fill.at
        and fill.at - lead <= one.canceled <= fill.at + after
    ]
    if not orders:
        return None
    fills = [one for one in layers.fills if one.is_buy is fill.is_buy and fill.at <= one.at <= fill.at + after]
    withdrawn, traded = sum(one.qty - one.filled for one in orders), sum(one.qty for one in fills)
    if withdrawn < terms.layering_ratio * traded:
        return None
    if len(orders) < terms.layering_orders and not any(_is_large(memory, symbol, one, terms) for one in orders):
        return None
    return orders, fills


def _is_large(memory: Memory, symbol: str, one: Gone, terms: Thresholds) -> bool:
    if one.shown and one.qty * 100 >= terms.layering_large_percent * one.shown:
        return True
    sizes = memory.sizes.get(("", symbol))
    if sizes is None or len(sizes.ordered) < terms.size_sample:
        return False
    return 2 * one.qty >= terms.layering_large_median * twice_median(sizes.ordered)


def _finding(
    memory: Memory, owner: str, symbol: str, orders: list[Gone], fills: list[Fill], terms: Thresholds
) -> Finding:  # fmt: skip
    words = Words(symbol, memory.instruments.get(symbol))
    withdrawn, traded = sum(one.qty - one.filled for one in orders), sum(one.qty for one in fills)
    largest = max(orders, key=_qty)
    side, other = ("buy", "sold") if orders[0].is_buy else ("sell", "bought")
    told = [
        f"{owner} {other} {words.qty(traded)} {symbol} at {words.average(sum(f.qty * f.price for f in fills), traded)} "
        f"{span(fills[0].at, fills[-1].at)}, while {len(orders)} "
        f"order{'s' if len(orders) > 1 else ''} of it to {side} stood or had just stood; "
        f"{words.qty(withdrawn)} of them were canceled, {_times(withdrawn, traded)} times what it traded."
    ]
    for one in orders[:MOST_TOLD]:
        touch = f", {words.price(abs(one.touch - one.price))} from the best" if one.touch else ""
        told.append(
            f"{side} {words.qty(one.qty)} at {words.price(one.price)}{touch}: entered {clock(one.entered)}, canceled "
            f"{clock(one.canceled)}, filled {words.qty(one.filled)}."
        )
    return finding(
        NAME, fills[0].exec_id, [*(one.account for one in orders), *(one.account for one in fills)], symbol,
        score(withdrawn, terms.layering_ratio * traded), told,
        [number for one in orders for number in (one.order_id, one.fact)]
        + [number for one in fills for number in (one.order_id, one.fact)],
        [("orders canceled", len(orders)), ("quantity canceled", words.qty(withdrawn)), ("traded", words.qty(traded)),
         ("canceled to traded", _times(withdrawn, traded)),
         ("largest order", words.qty(largest.qty)),
         ("shown on its side", words.qty(largest.shown) if largest.shown else "not on record")],
        [(name, getattr(terms, name)) for name in THRESHOLDS],
        [*(one.entered for one in orders), *(one.canceled for one in orders), *(one.at for one in fills)],
    )  # fmt: skip


THRESHOLDS = tuple(name for name in Thresholds.__struct_fields__ if name.startswith("layering_"))


def _qty(one: Gone) -> int:
    return one.qty


def _times(qty: int, of: int) -> str:
    """A ratio with one decimal, rounded down."""
    tenths = 10 * qty // of
    return f"{tenths // 10}.{tenths % 10}"
