"""What an account pays for its fills, and the interest on its cash. Both are on record with the fact that books them.

A fill costs what the instrument charges, what the client's commission is and, where that says so, what the exchange
takes (its taker's or maker's fee; below 0 it is a rebate). Interest is simple, for the days since the trading day
before, of a year of 360 days, on the cash as it is when the day begins, and rounded to a cent towards 0.
"""

from brokerfix import facts as f
from brokerfix.domain import IMMEDIATE, MONEY_DIGITS, days_between, money_text, to_money, to_scaled
from brokerfix.engine import money as money_of
from brokerfix.engine import touched
from brokerfix.engine.charges import cost
from brokerfix.engine.entities import Job, JobKind
from brokerfix.engine.orders import booking
from brokerfix.engine.orders.order import Child, Order
from brokerfix.engine.risk import daily
from brokerfix.engine.state import State
from brokerfix.engine.step import Step
from brokerfix.engine.tables import Evolution

EVOLVE = Evolution()
YEAR = 360
ADDED = "1"
"""LastLiquidityInd(851) of a fill that has added liquidity."""
CENT = 10 ** (MONEY_DIGITS - 2)
RATE_DIGITS = 6


def fee_of(state: State, order: Order, qty: int, price: int, venue: str = "", is_maker: bool = False) -> str:
    """What a fill costs its account (below 0: it is paid), as decimal text of money, "" for nothing. `venue` is the
    exchange ("": our book)."""
    total = cost(state, order.client, state.instruments[order.symbol], qty, price, venue, is_maker)
    return money_text(total) if total else ""


def child_fee(state: State, child: Child, qty: int, price: int, liquidity: str = "") -> str:
    """What a fill at an exchange costs, as `fee_of` tells. `liquidity` is its LastLiquidityInd(851); without one an
    order that was to be filled at once has taken, and another one has rested."""
    is_maker = liquidity == ADDED if liquidity else child.time_in_force not in IMMEDIATE
    return fee_of(state, state.order_of(child), qty, price, child.venue, is_maker)


def trade(state: State, maker: Order, taker: Order, qty: int, price: int, step: Step, auction: bool = False) -> None:
    """Two orders trade in our book, each for its fee."""
    fees = fee_of(state, maker, qty, price), fee_of(state, taker, qty, price)
    step.trade(maker.order_id, taker.order_id, qty, price, auction, *fees)


def interest(cash: int, rate: str, days: int) -> int:
    """What so much cash earns (below 0: costs) in so many days at a yearly rate (decimal text), in money."""
    exact = abs(cash) * to_scaled(rate, RATE_DIGITS) * days
    whole: int = exact // (YEAR * 10**RATE_DIGITS * CENT) * CENT
    return whole if cash >= 0 else -whole


def begin_interest(state: State, before: int) -> None:
    """A trading day has begun: account by account interest is booked, and margin accounts are looked at."""
    policy, days = state.margin_policy, days_between(before, state.day) if before else 0
    has_rates = policy.debit_rate != "0" or policy.credit_rate != "0"
    if days and (has_rates or any(account.margin != "cash" for account in state.accounts.values())):
        job = Job(JobKind.INTEREST, sorted(state.accounts, reverse=True), reason=str(days))
        booking.begin_job(state, job)


def book_interest(state: State, job: Job, name: str, step: Step, overdue: list[int]) -> None:
    """The interest of one account, and what it has to show by the day."""
    account, days, policy = state.accounts[name], int(job.reason), state.margin_policy
    for currency, cash in (("", account.cash), *sorted(account.balances.items())):
        rate = policy.credit_rate if cash > 0 else policy.debit_rate
        amount = interest(cash, rate, days)
        if amount:
            step.emit(
                f.InterestBooked,
                account=name,
                amount=money_text(amount),
                on=money_text(cash),
                rate=rate,
                days=days,
                currency=currency,
            )
    daily.review(state, account, step)


@EVOLVE.on(f.InterestBooked, touched.the_account)
def _interest_booked(state: State, fact: f.InterestBooked) -> None:
    account = state.accounts[fact.account]
    amount = to_money(fact.amount)
    money_of.pay(state, account, fact.currency, amount)
    if account.margin == "reg-t":
        account.sma += money_of.plain_value(state, fact.currency, amount)
    booking.weigh(state, account)
