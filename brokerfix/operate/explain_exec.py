"""The story of a fill, by the ExecID that its client was told: of which order and child, where, at which terms, what it
changed of the account, what has become of it since, and what was told of it. Of a trade in our own book both sides."""

from pathlib import Path
from typing import Any

import msgspec

from brokerfix import facts as f
from brokerfix.domain import Instrument, id_text, money_text, to_money, to_text
from brokerfix.engine.charges import exchange_fee
from brokerfix.engine.fees import ADDED
from brokerfix.engine.orders.order import Child, Order
from brokerfix.engine.state import State
from brokerfix.operate.explain_replay import replay
from brokerfix.operate.order_limits import Sources
from brokerfix.operate.quality_words import OWN_BOOK
from brokerfix.operate.sentences import Row, Told, by_hand, came_text, operator_of, origin_row, session_text, time_text
from brokerfix.operate.told_clients import Message, messages
from brokerfix.record.journal import OURS, Origin, Record

CHANGES = f.TradeBusted | f.TradeCorrected | f.FillReversed


class Holding(msgspec.Struct, frozen=True):
    """What an account has of a symbol (scaled) and of the symbol's currency (money)."""

    position: int
    cash: int


class Change(msgspec.Struct, frozen=True):
    """Something that has changed what an account has, from `before` to `after`."""

    fact: Any
    before: Holding
    after: Holding
    origin: Origin = OURS


class Exec(msgspec.Struct):
    """One side of a fill. `order` is as it was just before, `child` what an exchange had (None: in our own book),
    `changes` are bust, corrections and reversals; `qty`, `price` and `fee` are as they are now."""

    exec_id: int
    fact: f.ChildFilled | f.Trade
    order: Order
    instrument: Instrument
    change: Change
    qty: int
    price: int
    fee: str
    exchange_fee: int = 0
    child: Child | None = None
    changes: list[Change] = []
    messages: list[Message] = []
    other: "Exec | None" = None

    def price_text(self, price: int) -> str:
        return to_text(price, self.instrument.price_digits)

    def qty_text(self, qty: int) -> str:
        return to_text(qty, self.instrument.qty_digits)


