"""What follows from how an account stands: warnings, margin calls, liquidations, loss limits. Each step is a fact.

A call cancels the account's orders that would need more margin, and lets it close positions only. After the policy's
grace the liquidation cancels the rest and sells just enough, in immediate orders through the router, one after the
other: x = (buffer - excess) / (m - fee - slippage), where m is by how much of its value the position frees margin;
first where what is freed by what is in sight is largest. It goes by prices that are fresh and agree, or waits; it only
ever closes positions. What an account owes at the end is the broker's claim.
"""

from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from brokerfix import facts as f
from brokerfix.commands import OperatorMargin, ReviewAccount
from brokerfix.domain import (
    LIQUIDATION,
    Instrument,
    OrdType,
    Phase,
    RestatementReason,
    Side,
    Standing,
    TimeInForce,
    day_of,
    money_text,
    to_money,
    to_scaled,
    to_text,
)
from brokerfix.engine import touched
from brokerfix.engine.entities import Account, Job, JobKind, Position
from brokerfix.engine.money import plain_value
from brokerfix.engine.operator import refuse
from brokerfix.engine.orders import booking
from brokerfix.engine.orders.ending import cancel, is_cancelable
from brokerfix.engine.orders.order import Order
from brokerfix.engine.orders.work import work
from brokerfix.engine.risk import daily, needs
from brokerfix.engine.risk.halts import halted_by
from brokerfix.engine.risk.margin import BASIS_POINTS, liquidation_notional, share
from brokerfix.engine.risk.standing import loss_step, standing_of
from brokerfix.engine.state import State
from brokerfix.engine.step import Step
from brokerfix.engine.tables import Decisions, Evolution

DECIDE, EVOLVE = Decisions(), Evolution()
LOSS_LIMIT = "loss limit"
DOUBT = "waits"
"""What holds a liquidation that can't go on now; else it is an operator, "by NAME"."""
TRUSTED = "trusted"
"""An operator has let a liquidation go on at the prices that there are."""
MOST_CANCELED = 500
"""Orders of an account that are looked at, at once, for those that are in a liquidation's way."""
PACE = 100_000_000
"""Nanoseconds between two orders of a liquidation at least."""


@DECIDE.on(ReviewAccount, silent="the account stands as it is on record")
def review(state: State, c: ReviewAccount, step: Step) -> None:
    account = state.accounts[c.account]
    _review_loss(account, step)
    if account.margin == "cash":
        return
    now = standing_of(state, account)
    match account.standing:
        case Standing.OK | Standing.WARNING:
            if now is not account.standing:
                _change(account, now, step)
        case Standing.CALL:
            if now is not Standing.CALL:
                _change(account, now, step, "restored")
            elif step.at - account.since >= state.margin_policy.grace_seconds * 10**9:
                _change(account, Standing.LIQUIDATING, step)
        case Standing.LIQUIDATING:
            _liquidate(state, account, step)
        case Standing.CLOSED_OUT:
            if any(position.qty for position in account.positions.values()):
                _change(account, now, step, "a position has come back")
            elif account.equity > 0:
                _change(account, now, step, "paid in")


def _review_loss(account: Account, step: Step) -> None:
    reached = loss_step(account)
    if reached <= account.lost:
        return
    loss, limit = money_text(account.opened_with - account.value), money_text(account.most_lost)
    step.emit(f.LossReached, account=account.account, percent=reached, loss=loss, limit=limit)
    _alert(account, "LOSS_LIMIT", f"{reached} % of what it may lose today is lost: {loss} of {limit}", step)
    if reached == 100:
        step.emit(f.Halted, "account", account.account, LOSS_LIMIT, True, True)


def _change(account: Account, standing: Standing, step: Step, text: str = "") -> None:
    equity, maintenance, excess = map(money_text, (account.equity, account.maintenance, account.excess))
    step.emit(
        f.MarginChanged,
        account=account.account,
        standing=standing,
        equity=equity,
        maintenance=maintenance,
        excess=excess,
        text=text,
    )
    told = f"{text or standing}: equity {equity}, maintenance margin {maintenance}, excess {excess}"
    _alert(account, "MARGIN_" + standing.name, told, step)


