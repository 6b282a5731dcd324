"""The bounds that limits are at their levels: which an order meets, which exposures a position counts for, and what was
accepted."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from brokerfix.domain import Level, Limits
from brokerfix.engine.entities import NO_SHARE, Account, Bound, Client, Position, Share

if TYPE_CHECKING:
    from brokerfix.engine.state import State

SECOND = 10**9
EXPOSED = frozenset(("max_gross", "max_net", "max_long", "max_short"))
"""The limits that need a level's exposure."""
COUNTED = frozenset(("max_window_qty", "max_window_notional"))
MOST_CONTENTS = 10_000
"""Contents of orders that are remembered before those that are over are let go."""


def set_level(state: "State", level: Level, limits: Limits) -> None:
    """Give a level its limits."""
    state.limits[level] = limits
    most = limits.numbers()
    bound = state.bounds.get(level)
    if not most:
        state.bounds.pop(level, None)
    elif bound is None:
        state.bounds[level] = bound = Bound(level, most)
    if level.symbol and level.name in state.accounts:
        of_symbol = state.accounts[level.name].of_symbol
        if most and bound is not None:
            of_symbol[level.symbol] = bound
        else:
            of_symbol.pop(level.symbol, None)
    if bound is not None:
        bound.most = most
        bound.window, bound.same_window = limits.window_seconds * SECOND, limits.duplicate_seconds * SECOND
    if level.kind == "client" and level.name in state.clients:
        own = state.bounds.get(level)
        state.clients[level.name].bounds = () if own is None else (own,)
    if level.kind == "account" and not level.symbol and level.name in state.accounts:
        state.accounts[level.name].limits = limits
    for name in _of_level(state, level):
        arrange(state, name)


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
    own = state.bounds.get(Level("client", client.client))
    client.bounds = () if own is None else (own,)
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
    account = state.accounts.get(name)
    if account is None:
        return
    bounds = state.bounds
    groups = (group for group, accounts in state.groups.items() if name in accounts)
    levels = Level("firm"), *(Level("group", group) for group in groups), Level("account", name)
    for symbol, position in account.positions.items():
        _count(account, symbol, position, NO_SHARE)
    account.bounds = tuple(bounds[level] for level in levels if level in bounds)
    counting = [("", bound) for bound in account.bounds]
    counting += [("", bound) for client in account.clients for bound in state.clients[client].bounds]
    counting += account.of_symbol.items()
    account.exposures = tuple(
        (symbol, bound.exposure) for symbol, bound in counting if not EXPOSED.isdisjoint(bound.most)
    )
    for symbol, position in account.positions.items():
        weigh(state, account, symbol, position)


def share_of(state: "State", symbol: str, position: Position) -> Share:
    """What a position is of an exposure, as it is now."""
    instrument = state.instruments[symbol]
    mark = state.marks.get(symbol) or instrument.reference
    return Share(
        position.qty * mark * instrument.money_factor,
        position.open_buy_notional, position.open_sell_notional,
        position.qty, position.open_buy_qty, position.open_sell_qty,
    )  # fmt: skip


def weigh(state: "State", account: Account, symbol: str, position: Position) -> None:
    """Have the exposures that an account counts for have its position as it is now."""
    if account.exposures:
        _count(account, symbol, position, share_of(state, symbol, position))


def _count(account: Account, symbol: str, position: Position, share: Share) -> None:
    for only, exposure in account.exposures:
        if not only or only == symbol:
            exposure.change(symbol, position.share, share)
    position.share = share if account.exposures else NO_SHARE


def bounds_of(client: Client, account: Account, symbol: str) -> tuple[Bound, ...]:
    """The bounds of an order."""
    own = account.of_symbol.get(symbol) if account.of_symbol else None
    bounds = account.bounds + client.bounds if client.bounds else account.bounds
    return bounds if own is None else (*bounds, own)


def accepted(
    bounds: tuple[Bound, ...], at: int, units: int, money: int, content: tuple[str, str, int, int] | None
) -> None:
    """An order was accepted, or a replace by what it adds: it counts from now on."""
    for bound in bounds:
        if not COUNTED.isdisjoint(bound.most):
            bound.accepted.add(at, max(0, units), max(0, money), at - bound.window)
        if content is not None and "duplicates" in bound.most:
            if len(bound.same) > MOST_CONTENTS:
                oldest = at - bound.same_window
                bound.same = {what: times for what, times in bound.same.items() if times[-1] > oldest}
            times = bound.same.setdefault(content, [])
            times.append(at)
            while times[0] <= at - bound.same_window:
                del times[0]
