"""Clients' personal data: encrypted, apart, shown to few, and erased with their key for good."""

import json
import logging
import os
import shutil
import threading
from collections.abc import Callable
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from brokerfix import commands as cmd
from brokerfix.cli import main
from brokerfix.facts import OperatorActed, OperatorRefused, PersonalErased
from brokerfix.operate.admin import ActionRefused, AdminSocket, ask
from brokerfix.operate.operations import Operations
from brokerfix.personal import vault as module
from brokerfix.personal.person import BadPersonalData, PersonalData, changed, completed
from brokerfix.personal.vault import BadVault, Unknown, Vault, vault_of
from brokerfix.record.backup import back_up, restore
from brokerfix.record.journal import read
from brokerfix.settings.load import load
from brokerfix.settings.sections import Config
from tests.scenario import World
from tests.test_retention import HOLD, made, place
from tests.test_roles import US

assert made
assert place
ANN = {"first_name": "Ann", "surname": "Lee", "born": "1980-02-29", "email": "ann@example.org", "country": "GB"}
KEPT = "[records]\npersonal_days = 365\n"
TODAY = date(2026, 11, 26)


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault(tmp_path / "personal", tmp_path / "keys")


def all_bytes(*folders: Path) -> bytes:
    return b"".join(path.read_bytes() for folder in folders for path in sorted(folder.rglob("*")) if path.is_file())


def test_what_is_set_is_shown_and_nowhere_in_the_open(vault: Vault) -> None:
    vault.set("ALICE", dict(ANN))
    vault.set("ALICE", {"phone": "+44 20 7946 0000", "email": ""})
    vault.set("BOB", {"surname": "Ash"})
    person = vault.show("ALICE")
    assert (person.surname, person.phone, person.email) == ("Lee", "+44 20 7946 0000", "")
    assert vault.names() == ["ALICE", "BOB"]
    there = all_bytes(vault.folder, vault.key_folder)
    assert not any(word in there for word in (b"Ann", b"Lee", b"1980", b"7946", b"Ash"))
    modes = {path.stat().st_mode & 0o777 for folder in (vault.folder, vault.key_folder) for path in folder.iterdir()}
    assert modes == {0o600}
    assert {folder.stat().st_mode & 0o777 for folder in (vault.folder, vault.key_folder)} == {0o700}


@given(st.dictionaries(st.sampled_from(["name", "surname", "phone", "address"]), st.text(max_size=140)))
def test_any_text_comes_back(tmp_path_factory: pytest.TempPathFactory, fields: dict[str, object]) -> None:
    folder = tmp_path_factory.mktemp("any")
    person = Vault(folder / "p", folder / "k").set("X", fields)
    assert Vault(folder / "p", folder / "k").show("X") == person == changed(PersonalData(), fields)
    shutil.rmtree(folder)


def test_an_erased_client_can_be_read_from_no_copy(vault: Vault, tmp_path: Path) -> None:
    vault.set("ALICE", dict(ANN))
    vault.set("BOB", {"surname": "Ash"})
    shutil.copytree(vault.folder, tmp_path / "copy")
    shutil.copytree(vault.key_folder, tmp_path / "key-copy")
    (tmp_path / "key-copy" / "master.key").unlink()
    vault.erase("ALICE")
    assert vault.names() == ["BOB"]
    assert vault.show("BOB").surname == "Ash"
    with pytest.raises(Unknown):
        vault.show("ALICE")
    # The record came back out of a backup: its key did not.
    shutil.copy(tmp_path / "copy" / "personal.json", vault.folder / "personal.json")
    with pytest.raises(Unknown, match="there are no personal data of ALICE"):
        vault.show("ALICE")
    # With the file of keys of before as well, what that is under is gone.
    shutil.copy(tmp_path / "key-copy" / "keys.json", vault.key_folder / "keys.json")
    with pytest.raises(BadVault, match="is not the key of"):
        vault.show("ALICE")


def test_the_files_of_before_are_overwritten(vault: Vault, tmp_path: Path) -> None:
    vault.set("ALICE", dict(ANN))
    for name in ("keys.json", "master.key"):
        os.link(vault.key_folder / name, tmp_path / name)
    before = {name: (tmp_path / name).read_bytes() for name in ("keys.json", "master.key")}
    vault.erase("ALICE")
    for name, was in before.items():
        now = (tmp_path / name).read_bytes()
        assert len(now) == len(was)
        assert now != was
    assert b"ALICE" not in (tmp_path / "keys.json").read_bytes()