def _alert(account: Account, code: str, text: str, step: Step) -> None:
    step.emit(f.Alerted, "risk", code, f"account {account.account}: {text}")


class Choice(NamedTuple):
    """A position that may be closed: how much of it could be had within the collar now, by how much of its value it
    frees margin (basis points), and the price of the order."""

    instrument: Instrument
    side: Side
    qty: int
    relief_bps: int
    price: int
    factor: int

    @property
    def relief(self) -> int:
        """How much margin is freed at once, in one scale for all."""
        return self.qty * self.price * self.factor * self.relief_bps


def _liquidate(state: State, account: Account, step: Step) -> None:
    last = state.orders.get(account.slice_id)
    if (last is not None and not last.done) or (account.slice_id and step.at - account.since < PACE):
        return
    if not any(position.qty for position in account.positions.values()):
        return _close_out(state, account, step)
    target = share(account.maintenance, to_scaled(state.margin_policy.buffer, 4))
    if account.excess >= target:
        return _change(account, standing_of(state, account), step, "restored")
    if account.held_by not in ("", DOUBT, TRUSTED):
        return
    choices, doubts = [], []
    client = next(iter(account.clients), "")
    for symbol, position in account.positions.items():
        if position.qty:
            found = _choice(state, account, client, symbol, position) if client else "no client trades for the account"
            if isinstance(found, str):
                doubts.append(f"{symbol}: {found}")
            elif found.qty:
                choices.append(found)
            else:
                _make_room(state, account, symbol, step)
                doubts.append(
                    f"{symbol}: nothing of it can be had within the collar, beside other orders, in whole lots"
                )
    if choices and account.held_by == DOUBT:
        step.emit(f.LiquidationResumed, account.account)
    elif choices:
        _slice(state, account, client, max(choices, key=lambda choice: choice.relief), target, step)
    elif account.held_by != DOUBT:
        told = "; ".join(doubts)
        step.emit(f.LiquidationHeld, account.account, told)
        _alert(account, "LIQUIDATION_HELD", f"the liquidation waits: {told}", step)


def _make_room(state: State, account: Account, symbol: str, step: Step) -> None:
    """Cancel the client's own orders that would close what is to be closed, but do not."""
    for order, _ in islice(_orders(state, account), MOST_CANCELED):
        if order.symbol == symbol and order.operator != LIQUIDATION and is_cancelable(order):
            cancel(order, "", step, RestatementReason.BROKER_OPTION, "MARGIN: the account is in a margin liquidation")


def _close_out(state: State, account: Account, step: Step) -> None:
    if any(account.balances.values()):
        # What is missing is known once all is in one currency.
        return _convert(state, account, step)
    if account.cash >= 0:
        return _change(account, standing_of(state, account), step, "all is closed")
    amount = money_text(-account.cash)
    step.emit(f.DeficitBooked, account.account, amount)
    _change(account, Standing.CLOSED_OUT, step, f"closed out, it owes {amount}")


def _convert(state: State, account: Account, step: Step) -> None:
    """Change an account's cash in other currencies into the desk's own, at the rates that there are."""
    amounts = tuple((name, money_text(money)) for name, money in account.balances.items() if money)
    into = money_text(sum(plain_value(state, name, money) for name, money in account.balances.items()))
    step.emit(f.BalancesConverted, account.account, amounts, into)
    told = ", ".join(f"{money} {name}" for name, money in amounts)
    _alert(account, "CONVERTED", f"{told} become {into} of the desk's own currency", step)


@EVOLVE.on(f.BalancesConverted, touched.the_account)
def _converted(state: State, fact: f.BalancesConverted) -> None:
    account = state.accounts[fact.account]
    account.cash += to_money(fact.into)
    account.balances, account.foreign = {}, 0
    state.agenda[booking.REVIEW, fact.account] = None


