"""What the risk page remembers of the day's facts beside the state: what positions have gained, what happens to
accounts that are called, who has changed limits. It is told each fact once, however many pages look."""

from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from brokerfix import facts as f
from brokerfix.console.desk import Desk
from brokerfix.domain import LIQUIDATION, Level, Side, Standing, id_text
from brokerfix.engine.entities import Position
from brokerfix.engine.orders.order import Order
from brokerfix.engine.state import State
from brokerfix.operate.account_risk import tell
from brokerfix.operate.account_story import Story, limits_text, until_text
from brokerfix.record.journal import Record

KEPT_LINES = 100
"""Of an account's story."""
KEPT_CHANGES = 200
MOST_STORIES = 2_000
OF_ACCOUNTS = (
    f.MarginChanged, f.LiquidationSliced, f.LiquidationHeld, f.LiquidationResumed, f.DeficitBooked, f.LossReached,
    f.CreditScored, f.BalancesConverted, f.IntradayDeficit, f.DeficitMet, f.AccountFrozen,
)  # fmt: skip
"""What is always told of an account; of its orders only while it is called."""


def told_of(state: State, account: str, fact: f.Fact, order: Order | None) -> str:
    """What a fact, that was just applied, says of an account; `order` is the account's that it is about."""
    if isinstance(fact, f.OrderCanceled) and not (fact.text or fact.operator):
        return f"order {id_text(fact.order_id)} canceled"
    story = LiveStory(state, account)
    if order is not None:
        story.knows(order, fact)
    return tell(story, fact)


class LiveStory(Story):
    """The story of an account whose orders are known from the state, not from the facts before."""

    def __init__(self, state: State, account: str) -> None:
        super().__init__(account)
        self.state = state

    def knows(self, order: Order, fact: f.Fact) -> None:
        """An order of the account's, that a fact is about."""
        self.orders[order.order_id] = order.symbol, order.side
        if isinstance(fact, f.ChildFilled):
            self._children[fact.child_id] = order.order_id


Line = tuple[int, int, str]
"""When (ns), the number of the fact, and what happened."""


class Change(NamedTuple):
    """Something that people have done about limits: when (ns), the fact, who, and what."""

    at: int
    fact: int
    who: str
    text: str


class Gain:
    """What was traded of a position today: units that came (below 0: went), and price x quantity paid for them."""

    __slots__ = ("moved", "paid")

    def __init__(self) -> None:
        self.moved = self.paid = 0


