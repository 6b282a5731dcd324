"""What surveillance looks for: [surveillance]. Each threshold is explained in docs/surveillance.md."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from brokerfix.settings.base import ConfigError, Section

Count = Annotated[int, Meta(ge=1, le=10_000)]
Seconds = Annotated[int, Meta(ge=0, le=3600)]
Some = Annotated[int, Meta(ge=1, le=1_000_000)]
Percent = Annotated[int, Meta(ge=0, le=100)]
RuleName = Literal["wash-trades", "layering", "marking-the-close", "unusual-size"]
RULES: tuple[RuleName, ...] = ("wash-trades", "layering", "marking-the-close", "unusual-size")


class Thresholds(Section, frozen=True, kw_only=True):
    """From where on the rules find something; an instrument may have others."""

    wash_window_seconds: Annotated[int, Meta(ge=1, le=3600)] = 60
    wash_crosses: Count = 1
    wash_met_ms: Annotated[int, Meta(ge=0, le=60_000)] = 1000
    wash_round_trips: Count = 3
    wash_net_percent: Percent = 5
    wash_price_bps: Annotated[int, Meta(ge=0, le=10_000)] = 10
    layering_orders: Count = 3
    layering_before_seconds: Seconds = 30
    layering_after_seconds: Seconds = 10
    layering_lead_seconds: Seconds = 2
    layering_ratio: Some = 4
    layering_filled_percent: Percent = 10
    layering_large_percent: Some = 200
    layering_large_median: Some = 10
    close_minutes: Annotated[int, Meta(ge=1, le=240)] = 10
    close_share_percent: Annotated[int, Meta(ge=1, le=100)] = 30
    close_move_bps: Annotated[int, Meta(ge=1, le=10_000)] = 20
    size_days: Annotated[int, Meta(ge=1, le=366)] = 20
    size_sample: Annotated[int, Meta(ge=5, le=200)] = 30
    size_day_sample: Annotated[int, Meta(ge=2, le=100)] = 5
    size_times: Some = 10
    size_mads: Some = 10


class SurveillanceSection(Thresholds, frozen=True, kw_only=True):
    """`owners` are beneficial owners with the accounts that are theirs; of others `owner` is one: each account, or all
    that a client trades for. `instruments` have thresholds of their own."""

    start: bool = True
    rules: tuple[RuleName, ...] = RULES
    owner: Literal["account", "client"] = "client"
    owners: dict[str, tuple[str, ...]] = msgspec.field(default_factory=dict)
    makers: bool = False
    quiet_seconds: Annotated[int, Meta(ge=0, le=86_400)] = 600
    instruments: dict[str, dict[str, int]] = msgspec.field(default_factory=dict)

    def of(self, symbol: str) -> Thresholds:
        """The thresholds of an instrument."""
        own = {name: getattr(self, name) for name in Thresholds.__struct_fields__} | self.instruments.get(symbol, {})
        return msgspec.convert(own, Thresholds)


def check_surveillance(path: Path, read: Mapping[str, Any]) -> SurveillanceSection | None:
    """Raises ConfigError where it names what is not configured, or an account is two owners'."""
    section: SurveillanceSection | None = read.get("surveillance")
    if section is None:
        return None
    known: dict[str, str] = {}
    for owner, accounts in section.owners.items():
        if owner in read["accounts"] or owner in read["clients"]:
            raise ConfigError(f"{path}: surveillance.owners.{owner}: is the name of a client or an account too")
        for account in accounts:
            if account not in read["accounts"]:
                raise ConfigError(f"{path}: surveillance.owners.{owner}: there is no [accounts.{account}]")
            if known.setdefault(account, owner) != owner:
                raise ConfigError(f"{path}: surveillance.owners.{owner}: {account} is {known[account]}'s too")
    for symbol in section.instruments:
        if symbol not in read["instruments"]:
            raise ConfigError(f"{path}: surveillance.instruments.{symbol}: there is no [instruments.{symbol}]")
        try:
            section.of(symbol)
        except msgspec.ValidationError as error:
            raise ConfigError(f"{path}: surveillance.instruments.{symbol}: {error}") from error
    return section
