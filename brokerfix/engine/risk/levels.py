"""Limits and groups of accounts: as they are configured, and as operators have set them since."""

from collections.abc import Iterator
from typing import Any

import msgspec

from brokerfix import commands as cmd
from brokerfix import facts as f
from brokerfix.domain import MONEY_DIGITS, Level, Limits, id_text
from brokerfix.engine import touched
from brokerfix.engine.entities import Account, Bound
from brokerfix.engine.orders.booking import REVIEW
from brokerfix.engine.risk.approvals import note_override, propose
from brokerfix.engine.risk.bounds import arrange, arrange_anew, count_all, is_known, say_again, set_level
from brokerfix.engine.risk.controls import NOTHING, Near, number
from brokerfix.engine.risk.standing import watch_anew
from brokerfix.engine.sharing import elsewhere
from brokerfix.engine.state import State
from brokerfix.engine.step import Step
from brokerfix.engine.tables import Decisions, Evolution

DECIDE, EVOLVE = Decisions(), Evolution()


def define(state: State, c: cmd.Start, step: Step) -> None:
    """The configuration's groups and limits, as far as they are others than it named before: what an operator has set
    since stays."""
    for group, accounts in c.groups:
        if state.groups.get(group) != accounts:
            step.emit(f.GroupDefined, group, accounts)
    for group in state.groups.keys() - {group for group, _ in c.groups}:
        step.emit(f.GroupDefined, group, ())
    for group, symbols in c.symbol_groups:
        if state.symbol_groups.get(group) != symbols:
            step.emit(f.SymbolGroupDefined, group, symbols)
    for group in state.symbol_groups.keys() - {group for group, _ in c.symbol_groups}:
        step.emit(f.SymbolGroupDefined, group, ())
    named = dict(c.limits)
    for level, limits in named.items():
        if state.configured.get(level) != limits:
            _emit(level, limits, step)
    for level in sorted(state.configured.keys() - named.keys()):
        # An account's own come with it.
        if level.kind != "account" or level.symbol:
            _emit(level, Limits(), step)


@DECIDE.on(cmd.SetLimits)
def set_limits(state: State, c: cmd.SetLimits, step: Step) -> None:
    """An operator sets a level's limits: from the next order on."""
    kind, _, symbol = c.level
    if not is_known(state, c.level):
        why = elsewhere(state, kind, c.level.name) or f"there is no {c.level}"
        step.emit(f.OperatorRefused, c.operator, "limits", why)
        return
    if c.limits.max_loss and (kind != "account" or symbol):
        step.emit(f.OperatorRefused, c.operator, "limits", "max_loss is a limit of an account")
        return
    if c.limits.max_fills and kind != "client":
        step.emit(f.OperatorRefused, c.operator, "limits", "max_fills is a limit of a client")
        return
    if 0 < c.until <= step.at:
        step.emit(f.OperatorRefused, c.operator, "limits", "the time until which they are to hold is over")
    elif not propose(state, c, step):
        _emit(c.level, c.limits, step, c.operator, c.text, c.until)


def nearly(near: Near, step: Step) -> None:
    """Operators are told of limits that are nearly used up: of each at most once in a minute."""
    for bound, name, value in near:
        if step.at - bound.told.get(name, 0) >= TOLD_AGAIN:
            kind, of, symbol = bound.level
            most, used = number(bound.most[name]), number(value)
            step.emit(f.LimitNeared, kind=kind, name=of, symbol=symbol, limit=name, most=most, value=used)
            step.emit(f.Alerted, "risk", "LIMIT_NEAR", f"{bound.level}: {name} is {most}, and {used} of it is used")


TOLD_AGAIN = 60 * 10**9
"""Nanoseconds until operators are told of a limit again."""


@EVOLVE.on(f.LimitNeared, touched.nothing)
def _limit_neared(state: State, fact: f.LimitNeared) -> None:
    bound = state.bounds.get(Level(fact.kind, fact.name, fact.symbol))
    if bound is not None:
        bound.told[fact.limit] = fact.at


def _emit(level: Level, limits: Limits, step: Step, operator: str = "", text: str = "", until: int = 0) -> None:
    kind, name, symbol = level
    step.emit(
        f.LimitsSet, kind=kind, name=name, symbol=symbol, limits=limits, operator=operator, text=text, until=until
    )