def test_an_erasure_that_was_killed_is_ended(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    """At each step that reaches the disk."""
    for steps in range(5):
        vault.set("ALICE", dict(ANN))
        vault.set("BOB", {"surname": "Ash"})
        left, become = [steps], module._become

        def once(new: Path, path: Path, left: list[int] = left, become: Any = become) -> None:
            if not left[0]:
                raise InterruptedError
            left[0] -= 1
            become(new, path)

        with monkeypatch.context() as patched:
            patched.setattr(module, "_become", once)
            try:
                vault.erase("ALICE")
            except InterruptedError:
                assert steps < 4
        assert vault.show("BOB").surname == "Ash"
        vault.erase("ALICE")
        assert vault.names() == ["BOB"]
        assert vault.show("BOB").surname == "Ash"


def test_what_was_changed_or_is_open_to_others_is_not_used(vault: Vault) -> None:
    vault.set("ALICE", dict(ANN))
    vault.set("BOB", {"surname": "Ash"})
    path = vault.folder / "personal.json"
    known = json.loads(path.read_text())
    known["clients"]["BOB"] = known["clients"]["ALICE"]
    path.write_text(json.dumps(known))
    with pytest.raises(BadVault, match="what it has of BOB was changed, or is of another key"):
        vault.show("BOB")
    path.chmod(0o640)
    with pytest.raises(BadVault, match="others may read it: chmod 600"):
        vault.show("ALICE")


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"nick": "A"}, "there is no field nick; there are name, first_name"),
        ({"born": "29.2.1980"}, "born is not as it has to be"),
        ({"born": "1981-02-29"}, "born is a day, as 1980-02-29"),
        ({"person_scheme": "AB123456C"}, "person_scheme is not as it has to be"),
        ({"surname": 5}, "surname is not as it has to be"),
    ],
)
def test_a_refusal_tells_no_value(settings: dict[str, object], told: str) -> None:
    with pytest.raises(BadPersonalData, match=told) as raised:
        changed(PersonalData(), settings)
    assert not any(str(value) in str(raised.value) for value in settings.values() if value != "A")


def door(config: Config) -> tuple[World, Callable[..., dict[str, Any]]]:
    world = World()
    now = (TODAY - date(1970, 1, 1)).days * 86_400 * 10**9
    running: Any = SimpleNamespace(config=config, state=world.state, clock=lambda: now)

    def carry_out(command: cmd.Command) -> list[Any]:
        world.submit(command)
        return world.last_facts

    running.carry_out = carry_out
    operations = Operations(running)

    def asked(role: str, action: str, **request: Any) -> dict[str, Any]:
        return operations.handle(US, {"action": action, "by": f"{role}-1", "role": role, **request})

    return world, asked


def test_the_door_shows_them_to_whom_it_may(place: Callable[[str], Config]) -> None:
    world, asked = door(place(KEPT))
    asked("operator", "personal-set", name="ALICE", settings=ANN)
    assert asked("operator", "personal-list") == {"names": ["ALICE"]}
    assert asked("compliance", "personal-show", name="ALICE")["personal"] == ANN
    with pytest.raises(ActionRefused, match="the role operator may not do this; compliance and administrator may"):
        asked("operator", "personal-show", name="ALICE")
    with pytest.raises(ActionRefused, match="there is no client or account NOBODY"):
        asked("operator", "personal-set", name="NOBODY", settings=ANN)
    acted = [(fact.operator, fact.action, fact.text) for fact in world.facts if isinstance(fact, OperatorActed)]
    assert acted[:2] == [
        ("operator-1", "personal-set", "ALICE: born, country, email, first_name, surname"),
        ("compliance-1", "personal-show", "ALICE"),
    ]
    assert any(isinstance(fact, OperatorRefused) and fact.action == "personal-show" for fact in world.facts)
    assert not any(value in repr(world.facts) for value in ANN.values() if value != "GB")


