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
    """price x quantity x this = money of the desk's own currency; cut to whole units, which makes less
    than a ten-thousandth (see `too_coarse`)."""
    if not instrument.currency:
        return instrument.money_factor
    return max(1, instrument.money_factor * state.fx.get(instrument.currency, ONE) // ONE)


def plain_value(state: "State", currency: str, money: int) -> int:
    """What so much of a currency is at its rate."""
    return money * state.fx.get(currency, ONE) // ONE


def value(state: "State", currency: str, money: int) -> int:
    """What so much of a currency is worth as a collateral: less its haircut, and a debt more."""
    at = plain_value(state, currency, money)
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


def more_than_price(state: "State", account: Account, instrument: Instrument, notional: int) -> int:
    """What buying for so much (price x quantity) takes of the account's collateral beyond the price itself: a debt in
    another currency counts for more. All that is open to be bought in that currency counts as bought."""
    name = instrument.currency
    if not name or state.currencies[name].haircut == "0":
        return 0
    balance = account.balances.get(name, 0) - sum(
        one.open_buy_notional * state.instruments[symbol].money_factor
        for symbol, one in account.positions.items()
        if state.instruments[symbol].currency == name
    )
    money = notional * instrument.money_factor
    lost = value(state, name, balance) - value(state, name, balance - money)
    return max(0, lost - plain_value(state, name, money))


LEAST_FACTOR = 10_000
"""A factor below this would be wrong by more than a ten-thousandth."""


def too_coarse(instrument: Instrument, rate: int) -> bool:
    """Whether money of the desk's own can't be told closely enough of this instrument at a rate."""
    return instrument.money_factor * rate // ONE < LEAST_FACTOR
