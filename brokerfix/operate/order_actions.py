"""What an operator does about orders and fills by hand."""

from collections.abc import Callable

from brokerfix import commands as cmd
from brokerfix.domain import (
    Instrument,
    OrdType,
    Side,
    TimeInForce,
    id_number,
    id_text,
    money_text,
    to_money,
    to_scaled,
)
from brokerfix.engine.orders.order import Order
from brokerfix.facts import OrderAccepted, OrderRejected
from brokerfix.operate.admin import ActionRefused, Answer, Request
from brokerfix.operate.running import Running


class OrderActions:
    """The actions, by name. `done` carries a command out and raises ActionRefused where it is refused."""

    def __init__(self, broker: Running, done: Callable[[cmd.Command], Answer]) -> None:
        self.broker, self.done = broker, done
        self.actions: dict[str, Callable[[str, Request], Answer]] = {
            "cancel": self._cancel,
            "release": self._release,
            "pause": self._pause,
            "resolve": self._resolve,
            "reverse": self._reverse,
            "enter": self._enter,
            "bust": self._bust,
            "correct": self._correct,
        }

    def _order(self, request: Request) -> Order:
        """The order that a request names: by its OrderID, or by client and ClOrdID."""
        state = self.broker.state
        if "client" in request:
            client = state.clients.get(request["client"])
            known = client.requests.get(request["order"]) if client is not None else None
            if isinstance(known, Order):
                return known
            raise ActionRefused(f"client {request['client']} has no order {request['order']}")
        order = state.orders.get(id_number(request["order"]))
        if order is None:
            raise ActionRefused(f"there is no order {request['order']}; an OrderID is like {id_text(state.last_id)}")
        return order

    def _instrument(self, symbol: str) -> Instrument:
        instrument = self.broker.state.instruments.get(symbol)
        if instrument is None:
            raise ActionRefused(f"there is no symbol {symbol!r}")
        return instrument

    def _cancel(self, operator: str, request: Request) -> Answer:
        order = self._order(request)
        text = request.get("text", "")
        return self.done(cmd.OperatorCancel(self.broker.clock(), operator, order.order_id, "2", text))

    def _release(self, operator: str, request: Request) -> Answer:
        order = self._order(request)
        return self.done(cmd.OperatorRelease(self.broker.clock(), operator, order.order_id))

    def _pause(self, operator: str, request: Request) -> Answer:
        order = self._order(request)
        return self.done(cmd.OperatorPause(self.broker.clock(), operator, order.order_id, request["paused"] == "yes"))

    def _resolve(self, operator: str, request: Request) -> Answer:
        """What an exchange has said of a child otherwise than by FIX."""
        state = self.broker.state
        child = state.children.get(id_number(request["child"]))
        if child is None:
            raise ActionRefused(
                f"there is no child order {request['child']}; it is the ClOrdID that the exchange knows"
            )
        instrument, qty, price = state.instruments[child.symbol], request.get("qty"), request.get("price")
        if (qty is None) != (price is None):
            raise ActionRefused("a fill has a quantity and a price")
        filled = to_scaled(qty, instrument.qty_digits) if qty else 0
        at = to_scaled(price, instrument.price_digits) if price else 0
        canceled, refused = request.get("canceled", 0) == 1, request.get("refused", 0) == 1
        told = child.child_id, filled, at, canceled, request.get("text", ""), refused
        return self.done(cmd.OperatorResolve(self.broker.clock(), operator, *told))

    def _reverse(self, operator: str, request: Request) -> Answer:
        """Take back a fill of an earlier day, by the terms that the database has of it."""
        instrument = self._instrument(request["symbol"])
        order_qty, cum, qty = (
            to_scaled(request[name], instrument.qty_digits) for name in ("order_qty", "cum_qty", "qty")
        )
        price = to_scaled(request["price"], instrument.price_digits)
        side = Side[request["side"].upper()] if request["side"].upper() in Side.__members__ else None
        if side is None:
            raise ActionRefused("side is buy or sell")
        command = cmd.OperatorReverse(
            self.broker.clock(),
            operator,
            client=request["client"],
            account=request["account"],
            symbol=instrument.symbol,
            side=side,
            exec_id=id_number(request["exec"]),
            order_id=id_number(request["order"]),
            cl_ord_id=request.get("cl_ord_id", ""),
            order_qty=order_qty,
            cum=cum,
            qty=qty,
            price=price,
            text=request.get("text", ""),
            fee=money_text(to_money(request["fee"])) if request.get("fee", "0") != "0" else "",
        )
        return self.done(command)

    def _enter(self, operator: str, request: Request) -> Answer:
        """An order that a client gave by telephone."""
        instrument = self._instrument(request["symbol"])
        if request["client"] not in self.broker.state.clients:
            raise ActionRefused(f"there is no client {request['client']!r}")
        side = {"buy": Side.BUY, "sell": Side.SELL}.get(request["side"])
        if side is None:
            raise ActionRefused("side is buy or sell")
        price = request.get("price")
        command = cmd.NewOrder(
            self.broker.clock(),
            request["client"],
            request.get("cl_ord_id", ""),
            request.get("account", ""),
            instrument.symbol,
            side,
            OrdType.LIMIT if price else OrdType.MARKET,
            TimeInForce.DAY,
            to_scaled(request["qty"], instrument.qty_digits),
            to_scaled(price, instrument.price_digits) if price else 0,
            operator=operator,
        )
        facts = self.broker.carry_out(command)
        first = facts[0]
        if not isinstance(first, OrderAccepted):
            raise ActionRefused(first.text if isinstance(first, OrderRejected) else "the order was not taken")
        return {"order": id_text(first.id), "facts": [type(fact).__name__ for fact in facts]}

    def _bust(self, operator: str, request: Request) -> Answer:
        exec_id = id_number(request["exec"])
        return self.done(cmd.OperatorBust(self.broker.clock(), operator, exec_id, request.get("text", "")))

    def _correct(self, operator: str, request: Request) -> Answer:
        state, exec_id = self.broker.state, id_number(request["exec"])
        fill = state.fills.get(exec_id) or next((one for one in state.fills.values() if one.last_id == exec_id), None)
        if fill is None:
            raise ActionRefused(f"there is no fill {request['exec']}")
        instrument = state.instruments[state.orders[fill.order_id].symbol]
        qty = to_scaled(request["qty"], instrument.qty_digits)
        price = to_scaled(request["price"], instrument.price_digits)
        text = request.get("text", "")
        return self.done(cmd.OperatorCorrect(self.broker.clock(), operator, exec_id, qty, price, text))
