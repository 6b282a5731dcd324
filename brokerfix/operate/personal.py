"""What operators do with clients' personal data: whether they may, and that it is on record. No value of theirs is in
the journal or a log."""

import csv
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import msgspec

from brokerfix.engine.state import State
from brokerfix.operate.admin import ActionRefused
from brokerfix.personal.person import BadPersonalData, PersonalData
from brokerfix.personal.vault import BadVault, Unknown, Vault, vault_of
from brokerfix.settings.sections import Config


def show(config: Config, name: str) -> dict[str, str]:
    """The fields that are set. Raises ActionRefused."""
    try:
        found: dict[str, str] = msgspec.structs.asdict(vault_of(config).show(name))
    except BadVault as error:
        raise ActionRefused(str(error)) from error
    return {key: value for key, value in found.items() if value}


def names(config: Config) -> list[str]:
    """Of whom there are some. Raises ActionRefused."""
    try:
        return vault_of(config).names()
    except BadVault as error:
        raise ActionRefused(str(error)) from error


def put(config: Config, name: str, settings: dict[str, Any]) -> list[str]:
    """Set some fields of a client or account. Returns which. Raises ActionRefused."""
    if name not in config.clients and name not in config.accounts and name not in names(config):
        raise ActionRefused(f"there is no client or account {name}")
    try:
        vault_of(config).set(name, settings)
    except (BadPersonalData, BadVault) as error:
        raise ActionRefused(f"{name}: {error}") from error
    return sorted(settings)


def may_erase(config: Config, state: State, name: str, today: date, override: str) -> None:
    """Raises ActionRefused where the data have to stay: under a hold, while orders are open, and before their time,
    unless the desk says why not (`override`)."""
    client = config.clients.get(name)
    accounts = client.accounts if client is not None else (name,)
    clients = [one for one, section in config.clients.items() if name in section.accounts]
    hold = config.records.hold_of({name, *accounts, *clients})
    if hold:
        raise ActionRefused(f"{name}: {hold}; while a hold stands nothing that it covers is erased")
    person = _known(vault_of(config), name)
    if override:
        return
    working = sum(
        len(known.working) if one == name else sum(order.account == name for order in known.working.values())
        for one, known in state.clients.items()
    )
    if working:
        raise ActionRefused(f"{name}: has {working} orders that work; --override WHY erases all the same")
    days = config.records.personal_days
    if not days:
        return
    if not person.ended:
        told = "is a client still (ended is not set)"
    else:
        until = date.fromisoformat(person.ended) + timedelta(days=days)
        told = (
            f"was a client until {person.ended}: its data are kept until {until.isoformat()}" if today < until else ""
        )
    if told:
        raise ActionRefused(f"{name}: {told}, by records.personal_days = {days}; --override WHY erases all the same")


def _known(vault: Vault, name: str) -> PersonalData:
    try:
        return vault.show(name)
    except Unknown as error:
        if vault.is_cut_short(name):
            # It was erased before, and that is to be ended: nothing that it had is kept by its age.
            return PersonalData(ended=date.min.isoformat())
        raise ActionRefused(str(error)) from error
    except BadVault as error:
        raise ActionRefused(str(error)) from error


def erase(config: Config, name: str) -> None:
    """Destroy the key. Raises ActionRefused."""
    try:
        vault_of(config).erase(name)
    except OSError as error:
        raise ActionRefused(f"{name}: it is on record, but the key is not destroyed ({error}): ask again") from error


def read_csv(path: Path) -> dict[str, dict[str, str]]:
    """Name -> fields, of a CSV file with the column `client` and some of a person's fields. Empty ones are left as they
    are. Raises ActionRefused."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = csv.DictReader(file)
        heads = set(rows.fieldnames or ())
        unknown = sorted(heads - {"client", *PersonalData.__struct_fields__})
        if "client" not in heads or unknown:
            told = f"there is no field {unknown[0]}" if unknown else "there is no column client"
            raise ActionRefused(f"{path}: {told}; there are client, {', '.join(PersonalData.__struct_fields__)}")
        return {row["client"]: {key: row[key] for key in sorted(heads - {"client"}) if row[key]} for row in rows}
