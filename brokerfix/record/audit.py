"""`brokerfix verify`: replay a journal and check it against an independent count."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import msgspec

from brokerfix.domain import Side, day_of, money_text, sequence_of, to_money
from brokerfix.engine.evolve import evolve, note
from brokerfix.engine.invariants import broken_in_order, broken_in_state
from brokerfix.engine.risk.moves import holdings_of
from brokerfix.engine.state import State
from brokerfix.engine.touched import Touched
from brokerfix.facts import (
    AccountMovedIn,
    AccountMovedOut,
    BalancesConverted,
    CheckBegun,
    ChildFilled,
    DayRolled,
    DeficitBooked,
    Fact,
    FillReversed,
    InterestBooked,
    SplitApplied,
    StateChecked,
    StateKept,
    Trade,
    TradeBusted,
    TradeCorrected,
)
from brokerfix.record.checked import PARTS
from brokerfix.record.journal import Place, Torn, places
from brokerfix.record.kept import BadState, kept_states, oldest, place_of, read_head
from brokerfix.record.kept import read as read_kept

MOST_PROBLEMS = 20


class Verification(msgspec.Struct):
    """What a replay found; `kept` is how many kept states it was compared with. `problems` is empty if every invariant
    holds."""

    facts: int = 0
    records: int = 0
    orders: int = 0
    fills: int = 0
    alerts: int = 0
    kept: int = 0
    state_hash: str = ""
    torn: str = ""
    problems: list[str] = []


class Auditor:
    """Follows the facts with a count of its own: fills by order, account and symbol, and the facts' numbers."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.report = Verification()
        self._bought: Counter[tuple[str, str]] = Counter()
        self._sold: Counter[tuple[str, str]] = Counter()
        self._cash: Counter[tuple[str, str]] = Counter()
        self._filled: Counter[int] = Counter()
        self._fills: dict[int, tuple[int, int, int, str]] = {}
        self._last = 0
        self._hashes: dict[int, str] = {}
        self.touched = Touched()

    def begin(self) -> None:
        """The count begins with what the state has: the facts before it are gone."""
        state = self.state
        for account in state.accounts.values():
            self._cash[account.account, ""] = account.cash - account.paid_in
            self._cash.update({(account.account, currency): money for currency, money in account.balances.items()})
            for symbol, position in account.positions.items():
                self._bought[account.account, symbol] = position.bought
                self._sold[account.account, symbol] = position.sold
        for order in state.orders.values():
            self._filled[order.order_id] = order.cum
        for fill in state.fills.values():
            self._fills[fill.exec_id] = fill.order_id, fill.qty, fill.price, fill.fee
        self._last = state.last_id

    def before(self, fact: Fact) -> None:
        """Count a fact that is about to be applied."""
        self.report.facts += 1
        counted = self._hashes.pop(fact.of, "") if isinstance(fact, StateChecked) else ""
        if counted and isinstance(fact, StateChecked) and fact.parts == PARTS and fact.state_hash != counted:
            self._problem(f"fact {fact.id}: the state was another one at fact {fact.of} when it was written")
        if isinstance(fact, StateKept):
            # An older version kept it; its hash was another one.
            return
        if isinstance(fact, DayRolled):
            follows = day_of(fact.id) == fact.day and sequence_of(fact.id) == 0 and fact.id > self._last
        else:
            follows = fact.id == self._last + (2 if isinstance(fact, Trade) else 1)
        if not follows and not (self._last == 0 and self.report.facts == 1):
            self._problem(f"fact {fact.id} follows {self._last}: facts are missing or doubled")
        self._last = fact.id
        if isinstance(fact, Trade):
            self._fill(fact.id - 1, fact.maker_order_id, fact.qty, fact.price, fact.maker_fee)
            self._fill(fact.id, fact.taker_order_id, fact.qty, fact.price, fact.taker_fee)
            self.report.fills += 2
        elif isinstance(fact, ChildFilled):
            self._fill(fact.id, self.state.children[fact.child_id].order_id, fact.qty, fact.price, fact.fee)
            self.report.fills += 1
        elif isinstance(fact, TradeBusted | TradeCorrected):
            order_id, qty, price, fee = self._fills[fact.exec_id]
            back = money_text(-to_money(fee)) if fee else ""
            self._fill(fact.exec_id, order_id, -qty, price, back)
            if isinstance(fact, TradeCorrected):
                self._fill(fact.exec_id, order_id, fact.qty, fact.price, fact.fee)
        elif isinstance(fact, SplitApplied):
            self._split(fact)
        elif isinstance(fact, FillReversed):
            self._take(fact.account, fact.symbol, fact.side, -fact.qty, fact.price)
            currency = self.state.instruments[fact.symbol].currency
            self._cash[fact.account, currency] += to_money(fact.fee or "0")
        elif isinstance(fact, InterestBooked):
            self._cash[fact.account, fact.currency] += to_money(fact.amount)
        elif isinstance(fact, BalancesConverted):
            self._cash[fact.account, ""] += to_money(fact.into)
            for currency, money in fact.amounts:
                self._cash[fact.account, currency] -= to_money(money)
        elif isinstance(fact, DeficitBooked):
            self._cash[fact.account, ""] += to_money(fact.amount)
        elif isinstance(fact, AccountMovedOut):
            for counter in (self._bought, self._sold, self._cash):
                for key in [key for key in counter if key[0] == fact.account]:
                    counter[key] = 0
        elif isinstance(fact, AccountMovedIn):
            self._moved_in(fact)

    def after(self, fact: Fact) -> None:
        """A fact was applied."""
        if isinstance(fact, CheckBegun):
            self._hashes[fact.id] = self.state.hash()
        note(self.state, fact, self.touched)

    def after_record(self, last_id: int) -> None:
        """Check the orders that a record was about."""
        self.report.records += 1
        for order in self.touched.orders.values():
            for problem in broken_in_order(self.state, order):
                self._problem(f"after fact {last_id}: {problem}")
        self.touched = Touched()

    def compare_kept(self, path: Path) -> None:
        """A kept state is what the facts before it give."""
        kept = State()
        try:
            head, _ = read_kept(path, kept)
        except BadState as error:
            # A running broker lets older ones go.
            if path.exists():
                self._problem(f"{path}: {error}")
            return
        found = self.state.hash()
        if kept.hash() != found or (head.covers_the_same() and head.state_hash != found):
            self._problem(f"{path}: it is not what the facts before it give")
        self.report.kept += 1

    def finish(self) -> Verification:
        """Compare the whole state with the count."""
        state, report = self.state, self.report
        for problem in broken_in_state(state):
            self._problem(problem)
        for account in state.accounts.values():
            has = {"": account.cash - account.paid_in, **account.balances}
            if any(money != self._cash[account.account, currency] for currency, money in has.items()):
                self._problem(f"account {account.account}: cash is not paid in and the sum of its trades")
            for symbol, position in account.positions.items():
                key = (account.account, symbol)
                counted = (self._bought[key] - self._sold[key], self._bought[key], self._sold[key])
                if (position.qty, position.bought, position.sold) != counted:
                    self._problem(f"account {key}: position is not the sum of its trades {counted}")
        for order in state.orders.values():
            if order.cum != self._filled[order.order_id]:
                self._problem(f"order {order.order_id}: cum {order.cum}, fills {self._filled[order.order_id]}")
        report.orders, report.alerts = len(state.orders), state.alert_count
        report.state_hash = state.hash()
        return report

    def _split(self, fact: SplitApplied) -> None:
        """Shares held and filled of working orders become more or fewer; money stays."""
        for counter in (self._bought, self._sold):
            for key in [key for key in counter if key[1] == fact.symbol]:
                counter[key] = counter[key] * fact.numerator // fact.denominator
        for client in self.state.clients.values():
            for order in client.working.values():
                if order.symbol == fact.symbol:
                    filled = self._filled[order.order_id]
                    self._filled[order.order_id] = filled * fact.numerator // fact.denominator

    def _moved_in(self, fact: AccountMovedIn) -> None:
        """What an account has brought from another shard is as if it had been traded here."""
        image = holdings_of(fact.holdings).account
        paid_in, cash, *_ = map(int, image.numbers)
        self._cash[fact.account, ""] += cash - paid_in
        for currency, money in image.balances.items():
            self._cash[fact.account, currency] += int(money)
        for symbol, (_, bought, sold, *_) in image.positions.items():
            self._bought[fact.account, symbol] += int(bought)
            self._sold[fact.account, symbol] += int(sold)

    def _fill(self, exec_id: int, order_id: int, qty: int, price: int, fee: str) -> None:
        """Count a fill; a negative quantity takes it back."""
        self._fills[exec_id] = order_id, qty, price, fee
        order = self.state.orders[order_id]
        currency = self.state.instruments[order.symbol].currency
        self._cash[order.account, currency] -= to_money(fee or "0")
        self._take(order.account, order.symbol, order.side, qty, price)
        self._filled[order_id] += qty

    def _take(self, account: str, symbol: str, side: Side, qty: int, price: int) -> None:
        instrument = self.state.instruments[symbol]
        money = qty * price * instrument.money_factor
        (self._bought if side is Side.BUY else self._sold)[account, symbol] += qty
        self._cash[account, instrument.currency] += -money if side is Side.BUY else money

    def _problem(self, text: str) -> None:
        if len(self.report.problems) < MOST_PROBLEMS:
            self.report.problems.append(text)