@EVOLVE.on(f.LimitsSet, touched.the_account_of_limits)
def _limits_set(state: State, fact: f.LimitsSet) -> None:
    level = Level(fact.kind, fact.name, fact.symbol)
    note_override(state, fact)
    if not fact.operator and fact.limits == Limits():
        state.configured.pop(level, None)
    elif not fact.operator:
        state.configured[level] = fact.limits
    account = state.accounts.get(fact.name) if fact.kind == "account" and not fact.symbol else None
    had = (account.is_watched, account.most_lost) if account is not None else (False, 0)
    set_level(state, level, fact.limits)
    if account is not None:
        watch_anew(account, *had)
        if account.is_watched:
            state.agenda[REVIEW, fact.name] = None


@EVOLVE.on(f.GroupDefined, touched.nothing)
def _group_defined(state: State, fact: f.GroupDefined) -> None:
    had = state.groups.get(fact.group, ())
    state.groups[fact.group] = fact.accounts
    if not fact.accounts:
        del state.groups[fact.group]
    for name in sorted({*had, *fact.accounts}):
        arrange(state, name)
    say_again(state, Level("group", fact.group))


@EVOLVE.on(f.SymbolGroupDefined, touched.nothing)
def _symbol_group_defined(state: State, fact: f.SymbolGroupDefined) -> None:
    # By what counts until now.
    accounts = [account.account for account in state.accounts.values() if fact.group in account.own]
    for name in accounts:
        count_all(state, name, -1)
    state.symbol_groups[fact.group] = fact.symbols
    if not fact.symbols:
        del state.symbol_groups[fact.group]
    for name in accounts:
        arrange_anew(state, name)


def pending(state: State) -> list[dict[str, Any]]:
    """The limits that wait for a second person: what would be other than now."""
    rows = []
    for number_of, one in state.proposals.items():
        level = Level(one.kind, one.name, one.symbol)
        had = msgspec.structs.asdict(state.limits.get(level, Limits()))
        wanted = msgspec.structs.asdict(one.limits)
        change = ", ".join(f"{name} {had[name]} -> {value}" for name, value in wanted.items() if value != had[name])
        rows.append(
            {"number": id_text(number_of), "level": str(level), "by": one.operator, "change": change, "text": one.text}
        )
    return rows


def utilisation(state: State, at: int) -> list[dict[str, Any]]:
    """Every limit that is set: its level, name, number and, where something counts towards it, how much does now;
    `until` is when a time for which it is set is over (ns UTC)."""
    rows = []
    for level, bound in sorted(state.bounds.items()):
        units, money = bound.accepted.since(at - bound.window)
        used = {**in_use(state, bound), "max_window_qty": units, "max_window_notional": money}
        override = state.overrides.get(level)
        until = {"until": override.until} if override is not None else {}
        rows += [{"level": str(level), **row, **until} for row in _rows(bound, used)]
    return rows


def in_use(state: State, bound: Bound) -> dict[str, int]:
    """By limit, how much of it is used now by what is held and open, scaled by MONEY_DIGITS."""
    exposure, symbol = bound.exposure, bound.level.symbol
    used = {
        "max_gross": exposure.gross,
        "max_net": max(abs(exposure.net + exposure.buys), abs(exposure.net - exposure.sells)),
    }
    if symbol in state.instruments:
        held, buys, sells = exposure.held.get(symbol, NOTHING)
        scale: int = 10 ** (MONEY_DIGITS - state.instruments[symbol].qty_digits)
        used |= {"max_long": max(0, held + buys) * scale, "max_short": max(0, sells - held) * scale}
        used["located"] = used["max_short"]
    return used


def of_account(state: State, account: Account) -> list[dict[str, Any]]:
    """The account's own limits as rows: symbol ("": any), limit, most, used and percent. What counts by the time is not
    told as used."""
    own = [state.bounds[level] for level in (Level("account", account.account),) if level in state.bounds]
    bounds = [*own, *(bound for _, bound in sorted(account.own.items()))]
    return [{"symbol": one.level.symbol, **row} for one in bounds for row in _rows(one, in_use(state, one))]


def _rows(bound: Bound, used: dict[str, int]) -> Iterator[dict[str, Any]]:
    for name, most in bound.most.items():
        told = number(used[name]) if name in used else ""
        share = round(100 * used[name] / most, 1) if name in used and most else None
        row = {"limit": name, "most": number(most), "used": told, "percent": share}
        yield {**row, "part of": number(bound.whole[name])} if name in bound.whole else row
