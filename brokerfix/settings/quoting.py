"""A maker's terms in an instrument as the configuration would have them, and changes of some of them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from brokerfix.domain import Distance, Hedge, Instrument, Protection, Quoting, to_text
from brokerfix.settings.base import ConfigError
from brokerfix.settings.makers import (
    BPS,
    BPS_DIGITS,
    MILLISECOND,
    SHARE_DIGITS,
    HedgeSection,
    ProtectionSection,
    QuotingSection,
    read_quoting,
)

LISTS = frozenset(("venues",))
"""The terms that are several words, with commas between them."""


def table_of(quoting: Quoting, instruments: Mapping[str, Instrument]) -> dict[str, Any]:
    """The terms by their names in a `QuotingSection`, as text where that has text."""
    instrument, model = instruments[quoting.symbol], quoting.model
    qtys = {
        "size": quoting.qty, "most_long": quoting.most_long, "most_short": quoting.most_short, "target": quoting.target,
        "level_size": quoting.level_qty, "skew_range": quoting.skew_range,
    }  # fmt: skip
    prices = {"level_step": quoting.level_step, "ceiling": quoting.ceiling, "floor": quoting.floor}
    distances = {
        "bid_spread": model.bid, "ask_spread": model.ask, "min_spread": quoting.min_spread,
        "tolerance": quoting.tolerance, "jump": quoting.jump,
    }  # fmt: skip
    times = {
        "max_age_ms": quoting.max_age, "min_life_ms": quoting.min_life, "refresh_ms": quoting.refresh,
        "filled_delay_ms": quoting.filled_delay, "jump_ms": quoting.jump_window,
        "max_reference_age_ms": quoting.max_reference_age,
    }  # fmt: skip
    hedge = _hedge(quoting.hedge, instruments[quoting.hedge.symbol]) if quoting.hedge is not None else None
    return {
        "model": model.name, "gamma": model.gamma, "horizon_seconds": model.horizon, "rolling": model.rolling,
        "sigma": model.sigma, "a": model.a, "k": model.k, "drift": model.drift, "microprice": model.microprice,
        "imbalance": model.imbalance, "order_flow": model.order_flow, "place": quoting.place, "venues": quoting.venues,
        "levels": quoting.levels,
        "target_share": to_text(quoting.target_share, SHARE_DIGITS), "ping_pong": quoting.ping_pong,
        "max_loss": quoting.max_loss, "reference": quoting.reference,
        **{name: to_text(value, instrument.qty_digits) for name, value in qtys.items()},
        **{name: to_text(value, instrument.price_digits) for name, value in prices.items()},
        **{name: _distance(value, instrument) for name, value in distances.items()},
        **{name: value // MILLISECOND for name, value in times.items()},
        "protection": _protection(quoting.protection, instrument), "hedge": hedge,
    }  # fmt: skip


def _distance(distance: Distance, instrument: Instrument) -> str:
    if distance.bps:
        return to_text(distance.bps, BPS_DIGITS) + BPS
    return to_text(distance.price, instrument.price_digits)


def _protection(protection: Protection, instrument: Instrument) -> dict[str, Any]:
    return {
        "window_ms": protection.window // MILLISECOND, "qty": to_text(protection.qty, instrument.qty_digits),
        "delta": to_text(protection.delta, instrument.qty_digits), "fills": protection.fills,
        "sliding": protection.sliding, "frozen_ms": protection.frozen // MILLISECOND,
    }  # fmt: skip


def _hedge(hedge: Hedge, instrument: Instrument) -> dict[str, Any]:
    return {
        "symbol": hedge.symbol, "band": to_text(hedge.band, instrument.qty_digits),
        "beta": to_text(hedge.beta, SHARE_DIGITS), "most": to_text(hedge.most, instrument.qty_digits),
        "slip": _distance(hedge.slip, instrument), "share": to_text(hedge.share, SHARE_DIGITS),
    }  # fmt: skip


def changed(
    quoting: Quoting, settings: Mapping[str, str], venues: Mapping[str, Any], instruments: Mapping[str, Instrument]
) -> Quoting:
    """Terms of which some are set anew, by their names in the configuration (`gamma`, `hedge.band`), and checked as
    there. Raises ConfigError, which names the term."""
    table = table_of(quoting, instruments)
    for key, value in settings.items():
        name, _, part = key.partition(".")
        if name in ("protection", "hedge"):
            kind: type[msgspec.Struct] = ProtectionSection if name == "protection" else HedgeSection
            _check_name(key, part, kind.__struct_fields__)
            table[name] = {**(table[name] or {}), part: value}
        else:
            _check_name(key, key, QuotingSection.__struct_fields__)
            table[key] = [word for word in value.split(",") if word] if key in LISTS else value
    try:
        section = msgspec.convert(table, QuotingSection, strict=False)
    except msgspec.ValidationError as error:
        told, _, key = str(error).rpartition(" - at `$.")
        raise ConfigError(f"{key.rstrip('`')}: {told}" if told else str(error)) from error
    path, at = Path(quoting.symbol), "quotes"
    try:
        return read_quoting(path, at, section, quoting.symbol, {"venues": venues}, instruments)
    except ConfigError as error:
        raise ConfigError(str(error).removeprefix(f"{path}: {at}.")) from error


def _check_name(key: str, name: str, names: tuple[str, ...]) -> None:
    if name not in names:
        raise ConfigError(f"{key}: there is no such term; there are {', '.join(names)}")
