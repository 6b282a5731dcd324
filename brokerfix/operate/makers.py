"""Market makers, for people: what they quote and by what, what they have, and what that has earned today."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from brokerfix.domain import MONEY_DIGITS, Instrument, Model, Protection, Side, money_text, to_text
from brokerfix.engine.making.desk import UNTIL_OVER, UNTIL_RESET, Desk, Making, Pull, Window
from brokerfix.engine.making.pricing import position_of
from brokerfix.engine.making.protection import counted
from brokerfix.engine.making.reference import look, quote_in
from brokerfix.engine.risk.checks import reference
from brokerfix.engine.state import State
from brokerfix.settings.quoting import table_of

SECOND = 10**9
TIME = "%Y-%m-%d %H:%M:%SZ"
QUOTES, STOPPED, HEDGES, WAITS = "quotes", "pulled", "hedges only", "no quotes"
Level = tuple[int, int]
"""(price, quantity), scaled."""


def makers(state: State, at: int, maker: str = "") -> list[dict[str, Any]]:
    """A row for each instrument of a maker ("": of all), with numbers as decimal text: how it stands at a time (ns)."""
    return [
        _row(state, making, symbol, desk, at)
        for name, making in state.makers.items()
        if maker in ("", name)
        for symbol, desk in making.desks.items()
    ]


def _row(state: State, making: Making, symbol: str, desk: Desk, at: int) -> dict[str, Any]:
    instrument = state.instruments[symbol]
    seen = look(state, making, symbol)
    mid = seen.mid or desk.mid or 2 * reference(state, instrument)
    bids, asks = (_standing(state, making, desk, side) for side in Side)
    row: dict[str, Any] = {"maker": making.maker.maker, "symbol": symbol}
    row |= {"state": _state(desk, bids or asks), **_why(desk)}
    row["mid"] = halved(mid, instrument.price_digits) if mid else None
    row["mid_age_s"] = _seconds(at - desk.lost_at) if desk.lost_at else _seconds(0) if seen.mid else None
    row["decided_s"] = _seconds(at - desk.decided_at) if desk.decided_at else None
    row |= _side("bid", bids, instrument) | _side("ask", asks, instrument)
    row["position"] = to_text(position_of(state, making, symbol), instrument.qty_digits)
    row |= {name: _bound(desk, value, instrument) for name, value in (
        ("most_short", desk.quoting.most_short), ("most_long", desk.quoting.most_long),
    )}  # fmt: skip
    row |= _model(state, desk, instrument)
    row |= _earned(desk, instrument, mid)
    row["protection"] = _used(desk.window, desk.quoting.protection, at, instrument)
    row["protection_of_all"] = _used(making.window, making.maker.protection, at, instrument)
    return row | _last_hedge(making, symbol, desk)


def _state(desk: Desk, quotes: Iterable[Level]) -> str:
    if desk.is_passive:
        return HEDGES
    if desk.pulls:
        return STOPPED
    return QUOTES if quotes else WAITS


def _why(desk: Desk) -> dict[str, str]:
    """Why nothing is quoted, or less than it would be, and until when."""
    if not desk.pulls:
        return {"why": desk.why, "until": ""}
    pulls = list(desk.pulls.values())
    return {"why": "; ".join(f"{pull.code}: {pull.text}" for pull in pulls), "until": _until(pulls)}


def _until(pulls: list[Pull]) -> str:
    """When the last of the reasons ends."""
    if any(pull.until == UNTIL_RESET for pull in pulls):
        return "a reset"
    if any(pull.until == UNTIL_OVER for pull in pulls):
        return "it is over"
    return time_text(max(pull.until for pull in pulls))


def _standing(state: State, making: Making, desk: Desk, side: Side) -> list[Level]:
    """What stands on a side, best first."""
    sign, found = -1 if side is Side.BUY else 1, []
    for name, slot in desk.slots.items():
        order = quote_in(state, making, name) if slot[1] is side else None
        if order is not None and order.leaves:
            found.append((order.price, order.leaves))
    return sorted(found, key=lambda level: sign * level[0])


def _side(name: str, levels: list[Level], instrument: Instrument) -> dict[str, Any]:
    """The best price, what is quoted at it, and all: `500 in 2`, which are two quotes."""
    if not levels:
        return {name: None, f"{name}_qty": None, f"{name}s": None}
    best, total = levels[0][0], sum(qty for _, qty in levels)
    at_best = sum(qty for price, qty in levels if price == best)
    return {
        name: to_text(best, instrument.price_digits),
        f"{name}_qty": to_text(at_best, instrument.qty_digits),
        f"{name}s": f"{to_text(total, instrument.qty_digits)} in {len(levels)}",
    }


def _bound(desk: Desk, value: int, instrument: Instrument) -> str | None:
    return None if desk.is_passive else to_text(value, instrument.qty_digits)


def _model(state: State, desk: Desk, instrument: Instrument) -> dict[str, Any]:
    """The model and its parameters in force: what was calibrated goes before the priors."""
    if desk.is_passive:
        return {"model": None, "parameters": None, "from": None, "quality": None}
    quoting, known = desk.quoting, state.calibrations.get(instrument.symbol)
    model = quoting.model
    if model.name == "fixed":
        table = table_of(quoting, state.instruments)
        told = f"bid_spread={table['bid_spread']} ask_spread={table['ask_spread']}"
        return {"model": model.name, "parameters": told, "from": "configured", "quality": None}
    sigma, a, k = (known.sigma, known.a, known.k) if known is not None else (model.sigma, model.a, model.k)
    told = f"gamma={model.gamma:g} sigma={sigma:g} a={a:g} k={k:g}{_horizon(model)}"
    if known is None:
        return {"model": model.name, "parameters": told, "from": "configured", "quality": None}
    quality = f"{known.samples:,} samples, {known.fills:,} fills" + (f", {known.quality}" if known.quality else "")
    return {"model": model.name, "parameters": told, "from": "calibrated", "quality": quality}


def _horizon(model: Model) -> str:
    return f" horizon={model.horizon:g}s{' rolling' if model.rolling else ''}" if model.horizon else ""


def _earned(desk: Desk, instrument: Instrument, mid: int) -> dict[str, str]:
    """What was made today in the instrument's currency, and what that is made of: what quotes were better than the mid
    by, what hedges were, how what it has and had is worth more now, and fees."""
    earned, factor = desk.earned, instrument.money_factor
    total = (earned.cash + desk.net * mid) * factor - 2 * earned.fees
    captured, hedged = earned.captured * factor, earned.hedged * factor
    return {
        "spread_captured": halved_money(captured),
        "revaluation": halved_money(total + 2 * earned.fees - captured - hedged),
        "hedging": halved_money(hedged),
        "fees": money_text(-earned.fees),
        "total": halved_money(total),
        "currency": instrument.currency,
    }


def _used(window: Window, protection: Protection, at: int, instrument: Instrument) -> str | None:
    """What a protection has counted, of what it may."""
    if not protection.window:
        return None
    fills, digits = counted(window, protection, at), instrument.qty_digits
    qty, net = sum(units for _, units, _ in fills), abs(sum(net for _, _, net in fills))
    told = []
    for name, value, most in (("qty", qty, protection.qty), ("delta", net, protection.delta)):
        if most:
            told.append(f"{name} {to_text(value, digits)}/{to_text(most, digits)}")
    if protection.fills:
        told.append(f"fills {len(fills)}/{protection.fills}")
    return f"{', '.join(told)} in {protection.window / SECOND:g} s"


def _last_hedge(making: Making, symbol: str, desk: Desk) -> dict[str, Any]:
    where = desk.quoting.hedge.symbol if desk.quoting.hedge is not None else symbol
    hedge = making.hedges.get(where)
    if hedge is None:
        return {"last_hedge": None}
    became = f"refused, {hedge.refused}" if hedge.refused else "works" if hedge.order_id else "done"
    return {"last_hedge": f"{where} {time_text(hedge.at)}, {became}"}


def time_text(at: int) -> str:
    return datetime.fromtimestamp(at // SECOND, UTC).strftime(TIME)


def _seconds(ns: int) -> str:
    return f"{ns / SECOND:.1f}"


def halved(twice: int, digits: int) -> str:
    """Half of a scaled number as decimal text, exactly."""
    return to_text(twice // 2, digits) if twice % 2 == 0 else to_text(twice * 5, digits + 1)


def halved_money(twice: int) -> str:
    """Half of money as decimal text, exactly."""
    if twice % 2 == 0:
        return money_text(twice // 2)
    return to_text(twice * 5, MONEY_DIGITS + 1)
