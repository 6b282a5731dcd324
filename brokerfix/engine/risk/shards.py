"""The parts of limits that this broker, one of several shards, may use: as it is told them, never as it takes them.

An order is checked against the part alone, so that none waits for another machine. Who brings parts (the cluster's
agent) raises one only when the cluster has it on record, and has the cluster lower one only when this broker has done
so: at no time may the shards use more than the limit together.
"""

from collections.abc import Callable
from typing import Any

from brokerfix import commands as cmd
from brokerfix import facts as f
from brokerfix.domain import MONEY_DIGITS, Level, money_text, to_money
from brokerfix.engine import touched
from brokerfix.engine.entities import Bound
from brokerfix.engine.operator import refuse
from brokerfix.engine.risk.bounds import say_again
from brokerfix.engine.sharing import DIVIDED_KINDS, Amounts, is_elsewhere
from brokerfix.engine.state import State
from brokerfix.engine.step import Step
from brokerfix.engine.tables import Decisions, Evolution

DECIDE, EVOLVE = Decisions(), Evolution()


def define(state: State, c: cmd.Start, step: Step) -> None:
    """A shard has nothing of what all share until it is told, and not the accounts that begin on others."""
    if c.divided or state.sharing.divided:
        step.emit(f.LimitsDivided, c.divided)
    placed = dict(c.placed)
    for name, _, _ in c.accounts:
        if is_elsewhere(state, c, name) and name not in state.sharing.elsewhere:
            step.emit(f.AccountPlaced, name, placed.get(name, 0))


@EVOLVE.on(f.LimitsDivided, touched.nothing)
def _limits_divided(state: State, fact: f.LimitsDivided) -> None:
    sharing = state.sharing
    sharing.divided, sharing.epoch, sharing.number = fact.divided, 0, 0
    # What is below 0 is owed to the others, see `moves`.
    sharing.parts = {
        level: {name: min(0, part) for name, part in parts.items()} for level, parts in sharing.parts.items()
    }
    sharing.lacking = {}
    sharing.here = dict.fromkeys(sharing.here, False)
    say_again(state, *(level for level in state.bounds if level.kind in DIVIDED_KINDS))


@DECIDE.on(cmd.HoldParts)
def hold_parts(state: State, c: cmd.HoldParts, step: Step) -> None:
    if not state.sharing.divided:
        return refuse(c, step, "this broker is not one of several shards: [cluster] shards")
    if c.epoch <= state.sharing.epoch:
        return refuse(c, step, f"{c.epoch} is not above {state.sharing.epoch}: another agent has begun since")
    step.emit(f.PartsHeld, c.epoch)


@EVOLVE.on(f.PartsHeld, touched.nothing)
def _parts_held(state: State, fact: f.PartsHeld) -> None:
    state.sharing.epoch, state.sharing.number = fact.epoch, 0


@DECIDE.on(cmd.SetParts)
def set_parts(state: State, c: cmd.SetParts, step: Step) -> None:
    sharing = state.sharing
    if c.epoch != sharing.epoch or not c.epoch:
        return refuse(c, step, f"epoch {c.epoch} does not hold the parts, {sharing.epoch} does")
    if c.number <= sharing.number:
        return refuse(c, step, f"request {c.number} comes after {sharing.number}: it is late")
    parts = []
    for kind, of, name, text in c.parts:
        bound = state.bounds.get(Level(kind, of))
        if bound is None or name not in bound.whole:
            # The limit was taken away meanwhile.
            continue
        amount, now = to_money(text), sharing.parts.get(bound.level, {}).get(name, 0)
        if amount < now:
            amount = min(now, max(amount, used(state, bound, name, c.at)))
        parts.append((kind, of, name, money_text(amount)))
    step.emit(f.PartsSet, c.epoch, c.number, tuple(parts))


@EVOLVE.on(f.PartsSet, touched.nothing)
def _parts_set(state: State, fact: f.PartsSet) -> None:
    sharing = state.sharing
    sharing.number = fact.number
    for kind, of, name, text in fact.parts:
        level, amount = Level(kind, of), to_money(text)
        sharing.parts.setdefault(level, {})[name] = amount
        say_again(state, level)


def take_parts(state: State, amounts: Amounts) -> None:
    """So much of the parts goes along with an account that moves."""
    for kind, of, name, text in amounts:
        level = Level(kind, of)
        bound = state.bounds.get(level)
        if bound is not None and name in bound.whole:
            parts = state.sharing.parts.setdefault(level, {})
            parts[name] = parts.get(name, 0) - to_money(text)
            say_again(state, level)


@EVOLVE.on(f.PartLacked, touched.nothing)
def _part_lacked(state: State, fact: f.PartLacked) -> None:
    state.sharing.lacking[Level(fact.kind, fact.name), fact.limit] = to_money(fact.value), fact.at


def used(state: State, bound: Bound, name: str, at: int) -> int:
    """How much of a divided limit the accounts of this shard use now. Of what is by symbol, it is the highest; with
    signs, that of the worse side."""
    return max(0, USED[name](state, bound, at))


def _most_held(state: State, bound: Bound, side: int) -> int:
    most = 0
    for symbol, (held, buys, sells) in bound.exposure.held.items():
        scale: int = 10 ** (MONEY_DIGITS - state.instruments[symbol].qty_digits)
        most = max(most, (held + buys if side > 0 else sells - held) * scale)
    return most


USED: dict[str, Callable[[State, Bound, int], int]] = {
    "max_window_qty": lambda state, bound, at: bound.accepted.since(at - bound.window)[0],
    "max_window_notional": lambda state, bound, at: bound.accepted.since(at - bound.window)[1],
    "max_long": lambda state, bound, at: _most_held(state, bound, 1),
    "max_short": lambda state, bound, at: _most_held(state, bound, -1),
    "located": lambda state, bound, at: _most_held(state, bound, -1),
    "max_gross": lambda state, bound, at: bound.exposure.gross,
    "max_net": lambda state, bound, at: max(
        bound.exposure.net + bound.exposure.buys, bound.exposure.sells - bound.exposure.net
    ),
}


def rows(state: State, at: int) -> list[dict[str, Any]]:
    """Every limit of which this broker has a part: the whole, its part, how much of that is used and what a refused
    order of late would have needed, as decimal text; `age` in seconds is how long ago that was."""
    found = []
    for level, bound in sorted(state.bounds.items()):
        for name, whole in bound.whole.items():
            needed, since = state.sharing.lacking.get((level, name), (0, 0))
            found.append(
                {
                    "kind": level.kind,
                    "name": level.name,
                    "limit": name,
                    "whole": money_text(whole),
                    "part": money_text(state.sharing.parts.get(level, {}).get(name, 0)),
                    "used": money_text(used(state, bound, name, at)),
                    "lacked": money_text(needed),
                    "age": (at - since) / 10**9,
                }
            )
    return found
