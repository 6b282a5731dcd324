"""What is always true of orders and state. Tests and `brokerfix verify` ask after every change."""

from collections.abc import Iterator

import msgspec

from brokerfix.domain import Hold, OrdStatus
from brokerfix.engine.entities import Account, Exposure, JobKind
from brokerfix.engine.money import factor_of, value
from brokerfix.engine.orders.order import Order
from brokerfix.engine.risk import checks as risk
from brokerfix.engine.risk import needs
from brokerfix.engine.risk.bounds import exposures_of, worth
from brokerfix.engine.state import State


def broken_in_order(state: State, order: Order) -> Iterator[str]:
    """What is wrong with an order, as text; nothing if all is well."""
    name = f"order {order.order_id}"
    total = order.cum + order.leaves + order.canceled
    if total != order.qty and not (order.excess and order.cum > order.qty):
        yield f"{name}: cum {order.cum} + leaves {order.leaves} + canceled {order.canceled} is not {order.qty}"
    if any(not child.open or child.child_id not in state.open_children[child.venue] for child in order.children):
        yield f"{name}: has a child that is not open"
    held = sum(child.leaves for child in order.children)
    if held != order.at_venues:
        yield f"{name}: children hold {held} at exchanges, the order says {order.at_venues}"
    book = state.books[order.symbol]
    booked = book.entries[order.order_id].qty if order.order_id in book else 0
    if booked != order.in_book:
        yield f"{name}: {booked} rests in our book, the order says {order.in_book}"
    placed = order.in_book + order.at_venues + order.held
    if order.cum + placed > order.qty + order.excess:
        where = f"in book {order.in_book} + at exchanges {order.at_venues} + held {order.held}"
        yield f"{name}: filled {order.cum} + {where} > {order.qty}"
    if bool(order.held) != (order.hold is not None):
        yield f"{name}: holds {order.held} because of {order.hold}"
    stops = state.stops[order.symbol]
    stopped = (
        (stops.entries[order.order_id].price, stops.entries[order.order_id].qty) if order.order_id in stops else None
    )
    if stopped != ((order.stop_px, order.held) if order.hold is Hold.STOP else None):
        yield f"{name}: its stop is filed as {stopped}, but it holds {order.held} at {order.stop_px}"
    if order.ended is not None and (order.in_book or order.at_venues or order.held):
        yield f"{name}: is {order.ended.name} but something of it rests"
    if order.ended is None and order.pending is None and order.unplaced > 0 and not order.at_venues:
        # An immediate order's remainder waits for the end of its children, to be canceled in one report.
        yield f"{name}: {order.unplaced} is in no place"
    working = order.order_id in state.clients[order.client].working
    if working != order.working:
        yield f"{name}: {order.status.name} but {'' if working else 'not '}among the working orders"
    if order.status is OrdStatus.FILLED and order.leaves:
        yield f"{name}: filled with leaves {order.leaves}"


def broken_in_quotes(state: State) -> Iterator[str]:
    """What is wrong with the quotes that clients were given."""
    firm = [quote for quote in state.given.values() if quote.ended is None]
    if sorted((quote.valid_until, quote.quote_id) for quote in firm) != list(state.firm):
        yield f"firm quotes: {len(firm)}, filed are {len(state.firm)}"
    for name, client in state.clients.items():
        have = sum(quote.client == name for quote in firm)
        if have != client.firm:
            yield f"client {name}: {have} firm quotes, it says {client.firm}"
    for name, making in state.makers.items():
        for symbol, desk in making.desks.items():
            theirs = [quote for quote in firm if (quote.maker, quote.symbol) == (name, symbol)]
            sums = sum(quote.bid_left for quote in theirs), sum(quote.ask_left for quote in theirs)
            if sums != (desk.to_buy, desk.to_sell):
                yield f"maker {name}, {symbol}: firm quotes come to {sums}, it says {(desk.to_buy, desk.to_sell)}"


