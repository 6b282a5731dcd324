"""API keys that are made and revoked while all runs."""

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from brokerfix.cli import main
from brokerfix.doors.desk import hash_of, make_key
from brokerfix.facts import OperatorActed
from brokerfix.operate.admin import ActionRefused, name_of
from brokerfix.operate.operations import Operations
from brokerfix.record.journal import read
from brokerfix.settings.api_keys import FILE, Kept, KeptKeys, http_keys, rows
from brokerfix.settings.load import load
from brokerfix.settings.sections import ConfigError
from tests.cluster.test_moves import Running
from tests.door import KEY, Place, WebSocket, eventually
from tests.live import INSTRUMENT
from tests.scenario import World

CONFIG = """
[broker]
name = "BROKER"
port = 1
data = "data"
{instrument}
[accounts.ALICE]
cash = "1"
[accounts.BOB]
cash = "1"
[clients.DESK]
accounts = ["ALICE", "BOB"]
[clients.OLD]
accounts = ["ALICE"]
fix = "FIX.4.2"
{key}
"""
FIXED = KEY.format(name="fixed", hash=hash_of("fixed-key"), client="DESK", scopes='["read"]', accounts="[]")
OTHERS = hash_of("another-key")


class Desk:
    """A broker as its operators' door sees it."""

    def __init__(self, folder: Path) -> None:
        path = folder / "broker.toml"
        path.write_text(CONFIG.format(instrument=INSTRUMENT, key=FIXED))
        self.world, self.config = World(), load(path)
        self.config.data.mkdir()
        running: Any = Running(self.world)
        running.config = self.config
        self._door = Operations(running)

    def ask(self, action: str, role: str = "administrator", **request: Any) -> Any:
        return self._door.handle(US, {"action": action, "by": "ann", "role": role, **request})

    def add(self, name: str, **settings: Any) -> Any:
        return self.ask("add-api-key", name=name, settings={"hash": OTHERS, "client": "DESK", **settings})

    def facts(self) -> list[OperatorActed]:
        return [fact for fact in self.world.last_facts if isinstance(fact, OperatorActed)]

    @property
    def names(self) -> list[str]:
        return list(http_keys(self.config, KeptKeys(self.config.data).read()))


US = name_of(os.getuid())


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_a_key_counts_from_then_on_and_only_its_hash_is_kept(desk: Desk) -> None:
    desk.add("phone", scopes=["read", "trade"], accounts=["BOB"])
    assert desk.names == ["phone", "fixed"]
    file = desk.config.data / FILE
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    (acted,) = desk.facts()
    assert (acted.operator, acted.action) == ("ann", "add-api-key")
    assert acted.text == "phone: client DESK, scopes read trade, accounts BOB"
    told = json.dumps(desk.ask("api-keys"))
    assert "sha256" not in told + acted.text
    assert '"made": "run time"' in told


def test_a_key_of_the_configuration_is_revoked_too(desk: Desk) -> None:
    desk.ask("revoke-api-key", name="fixed")
    assert desk.names == []
    assert desk.facts()[-1].text == "fixed: client DESK, scopes read"
    with pytest.raises(ActionRefused, match="it is revoked already"):
        desk.ask("revoke-api-key", name="fixed")
    assert [row["revoked"] for row in rows(desk.config, KeptKeys(desk.config.data).read())] == [True]


def test_what_is_revoked_never_counts_again_and_its_name_is_free(desk: Desk) -> None:
    desk.add("phone")
    desk.ask("revoke-api-key", name="phone")
    with pytest.raises(ActionRefused, match="was used before"):
        desk.add("phone")
    desk.add("phone", hash=hash_of("a third"))
    assert desk.names == ["phone", "fixed"]
    assert [row["revoked"] for row in desk.ask("api-keys")["keys"] if row["name"] == "phone"] == [False, True]


@pytest.mark.parametrize(
    ("name", "settings", "told"),
    [
        ("", {}, "a key's name is"),
        ("fixed", {}, "there is a key of this name in the configuration"),
        ("phone", {"client": "NOBODY"}, "there is no client NOBODY; there are DESK, OLD"),
        ("phone", {"client": "OLD"}, "OLD speaks FIX.4.2; HTTP needs FIX.4.4"),
        ("phone", {"accounts": ["CAROL"]}, "account CAROL is none of DESK"),
        ("phone", {"scopes": ["all"]}, "Invalid enum value"),
        ("phone", {"hash": "the key itself"}, "regex"),
        ("phone", {"hash": hash_of("fixed-key")}, "this key was used before"),
    ],
)
def test_a_key_that_can_not_be_is_refused(desk: Desk, name: str, settings: dict[str, Any], told: str) -> None:
    with pytest.raises(ActionRefused, match=told):
        desk.add(name, **settings)
    assert desk.names == ["fixed"]


def test_only_administrators_make_and_revoke_keys(desk: Desk) -> None:
    for role in ("viewer", "trader", "risk", "operator", "compliance"):
        with pytest.raises(ActionRefused, match="may not do this; administrator may"):
            desk.ask("add-api-key", role, name="x", settings={})
        with pytest.raises(ActionRefused, match="may not do this; administrator may"):
            desk.ask("revoke-api-key", role, name="fixed")
    assert [row["name"] for row in desk.ask("api-keys", "viewer")["keys"]] == ["fixed"]


def test_a_file_that_is_no_such_file_is_named(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("{")
    keys = KeptKeys(tmp_path)
    with pytest.raises(ConfigError, match=r"api_keys\.json: can't be read"):
        keys.read()
    keys.write(Kept())
    assert keys.read() == Kept()
    assert not keys.has_changed()


def test_a_command_without_a_client_says_what_is_missing(desk: Desk) -> None:
    result = CliRunner().invoke(main, ["key", "phone", "--add", "--config", str(desk.config.path)])
    assert "--add needs --client" in result.output


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    made = Place(tmp_path_factory.mktemp("keys"))
    yield made
    made.stop()


def test_a_door_takes_a_new_key_and_ends_what_a_revoked_one_has_open(place: Place) -> None:
    def run(*words: str) -> str:
        result = CliRunner().invoke(main, ["key", *words, "--config", str(place.config)])
        assert result.exit_code == 0, result.output
        return result.output.strip()

    # Of a client whose session no key has used yet.
    place.keys["phone"] = run("phone", "--add", "--client", "ALICE")
    place.keys["guess"] = make_key("phone")
    with place.api("phone") as api, place.api("guess") as other:
        eventually(lambda: api.get("/v1/orders").status_code == 200)
        assert other.get("/v1/orders").status_code == 401
        stream = WebSocket(place, "phone", "/v1/stream")
        assert stream.status == 101
        assert run("phone", "--revoke") == "phone: revoked; its streams end"
        assert api.get("/v1/orders").status_code == 401
        assert stream.read() == 4001
    assert "revoked" in run()
    journal = place.folder / "data" / "journal"
    acted = [fact for record in read(journal) for fact in record.facts if isinstance(fact, OperatorActed)]
    assert [fact.action for fact in acted if "api-key" in fact.action] == ["add-api-key", "revoke-api-key"]
    for kept in (*journal.iterdir(), place.folder / "log", place.folder / "http.log", place.folder / "data" / FILE):
        assert place.keys["phone"].encode() not in kept.read_bytes()
