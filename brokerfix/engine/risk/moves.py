"""Accounts move between shards: drained, and then whole: by a fact that takes everything from one, and by one that
gives it to the other.

Between the two the account is on neither, and the first has it in hand. What the account counts towards limits that
all share moves with it: the parts of both shards fall by so much in the same facts, until the cluster has divided
anew what there is. So also an account's shorts, that gave one shard room, give the other none (`sharing`).
"""

from collections.abc import Iterator

import msgspec

from brokerfix import commands as cmd
from brokerfix import facts as f
from brokerfix.domain import MONEY_DIGITS, REDUCING, Level, Limits, RestatementReason, money_text, to_money
from brokerfix.engine import touched
from brokerfix.engine.entities import Account, Job, JobKind, Override, Position
from brokerfix.engine.kept_accounts import AccountImage, BoundImage, account_of, image_of, put_window, window_of
from brokerfix.engine.money import weigh_balances
from brokerfix.engine.operator import refuse
from brokerfix.engine.orders import booking
from brokerfix.engine.orders.order import Order
from brokerfix.engine.risk import daily
from brokerfix.engine.risk.bounds import arrange_anew, count_all, say_again, set_level
from brokerfix.engine.risk.shards import take_parts
from brokerfix.engine.sharing import Amounts, Handed
from brokerfix.engine.state import State
from brokerfix.engine.step import Step
from brokerfix.engine.tables import Decisions, Evolution
from brokerfix.engine.touched import Touched

DECIDE, EVOLVE = Decisions(), Evolution()
LEFT = "MOVED: the account is being moved to another shard"


class Holdings(msgspec.Struct):
    """All that an account has: itself, the limits of its levels as they are and as they are configured, what counts
    towards them by the time, what it owes, and its halts: (operator, whether it is killed). `overrides` are limits that
    hold for a time, `standing` is `MoveOut`'s, `day` (YYYYMMDD) the trading day that it left on (0: an older version
    has not told)."""

    account: AccountImage
    limits: list[tuple[Level, Limits]]
    configured: list[tuple[Level, Limits]]
    windows: list[BoundImage]
    deficit: str = "0"
    halt: tuple[str, bool] | None = None
    overrides: list[tuple[Level, Override]] = []
    standing: int = -1
    day: int = 0


_encode = msgspec.json.Encoder().encode
holdings_of = msgspec.json.Decoder(Holdings).decode
"""Holdings of their JSON. Raises msgspec.DecodeError."""


def _the_account_whole(state: State, fact: f.AccountMovedOut | f.AccountMovedIn, touched: Touched) -> None:
    touched.positions[fact.account, ""] = None
    for symbol in state.accounts[fact.account].positions:
        touched.positions[fact.account, symbol] = None


@DECIDE.on(cmd.PlaceAccounts, silent="the accounts are known to be there")
def place_accounts(state: State, c: cmd.PlaceAccounts, step: Step) -> None:
    """The cluster says where accounts are."""
    for account, shard in c.accounts:
        _place(state, c, account, shard, step)


def _place(state: State, c: cmd.PlaceAccounts, name: str, shard: int, step: Step) -> None:
    """One that has been here, and has left by no move, is halted where the cluster has it elsewhere."""
    sharing = state.sharing
    if name in sharing.handed and not (shard == state.shard and name in sharing.here):
        return
    if name in sharing.here and shard != state.shard:
        if ("account", name) not in state.halts:
            step.emit(f.Halted, "account", name, c.operator, True, False)
            told = f"account {name} is here, but the cluster has it on shard {shard}; it takes no orders"
            step.emit(f.Alerted, "cluster", "ACCOUNT_TWICE", told)
        return
    if shard == state.shard:
        is_new = name in state.accounts and name not in sharing.elsewhere and not sharing.here.get(name)
    else:
        is_new = sharing.elsewhere.get(name) != shard
    if is_new:
        step.emit(f.AccountPlaced, name, shard)