def _choice(state: State, account: Account, client: str, symbol: str, position: Position) -> Choice | str:
    """What could be closed of a position now, or why its price is in doubt."""
    policy, instrument = state.margin_policy, state.instruments[symbol]
    mark = needs.mark_of(state, symbol)
    halt = halted_by(state, client, account.account, symbol)
    if halt is not None:
        return f"{' '.join(halt).strip()} is halted"
    doubt = _doubt(state, symbol, mark, account.held_by == TRUSTED)
    if doubt:
        return doubt
    is_long, tick = position.qty > 0, instrument.tick
    away = mark * to_scaled(policy.collar, 4) // BASIS_POINTS
    price = max(tick, -(-(mark - away) // tick) * tick) if is_long else (mark + away) // tick * tick
    other = Side.BUY if is_long else Side.SELL
    in_sight = sum(qty for at, qty in _levels(state, symbol, other) if (at >= price if is_long else at <= price))
    is_open = position.open_sell_qty if is_long else position.open_buy_qty
    qty = min(abs(position.qty) - is_open, in_sight) // instrument.lot * instrument.lot
    factor = state.factors[symbol]
    value = abs(position.qty) * mark * factor
    product = needs.product_of(account, instrument)
    frees = position.maintenance
    if product:
        without = needs.product_need(state, account, product, symbol, Position())
        frees = account.products[product][1] - without.maintenance
    if instrument.option is not None:
        # It has no loan value: what it is sold for is gained besides, and what it is bought back for is lost.
        frees += value if is_long else -value
    return Choice(instrument, other.opposite, max(0, qty), max(0, frees) * BASIS_POINTS // value, price, factor)


def _levels(state: State, symbol: str, side: Side) -> Iterator[tuple[int, int]]:
    """What is in sight of a side, at exchanges and in our own book: (price, quantity)."""
    yield from state.books[symbol].levels(side)
    yield from ((quote.price, quote.qty) for quote in state.market.walk(symbol, side))


def _doubt(state: State, symbol: str, mark: int, is_trusted: bool) -> str:
    """Why the mark can't be relied on, "" if it can: there must be prices of both sides now, and their middle and the
    last trade not be far from it. The last of these an operator may overrule."""
    if state.is_halted(symbol) or state.phase(symbol) is not Phase.CONTINUOUS:
        return "it does not trade now"
    bid = max((price for price, _ in _levels(state, symbol, Side.BUY)), default=None)
    offer = min((price for price, _ in _levels(state, symbol, Side.SELL)), default=None)
    if bid is None or offer is None:
        return "there are no prices of both sides"
    if not mark:
        return "it has no mark"
    if is_trusted:
        return ""
    digits, last = state.instruments[symbol].price_digits, state.market.last.get(symbol)
    seen = [("the middle of the best prices", (bid + offer) // 2)]
    if last is not None:
        seen.append(("the last trade", last[0]))
    for name, price in seen:
        if abs(price - mark) * BASIS_POINTS > mark * to_scaled(state.margin_policy.mark_band, 4):
            return f"{name}, {to_text(price, digits)}, is far from its mark, {to_text(mark, digits)}"
    return ""


def _slice(state: State, account: Account, client: str, choice: Choice, target: int, step: Step) -> None:
    """Send an order that closes as much as it takes, and as much as can be had."""
    policy, instrument = state.margin_policy, choice.instrument
    notional = liquidation_notional(
        account.excess, target, choice.relief_bps, to_scaled(policy.fee, 4), to_scaled(policy.slippage, 4)
    )
    a_lot = needs.mark_of(state, instrument.symbol) * choice.factor * instrument.lot
    qty = choice.qty
    for most in (notional, to_money(policy.max_slice) if policy.max_slice else None):
        if most is not None:
            qty = min(qty, max(1, -(-most // a_lot)) * instrument.lot)
    taken = step.fork()
    accepted = taken.emit(
        f.OrderAccepted,
        client=client,
        cl_ord_id="",
        account=account.account,
        symbol=instrument.symbol,
        side=choice.side,
        ord_type=OrdType.LIMIT,
        time_in_force=TimeInForce.IOC,
        qty=qty,
        price=choice.price,
        risk_price=choice.price,
        operator=LIQUIDATION,
    )
    taken.emit(
        f.LiquidationSliced,
        account=account.account,
        order_id=accepted.id,
        symbol=instrument.symbol,
        side=choice.side,
        qty=qty,
        price=choice.price,
        excess=money_text(account.excess),
        target=money_text(target),
        relief_bps=choice.relief_bps,
    )
    work(state, Order.from_fact(accepted), qty, taken)
    step.join(taken)


@DECIDE.on(OperatorMargin)
def operator_margin(state: State, c: OperatorMargin, step: Step) -> None:
    """Stop an account's liquidation, also one that is still to come, or let it go on, at the prices that there are."""
    account = state.accounts.get(c.account)
    if account is None or account.margin == "cash":
        return refuse(c, step, f"there is no margin account {c.account!r}")
    if c.hold:
        step.emit(f.LiquidationHeld, c.account, c.text or "by hand", c.operator)
    elif account.held_by in ("", TRUSTED):
        refuse(c, step, f"the liquidation of account {c.account} is not held")
    else:
        step.emit(f.LiquidationResumed, c.account, c.operator)


@EVOLVE.on(f.MarginChanged, touched.the_account)
def _margin_changed(state: State, fact: f.MarginChanged) -> None:
    account = state.accounts[fact.account]
    account.standing, account.since = fact.standing, fact.at
    if fact.standing is Standing.CALL:
        account.called_on = day_of(fact.id)
    if fact.standing in (Standing.OK, Standing.WARNING):
        state.called.pop(fact.account, None)
        account.slice_id = 0
        if not account.held_by.startswith("by "):
            account.held_by = ""
        return
    state.called[fact.account] = None
    if fact.standing is Standing.CLOSED_OUT:
        return
    is_call = fact.standing is Standing.CALL
    left = [one.order.order_id for one in _orders(state, account) if not (is_call and one.closes)]
    text = f"MARGIN: the account is in a margin {'call' if is_call else 'liquidation'}"
    reason = str(RestatementReason.BROKER_OPTION)
    booking.begin_job(state, Job(JobKind.CANCEL, left[::-1], account=fact.account, reason=reason, text=text))


class Working(NamedTuple):
    """An order that works, and whether all of it closes what the account holds, after those before it."""

    order: Order
    closes: bool


def _orders(state: State, account: Account) -> Iterator[Working]:
    left = {symbol: position.qty for symbol, position in account.positions.items()}
    for client in account.clients:
        for order in state.clients[client].working.values():
            if order.account == account.account:
                held = left.get(order.symbol, 0)
                closes = order.leaves <= (held if order.side is Side.SELL else -held)
                if closes:
                    left[order.symbol] = held - order.leaves if order.side is Side.SELL else held + order.leaves
                yield Working(order, closes)


@EVOLVE.on(f.AccountFrozen, touched.the_account)
def _frozen(state: State, fact: f.AccountFrozen) -> None:
    account = state.accounts[fact.account]
    daily.freeze(account, fact)
    left = [one.order.order_id for one in _orders(state, account) if not one.closes]
    text, reason = "FROZEN: an intraday margin deficit was not met", str(RestatementReason.BROKER_OPTION)
    booking.begin_job(state, Job(JobKind.CANCEL, left[::-1], account=fact.account, reason=reason, text=text))


@EVOLVE.on(f.LiquidationSliced, touched.the_account)
def _liquidation_sliced(state: State, fact: f.LiquidationSliced) -> None:
    account = state.accounts[fact.account]
    account.slice_id, account.since = fact.order_id, fact.at


@EVOLVE.on(f.LiquidationHeld, touched.the_account)
def _liquidation_held(state: State, fact: f.LiquidationHeld) -> None:
    state.accounts[fact.account].held_by = f"by {fact.operator}" if fact.operator else DOUBT


@EVOLVE.on(f.LiquidationResumed, touched.the_account)
def _liquidation_resumed(state: State, fact: f.LiquidationResumed) -> None:
    state.accounts[fact.account].held_by = TRUSTED if fact.operator else ""


@EVOLVE.on(f.DeficitBooked, touched.the_account)
def _deficit_booked(state: State, fact: f.DeficitBooked) -> None:
    amount = to_money(fact.amount)
    state.accounts[fact.account].cash += amount
    state.deficits[fact.account] = state.deficits.get(fact.account, 0) + amount


@EVOLVE.on(f.LossReached, touched.the_account)
def _loss_reached(state: State, fact: f.LossReached) -> None:
    state.accounts[fact.account].lost = fact.percent


@EVOLVE.on(f.MarginPolicySet, touched.nothing)
def _policy_set(state: State, fact: f.MarginPolicySet) -> None:
    state.margin_policy = fact.policy