class ExecTold:
    """Watches a replay for a fill; `found` is what it tells of it, `story` in sentences."""

    def __init__(self, exec_id: int) -> None:
        self.exec_id = exec_id
        self.found: Exec | None = None
        self.story: list[Told] = []
        self._sides: dict[int, Exec] = {}
        self._before: dict[int, tuple[Order, Holding]] = {}

    def begin(self, state: State, sources: Sources) -> None:
        """Nothing of what was before matters."""

    def recall(self, fact: f.Fact, record: Record) -> None:
        """What days that were deleted have left tells nothing here."""

    def wants(self, fact: f.Fact) -> bool:
        if isinstance(fact, f.ChildFilled):
            return fact.id == self.exec_id
        if isinstance(fact, f.Trade):
            return self.exec_id in (fact.id, fact.id - 1)
        return isinstance(fact, CHANGES) and fact.exec_id in self._sides

    def before(self, state: State, fact: f.Fact, record: Record) -> None:
        self._before = {}
        for exec_id, order_id in self._of(state, fact):
            known = state.orders.get(order_id)
            order = msgspec.structs.replace(known) if known is not None else self._sides[exec_id].order
            self._before[exec_id] = order, _holding(state, order)

    def _of(self, state: State, fact: Any) -> list[tuple[int, int]]:
        """The fills that a fact is about, with their orders."""
        if isinstance(fact, f.ChildFilled):
            return [(fact.id, state.children[fact.child_id].order_id)]
        if isinstance(fact, f.Trade):
            return [(fact.id - 1, fact.maker_order_id), (fact.id, fact.taker_order_id)]
        return [(fact.exec_id, self._sides[fact.exec_id].order.order_id)]

    def after(self, state: State, fact: Any, record: Record) -> None:
        told = messages(state, fact)
        for exec_id, (order, before) in self._before.items():
            change = Change(fact, before, _holding(state, order), record.origin)
            if isinstance(fact, CHANGES):
                self._changed(exec_id, change)
            else:
                self._filled(state, exec_id, order, change)
            self._sides[exec_id].messages += [one for one in told if one.is_about(order.order_id)]
        if self.exec_id in self._sides and self.found is None:
            self.found = self._sides[self.exec_id]
            self.found.other = next((one for number, one in self._sides.items() if number != self.exec_id), None)
            self._tell_fill(self.found)
        elif isinstance(fact, CHANGES):
            self._tell_change(self._sides[fact.exec_id], change)
        for message in told:
            self.story.append(Told(fact.at, fact.id, message.text, "report", origin=record.origin))

    def _filled(self, state: State, exec_id: int, order: Order, change: Change) -> None:
        fact, instrument = change.fact, state.instruments[order.symbol]
        fee = fact.fee if isinstance(fact, f.ChildFilled) else fact.taker_fee
        if isinstance(fact, f.Trade) and exec_id != fact.id:
            fee = fact.maker_fee
        found = self._sides[exec_id] = Exec(
            exec_id, fact, order, instrument, change, fact.qty, fact.price, fee, changes=[], messages=[]
        )
        if isinstance(fact, f.ChildFilled):
            found.child = msgspec.structs.replace(state.children[fact.child_id])
            worth = fact.qty * fact.price * instrument.money_factor
            terms, added = state.terms_of(found.child.venue), fact.liquidity == ADDED
            found.exchange_fee = exchange_fee(terms, fact.qty, instrument.qty_digits, worth, added)

    def _changed(self, exec_id: int, change: Change) -> None:
        found, fact = self._sides[exec_id], change.fact
        found.changes.append(change)
        if isinstance(fact, f.TradeCorrected):
            found.qty, found.price, found.fee = fact.qty, fact.price, fact.fee
        else:
            found.qty, found.fee = 0, ""

    def _say(self, change: Change, about: str, text: str, *rests: int) -> None:
        fact = change.fact
        who = operator_of(fact) if about in ("fill", "correction") else ""
        self.story.append(Told(fact.at, fact.id, text, about, who, rests, change.origin))

    def _tell_fill(self, found: Exec) -> None:
        change, fact, child = found.change, found.fact, found.child
        terms = f"{found.qty_text(fact.qty)} {found.order.symbol} at {found.price_text(fact.price)}"
        if isinstance(fact, f.ChildFilled) and child is not None:
            known = f", which has it as {child.venue_order_id}" if child.venue_order_id else ""
            said = f"{child.venue} fills {terms} of child {id_text(fact.child_id)}{known}"
            learnt = "; learnt from a status report" if fact.from_status else ""
            by = f"; {fact.operator} has entered it" if fact.operator else ""
            named = f"; its ExecID there is {fact.venue_exec_id}" if fact.venue_exec_id else ""
            self._say(change, "fill", f"{said}{named}{learnt}{by}", fact.child_id)
            if change.origin.session.startswith("v:"):
                sent = f", sent {change.origin.sending_time}" if change.origin.sending_time else ""
                text = (
                    f"it came from {session_text(change.origin.session)} as its message {change.origin.seq_num}{sent}"
                )
                self._say(change, "received", text)
            self._say(
                change, "fee", f"the exchange takes {money_text(found.exchange_fee)} for it by its configured fees"
            )
        else:
            how = "in an auction of our own book" if isinstance(fact, f.Trade) and fact.auction else "in our own book"
            self._say(change, "fill", f"two orders meet {how}: {terms}")
            came = came_text(change.origin)
            if came:
                self._say(change, "received", f"what has brought them together: {came}")
        for side in filter(None, (found, found.other)):
            self._tell_side(side)

    def _tell_side(self, side: Exec) -> None:
        order = side.order
        limit = f" at {side.price_text(order.price)}" if order.price else ""
        named = f"{order.client}'s {order.cl_ord_id}" if order.cl_ord_id else f"an order of {order.client}"
        self._say(
            side.change, "order",
            f"as {id_text(side.exec_id)} it is of order {id_text(order.order_id)}, {named} for account "
            f"{order.account}: {order.side.name.lower()} {side.qty_text(order.qty)} {order.symbol}{limit}, of which "
            f"{side.qty_text(order.cum)} were filled before",
            order.order_id,
        )  # fmt: skip
        cost = f"; the account is charged {side.fee}" if side.fee else "; the account is charged nothing for it"
        self._say(side.change, "account", f"{_booked(side, side.change)}{cost}")

    def _tell_change(self, side: Exec, change: Change) -> None:
        fact = change.fact
        by = f" by {fact.operator}" if fact.operator else f" by {side.child.venue}" if side.child is not None else ""
        why = f": {fact.text}" if fact.text else ""
        name = id_text(side.exec_id)
        if isinstance(fact, f.TradeCorrected):
            fee = f", for a fee of {fact.fee}" if fact.fee else ""
            text = f"{name} is corrected{by} to {side.qty_text(fact.qty)} at {side.price_text(fact.price)}{fee}{why}"
        elif isinstance(fact, f.TradeBusted):
            text = f"{name} is taken back{by}{'; its quantity is worked again' if fact.reinstated else ''}{why}"
        else:
            text = f"{name}, of an order that was over, is taken back{by}{why}"
        self._say(change, "correction", text, side.exec_id)
        self._say(change, "account", _booked(side, change))