@EVOLVE.on(f.AccountPlaced, touched.nothing)
def _account_placed(state: State, fact: f.AccountPlaced) -> None:
    sharing = state.sharing
    if fact.shard == state.shard:
        sharing.here[fact.account] = True
        sharing.elsewhere.pop(fact.account, None)
    else:
        sharing.elsewhere[fact.account] = fact.shard
        account = state.accounts.get(fact.account)
        if account is not None and fact.account not in sharing.moves:
            # It was here by the configuration only, and has never taken an order.
            _clear(state, fact.account)
    say_again(state, *_levels_of(state, fact.account))


def _levels_of(state: State, name: str) -> list[Level]:
    """The levels that may span shards, and that an account counts towards."""
    groups = [Level("group", group) for group, accounts in state.groups.items() if name in accounts]
    return [*groups, *(Level("client", client.client) for client in state.clients.values() if name in client.accounts)]


@DECIDE.on(cmd.MoveAccount)
def move_account(state: State, c: cmd.MoveAccount, step: Step) -> None:
    """An account stops taking orders, so that it can move; or stays after all."""
    wrong = _why_not(state, c)
    if wrong:
        return refuse(c, step, wrong)
    step.emit(f.AccountMoving, account=c.account, to=c.to, cancel=c.cancel, operator=c.operator)


def _why_not(state: State, c: cmd.MoveAccount) -> str:
    sharing, name = state.sharing, c.account
    if c.to < 0:
        return "" if name in sharing.moving else f"account {name} is not being moved"
    if name not in sharing.here:
        where = sharing.elsewhere.get(name)
        return f"there is no account {name}" if where is None else f"account {name} is on shard {where}"
    if c.to == state.shard:
        return f"account {name} is on shard {c.to} already"
    if name in sharing.handed:
        return f"account {name} has just come from shard {sharing.handed[name].other}; try again"
    makers = [one for one, making in state.makers.items() if making.maker.account == name and making.maker.quoting]
    if makers:
        return f"market maker {makers[0]} trades for account {name}: take it out of the configuration first"
    standing = state.accounts[name].standing
    if standing in REDUCING:
        return f"account {name} is in a margin {standing}"
    return ""


@EVOLVE.on(f.AccountMoving, touched.nothing)
def _account_moving(state: State, fact: f.AccountMoving) -> None:
    if fact.to < 0:
        state.sharing.moving.pop(fact.account, None)
        return
    state.sharing.moving[fact.account] = fact.to
    if fact.cancel:
        left = [order.order_id for order in _working(state, fact.account)]
        job = Job(JobKind.CANCEL, left[::-1], f"account {fact.account}")
        job.text, job.reason, job.operator = LEFT, str(RestatementReason.BROKER_OPTION), fact.operator
        job.total, job.began = len(left), fact.at
        booking.begin_job(state, job)


def _working(state: State, account: str) -> Iterator[Order]:
    for client in state.clients.values():
        for order in client.working.values():
            if order.account == account:
                yield order


def waits_for(state: State, account: str) -> str:
    """What an account that moves is not drained of yet, "" for nothing."""
    working = sum(1 for _ in _working(state, account))
    if working:
        return f"{working} orders work"
    open_at = [
        child.venue
        for children in state.open_children.values()
        for child in children.values()
        if state.orders[child.order_id].account == account
    ]
    if open_at:
        return f"{len(open_at)} orders are open at {', '.join(sorted(set(open_at)))}"
    if state.jobs:
        return f"the broker is busy: {state.jobs[0].kind}"
    if any(one.kind == "account" and one.name == account for one in state.proposals.values()):
        return "limits of it wait for a second person: `limits pending`"
    if state.accounts[account].standing in REDUCING:
        return f"it is in a margin {state.accounts[account].standing}"
    return ""


@DECIDE.on(cmd.MoveOut)
def move_out(state: State, c: cmd.MoveOut, step: Step) -> None:
    sharing, name = state.sharing, c.account
    if name not in sharing.moving:
        return refuse(c, step, f"account {name} is not being moved")
    if c.move <= sharing.moves.get(name, 0):
        return refuse(c, step, f"move {c.move} of account {name} is not after {sharing.moves[name]}")
    waits = waits_for(state, name)
    if waits:
        return refuse(c, step, f"account {name}: {waits}")
    step.emit(
        f.AccountMovedOut, account=name, to=sharing.moving[name], move=c.move,
        holdings=_holdings(state, name, c.standing), carried=_carried(state, state.accounts[name]),
    )  # fmt: skip