class Watch:
    """Listens to the feed. `stories` are by account, `limits` what was changed of them, `scores` the day's
    last of each account, newest last."""

    def __init__(self, desk: Desk) -> None:
        self.stories: dict[str, deque[Line]] = {}
        self.limits: deque[Change] = deque(maxlen=KEPT_CHANGES)
        self.scores: dict[str, f.CreditScored] = {}
        self._gains: dict[tuple[str, str], Gain] = {}
        self._begun: dict[str, int] | None = None
        self._unknown: set[str] = set()
        self._seen: dict[int, tuple[int, int]] = {}
        desk.feed.on(self._told)

    # What positions have gained

    def gain(self, state: State, account: str, symbol: str, position: Position) -> int | None:
        """What a position has gained since the trading day began, before fees: money of the desk's own currency. None
        where its mark then is not known, or it was split since."""
        if symbol in self._unknown or self._begun is None:
            return None
        instrument = state.instruments[symbol]
        traded = self._gains.get((account, symbol))
        moved, paid = (traded.moved, traded.paid) if traded is not None else (0, 0)
        mark, begun = (marks.get(symbol) or instrument.reference for marks in (state.marks, self._begun))
        carried = position.qty - moved
        if (carried and not begun) or (position.qty and not mark):
            return None
        gained: int = (position.qty * mark - carried * begun - paid) * state.factors[symbol]
        return gained

    def _begin_day(self, state: State) -> None:
        self._begun = dict(state.marks)
        self._gains.clear()
        self._unknown.clear()
        self._seen.clear()

    def _count(self, state: State, fact: f.Fact) -> None:
        if isinstance(fact, f.Trade):
            for number in (fact.maker_order_id, fact.taker_order_id):
                self._filled(state.orders.get(number), fact.qty, fact.price)
        elif isinstance(fact, f.ChildFilled):
            child = state.children.get(fact.child_id)
            self._filled(state.orders.get(child.order_id) if child is not None else None, fact.qty, fact.price)
        elif isinstance(fact, f.TradeBusted | f.TradeCorrected):
            fill = state.fills.get(fact.exec_id)
            order = state.orders.get(fill.order_id) if fill is not None else None
            if order is not None:
                # A fill that changes is what the order's sums are other than they were.
                cum, notional = self._seen.get(order.order_id, (None, None))
                if cum is None or notional is None:
                    self._unknown.add(order.symbol)
                else:
                    self._filled(order, order.cum - cum, 0, order.notional - notional)
        elif isinstance(fact, f.FillReversed):
            side = -1 if fact.side is Side.BUY else 1
            self._moved(fact.account, fact.symbol, side * fact.qty, side * fact.qty * fact.price)
        elif isinstance(fact, f.SplitApplied):
            self._unknown.add(fact.symbol)

    def _filled(self, order: Order | None, qty: int, price: int, money: int | None = None) -> None:
        if order is None:
            return
        sign = 1 if order.side is Side.BUY else -1
        self._moved(order.account, order.symbol, sign * qty, sign * (qty * price if money is None else money))
        self._seen[order.order_id] = order.cum, order.notional

    def _moved(self, account: str, symbol: str, qty: int, money: int) -> None:
        gain = self._gains.get((account, symbol))
        if gain is None:
            gain = self._gains[account, symbol] = Gain()
        gain.moved += qty
        gain.paid += money

    # What is told

    def _told(self, state: State, fact: f.Fact, record: Record) -> None:
        if self._begun is None or isinstance(fact, f.DayRolled):
            self._begin_day(state)
        self._count(state, fact)
        self._tell(state, fact)
        change = CHANGES.get(type(fact))
        if change is not None:
            change(self, state, fact)

    def _tell(self, state: State, fact: f.Fact) -> None:
        if isinstance(fact, OF_ACCOUNTS):
            self._line(state, fact, fact.account, None)
            if isinstance(fact, f.CreditScored):
                self.scores[fact.account] = fact
            return
        for order in orders_of(state, fact):
            account = state.accounts[order.account]
            if order.operator == LIQUIDATION or (account.margin != "cash" and account.standing not in QUIET):
                self._line(state, fact, order.account, order)

    def _line(self, state: State, fact: f.Fact, account: str, order: Order | None) -> None:
        text = told_of(state, account, fact, order)
        if text:
            lines = self.stories.get(account)
            if lines is None:
                if len(self.stories) >= MOST_STORIES:
                    del self.stories[next(iter(self.stories))]
                lines = self.stories[account] = deque(maxlen=KEPT_LINES)
            lines.append((fact.at, fact.id, text))

    def _limits_set(self, state: State, fact: f.LimitsSet) -> None:
        if fact.operator:
            approved = f", approved by {fact.approver}" if fact.approver else ""
            why = f" ({fact.text})" if fact.text else ""
            level = Level(fact.kind, fact.name, fact.symbol)
            told = f"{level}: {limits_text(fact.limits)}{until_text(fact.until)}{approved}{why}"
            self.limits.append(Change(fact.at, fact.id, fact.operator, told))

    def _proposed(self, state: State, fact: f.LimitsProposed) -> None:
        level = Level(fact.kind, fact.name, fact.symbol)
        told = ", ".join(f"{name} {getattr(fact.limits, name) or 'none'}".lower() for name in fact.raised)
        why = f" ({fact.text})" if fact.text else ""
        self.limits.append(Change(fact.at, fact.id, fact.operator, f"{level}: wants {told}{why}"))

    def _not_approved(self, state: State, fact: f.ProposalEnded) -> None:
        why = f" ({fact.text})" if fact.text else ""
        self.limits.append(Change(fact.at, fact.id, fact.operator, f"declines {id_text(fact.proposal)}{why}"))

    def _refused(self, state: State, fact: f.OperatorRefused) -> None:
        if fact.action == "limits":
            self.limits.append(Change(fact.at, fact.id, fact.operator, f"refused: {fact.text}"))


QUIET = (Standing.OK, Standing.WARNING)
CHANGES: dict[type[f.Fact], Callable[[Watch, State, Any], None]] = {
    f.LimitsSet: Watch._limits_set,
    f.LimitsProposed: Watch._proposed,
    f.ProposalEnded: Watch._not_approved,
    f.OperatorRefused: Watch._refused,
}


def orders_of(state: State, fact: f.Fact) -> tuple[Order, ...]:
    """The orders that a fact about an order's life is about."""
    if isinstance(fact, f.OrderCanceled | f.OrderRefused):
        found = [state.orders.get(fact.order_id)]
    elif isinstance(fact, f.OrderAccepted):
        found = [state.orders.get(fact.id)]
    elif isinstance(fact, f.ChildFilled):
        child = state.children.get(fact.child_id)
        found = [state.orders.get(child.order_id)] if child is not None else []
    elif isinstance(fact, f.Trade):
        found = [state.orders.get(fact.maker_order_id), state.orders.get(fact.taker_order_id)]
    else:
        return ()
    return tuple(order for order in found if order is not None)


_WATCHES: WeakKeyDictionary[Desk, Watch] = WeakKeyDictionary()


def begin(desk: Desk) -> None:
    """Listen, before the feed runs."""
    _WATCHES[desk] = Watch(desk)


def watch_of(desk: Desk) -> Watch:
    return _WATCHES[desk]
