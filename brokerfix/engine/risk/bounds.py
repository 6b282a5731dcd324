"""The bounds that limits are at their levels: which an order meets, which exposures a position counts for, and what was
accepted."""

from collections.abc import Container, Iterator
from typing import TYPE_CHECKING

from brokerfix.domain import Level, Limits, Side, to_money
from brokerfix.engine.entities import Account, Bound, Client, Exposure, Position
from brokerfix.engine.risk.controls import checks_of
from brokerfix.engine.sharing import divided

if TYPE_CHECKING:
    from brokerfix.engine.state import State

Content = tuple[str, str, str, int, int, int]
"""What makes two orders of an account the same: symbol, side, OrdType, scaled quantity, price, stop's price."""
SECOND = 10**9
EXPOSED = frozenset(("max_gross", "max_net", "max_long", "max_short", "located"))
"""The limits that need a level's exposure."""
COUNTED = frozenset(("max_window_qty", "max_window_notional"))
MOST_CONTENTS = 10_000
"""Contents of orders that are remembered before those that are over are let go."""


def set_level(state: "State", level: Level, limits: Limits) -> None:
    """Give a level its limits."""
    names = list(_of_level(state, level))
    for name in names:
        # By what counts until now.
        count_all(state, name, -1)
    state.limits[level] = limits
    most = limits.numbers()
    bound = state.bounds.get(level)
    parts = state.sharing.parts.get(level)
    if parts:
        # What comes back later begins anew.
        state.sharing.parts[level] = {name: part for name, part in parts.items() if name in most}
    if not most:
        state.bounds.pop(level, None)
        bound = None
    elif bound is None:
        bound = state.bounds[level] = Bound(level, most)
    if bound is not None:
        set_most(state, bound, most)
        bound.window, bound.same_window = limits.window_seconds * SECOND, limits.duplicate_seconds * SECOND
        bound.own_locates = limits.own_locates
        bound.counts, bound.exposed = not COUNTED.isdisjoint(most), not EXPOSED.isdisjoint(most)
    if level.kind == "client" and level.name in state.clients:
        client = state.clients[level.name]
        client.bounds = () if bound is None else (bound,)
        client.most_fills = int(limits.max_fills or 0)
    if level.kind == "account" and level.name in state.accounts:
        account = state.accounts[level.name]
        if not level.symbol:
            account.limits = limits
            account.most_lost = to_money(limits.max_loss) if limits.max_loss else 0
        elif bound is not None:
            account.own[level.symbol] = bound
        else:
            account.own.pop(level.symbol, None)
    for name in names:
        arrange_anew(state, name)


def set_most(state: "State", bound: Bound, most: dict[str, int]) -> None:
    """Say again what the bound's limits are, which is less where this broker has only a part of them."""
    bound.most, bound.whole = divided(state, bound.level, most)
    bound.checks = checks_of(bound.most, bound.whole)


def say_again(state: "State", *levels: Level) -> None:
    """Say again what limits of these levels are, as their accounts may be on other shards than before."""
    for level in levels:
        bound = state.bounds.get(level)
        if bound is not None:
            set_most(state, bound, state.limits[level].numbers())


def is_known(state: "State", level: Level) -> bool:
    """Whether there is such a level."""
    kind, name, symbol = level
    known: dict[str, Container[str]] = {
        "firm": ("",), "client": state.clients, "group": state.groups, "account": state.accounts,
    }  # fmt: skip
    if name not in known.get(kind, ()):
        return False
    return not symbol or (kind == "account" and (symbol in state.instruments or symbol in state.symbol_groups))


def _of_level(state: "State", level: Level) -> Iterator[str]:
    """The accounts that a level is about."""
    if level.kind == "firm":
        yield from state.accounts
    elif level.kind == "group":
        yield from state.groups.get(level.name, ())
    elif level.kind == "client":
        client = state.clients.get(level.name)
        yield from client.accounts if client is not None else ()
    else:
        yield level.name


def give_accounts(state: "State", client: Client, had: tuple[str, ...]) -> None:
    """A client may trade for its accounts, and for those that it `had` no longer."""
    level = Level("client", client.client)
    own = state.bounds.get(level)
    client.bounds = () if own is None else (own,)
    limits = state.limits.get(level)
    client.most_fills = int(limits.max_fills or 0) if limits is not None else 0
    for name in dict.fromkeys((*had, *client.accounts)):
        account = state.accounts.get(name)
        if account is None:
            continue
        if name in client.accounts:
            account.clients[client.client] = None
        else:
            account.clients.pop(client.client, None)
        arrange(state, name)