def _holding(state: State, order: Order) -> Holding:
    account, currency = state.accounts.get(order.account), state.instruments[order.symbol].currency
    if account is None:
        # It is on another shard now.
        return Holding(0, 0)
    position = account.positions.get(order.symbol)
    cash = account.balances.get(currency, 0) if currency else account.cash
    return Holding(position.qty if position is not None else 0, cash)


def _booked(side: Exec, change: Change) -> str:
    """What has changed of the account."""
    before, after, currency = change.before, change.after, side.instrument.currency
    return (
        f"{side.order.account} has {side.qty_text(after.position)} {side.order.symbol} instead of "
        f"{side.qty_text(before.position)}, and {money_text(after.cash)}{f' {currency}' if currency else ''} instead "
        f"of {money_text(before.cash)}, at once: nothing is settled later"
    )


def exec_told(folder: Path, exec_id: int) -> Row:
    """The story of a fill by its ExecID, out of a journal's folder, see `exec_row`. Raises JournalError, and
    LookupError where there is no such fill."""
    watcher = ExecTold(exec_id)
    replay(folder, watcher, exec_id)
    if watcher.found is None:
        raise LookupError(f"there is no fill {id_text(exec_id)} in {folder}")
    return exec_row(watcher.found, watcher.story)


def exec_row(found: Exec, story: list[Told]) -> Row:
    """`exec` is the fill as it came and as it is `now`, with the order and what it has changed of the account,
    `other_side` the same of the order that it met in our own book, `changes` bust and corrections, `reports` what
    clients were told."""
    sides = [found, *([found.other] if found.other is not None else [])]
    changes = sorted(((change, side) for side in sides for change in side.changes), key=lambda one: one[0].fact.id)
    return {
        "kind": "exec",
        "exec": _side_row(found),
        "other_side": _side_row(found.other) if found.other is not None else None,
        "received": origin_row(found.change.origin),
        "changes": [_change_row(side, change) for change, side in changes],
        "reports": [message.row() for side in sides for message in side.messages],
        "by_hand": by_hand(story),
        "story": [one.row() for one in story],
    }


def _side_row(side: Exec) -> Row:
    fact, order, child = side.fact, side.order, side.child
    auction = isinstance(fact, f.Trade) and fact.auction
    of_exchange: Row = {
        "child_id": id_text(child.child_id) if child is not None else None,
        "exchange_order_id": (child.venue_order_id or None) if child is not None else None,
        "exchange_exec_id": fact.venue_exec_id if isinstance(fact, f.ChildFilled) else None,
        "exchange_fee": money_text(side.exchange_fee) if child is not None else None,
        "liquidity": (fact.liquidity or None) if isinstance(fact, f.ChildFilled) else None,
        "from_status": isinstance(fact, f.ChildFilled) and fact.from_status,
    }
    fee = to_money(side.fee) if side.fee else 0
    first = fact.fee if isinstance(fact, f.ChildFilled) else fact.taker_fee
    if isinstance(fact, f.Trade) and side.exec_id != fact.id:
        first = fact.maker_fee
    return {
        "exec_id": id_text(side.exec_id), "time": time_text(fact.at), "fact": id_text(fact.id),
        "exchange": child.venue if child is not None else OWN_BOOK, "auction": auction, "client": order.client,
        "account": order.account, "order_id": id_text(order.order_id), "cl_ord_id": order.cl_ord_id,
        "symbol": order.symbol, "side": order.side.name.lower(), "qty": side.qty_text(fact.qty),
        "price": side.price_text(fact.price), "currency": side.instrument.currency, "charged": first or "0.00",
        **of_exchange, **_change_numbers(side, side.change),
        "now": {
            "qty": side.qty_text(side.qty), "price": side.price_text(side.price), "charged": money_text(fee),
            "taken_back": not side.qty,
        },
    }  # fmt: skip


def _change_numbers(side: Exec, change: Change) -> Row:
    before, after = change.before, change.after
    return {
        "position": {"before": side.qty_text(before.position), "after": side.qty_text(after.position)},
        "cash": {"before": money_text(before.cash), "after": money_text(after.cash)},
    }


def _change_row(side: Exec, change: Change) -> Row:
    fact = change.fact
    is_correction = isinstance(fact, f.TradeCorrected)
    done = "correction" if is_correction else "reversal" if isinstance(fact, f.FillReversed) else "bust"
    return {
        "time": time_text(fact.at), "fact": id_text(fact.id), "what": done, "exec_id": id_text(side.exec_id),
        "new_exec_id": id_text(fact.id), "qty": side.qty_text(fact.qty) if is_correction else side.qty_text(0),
        "price": side.price_text(fact.price) if is_correction else None, "who": fact.operator, "text": fact.text,
        "exchange_exec_id": getattr(fact, "venue_exec_id", "") or None, **_change_numbers(side, change),
    }  # fmt: skip
