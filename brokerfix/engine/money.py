"""Money of several currencies: what it is worth in the desk's own."""

from typing import TYPE_CHECKING

from brokerfix.domain import Instrument, to_scaled
from brokerfix.engine.entities import Account

if TYPE_CHECKING:
    from brokerfix.engine.state import State

RATE_DIGITS, HAIRCUT_DIGITS = 8, 4
ONE: int = 10**RATE_DIGITS
WHOLE: int = 10**HAIRCUT_DIGITS


def factor_of(state: "State", instrument: Instrument) -> int:
    """price x quantity x this = money of the desk's own currency; cut to whole units, which is less than 1 in 10**6 for
    prices and quantities with up to six decimals together."""
    if not instrument.currency:
        return instrument.money_factor
    return max(1, instrument.money_factor * state.fx.get(instrument.currency, ONE) // ONE)


def value(state: "State", currency: str, money: int) -> int:
    """What so much of a currency is worth as a collateral: less its haircut, and a debt more."""
    at = money * state.fx.get(currency, ONE) // ONE
    haircut = abs(at) * to_scaled(state.currencies[currency].haircut, HAIRCUT_DIGITS) // WHOLE
    return at - haircut


def pay(state: "State", account: Account, currency: str, money: int) -> None:
    """The account gets so much of a currency ("": the desk's own), or pays it where that is below 0."""
    if not currency:
        account.cash += money
        return
    account.balances[currency] = account.balances.get(currency, 0) + money
    weigh_balances(state, account)


def weigh_balances(state: "State", account: Account) -> None:
    account.foreign = sum(value(state, currency, money) for currency, money in account.balances.items())
