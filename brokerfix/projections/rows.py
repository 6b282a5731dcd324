"""What rows a record makes of a broker's tables, whatever database they are in."""

import json
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from brokerfix.domain import Instructions, Instrument, average_text, id_text, money_text, to_text
from brokerfix.engine.orders.order import Child, Order
from brokerfix.engine.risk.levels import of_account
from brokerfix.engine.state import State
from brokerfix.engine.touched import Touched
from brokerfix.facts import (
    ChildFilled,
    ClientDefined,
    ClientDown,
    ClientUp,
    Fact,
    FillReversed,
    Quoted,
    RouteDecided,
    Started,
    Trade,
    TradeBusted,
    TradeCorrected,
    VenueDefined,
    VenueDown,
    VenueUp,
)
from brokerfix.projections.published import decision_row, moment, published
from brokerfix.projections.tables import TABLES

Row = dict[str, Any]


class Rows:
    """The rows that are to be written: `tables`, by their name and key, and `changes` of fills that are written."""

    def __init__(self) -> None:
        self.tables: dict[str, dict[Any, Row]] = {name: {} for name in TABLES}
        self.changes: dict[int, Row] = {}

    def clear(self) -> None:
        """All is written."""
        for written in self.tables.values():
            written.clear()
        self.changes.clear()

    def touch(self, state: State, touched: Touched) -> None:
        """Take the rows of what facts have touched."""
        rows = self.tables
        for order in touched.orders.values():
            rows["orders"][order.order_id] = order_row(state, order)
        for child in touched.children.values():
            rows["child_orders"][child.child_id] = child_row(state, child)
        for name, symbol in touched.positions:
            rows["accounts"][name] = account_row(state, name)
            if symbol:
                rows["positions"][name, symbol] = position_row(state, name, symbol)

    def whole(self, state: State) -> None:
        """Take the rows that nothing touches, of all that the state has. Which exchanges are up is not kept."""
        rows = self.tables["sessions"]
        rows.update({("exchange", name): _session_row("exchange", name, "down", 0) for name in state.venues})
        for name, client in state.clients.items():
            rows["client", name] = _session_row("client", name, "up" if client.is_up else "down", client.down_at)

    def note(self, state: State, fact: Fact) -> None:
        """Take the rows of an event, which the state has already."""
        take = TAKERS.get(type(fact))
        if take is not None:
            take(self, state, fact)

    def _traded(self, state: State, fact: Trade) -> None:
        self._execution(state, fact, fact.id - 1, state.orders[fact.maker_order_id], "", "", fact.maker_fee)
        self._execution(state, fact, fact.id, state.orders[fact.taker_order_id], "", "", fact.taker_fee)
        self._trade(state, fact, state.orders[fact.taker_order_id].symbol, "")

    def _filled(self, state: State, fact: ChildFilled) -> None:
        child = state.children[fact.child_id]
        self._execution(state, fact, fact.id, state.order_of(child), child.venue, fact.venue_exec_id, fact.fee)
        self._trade(state, fact, child.symbol, child.venue)

    def _decided(self, state: State, fact: RouteDecided) -> None:
        symbol = state.orders[fact.order_id].symbol
        self.tables["route_decisions"][fact.id] = decision_row(fact, state.instruments[symbol])

    def _started(self, state: State, fact: Started) -> None:
        """Nobody is logged on."""
        names = [("exchange", name) for name in state.venues] + [("client", name) for name in state.clients]
        for kind, name in names:
            self._session(kind, name, "down", fact.at)

    def _venue(self, state: State, fact: VenueDefined) -> None:
        self._session("exchange", fact.venue.venue, "down", fact.at)

    def _client(self, state: State, fact: ClientDefined) -> None:
        self._session("client", fact.client, "down", fact.at)

    def _venue_is(self, state: State, fact: VenueUp | VenueDown) -> None:
        self._session("exchange", fact.venue, "up" if isinstance(fact, VenueUp) else "down", fact.at)

    def _client_is(self, state: State, fact: ClientUp | ClientDown) -> None:
        self._session("client", fact.client, "up" if isinstance(fact, ClientUp) else "down", fact.at)

    def _session(self, kind: str, name: str, state: str, at: int) -> None:
        self.tables["sessions"][kind, name] = _session_row(kind, name, state, at)

    def _changed(self, state: State, fact: TradeBusted | TradeCorrected | FillReversed) -> None:
        """A fill is taken back or corrected: its row says what it is now, and by which ExecID."""
        qty, price = (fact.qty, fact.price) if isinstance(fact, TradeCorrected) else (0, 0)
        if isinstance(fact, FillReversed):
            symbol = fact.symbol
        else:
            symbol = state.orders[state.fills[fact.exec_id].order_id].symbol
        instrument = state.instruments[symbol]
        self.changes[fact.exec_id] = {
            "exec_id": id_text(fact.exec_id),
            "state": "corrected" if qty else "busted",
            "last_qty": to_text(qty, instrument.qty_digits),
            "changed_by": id_text(fact.id),
            "fee": (fact.fee if isinstance(fact, TradeCorrected) else "") or "0",
            **({"last_px": to_text(price, instrument.price_digits)} if qty else {}),
        }

    def _execution(
        self,
        state: State,
        fact: Trade | ChildFilled,
        exec_id: int,
        order: Order,
        venue: str,
        venue_exec_id: str,
        fee: str,
    ) -> None:
        instrument = state.instruments[order.symbol]
        self.tables["executions"][exec_id] = {
            "exec_id": id_text(exec_id),
            "at": moment(fact.at),
            "order_id": id_text(order.order_id),
            "cl_ord_id": order.cl_ord_id,
            "client": order.client,
            "account": order.account,
            "symbol": order.symbol,
            "side": order.side.name,
            "last_qty": to_text(fact.qty, instrument.qty_digits),
            "last_px": to_text(fact.price, instrument.price_digits),
            "venue": venue,
            "venue_exec_id": venue_exec_id,
            "state": "booked",
            "changed_by": "",
            "fee": fee or "0",
        }

    def _trade(self, state: State, fact: Trade | ChildFilled, symbol: str, venue: str) -> None:
        instrument = state.instruments[symbol]
        self.tables["trades"][fact.id] = {
            "id": id_text(fact.id),
            "at": moment(fact.at),
            "symbol": symbol,
            "qty": to_text(fact.qty, instrument.qty_digits),
            "price": to_text(fact.price, instrument.price_digits),
            "venue": venue,
        }

    def _quote(self, state: State, fact: Quoted) -> None:
        instrument = state.instruments[fact.symbol]
        bids, asks = (_levels(levels, instrument) for levels in (fact.bids, fact.asks))
        self.tables["quotes"][fact.id] = {
            "id": id_text(fact.id),
            "at": moment(fact.at),
            "symbol": fact.symbol,
            "bid_px": bids[0]["price"] if bids else None,
            "bid_qty": bids[0]["qty"] if bids else None,
            "ask_px": asks[0]["price"] if asks else None,
            "ask_qty": asks[0]["qty"] if asks else None,
            "mark": to_text(fact.mark, instrument.price_digits),
        }
        last = fact.last and f"{to_text(fact.last[1], instrument.qty_digits)} @ " + to_text(
            fact.last[0], instrument.price_digits
        )
        self.tables["books"][fact.symbol] = {
            "symbol": fact.symbol,
            "at": moment(fact.at),
            "bids": msgspec.json.encode(bids).decode(),
            "asks": msgspec.json.encode(asks).decode(),
            "last": last or None,
        } | published(fact, instrument)