def _kept_by_place(folder: Path, auditor: Auditor) -> dict[Place, Path]:
    found = {}
    for path in kept_states(folder):
        try:
            found[place_of(read_head(path))] = path
        except BadState as error:
            if path.exists():
                auditor.report.problems.append(f"{path}: {error}")
    return found


def verify(folder: Path, progress: Callable[[int], None] = lambda facts: None) -> tuple[Verification, State]:
    """Replay the journal in `folder`. Raises JournalError where it is damaged."""
    state, since = oldest(folder)
    auditor = Auditor(state)
    auditor.begin()
    torn: list[Torn] = []
    kept = _kept_by_place(folder, auditor)
    kept.pop(since, None)
    for record, place in places(folder, torn.append, since):
        for fact in record.facts:
            auditor.before(fact)
            evolve(state, fact)
            auditor.after(fact)
            if isinstance(fact, StateKept) and auditor.report.facts == 1:
                # An older version's journal, whose first days are gone, begins with the state.
                auditor.begin()
        auditor.after_record(state.last_id)
        if place in kept:
            auditor.compare_kept(kept.pop(place))
        progress(auditor.report.facts)
    for path in kept.values():
        if path.exists():
            auditor.report.problems.append(f"{path}: no record of the journal ends where it was kept")
    report = auditor.finish()
    if torn:
        report.torn = f"{torn[0].segment}: {torn[0].size} bytes of a torn last record at byte {torn[0].offset}"
    return report, state
