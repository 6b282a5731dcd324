"""`brokerfix people`, and what [console] has to be."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from brokerfix.access.people import People
from brokerfix.cli import main
from brokerfix.settings.load import load
from brokerfix.settings.sections import ConfigError

CONFIG = """
[broker]
name = "DESK"
port = 1
data = "data"
[instruments.AAPL]
price_digits = 2
qty_digits = 0
tick = "0.01"
lot = "1"
reference = "1.00"
[console]
port = 8443
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "broker.toml"
    path.write_text(CONFIG)
    return path


def run(config: Path, *words: str, given: str = "correct horse 77\n") -> Result:
    return CliRunner().invoke(main, ["people", *words, "--config", str(config)], input=given)


def test_a_person_is_added_shown_changed_and_removed(config: Path) -> None:
    added = run(config, "add", "ann", "--role", "risk")
    assert added.exit_code == 0, added.output
    assert "ann may log in as risk" in added.output
    assert "otpauth://totp/brokerfix%20DESK:ann?secret=" in added.output
    assert run(config).output.splitlines()[1].split("\t") == ["ann", "risk", "yes", "yes"]
    assert run(config, "role", "ann", "viewer").output == "ann: viewer from now on\n"
    assert run(config, "lock", "ann").output == "ann: may not log in from now on\n"
    assert run(config).output.splitlines()[1].split("\t") == ["ann", "viewer", "yes", "no"]
    assert run(config, "lock", "ann", "--undo").exit_code == 0
    assert "otpauth" in run(config, "codes", "ann").output
    assert run(config, "password", "ann", given="another horse 77\n").exit_code == 0
    people = People(config.parent / "data" / "console" / "people.json", second_factor=False)
    assert people.get("ann") is not None
    assert run(config, "remove", "ann").output == "ann: removed\n"
    assert people.all() == {}


def test_a_password_comes_from_a_file_too(config: Path, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("correct horse 77\nmore\n")
    assert run(config, "add", "ann", "--role", "risk", "--password-file", str(tmp_path / "password")).exit_code == 0


@pytest.mark.parametrize(
    ("words", "given", "told"),
    [
        (("add", "ann", "--role", "risk"), "short\n", "Error: a password has 12 to 256 characters\n"),
        (("add", "a b", "--role", "risk"), "correct horse 77\n", "Error: 'a b': a name is 1 to 32 letters"),
        (("role", "bob", "risk"), "", "Error: there is no 'bob'; there are none\n"),
        (("lock", "bob"), "", "Error: there is no 'bob'; there are none\n"),
    ],
)
def test_what_is_wrong_is_one_line(config: Path, words: tuple[str, ...], given: str, told: str) -> None:
    result = run(config, *words, given=given)
    assert result.exit_code == 1
    assert result.output.startswith(told)


def test_a_desk_without_a_console_says_so(config: Path) -> None:
    config.write_text(CONFIG.partition("[console]")[0])
    assert run(config).output == f"Error: {config}: there is no [console]\n"


def test_a_console_that_nobody_may_log_in_to_does_not_start(config: Path) -> None:
    result = CliRunner().invoke(main, ["console", str(config)])
    assert result.exit_code == 1
    assert "nobody may log in yet: brokerfix people add NAME --role ROLE" in result.output


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('address = "0.0.0.0"', "console.address: beyond 127.0.0.1 it needs TLS: certificate and key"),
        ('address = "here"', "console.address: 'here' is no IP address"),
        ('certificate = "x.pem"', "console: certificate and key go together"),
        ('zone = "Europe/Nowhere"', "console.zone: there is no time zone 'Europe/Nowhere'"),
        ("idle_minutes = 0", "console.idle_minutes: Expected `float` > 0.0"),
    ],
)
def test_a_section_that_can_not_be_is_named(config: Path, line: str, told: str) -> None:
    config.write_text(f"{CONFIG}{line}\n")
    with pytest.raises(ConfigError) as raised:
        load(config)
    assert str(raised.value) == f"{config}: {told}"