def _holdings(state: State, name: str, standing: int) -> str:
    levels = [level for level in state.limits if level.kind == "account" and level.name == name]
    image = image_of(state.accounts[name])
    image.positions = {symbol: one for symbol, one in image.positions.items() if any(map(int, one))}
    operator = state.halts.get(("account", name))
    whole = Holdings(
        image,
        [(level, state.limits[level]) for level in levels],
        [(level, state.configured[level]) for level in levels if level in state.configured],
        [window_of(state.bounds[level]) for level in levels if level in state.bounds],
        str(state.deficits.get(name, 0)),
        None if operator is None else (operator, ("account", name) in state.killed),
        [(level, state.overrides[level]) for level in levels if level in state.overrides],
        standing,
        state.day,
    )
    return _encode(whole).decode()


def _carried(state: State, account: Account) -> Amounts:
    """What a drained account counts towards the limits that all share, without signs."""
    held = [
        abs(position.qty) * 10 ** (MONEY_DIGITS - state.instruments[symbol].qty_digits)
        for symbol, position in account.positions.items()
    ]
    gross = sum(abs(one.worth) for one in account.positions.values())
    net = abs(sum(one.worth for one in account.positions.values()))
    most = max(held, default=0)
    amounts = {"max_gross": gross, "max_net": net, "max_long": most, "max_short": most, "located": most}
    clients = [bound for client in account.clients for bound in state.clients[client].bounds]
    return tuple(
        (bound.level.kind, bound.level.name, name, money_text(amounts[name]))
        for bound in (*account.bounds, *clients)
        for name in bound.whole
        if amounts.get(name)
    )


@EVOLVE.on(f.AccountMovedOut, _the_account_whole)
def _account_moved_out(state: State, fact: f.AccountMovedOut) -> None:
    sharing, name = state.sharing, fact.account
    _clear(state, name)
    sharing.moving.pop(name, None)
    sharing.here.pop(name, None)
    sharing.elsewhere[name] = fact.to
    sharing.moves[name] = fact.move
    sharing.handed[name] = Handed(fact.move, fact.to, True, fact.holdings, fact.carried)
    say_again(state, *_levels_of(state, name))
    take_parts(state, fact.carried)


def _clear(state: State, name: str) -> None:
    """The account has nothing here any more. It stays by its name: what exchanges say late of its orders is booked."""
    count_all(state, name, -1)
    had = state.accounts[name]
    state.accounts[name] = Account(
        name, had.limits, 0, 0, positions={symbol: Position() for symbol in had.positions}, clients=had.clients,
        own=had.own, margin=had.margin, route_mode=had.route_mode,
    )  # fmt: skip
    for level in [level for level in state.overrides if level.kind == "account" and level.name == name]:
        del state.overrides[level]
    for target in (state.halts, state.killed):
        target.pop(("account", name), None)
    state.called.pop(name, None)
    state.deficits.pop(name, None)
    arrange_anew(state, name)
    booking.reload_all(state, state.accounts[name])


@DECIDE.on(cmd.MoveIn)
def move_in(state: State, c: cmd.MoveIn, step: Step) -> None:
    sharing, name = state.sharing, c.account
    if c.move <= sharing.moves.get(name, 0):
        return refuse(c, step, f"move {c.move} of account {name} is known: {sharing.moves[name]} was the last")
    if name in sharing.here:
        return refuse(c, step, f"account {name} is here")
    try:
        holdings = holdings_of(c.holdings)
    except msgspec.DecodeError as error:
        return refuse(c, step, f"what account {name} has can't be read: {error}")
    unknown = cannot_take(state, tuple(holdings.account.positions), tuple(holdings.account.balances))
    if unknown:
        return refuse(c, step, f"account {name}: {unknown}")
    step.emit(
        f.AccountMovedIn, account=name, source=c.source, move=c.move, holdings=c.holdings, carried=c.carried
    )  # fmt: skip


