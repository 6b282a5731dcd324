"""What a maker's quotes are pulled for: no market to go by, one that is crossed, that jumps, a loss, a halt, news."""

from brokerfix.domain import Phase, money_text, to_money, to_text
from brokerfix.engine.making.desk import UNTIL_OVER, UNTIL_RESET, Desk, Making, Pull
from brokerfix.engine.making.reference import Seen
from brokerfix.engine.risk.checks import check_market
from brokerfix.engine.state import State

NO_REFERENCE, CROSSED, JUMP, LOSS, HALT, NEWS, PHASE, FLATTEN = (
    "NO_REFERENCE", "CROSSED", "JUMP", "LOSS", "HALTED", "NEWS", "PHASE", "END_OF_DAY",
)  # fmt: skip
MODEL, PROTECTION = "MODEL", "PROTECTION"


def over(desk: Desk, at: int, danger: Pull | None) -> tuple[str, ...]:
    """The pulls that are over, by the clock or because what they were for is no more."""
    return tuple(
        code
        for code, pull in desk.pulls.items()
        if code != MODEL
        and (danger is None or code != danger.code)
        and (0 < pull.until <= at or pull.until == UNTIL_OVER)
    )


def endangered(state: State, making: Making, symbol: str, seen: Seen, at: int) -> Pull | None:
    """The first reason for which nothing is to be quoted now, as the market and the clock are."""
    desk, quoting = making.desks[symbol], making.desks[symbol].quoting
    halted = check_market(state, state.clients[making.maker.maker], making.maker.account, symbol)
    if halted is not None:
        return Pull(HALT, halted.text, UNTIL_OVER)
    phase = state.phase(symbol)
    if phase is not Phase.CONTINUOUS:
        return Pull(PHASE, f"{symbol} is in its {phase} phase", UNTIL_OVER)
    if making.maker.flatten and making.day_ends and making.day_ends - making.maker.flatten <= at < making.day_ends:
        return Pull(FLATTEN, "the trading day ends", making.day_ends)
    for since, until in making.maker.news:
        if since <= at < until:
            return Pull(NEWS, "a pause for news", until)
    if seen.is_crossed:
        return Pull(CROSSED, f"bid={_px(state, symbol, seen.bid)}, offer={_px(state, symbol, seen.ask)}", UNTIL_OVER)
    if not seen.mid and at - (desk.lost_at or at) >= quoting.max_reference_age:
        return Pull(NO_REFERENCE, f"no exchange shows both sides of {symbol}", UNTIL_OVER)
    known = desk.pulls.get(JUMP)
    if seen.mid and quoting.jump_window and (known is None or not 0 < known.until <= at):
        jumped = _jumped(state, symbol, desk, seen.mid, at)
        if jumped is not None:
            return jumped
    if quoting.max_loss:
        lost, most = -made(state, desk, symbol, seen.mid or desk.mid) // 2, to_money(quoting.max_loss)
        if lost > most:
            return Pull(LOSS, f"limit={money_text(most)}, value={money_text(lost)}", UNTIL_RESET)
    return None


def made(state: State, desk: Desk, symbol: str, mid: int) -> int:
    """What has been made today, since the last reset, at a reference (twice, scaled), fees paid: money of the desk's
    own currency, twice."""
    factor, earned = state.factors[symbol], desk.earned
    fees = 2 * (earned.fees - earned.forgiven_fees) * factor // state.instruments[symbol].money_factor
    return (earned.cash + desk.net * mid - earned.forgiven) * factor - fees


def _jumped(state: State, symbol: str, desk: Desk, mid: int, at: int) -> Pull | None:
    """Whether the mid is too far from where it was within the window. The last decision's stands until now."""
    quoting = desk.quoting
    most = quoting.jump.at(mid // 2)
    for number, (when, before) in enumerate(reversed(desk.mids)):
        if number and at - when > quoting.jump_window:
            break
        if abs(mid - before) > 2 * most:
            digits = state.instruments[symbol].price_digits
            told = f"limit={to_text(most, digits)}, value={to_text(abs(mid - before) // 2, digits)}"
            until = at + quoting.protection.frozen if quoting.protection.frozen else UNTIL_RESET
            return Pull(JUMP, f"the mid has jumped: {told} in {quoting.jump_window / 10**9:g} s", until)
    return None


def has_moved(desk: Desk, seen: Seen) -> bool:
    """Whether the mid is half a jump from that of the last decision: then it is put on record, also where quotes stay,
    so that a slow drift is told from a jump."""
    if not (desk.quoting.jump_window and seen.mid and desk.mid):
        return False
    return abs(seen.mid - desk.mid) > desk.quoting.jump.at(seen.mid // 2)


def _px(state: State, symbol: str, level: tuple[int, int] | None) -> str:
    return to_text(level[0], state.instruments[symbol].price_digits) if level is not None else "none"
