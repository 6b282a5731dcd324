"""Several currencies. Cash is kept in each; what positions and open orders are worth and need is told in the desk's own
currency, at FX rates that are facts: configured, set by an operator, or the mark of an instrument that is the rate.
"""

from brokerfix import commands as cmd
from brokerfix import facts as f
from brokerfix.domain import to_scaled, to_text
from brokerfix.engine import touched
from brokerfix.engine.money import ONE, RATE_DIGITS, factor_of, weigh_balances
from brokerfix.engine.orders import booking
from brokerfix.engine.risk.bounds import arrange_anew, count_all
from brokerfix.engine.state import State
from brokerfix.engine.step import Step
from brokerfix.engine.tables import Decisions, Evolution

DECIDE, EVOLVE = Decisions(), Evolution()
LEAST_MOVE = 10_000
"""A rate that follows a mark moves when it is another one by more than this part of it: a basis point."""


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
    elif c.rate <= 0:
        step.emit(f.OperatorRefused, c.operator, "fx", "a rate is above 0")
    else:
        step.emit(f.RateSet, c.currency, to_text(c.rate, RATE_DIGITS), c.operator)


@EVOLVE.on(f.CurrencyDefined, touched.open_anywhere_in_currency)
def _currency_defined(state: State, fact: f.CurrencyDefined) -> None:
    state.currencies[fact.name] = fact.currency
    set_rate(state, fact.name, to_scaled(fact.currency.rate, RATE_DIGITS))


@EVOLVE.on(f.RateSet, touched.open_anywhere_in_currency)
def _rate_set(state: State, fact: f.RateSet) -> None:
    set_rate(state, fact.name, to_scaled(fact.rate, RATE_DIGITS))


def follow_mark(state: State, symbol: str, mark: int) -> None:
    """The mark of an instrument is another one: it may be a currency's rate."""
    for name, currency in state.currencies.items():
        if currency.symbol == symbol:
            rate = mark * ONE // 10 ** state.instruments[symbol].price_digits
            if abs(rate - state.fx[name]) * LEAST_MOVE > state.fx[name]:
                set_rate(state, name, rate)


def set_rate(state: State, name: str, rate: int) -> None:
    """A currency has another rate: everything in it is worth something else."""
    state.fx[name] = rate
    for symbol, instrument in state.instruments.items():
        if instrument.currency == name:
            set_factor(state, symbol)
    for account in state.accounts.values():
        if account.balances:
            weigh_balances(state, account)
            booking.weigh(state, account)


def set_factor(state: State, symbol: str) -> None:
    """What is held and open of a symbol counts by another factor."""
    holders = list(state.holders.get(symbol, ()))
    for name in holders:
        count_all(state, name, -1)
    state.factors[symbol] = factor_of(state, state.instruments[symbol])
    for name in holders:
        arrange_anew(state, name)
        booking.reload_all(state, state.accounts[name])