def cannot_take(state: State, symbols: tuple[str, ...], currencies: tuple[str, ...]) -> str:
    """What of an account this broker does not know, "" for nothing."""
    unknown = [symbol for symbol in symbols if symbol not in state.instruments]
    unknown += [currency for currency in currencies if currency not in state.currencies]
    return f"there is no {', '.join(unknown)} in this shard's configuration" if unknown else ""


@EVOLVE.on(f.AccountMovedIn, _the_account_whole)
def _account_moved_in(state: State, fact: f.AccountMovedIn) -> None:
    sharing, name, holdings = state.sharing, fact.account, holdings_of(fact.holdings)
    here = state.accounts.get(name)
    count_all(state, name, -1)
    account = state.accounts[name] = account_of(state, holdings.account)
    account.load = 0
    account.clients = {client.client: None for client in state.clients.values() if name in client.accounts}
    if here is not None:
        _add_late(account, here)
    weigh_balances(state, account)
    for symbol in account.positions:
        state.holders.setdefault(symbol, {})[name] = None
    account.own = {
        level.symbol: bound
        for level, bound in state.bounds.items()
        if level.kind == "account" and level.name == name and level.symbol
    }
    arrange_anew(state, name)
    _set_levels(state, name, holdings)
    booking.reload_all(state, account)
    if int(holdings.deficit):
        state.deficits[name] = int(holdings.deficit)
    if holdings.halt is not None:
        operator, killed = holdings.halt
        state.halts["account", name] = operator
        if killed:
            state.killed["account", name] = None
    sharing.elsewhere.pop(name, None)
    sharing.here[name] = True
    sharing.moves[name] = fact.move
    sharing.handed[name] = Handed(fact.move, fact.source, False, "", fact.carried)
    say_again(state, *_levels_of(state, name))
    take_parts(state, fact.carried)
    if 0 < holdings.day < state.day:
        # Its day has ended while it was on neither.
        account.opened_with, account.lost = account.value, 0
        if account.margin != "cash":
            daily.begin_day(state, account)
    if account.is_watched:
        state.agenda[booking.REVIEW, name] = None


def _add_late(account: Account, here: Account) -> None:
    """What was booked here after the account had left."""
    account.cash += here.cash
    for currency, money in here.balances.items():
        account.balances[currency] = account.balances.get(currency, 0) + money
    for symbol, late in here.positions.items():
        position = account.positions.setdefault(symbol, Position())
        position.qty, position.bought = position.qty + late.qty, position.bought + late.bought
        position.sold += late.sold


def _set_levels(state: State, name: str, holdings: Holdings) -> None:
    """The limits of the account's levels are those that it had, and what counted towards them counts."""
    now = dict(holdings.limits)
    for level in [level for level in state.limits if level.kind == "account" and level.name == name]:
        if level not in now:
            now[level] = Limits()
    for level, limits in now.items():
        set_level(state, level, limits)
    for level, limits in holdings.configured:
        state.configured[level] = limits
    for level, override in holdings.overrides:
        state.overrides[level] = override
    for one in holdings.windows:
        if one.level in state.bounds:
            put_window(state.bounds[one.level], one)


@DECIDE.on(cmd.EndMove, silent="it is over already")
def end_move(state: State, c: cmd.EndMove, step: Step) -> None:
    handed = state.sharing.handed.get(c.account)
    if handed is not None and handed.move == c.move:
        step.emit(f.MoveEnded, c.account, c.move)


@EVOLVE.on(f.MoveEnded, touched.nothing)
def _move_ended(state: State, fact: f.MoveEnded) -> None:
    state.sharing.handed.pop(fact.account, None)


def carried_now(state: State) -> dict[tuple[Level, str], int]:
    """By level and limit, what moves that are not over have taken off this shard's parts."""
    sums: dict[tuple[Level, str], int] = {}
    for handed in state.sharing.handed.values():
        for kind, of, name, text in handed.carried:
            key = Level(kind, of), name
            sums[key] = sums.get(key, 0) + to_money(text)
    return sums