def test_no_log_has_what_was_set(
    place: Callable[[str], Config], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    socket = AdminSocket(tmp_path, lambda operator, request: {})
    stop = threading.Event()

    def serve() -> None:
        while not stop.wait(0.005):
            socket.poll()

    thread = threading.Thread(target=serve)
    with caplog.at_level(logging.DEBUG):
        thread.start()
        try:
            ask(tmp_path, {"action": "personal-set", "name": "ALICE", "settings": ANN})
        finally:
            stop.set()
            thread.join()
            socket.close()
    assert "personal-set" in caplog.text
    assert "Lee" not in caplog.text


def test_an_erasure_waits_for_its_time_and_for_holds(place: Callable[[str], Config]) -> None:
    config = place(KEPT)
    world, asked = door(config)
    asked("compliance", "personal-set", name="ALICE", settings=ANN)

    def refused(told: str, **more: Any) -> None:
        with pytest.raises(ActionRefused, match=told):
            asked("compliance", "personal-erase", name="ALICE", text="as she asked", **more)

    refused("ALICE: is a client still .ended is not set., by records.personal_days = 365; --override WHY erases")
    asked("compliance", "personal-set", name="ALICE", settings={"ended": "2026-01-31"})
    refused("was a client until 2026-01-31: its data are kept until 2027-01-31, by records.personal_days")
    for whom in ('clients = ["ALICE"]\n', 'accounts = ["ALICE"]\n', ""):
        place(KEPT + HOLD + whom)
        refused("records.holds.SEC-1: the SEC has asked", override="no hold may be passed over")
    place(KEPT + HOLD + 'clients = ["BOB"]\n')
    assert vault_of(config).names() == ["ALICE"]
    asked("compliance", "personal-erase", name="ALICE", text="as she asked", override="counsel's letter of 2026-11-20")
    assert vault_of(config).names() == []
    last = world.facts[-1]
    assert isinstance(last, PersonalErased)
    assert (last.name, last.operator, last.text) == ("ALICE", "compliance-1", "as she asked")
    assert last.override == "counsel's letter of 2026-11-20"
    asked("compliance", "personal-set", name="ALICE", settings={**ANN, "ended": "2025-11-25"})
    asked("compliance", "personal-erase", name="ALICE", text="it is time")
    refused("there are no personal data of ALICE")


def test_an_erasure_that_was_cut_short_is_asked_for_again(
    place: Callable[[str], Config], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the record stayed, and the master key that opens a copy of the old keys."""
    config = place(KEPT)
    _, asked = door(config)
    asked("compliance", "personal-set", name="ALICE", settings={**ANN, "ended": "2025-11-25"})
    become = module._become

    def cut(new: Path, path: Path) -> None:
        if path.name == module.MASTER:
            raise OSError("no space")
        become(new, path)

    with monkeypatch.context() as patched:
        patched.setattr(module, "_become", cut)
        with pytest.raises(ActionRefused, match="the key is not destroyed"):
            asked("compliance", "personal-erase", name="ALICE", text="it is time")
    assert vault_of(config).is_cut_short("ALICE")
    asked("compliance", "personal-erase", name="ALICE", text="it is time")
    assert not vault_of(config).is_cut_short("ALICE")
    assert not (vault_of(config).key_folder / module.NEXT_MASTER).exists()


def test_the_commands_without_a_broker_are_on_record(place: Callable[[str], Config], tmp_path: Path) -> None:
    config = place('[records]\npersonal_keys = "keys-of-persons"\n')
    path = str(config.path)

    def run(*arguments: str) -> str:
        done = CliRunner().invoke(main, ["personal", arguments[0], path, *arguments[1:]])
        assert "Traceback" not in done.output
        return done.output

    assert run("list") == "there are none\n"
    assert "surname set" in run("set", "ALICE", "surname=Lee", "first_name=Ann")
    (tmp_path / "all.csv").write_text("client,surname,email\nBOB,Ash,bob@example.org\n")
    assert "1 clients set" in run("import", str(tmp_path / "all.csv"))
    assert run("list") == "ALICE\nBOB\n"
    assert "surname        Ash" in run("show", "BOB")
    assert "there are no personal data of CAROL" in run("show", "CAROL")
    back_up(config.data, tmp_path / "backup")
    assert "BOB: has 3 orders that work" in run("erase", "BOB", "--text", "as he asked")
    assert "is destroyed" in run("erase", "BOB", "--text", "as he asked", "--override", "they are canceled today")
    assert run("list") == "ALICE\n"
    facts = [fact for record in read(config.data / "journal") for fact in record.facts]
    assert [fact.name for fact in facts if isinstance(fact, PersonalErased)] == ["BOB"]
    assert [fact.action for fact in facts if isinstance(fact, OperatorActed)] == [
        "personal-set", "personal-set", "personal-show",
    ]  # fmt: skip

    # The backup has the record, and no key.
    assert not any(path.name.endswith((".key", "keys.json")) for path in (tmp_path / "backup").iterdir())
    restore(tmp_path / "backup", tmp_path / "other")
    there = Vault(tmp_path / "other" / "personal", tmp_path / "keys-of-persons")
    assert there.show("ALICE").surname == "Lee"
    with pytest.raises(Unknown):
        there.show("BOB")


def test_regulatory_records_take_what_the_configuration_leaves_out(place: Callable[[str], Config]) -> None:
    config = place('[compliance.accounts.ALICE]\nfdid = "A-1"\ncountry = "IE"\n')
    persons = {"ALICE": changed(PersonalData(), {**ANN, "person": "GBAB123456C", "person_scheme": "NIDN"})}
    section = completed(config, persons)
    codes = section.account("ALICE")
    assert (codes.fdid, codes.first_name, codes.surname, codes.person) == ("A-1", "Ann", "Lee", "GBAB123456C")
    assert codes.country == "IE", "what the configuration says holds"
    assert "BOB" not in section.accounts
    assert load(config.path).compliance.account("ALICE").surname == ""
