"""What only the firm knows of itself and its clients, for the regulatory records: [compliance]."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from brokerfix.settings.base import ConfigError, Section

Lei = Annotated[str, Meta(pattern=r"^([A-Z0-9]{18}[0-9]{2})?$")]
Mic = Annotated[str, Meta(pattern=r"^([A-Z0-9]{4})?$")]
Isin = Annotated[str, Meta(pattern=r"^([A-Z]{2}[A-Z0-9]{9}[0-9])?$")]
Imid = Annotated[str, Meta(pattern=r"^[A-Za-z0-9]{0,7}$")]
Crd = Annotated[str, Meta(pattern=r"^[0-9]{0,8}$")]
Country = Annotated[str, Meta(pattern=r"^([A-Z]{2})?$")]
Text40 = Annotated[str, Meta(max_length=40)]
Holder = Literal["", "A", "E", "F", "I", "O", "V", "P", "X"]
ClockTier = Literal["", "venue", "venue-fast", "member", "member-hft", "member-voice"]
"""The rows of RTS 25's annex: a venue slower or faster than a millisecond; a member, one in high-frequency trading, and
trading by voice or negotiation."""


class VenueCodes(Section, frozen=True):
    """An exchange as the regulators call it. `cat_type` is CAT's destinationType; a `foreign` one tells CAT nothing, so
    that its fills are told here; `lei` is who stands on the other side of what is traded there."""

    cat: Imid = ""
    cat_type: Annotated[str, Meta(pattern="^[A-Z]{0,2}$")] = ""
    session: Text40 = ""
    affiliate: bool = False
    foreign: bool = False
    name: Annotated[str, Meta(max_length=80)] = ""
    mic: Mic = ""
    lei: Lei = ""
    material_aspects: str = ""


class AccountCodes(Section, frozen=True):
    """Whose an account is. `holder` is CAT's accountHolderType; `person` a natural person's identifier under MiFIR."""

    fdid: Text40 = ""
    holder: Holder = ""
    affiliate: bool = False
    large_trader: Annotated[str, Meta(max_length=20)] = ""
    lei: Lei = ""
    person: Annotated[str, Meta(pattern=r"^([A-Z]{2}[A-Za-z0-9+]{1,33})?$")] = ""
    person_scheme: Literal["", "NIDN", "CCPT", "CONCAT"] = ""
    first_name: Annotated[str, Meta(max_length=140)] = ""
    surname: Annotated[str, Meta(max_length=140)] = ""
    born: Annotated[str, Meta(pattern=r"^([0-9]{4}-[0-9]{2}-[0-9]{2})?$")] = ""
    country: Country = ""


class ClientCodes(Section, frozen=True):
    """A client that is a broker-dealer (`imid`: its orders come from another reporter), a member (`lei`),
    or has direct electronic access (`dea`). Orders of a `not_held` one are all not held."""

    imid: Imid = ""
    crd: Crd = ""
    sender_type: Annotated[str, Meta(pattern="^[A-Z]{0,2}$")] = ""
    affiliate: bool = False
    lei: Lei = ""
    dea: bool = False
    not_held: bool = False


class InstrumentCodes(Section, frozen=True):
    """An instrument as the regulators call it. `cat_symbol` where the exchange that lists it writes it otherwise."""

    cat_symbol: Annotated[str, Meta(max_length=22)] = ""
    isin: Isin = ""
    mic: Mic = ""


class ComplianceSection(Section, frozen=True):
    """What is empty is left out of the records and told as missing; nothing is guessed."""

    broker: Annotated[str, Meta(max_length=80)] = ""
    imid: Imid = ""
    submitter: Annotated[str, Meta(pattern=r"^[A-Za-z0-9]{0,20}$")] = ""
    crd: Crd = ""
    lei: Lei = ""
    country: Country = ""
    mic: Mic = ""
    currency: Annotated[str, Meta(pattern="^([A-Z]{3})?$")] = ""
    dept_type: Literal["", "A", "ATS", "DMA", "O", "SA", "T"] = ""
    trading_session: Literal["", "FOR", "PRE", "PREREG", "REG", "REGPOST", "POST", "PREPOST", "ALL"] = ""
    book_desk: Annotated[str, Meta(pattern="^[A-Z]{0,2}$")] = ""
    manual_desk: Annotated[str, Meta(pattern="^[A-Z]{0,2}$")] = ""
    market_center: Annotated[str, Meta(pattern="^[A-Za-z0-9]{0,10}$")] = ""
    mifid_firm: bool = False
    unsolicited: bool = False
    entered_at_once: bool = False
    executing: Annotated[str, Meta(max_length=50)] = ""
    sp500: str = ""
    clock: ClockTier = ""
    venues: dict[str, VenueCodes] = msgspec.field(default_factory=dict)
    accounts: dict[str, AccountCodes] = msgspec.field(default_factory=dict)
    clients: dict[str, ClientCodes] = msgspec.field(default_factory=dict)
    instruments: dict[str, InstrumentCodes] = msgspec.field(default_factory=dict)

    def venue(self, name: str) -> VenueCodes:
        return self.venues.get(name, VenueCodes())

    def account(self, name: str) -> AccountCodes:
        return self.accounts.get(name, AccountCodes())

    def client(self, name: str) -> ClientCodes:
        return self.clients.get(name, ClientCodes())

    def instrument(self, symbol: str) -> InstrumentCodes:
        return self.instruments.get(symbol, InstrumentCodes())


def check_compliance(path: Path, read: Mapping[str, Any]) -> ComplianceSection:
    """Raises ConfigError where it names what is not configured."""
    section: ComplianceSection = read.get("compliance") or ComplianceSection()
    known = {
        "venues": read["venues"],
        "accounts": read["accounts"],
        "clients": {**read["clients"], **read["makers"]},
        "instruments": read["instruments"],
    }
    for table, names in known.items():
        for name in getattr(section, table):
            if name not in names:
                raise ConfigError(f"{path}: compliance.{table}.{name}: there is no [{table}.{name}]")
    if section.sp500 and section.sp500 not in read["symbol_groups"]:
        raise ConfigError(f"{path}: compliance.sp500: there is no [symbol_groups.{section.sp500}]")
    return section


def missing(section: ComplianceSection, venues: Mapping[str, Any], accounts: Mapping[str, Any],
            instruments: Mapping[str, Any]) -> dict[str, list[str]]:  # fmt: skip
    """Report -> the keys that it needs and that are empty."""
    found: dict[str, list[str]] = {}
    for report, (own, tables) in NEEDED.items():
        keys = [f"compliance.{key}" for key in own if not getattr(section, key)]
        for table, names in (("venues", venues), ("accounts", accounts), ("instruments", instruments)):
            for key in tables.get(table, ()):
                of = {name: getattr(section, table).get(name) for name in names}
                without = [name for name, codes in of.items() if not _has(codes, key)]
                keys += [f"compliance.{table}.{name}.{key.replace('|', ' or ')}" for name in without]
        if keys:
            found[report] = keys
    return found


def _has(codes: Section | None, key: str) -> bool:
    """Whether one of the keys, with | between them, is there."""
    return codes is not None and any(getattr(codes, one) for one in key.split("|"))


NEEDED: dict[str, tuple[tuple[str, ...], dict[str, tuple[str, ...]]]] = {
    "cat": (
        ("imid", "submitter", "crd", "dept_type", "trading_session"),
        {"venues": ("cat", "cat_type"), "accounts": ("fdid", "holder")},
    ),
    "606": (("broker",), {"venues": ("name|mic",)}),
    "605": (("market_center",), {}),
    "rts24": (("lei", "mic", "currency"), {"accounts": ("lei|person",), "instruments": ("isin",)}),
    "rts22": (
        ("lei", "country", "mic", "currency", "executing"),
        {"venues": ("mic", "lei"), "accounts": ("lei|person",), "instruments": ("isin",)},
    ),
    "rts25": (("clock",), {}),
}
"""Report -> the keys of [compliance] that it needs, and those of its tables."""
