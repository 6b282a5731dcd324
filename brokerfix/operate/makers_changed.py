"""What operators, and their tools, change of market makers: requests as the engine's terms."""

import math

import msgspec

from brokerfix.domain import Calibration, Quoting
from brokerfix.engine.making.models.glft import Table
from brokerfix.engine.making.models.terms import Unusable
from brokerfix.engine.state import State
from brokerfix.operate.admin import ActionRefused, Request
from brokerfix.settings.quoting import changed, table_of
from brokerfix.settings.sections import Config, ConfigError

MOST_TEXT = 100


def pulled(state: State, maker: str, at: int, symbol: str = "") -> dict[str, str]:
    """By symbol ("": of all that the maker, or a client that quotes, has), why nothing is quoted at a time (ns); of a
    client "" is what is so of all its quotes."""
    quoter = state.quoters.get(maker)
    if quoter is not None:
        stopped = {name: quoter.stopped(name, at) for name in quoter.stops if not symbol or name in ("", symbol)}
        return {name: f"{why[0]}: {why[1].text}" for name, why in stopped.items() if why is not None}
    desks = state.makers[maker].desks
    return {
        name: "; ".join(f"{pull.code}: {pull.text}" for pull in desk.pulls.values())
        for name, desk in desks.items()
        if symbol in ("", name) and desk.pulls and not desk.is_passive
    }


def change_of(state: State, config: Config, request: Request) -> tuple[Quoting, dict[str, tuple[str, str]]]:
    """The terms of a maker in a symbol with the request's `settings` in them, checked as the configuration's are; and
    what these were and are now. Raises ActionRefused, which names the term."""
    maker, symbol, settings = request["maker"], request["symbol"], request["settings"]
    making = state.makers.get(maker)
    quoting = next((one for one in making.maker.quoting if one.symbol == symbol), None) if making is not None else None
    if quoting is None:
        raise ActionRefused(f"there is no market maker {maker} that quotes {symbol}")
    if not settings:
        raise ActionRefused("nothing is to be set; say what, as in gamma=0.2")
    for key, value in settings.items():
        if not isinstance(value, str) or not (key + value).isprintable() or len(key + value) > MOST_TEXT:
            raise ActionRefused(f"{key[:MOST_TEXT]!a}: is text of up to {MOST_TEXT} characters")
    try:
        new = changed(quoting, settings, config.venues, state.instruments)
    except ConfigError as error:
        raise ActionRefused(f"{maker} {symbol}: {error}") from error
    before, after = table_of(quoting, state.instruments), table_of(new, state.instruments)
    return new, {key: (_value(before, key), _value(after, key)) for key in settings}


def _value(table: dict[str, object], key: str) -> str:
    """A term as the configuration has it; "" where there is none."""
    name, _, part = key.partition(".")
    value = table[name]
    if part:
        value = value[part] if isinstance(value, dict) else ""
    if isinstance(value, tuple):
        return ",".join(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def calibration_of(request: Request) -> Calibration:
    """An estimate: `sigma`, `a`, `k`, and of how many `samples` and `fills`, as text, and by any name the `tables` that
    are solved for it. Raises ActionRefused."""
    sigma, a, k = (_number(request, name) for name in ("sigma", "a", "k"))
    if sigma < 0:
        raise ActionRefused("sigma: must not be below 0")
    for name, value in (("a", a), ("k", k)):
        if value <= 0:
            raise ActionRefused(f"{name}: must be above 0")
    samples, fills = (_count(request, name) for name in ("samples", "fills"))
    try:
        tables = tuple(msgspec.convert(one, Table) for one in request.get("tables", {}).values())
    except (msgspec.ValidationError, Unusable) as error:
        raise ActionRefused(f"tables: {error}") from error
    if any((one.sigma, one.a, one.k) != (sigma, a, k) for one in tables):
        raise ActionRefused("tables: must be solved for this sigma, a and k")
    return Calibration(sigma, a, k, samples, fills, request.get("quality", ""), tables)


def _number(request: Request, name: str) -> float:
    text = request[name]
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ActionRefused(f"{name}: {text!r} is no number")
    return value


def _count(request: Request, name: str) -> int:
    text = request.get(name, "0")
    if not (text.isascii() and text.isdecimal()) or len(text) > MOST_DIGITS:
        raise ActionRefused(f"{name}: {text!r} is no whole number")
    return int(text)


MOST_DIGITS = 15
