"""What may be known of a client as a person, natural or legal."""

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from brokerfix.settings.base import Section
from brokerfix.settings.compliance import AccountCodes, ComplianceSection, Country, Lei
from brokerfix.settings.sections import Config

Text = Annotated[str, Meta(max_length=140)]
Day = Annotated[str, Meta(pattern=r"^([0-9]{4}-[0-9]{2}-[0-9]{2})?$")]
CODES = ("first_name", "surname", "born", "country", "person", "person_scheme", "lei")
"""The fields that regulatory records take, by the names of [compliance.accounts.NAME]."""


class PersonalData(Section, frozen=True):
    """`name` is a legal person's. `person` is the identifier under MiFIR (RTS 22 article 6: a country code and a
    national id or passport, or CONCAT), `person_scheme` its kind, `lei` a legal person's. `ended` is the day on which
    the client ceased to be one ("": it is one)."""

    name: Text = ""
    first_name: Text = ""
    surname: Text = ""
    born: Day = ""
    email: Text = ""
    phone: Text = ""
    address: Annotated[str, Meta(max_length=400)] = ""
    country: Country = ""
    person: Annotated[str, Meta(pattern=r"^([A-Z]{2}[A-Za-z0-9+]{1,33})?$")] = ""
    person_scheme: Literal["", "NIDN", "CCPT", "CONCAT"] = ""
    lei: Lei = ""
    ended: Day = ""


class BadPersonalData(ValueError):
    """A field that there is not, or a value that can't be."""


def changed(person: PersonalData, settings: Mapping[str, object]) -> PersonalData:
    """A person with some fields set anew. Raises BadPersonalData, which tells no value: it is put on record."""
    unknown = [key for key in settings if key not in PersonalData.__struct_fields__]
    if unknown:
        raise BadPersonalData(f"there is no field {unknown[0]}; there are {', '.join(PersonalData.__struct_fields__)}")
    try:
        found = msgspec.convert({**msgspec.structs.asdict(person), **settings}, PersonalData)
    except msgspec.ValidationError as error:
        where = str(error).partition(" - at `$.")[2].rstrip("`")
        raise BadPersonalData(f"{where or 'a field'} is not as it has to be, see docs/records.md") from None
    for key in ("born", "ended"):
        try:
            date.fromisoformat(getattr(found, key) or "1970-01-01")
        except ValueError:
            raise BadPersonalData(f"{key} is a day, as 1980-02-29") from None
    return found


def owners(config: Config, account: str) -> tuple[str, ...]:
    """Under which names an account's personal data may be: its own, or that of a client who has it."""
    return (account, *(name for name, client in config.clients.items() if account in client.accounts))


def completed(config: Config, persons: Mapping[str, PersonalData]) -> ComplianceSection:
    """What regulatory records need of accounts, with what the configuration leaves empty taken from persons."""
    section, accounts = config.compliance, {}
    for account in config.accounts:
        codes = section.accounts.get(account, AccountCodes())
        person = next((persons[name] for name in owners(config, account) if name in persons), PersonalData())
        known = {key: getattr(person, key) for key in CODES if getattr(person, key) and not getattr(codes, key)}
        if known or account in section.accounts:
            accounts[account] = msgspec.structs.replace(codes, **known)
    return msgspec.structs.replace(section, accounts=accounts)