def arrange(state: "State", name: str) -> None:
    """Say again which bounds an account has, and which exposures its positions count for."""
    count_all(state, name, -1)
    arrange_anew(state, name)


def arrange_anew(state: "State", name: str) -> None:
    """What `arrange` does for an account whose positions do not count now."""
    account = state.accounts.get(name)
    if account is None:
        return
    bounds = state.bounds
    groups = (group for group, accounts in state.groups.items() if name in accounts)
    levels = Level("firm"), *(Level("group", group) for group in groups), Level("account", name)
    account.bounds = tuple(bounds[level] for level in levels if level in bounds)
    every = [*account.bounds, *(bound for client in account.clients for bound in state.clients[client].bounds)]
    account.exposures = tuple(bound.exposure for bound in every if bound.exposed)
    account.of_symbol = {}
    for name_of_symbol, bound in account.own.items():
        for symbol in state.symbol_groups.get(name_of_symbol, (name_of_symbol,)):
            account.of_symbol[symbol] = (*account.of_symbol.get(symbol, ()), bound)
    every += account.own.values()
    account.exposed = any(bound.exposed for bound in every) or account.margin != "cash" or account.most_lost > 0
    account.same_window = max((bound.same_window for bound in every if "duplicates" in bound.most), default=0)
    for symbol, position in account.positions.items():
        position.worth = worth(state, symbol, position.qty) if account.exposed else 0
    account.worth = account.option_worth = 0
    for symbol, position in account.positions.items():
        _worth_more(state, account, symbol, position.worth)
    count_all(state, name, 1)


def count_all(state: "State", name: str, times: int) -> None:
    """All positions of an account count from now on or, with `times` -1, no longer."""
    account = state.accounts.get(name)
    if account is not None:
        for symbol, position in account.positions.items():
            for exposure in exposures_of(account, symbol):
                exposure.count(symbol, position, state.factors[symbol], times)


def exposures_of(account: Account, symbol: str) -> tuple[Exposure, ...]:
    """What the account's position in a symbol counts for."""
    own = account.of_symbol.get(symbol, ()) if account.of_symbol else ()
    return (*account.exposures, *(bound.exposure for bound in own if bound.exposed)) if own else account.exposures


def worth(state: "State", symbol: str, qty: int) -> int:
    """What so much of a symbol is worth at its mark."""
    instrument = state.instruments[symbol]
    return qty * (state.marks.get(symbol) or instrument.reference) * state.factors[symbol]


def _worth_more(state: "State", account: Account, symbol: str, money: int) -> None:
    """What the account has of a symbol is worth so much more. Options have no loan value."""
    if state.instruments[symbol].option is None:
        account.worth += money
    else:
        account.option_worth += money


def opened(account: Account, symbol: str, side: Side, qty: int, money: int) -> None:
    """So much more of the account's orders is open (or less)."""
    for exposure in exposures_of(account, symbol):
        exposure.open(symbol, side is Side.BUY, qty, money)


def owned(state: "State", account: Account, symbol: str, position: Position, qty: int = 0) -> None:
    """The account's position is `qty` larger, or the mark is another one."""
    if not account.exposed:
        return
    had, position.worth = position.worth, worth(state, symbol, position.qty)
    _worth_more(state, account, symbol, position.worth - had)
    for exposure in exposures_of(account, symbol):
        exposure.own(symbol, qty, had, position.worth)


def revalued(state: "State", account: Account, symbol: str, position: Position) -> None:
    """What a position is worth is another number now; no exposure counts it at the moment."""
    if account.exposed:
        had, position.worth = position.worth, worth(state, symbol, position.qty)
        _worth_more(state, account, symbol, position.worth - had)


def bounds_of(client: Client, account: Account, symbol: str) -> tuple[Bound, ...]:
    """The bounds of an order."""
    own = account.of_symbol.get(symbol, ()) if account.of_symbol else ()
    bounds = account.bounds + client.bounds if client.bounds else account.bounds
    return bounds + own if own else bounds


def accepted(
    account: Account, bounds: tuple[Bound, ...], at: int, units: int, money: int, content: Content | None
) -> None:
    """An order was accepted, or a replace by what it adds: it counts from now on."""
    for bound in bounds:
        if bound.counts:
            bound.accepted.add(at, max(0, units), max(0, money), at - bound.window)
    if account.same_window and content is not None:
        oldest = at - account.same_window
        if len(account.same) > MOST_CONTENTS:
            account.same = {what: times for what, times in account.same.items() if times[-1] > oldest}
        times = account.same.get(content)
        if times is None:
            account.same[content] = [at]
            return
        times.append(at)
        while times[0] <= oldest:
            del times[0]
