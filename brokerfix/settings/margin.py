"""What a configuration says of margin: whether it can be so. Anything wrong is a ConfigError that names file, key and
reason."""

import re
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

from brokerfix.domain import Instrument, MarginPolicy, MarginTerms
from brokerfix.settings.sections import ConfigError

SCENARIOS = 16
SHARE_DIGITS = 4


def check_margin(path: Path, policy: MarginPolicy, instruments: Mapping[str, Instrument]) -> None:
    """The policy, and the terms of every instrument. Raises ConfigError."""
    for name in ("warning", "buffer", "collar", "fee", "slippage", "mark_band", "debit_rate", "credit_rate"):
        _share(path, f"margin.{name}", getattr(policy, name))
    if policy.max_slice:
        _number(path, "margin.max_slice", policy.max_slice)
    if policy.grace_seconds < 0:
        raise ConfigError(f"{path}: margin.grace_seconds: must not be below 0")
    for symbol, instrument in instruments.items():
        _terms(path, f"instruments.{symbol}.margin", instrument.margin)
        _option(path, f"instruments.{symbol}.option", instrument, instruments)


def _terms(path: Path, key: str, terms: MarginTerms) -> None:
    rates = {name: _share(path, f"{key}.{name}", getattr(terms, name)) for name in RATES}
    for maintenance, initial in (("maintenance", "initial"), ("short_maintenance", "short_initial")):
        if rates[maintenance] > rates[initial]:
            raise ConfigError(f"{path}: {key}.{maintenance}: must not be above {initial}, {rates[initial]}")
    before = Decimal(-1), Decimal(-1)
    for number, (floor, rate) in enumerate(terms.tiers):
        tier = _number(path, f"{key}.tiers", floor), _share(path, f"{key}.tiers", rate)
        if tier[0] <= before[0] or tier[1] < before[1] or (not number and tier[0]):
            raise ConfigError(f"{path}: {key}.tiers: begins at 0, and each is from more on, at no lower a rate")
        before = tier
    if bool(terms.product) != bool(terms.scan) or len(terms.scan) not in (0, SCENARIOS):
        raise ConfigError(f"{path}: {key}.scan: a product needs the losses in {SCENARIOS} scenarios")
    for loss in terms.scan:
        _number(path, f"{key}.scan", loss, below_0=True)
    for name in ("spread_charge", "short_minimum"):
        _number(path, f"{key}.{name}", getattr(terms, name))


RATES = ("initial", "maintenance", "short_initial", "short_maintenance")


def _option(path: Path, key: str, instrument: Instrument, instruments: Mapping[str, Instrument]) -> None:
    option = instrument.option
    if option is None:
        return
    if option.right not in ("call", "put"):
        raise ConfigError(f'{path}: {key}.right: must be "call" or "put"')
    underlying = instruments.get(option.underlying)
    if underlying is None or underlying.option is not None:
        raise ConfigError(f"{path}: {key}.underlying: there is no [instruments.{option.underlying}] that is no option")
    strike = _number(path, f"{key}.strike", option.strike)
    if not strike or -int(strike.as_tuple().exponent) > underlying.price_digits:
        raise ConfigError(f"{path}: {key}.strike: must be a price of {option.underlying} above 0")


def _share(path: Path, key: str, text: str) -> Decimal:
    number = _number(path, key, text)
    if number > 1 or -int(number.as_tuple().exponent) > SHARE_DIGITS:
        raise ConfigError(f"{path}: {key}: {text!r} is not a share, 0 to 1 with up to {SHARE_DIGITS} decimals")
    return number


def _number(path: Path, key: str, text: str, below_0: bool = False) -> Decimal:
    if not NUMBER.fullmatch(text):
        told = "is not a decimal number, with up to 15 digits before the point and 12 behind it"
        raise ConfigError(f"{path}: {key}: {text[:40]!r} {told}")
    number = Decimal(text)
    if number < 0 and not below_0:
        raise ConfigError(f"{path}: {key}: must not be below 0")
    return number


NUMBER = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,12})?", re.A)
