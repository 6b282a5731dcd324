"""What margin accounts have to show by the day: the special memorandum account, and intraday margin deficits.

SMA (Federal Reserve Regulation T, 12 CFR 220.5): money paid in adds to it, and taken out takes from it; what is bought
takes its initial margin, what is sold gives that of the proceeds; and at the day's end it is at least the equity above
the initial margin of what is held.

Intraday margin deficit (FINRA rule 4210(d) as amended in 2026): the largest of maintenance margin - equity after a
transaction of the day that leaves the account with less above its margin. At most the lesser of 5 % of the equity and
1,000 is let pass. It is met once the account has as much above its margin when a day begins; one that is not on the
fifth business day freezes the account for 90 days: it may open only what its cash pays for.
"""

from typing import TYPE_CHECKING

from brokerfix.domain import Instrument, OrdRejReason, Reject, Side, business_days, later, money_text, to_money
from brokerfix.engine.entities import Account
from brokerfix.engine.risk import needs
from brokerfix.engine.risk.margin import share
from brokerfix.engine.step import Step
from brokerfix.engine.tables import Evolution
from brokerfix.engine.touched import the_account
from brokerfix.facts import AccountFrozen, Alerted, DeficitMet, IntradayDeficit

if TYPE_CHECKING:
    from brokerfix.engine.state import State

EVOLVE = Evolution()
DE_MINIMIS_BPS, DE_MINIMIS = 500, to_money("1000")
BUSINESS_DAYS, FROZEN_DAYS = 5, 90


def moved(state: "State", account: Account, instrument: Instrument, had: int, has: int, price: int) -> None:
    """A position was `had` and is `has`, by a trade at a price: what it takes of, or gives to, the SMA."""
    if account.margin != "reg-t" or instrument.option is not None:
        return
    rates, each = state.rates[instrument.symbol], price * state.factors[instrument.symbol]
    before, after = (share(abs(qty) * each, rates.initial if qty >= 0 else rates.short_initial) for qty in (had, has))
    account.sma -= after - before


def has_less(account: Account) -> None:
    """After a transaction that leaves the account with less above its margin."""
    if account.margin != "cash":
        account.shortfall = max(account.shortfall, -account.excess)


def begin_day(state: "State", account: Account) -> None:
    """A trading day has begun: the SMA is at least what is above the initial margin, and deficits count anew."""
    account.lacked, account.shortfall = account.shortfall, 0
    if account.margin == "reg-t":
        initial = sum(_initial(state, account, symbol) for symbol in account.positions)
        account.sma = max(account.sma, account.equity - initial)


def _initial(state: "State", account: Account, symbol: str) -> int:
    qty, instrument = account.positions[symbol].qty, state.instruments[symbol]
    if instrument.option is not None:
        return account.positions[symbol].maintenance
    rates = state.rates[symbol]
    value = abs(qty) * needs.mark_of(state, symbol) * state.factors[symbol]
    return share(value, rates.initial if qty >= 0 else rates.short_initial)


def review(state: "State", account: Account, step: Step) -> None:
    """When a day begins: what the day before has left, and what of earlier days is met or not."""
    if account.margin == "cash":
        return
    least = min(max(0, share(account.equity, DE_MINIMIS_BPS)), DE_MINIMIS)
    if account.lacked > least:
        amount = money_text(account.lacked)
        step.emit(IntradayDeficit, account.account, amount)
        _alert(account, "INTRADAY_DEFICIT", f"it lacked {amount} of its maintenance margin in the day before", step)
    for day, money in account.owed:
        amount = money_text(money)
        if account.excess >= money:
            step.emit(DeficitMet, account.account, day, amount)
        elif business_days(day, state.day) >= BUSINESS_DAYS:
            step.emit(AccountFrozen, account.account, later(state.day, FROZEN_DAYS), amount, day)
            _alert(account, "FROZEN", f"an intraday margin deficit of {amount}, of {day}, was not met", step)
    if account.margin == "reg-t" and account.sma < 0:
        _alert(account, "SMA", f"its special memorandum account is {money_text(account.sma)}", step)


def _alert(account: Account, code: str, text: str, step: Step) -> None:
    step.emit(Alerted, "risk", code, f"account {account.account}: {text}")


def frozen(state: "State", account: Account, side: Side, money: int) -> Reject | None:
    """Why a frozen account may not open so much, if it is more than its cash pays for."""
    if account.frozen_until <= state.day:
        return None
    open_buys = (one.open_buy_notional * state.factors[symbol] for symbol, one in account.positions.items())
    spare = max(0, account.cash + account.foreign - sum(open_buys))
    if side is Side.BUY and money <= spare:
        return None
    where, why = f"account {account.account}", f"until {account.frozen_until}: an intraday margin deficit was not met"
    return Reject(OrdRejReason.BROKER_OPTION, "FROZEN", why, money_text(spare), money_text(money), where)


@EVOLVE.on(IntradayDeficit, the_account)
def _deficit(state: "State", fact: IntradayDeficit) -> None:
    account = state.accounts[fact.account]
    account.owed = (*account.owed, (state.day, to_money(fact.amount)))
    account.lacked = 0


@EVOLVE.on(DeficitMet, the_account)
def _met(state: "State", fact: DeficitMet) -> None:
    account, money = state.accounts[fact.account], to_money(fact.amount)
    account.owed = tuple(one for one in account.owed if one != (fact.day, money))


def freeze(account: Account, fact: AccountFrozen) -> None:
    """The account is frozen for a deficit, which is no longer to be met."""
    account.frozen_until = max(account.frozen_until, fact.until)
    account.owed = tuple(one for one in account.owed if one != (fact.day, to_money(fact.amount)))