TAKERS: dict[type[Fact], Callable[[Rows, State, Any], None]] = {
    Trade: Rows._traded,
    ChildFilled: Rows._filled,
    TradeBusted: Rows._changed,
    TradeCorrected: Rows._changed,
    FillReversed: Rows._changed,
    Quoted: Rows._quote,
    RouteDecided: Rows._decided,
    Started: Rows._started,
    VenueDefined: Rows._venue,
    ClientDefined: Rows._client,
    VenueUp: Rows._venue_is,
    VenueDown: Rows._venue_is,
    ClientUp: Rows._client_is,
    ClientDown: Rows._client_is,
}
"""The facts that have rows of their own."""


def _session_row(kind: str, name: str, state: str, at: int) -> Row:
    """A session as the `sessions` table has it; 0: since when it is so is not known."""
    return {"kind": kind, "name": name, "state": state, "since": moment(at) if at else None}


def order_row(state: State, order: Order) -> Row:
    """An order as the `orders` table has it."""
    instrument = state.instruments[order.symbol]
    digits = instrument.qty_digits
    return {
        "order_id": id_text(order.order_id),
        "cl_ord_id": order.cl_ord_id,
        "client": order.client,
        "account": order.account,
        "symbol": order.symbol,
        "side": order.side.name,
        "ord_type": order.ord_type.name,
        "time_in_force": order.time_in_force.name,
        "qty": to_text(order.qty, digits),
        "price": to_text(order.price, instrument.price_digits) if order.price else None,
        "status": order.status.name,
        "cum_qty": to_text(order.cum, digits),
        "leaves_qty": to_text(order.leaves, digits),
        "avg_px": average_text(order.notional, order.cum, instrument.price_digits),
        "in_book": to_text(order.in_book, digits),
        "at_venues": to_text(order.at_venues, digits),
        "entered": moment(order.at),
        **_instructions_row(order, instrument),
    }