def broken_in_state(state: State) -> Iterator[str]:
    """What is wrong with the state as a whole: every order, every account's exposure, every book."""
    if state.given:
        yield from broken_in_quotes(state)
    open_on: dict[tuple[str, str, str], tuple[int, int]] = {}
    for order in state.orders.values():
        yield from broken_in_order(state, order)
        reserved, reserved_notional = order.reserved
        if order.leaves or reserved or reserved_notional:
            where = (order.account, order.symbol, str(order.side))
            qty, notional = open_on.get(where, (0, 0))
            more = order.leaves * order.risk_price + reserved_notional
            open_on[where] = (qty + order.leaves + reserved, notional + more)
    pending = {(job.name, name) for job in state.jobs if job.kind is JobKind.REVALUE for name in job.left}
    for account in state.accounts.values():
        total = 0
        for symbol, position in account.positions.items():
            name = f"account {account.account}, {symbol}"
            for side, have in (
                ("1", (position.open_buy_qty, position.open_buy_notional)),
                ("2", (position.open_sell_qty, position.open_sell_notional)),
            ):
                want = open_on.get((account.account, symbol, side), (0, 0))
                if have != want:
                    yield f"{name}: open on side {side} {have}, its orders say {want}"
            instrument = state.instruments[symbol]
            if account.margin == "cash":
                want_load = risk.load(position, risk.reference(state, instrument), state.factors[symbol])
            else:
                want_load = needs.need(state, account, instrument, position).load
            if position.load != want_load and (symbol, account.account) not in pending:
                yield f"{name}: load {position.load} is not {want_load}"
            total += position.load
        if not pending:
            yield from _broken_margin(state, account)
        total += sum(load for load, _ in account.products.values())
        if total != account.load:
            yield f"account {account.account}: load {account.load} is not the sum {total}"
    if not pending:
        yield from _broken_exposures(state)
    for symbol, factor in state.factors.items():
        if factor != factor_of(state, state.instruments[symbol]):
            yield f"{symbol}: its factor is {factor}"
    for symbol, book in state.books.items():
        for key in book.entries:
            if state.orders[key].symbol != symbol:
                yield f"book {symbol}: order {key} is for {state.orders[key].symbol}"


def _broken_margin(state: State, account: Account) -> Iterator[str]:
    """What is wrong with what an account's positions are worth and need."""
    if account.foreign != sum(value(state, currency, money) for currency, money in account.balances.items()):
        yield f"account {account.account}: foreign {account.foreign} is not what its balances are worth"
    if account.is_watched:
        loans = (symbol for symbol in account.positions if state.instruments[symbol].option is None)
        worth_now = sum(worth(state, symbol, account.positions[symbol].qty) for symbol in loans)
        if worth_now != account.worth:
            yield f"account {account.account}: worth {account.worth} is not {worth_now}"
    if account.margin == "cash":
        return
    maintenance = 0
    for symbol, position in account.positions.items():
        instrument = state.instruments[symbol]
        maintenance += needs.need(state, account, instrument, position).maintenance
        product = needs.product_of(account, instrument)
        if product and account.products[product] != needs.product_need(state, account, product):
            yield f"account {account.account}: product {product} needs {account.products[product]}"
    maintenance += sum(of_product for _, of_product in account.products.values())
    if maintenance != account.maintenance:
        yield f"account {account.account}: maintenance margin {account.maintenance} is not {maintenance}"


def _broken_exposures(state: State) -> Iterator[str]:
    """What is wrong with what positions and open orders come to at the levels that have limits."""
    afresh: dict[int, Exposure] = {}
    for account in state.accounts.values():
        for symbol, position in account.positions.items():
            now = msgspec.structs.replace(position, worth=worth(state, symbol, position.qty))
            for exposure in exposures_of(account, symbol):
                afresh.setdefault(id(exposure), Exposure()).count(symbol, now, state.factors[symbol])
    for level, bound in state.bounds.items():
        if not bound.exposed:
            continue
        sums = afresh.get(id(bound.exposure), Exposure())
        for name in ("gross", "net", "buys", "sells"):
            if getattr(sums, name) != getattr(bound.exposure, name):
                yield f"{level}: {name} {getattr(bound.exposure, name)} is not {getattr(sums, name)}"
        for symbol, held in bound.exposure.held.items():
            if held != sums.held.get(symbol, [0, 0, 0]):
                yield f"{level}, {symbol}: holds {held}, its accounts {sums.held.get(symbol)}"
