"""How accounts, limits and what counts towards them are kept and hashed: what follows from the rest is made anew."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import msgspec

from brokerfix.domain import Instrument, Level, Limits, Standing, rates_of, to_money
from brokerfix.engine.entities import Account, Bound, Position, Window
from brokerfix.engine.money import factor_of, weigh_balances
from brokerfix.engine.risk import needs
from brokerfix.engine.risk.bounds import give_accounts, set_level

if TYPE_CHECKING:
    from brokerfix.engine.state import State


def items(value: dict[Any, Any]) -> list[tuple[Any, Any]]:
    return sorted(value.items())


class AccountImage(msgspec.Struct):
    """An account, with its money and its positions' numbers as text: they may be beyond 64 bits."""

    account: str
    limits: Limits
    numbers: list[str]
    positions: dict[str, list[str]]
    same: list[tuple[tuple[str, str, str, int, int, int], list[int]]] = []
    margin: str = "cash"
    standing: Standing = Standing.OK
    since: int = 0
    held_by: str = ""
    slice_id: int = 0
    opened_with: str = "0"
    lost: int = 0
    credit: tuple[int, int, int] = (10_000, 0, 0)
    daily: tuple[str, str, str, list[tuple[int, str]], int] = ("0", "0", "0", [], 0)
    balances: dict[str, str] = {}
    notionals: str = "money"
    route_mode: str = ""


NOTIONALS = "price x quantity"
"""What open notionals are in; older versions have them in money."""
NUMBERS = ("paid_in", "cash", "load")
KEPT_OF_POSITION = 8
"""What a position is worth is made anew."""


def dump_accounts(state: "State") -> list[AccountImage]:
    return [image_of(account) for account in state.accounts.values()]


def image_of(account: Account) -> AccountImage:
    """The account as it is kept."""
    return AccountImage(
        account.account,
        account.limits,
        [str(getattr(account, name)) for name in NUMBERS],
        {
            symbol: [str(one) for one in msgspec.structs.astuple(position)[:KEPT_OF_POSITION]]
            for symbol, position in account.positions.items()
        },
        list(account.same.items()),
        account.margin,
        account.standing,
        account.since,
        account.held_by,
        account.slice_id,
        str(account.opened_with),
        account.lost,
        (account.credit_bps, account.raised_on, account.called_on),
        (
            str(account.sma),
            str(account.shortfall),
            str(account.lacked),
            [(day, str(money)) for day, money in account.owed],
            account.frozen_until,
        ),
        {currency: str(money) for currency, money in account.balances.items()},
        NOTIONALS,
        account.route_mode,
    )


def load_accounts(state: "State", images: list[AccountImage]) -> None:
    for one in images:
        state.accounts[one.account] = account_of(state, one)


def account_of(state: "State", one: AccountImage) -> Account:
    """The account that was kept; what follows from the rest of the state is still to be made."""
    positions = {symbol: Position(*_eight(numbers)) for symbol, numbers in one.positions.items()}
    if one.notionals != NOTIONALS:
        for symbol, position in positions.items():
            position.open_buy_notional //= state.instruments[symbol].money_factor
            position.open_sell_notional //= state.instruments[symbol].money_factor
    # An older version's have the limits' numbers between them.
    paid_in, cash, *_, taken = map(int, one.numbers)
    return Account(
        one.account,
        one.limits,
        paid_in,
        cash,
        taken,
        positions,
        same=dict(one.same),
        margin=one.margin,
        route_mode=one.route_mode,
        standing=one.standing,
        since=one.since,
        held_by=one.held_by,
        slice_id=one.slice_id,
        opened_with=int(one.opened_with),
        lost=one.lost,
        credit_bps=one.credit[0],
        raised_on=one.credit[1],
        called_on=one.credit[2],
        sma=int(one.daily[0]),
        shortfall=int(one.daily[1]),
        lacked=int(one.daily[2]),
        owed=tuple((day, int(money)) for day, money in one.daily[3]),
        frozen_until=one.daily[4],
        balances={currency: int(money) for currency, money in one.balances.items()},
        most_lost=to_money(one.limits.max_loss) if one.limits.max_loss else 0,
    )