def _instructions_row(order: Order, instrument: Instrument) -> Row:
    """What an order asks for beyond type, quantity and price; `limit_px` is what a pegged order never goes beyond."""
    asked = order.instructions or Instructions()
    stop_px = order.stop_px or asked.stop_px
    prices = {"stop_px": stop_px, "peg_offset": asked.peg_offset, "limit_px": asked.limit}
    qtys = {"min_qty": asked.min_qty, "max_floor": asked.max_floor}
    return {
        **{name: to_text(price, instrument.price_digits) if price else None for name, price in prices.items()},
        **{name: to_text(qty, instrument.qty_digits) if qty else None for name, qty in qtys.items()},
        "expire_time": moment(asked.expire_at) if asked.expire_at else None,
        "expire_date": str(asked.expire_day) if asked.expire_day else None,
        "exec_inst": " ".join(asked.exec_inst),
        "ex_destination": order.ex_destination,
        "cash_order_qty": order.cash or None,
        "manual": int(asked.manual),
    }


def child_row(state: State, child: Child) -> Row:
    """A child order as the `child_orders` table has it."""
    instrument = state.instruments[child.symbol]
    digits = instrument.qty_digits
    return {
        "child_id": id_text(child.child_id),
        "order_id": id_text(child.order_id),
        "venue": child.venue,
        "venue_order_id": child.venue_order_id,
        "symbol": child.symbol,
        "side": child.side.name,
        "qty": to_text(child.qty, digits),
        "price": to_text(child.price, instrument.price_digits),
        "time_in_force": child.time_in_force.name,
        "status": child.status.name,
        "cum_qty": to_text(child.cum, digits),
        "leaves_qty": to_text(child.leaves, digits),
        "in_doubt": int(state.in_doubt(child)),
    }


def account_row(state: State, name: str) -> Row:
    """An account as the `accounts` table has it. `limits` are its own as JSON, see `levels.of_account`."""
    account = state.accounts[name]
    most = account.limits
    return {
        "account": account.account,
        "paid_in": money_text(account.paid_in),
        "cash": money_text(account.cash),
        "buying_power": money_text(account.buying_power),
        "kind": account.margin,
        "standing": str(account.standing),
        "balances": json.dumps({currency: money_text(money) for currency, money in account.balances.items()}),
        "equity": money_text(account.equity if account.is_watched else account.cash + account.foreign),
        "maintenance": money_text(account.maintenance),
        "excess": money_text(account.excess if account.is_watched else account.buying_power),
        "credit": f"{account.credit_bps / 10_000:g}",
        "checks_power": int(most.buying_power),
        "limits": json.dumps(of_account(state, account)),
    }


def position_row(state: State, account: str, symbol: str) -> Row:
    """A position as the `positions` table has it."""
    position, instrument = state.accounts[account].positions[symbol], state.instruments[symbol]
    digits = instrument.qty_digits
    mark = state.marks.get(symbol) or instrument.reference
    return {
        "account": account,
        "symbol": symbol,
        "qty": to_text(position.qty, digits),
        "bought": to_text(position.bought, digits),
        "sold": to_text(position.sold, digits),
        "mark": to_text(mark, instrument.price_digits),
        "open_buy_qty": to_text(position.open_buy_qty, digits),
        "open_sell_qty": to_text(position.open_sell_qty, digits),
    }


def _levels(levels: Iterable[tuple[int, int, str]], instrument: Instrument) -> list[dict[str, str]]:
    return [
        {
            "price": to_text(price, instrument.price_digits),
            "qty": to_text(qty, instrument.qty_digits),
            "venue": venue,
        }
        for price, qty, venue in levels
    ]
