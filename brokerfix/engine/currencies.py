"""Several currencies. Cash is kept in each; what positions and open orders are worth and need is told in the desk's own
currency, at FX rates that are facts: configured, set by an operator, or the mark of an instrument that is the rate.
"""

from brokerfix import commands as cmd
from brokerfix import facts as f
from brokerfix.domain import to_scaled, to_text
from brokerfix.engine import touched
from brokerfix.engine.money import ONE, RATE_DIGITS, factor_of, too_coarse, weigh_balances
from brokerfix.engine.orders import booking
from brokerfix.engine.risk.bounds import exposures_of, revalued
from brokerfix.engine.state import State
from brokerfix.engine.step import Step
from brokerfix.engine.tables import Decisions, Evolution

DECIDE, EVOLVE = Decisions(), Evolution()
LEAST_MOVE = 1000
"""A rate that follows a mark moves when it is another one by more than this part of it, ten basis points: all that is
held in the currency is valued anew then."""


def define(state: State, c: cmd.Start, step: Step) -> None:
    """The configuration's currencies, as far as they are others than it named before: a rate that was set since
    stays."""
    for name, currency in c.currencies:
        if state.currencies.get(name) != currency:
            step.emit(f.CurrencyDefined, name, currency)


@DECIDE.on(cmd.OperatorRate)
def operator_rate(state: State, c: cmd.OperatorRate, step: Step) -> None:
    if c.currency not in state.currencies:
        step.emit(f.OperatorRefused, c.operator, "fx", f"there is no currency {c.currency!r}")
    elif c.rate > 0 and _is_coarse(state, c.currency, c.rate):
        told = "at this rate money can't be told closely enough with the digits of an instrument in it"
        step.emit(f.OperatorRefused, c.operator, "fx", told)
    elif c.rate <= 0:
        step.emit(f.OperatorRefused, c.operator, "fx", "a rate is above 0")
    else:
        step.emit(f.RateSet, c.currency, to_text(c.rate, RATE_DIGITS), c.operator)


@EVOLVE.on(f.CurrencyDefined, touched.open_anywhere_in_currency)
def _currency_defined(state: State, fact: f.CurrencyDefined) -> None:
    had = state.currencies.get(fact.name)
    state.currencies[fact.name] = fact.currency
    rate = to_scaled(fact.currency.rate, RATE_DIGITS) if had is None or had.rate != fact.currency.rate else None
    mark = state.marks.get(fact.currency.symbol)
    if mark and fact.currency.symbol in state.instruments:
        rate = _rate_of(state, fact.currency.symbol, mark)
    set_rate(state, fact.name, state.fx[fact.name] if rate is None else rate)


@EVOLVE.on(f.RateSet, touched.open_anywhere_in_currency)
def _rate_set(state: State, fact: f.RateSet) -> None:
    set_rate(state, fact.name, to_scaled(fact.rate, RATE_DIGITS))


def follow_mark(state: State, symbol: str, mark: int) -> None:
    """The mark of an instrument is another one: it may be a currency's rate."""
    for name, currency in state.currencies.items():
        if currency.symbol == symbol:
            rate = _rate_of(state, symbol, mark)
            if abs(rate - state.fx[name]) * LEAST_MOVE > state.fx[name] and not _is_coarse(state, name, rate):
                set_rate(state, name, rate)


def _rate_of(state: State, symbol: str, mark: int) -> int:
    unit: int = 10 ** state.instruments[symbol].price_digits
    return mark * ONE // unit


def _is_coarse(state: State, name: str, rate: int) -> bool:
    return any(too_coarse(one, rate) for one in state.instruments.values() if one.currency == name)


def set_rate(state: State, name: str, rate: int) -> None:
    """A currency has another rate: everything in it is worth something else."""
    symbols = {symbol for symbol, instrument in state.instruments.items() if instrument.currency == name}
    held = [
        (account, symbol, account.positions[symbol])
        for symbol in sorted(symbols)
        for account in (state.accounts[holder] for holder in state.holders.get(symbol, ()))
    ]
    for account, symbol, position in held:
        # By the factor until now.
        for exposure in exposures_of(account, symbol):
            exposure.count(symbol, position, state.factors[symbol], -1)
    state.fx[name] = rate
    for symbol in symbols:
        state.factors[symbol] = factor_of(state, state.instruments[symbol])
    for account in state.accounts.values():
        if account.balances:
            weigh_balances(state, account)
            booking.weigh(state, account)
    for account, symbol, position in held:
        revalued(state, account, symbol, position)
        for exposure in exposures_of(account, symbol):
            exposure.count(symbol, position, state.factors[symbol])
        booking.reload(state, account, position, state.instruments[symbol])