def _eight(texts: list[str]) -> tuple[int, int, int, int, int, int, int, int]:
    one, two, three, four, five, six, seven, eight = map(int, texts)
    return one, two, three, four, five, six, seven, eight


def hashed_accounts(accounts: dict[str, Account]) -> Iterable[object]:
    return sorted(
        (
            name,
            account.limits,
            account.paid_in,
            account.cash,
            account.load,
            items(account.positions),
            items(account.same),
            (account.margin, account.standing, account.since, account.held_by, account.slice_id),
            (
                account.opened_with,
                account.lost,
                account.worth,
                account.option_worth,
                account.maintenance,
                items(account.products),
            ),
            (account.credit_bps, account.raised_on, account.called_on),
            (account.sma, account.shortfall, account.lacked, account.owed, account.frozen_until),
            (items(account.balances), account.foreign),
        )
        for name, account in accounts.items()
    )


def load_holders(state: "State", data: None) -> None:
    state.holders = {}
    for name, account in state.accounts.items():
        for symbol in account.positions:
            state.holders.setdefault(symbol, {})[name] = None


def derive(state: "State", instrument: Instrument) -> None:
    """Say again what follows from an instrument: that it is an option on another one, its margin terms as numbers."""
    symbol = instrument.symbol
    state.rates[symbol] = rates_of(instrument.margin)
    state.factors[symbol] = factor_of(state, instrument)
    for options in state.derived.values():
        options.pop(symbol, None)
    if instrument.option is not None:
        state.derived.setdefault(instrument.option.underlying, {})[symbol] = None


def load_derived(state: "State", data: None) -> None:
    for instrument in state.instruments.values():
        derive(state, instrument)
    for account in state.accounts.values():
        weigh_balances(state, account)


def load_limits(state: "State", limits: list[tuple[Level, Limits]] | None) -> None:
    """An older version has those of accounts, with them."""
    if limits is None:
        limits = [(Level("account", name), account.limits) for name, account in state.accounts.items()]
    state.limits = dict(limits)


def load_configured(state: "State", limits: list[tuple[Level, Limits]] | None) -> None:
    state.configured = dict(state.limits) if limits is None else dict(limits)


class BoundImage(msgspec.Struct):
    """What counts towards a level's limits of what was accepted lately; sums as text."""

    level: Level
    times: list[int]
    units: list[str]
    money: list[str]
    before: tuple[str, str]
    told: dict[str, int] = {}


def hashed_bounds(bounds: dict[Level, Bound]) -> Iterable[object]:
    for level, bound in items(bounds):
        exposure = bound.exposure
        held = sorted((symbol, tuple(held)) for symbol, held in exposure.held.items() if any(held))
        yield level, items(bound.most), bound.window, bound.same_window, bound.accepted, held
        yield exposure.gross, exposure.net, exposure.buys, exposure.sells


def dump_bounds(state: "State") -> list[BoundImage]:
    return [window_of(bound) for bound in state.bounds.values()]


def window_of(bound: Bound) -> BoundImage:
    """What counts towards the bound's limits by the time."""
    accepted = bound.accepted
    before = str(accepted.before[0]), str(accepted.before[1])
    return BoundImage(
        bound.level, accepted.times, [*map(str, accepted.units)], [*map(str, accepted.money)], before, bound.told
    )


def put_window(bound: Bound, one: BoundImage) -> None:
    units, money = one.before
    bound.accepted = Window(one.times, [*map(int, one.units)], [*map(int, one.money)], (int(units), int(money)))
    bound.told = one.told


def load_bounds(state: "State", images: Iterable[BoundImage]) -> None:
    """The bounds follow from the limits, and the exposures from the positions."""
    for client in state.clients.values():
        client.sort_sides()
        give_accounts(state, client, ())
    for level, limits in state.limits.items():
        set_level(state, level, limits)
    for account in state.accounts.values():
        if account.margin != "cash":
            needs.remargin(state, account)
    for one in images:
        put_window(state.bounds[one.level], one)
