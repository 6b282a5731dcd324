"""Who may log in to the console: passwords, one-time codes, and the file they stand in."""

import stat
from pathlib import Path

import pyotp
import pytest

from brokerfix.access.people import BadPerson, People, check_password, uri_of
from brokerfix.access.roles import Role

PASSWORD = "correct horse 77"
NOW = 1_764_280_800


class Clock:
    def __init__(self) -> None:
        self.now = float(NOW)

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def people(tmp_path: Path, clock: Clock) -> People:
    return People(tmp_path / "console" / "people.json", clock=clock)


def test_who_has_name_password_and_code_logs_in(people: People, clock: Clock) -> None:
    secret = people.add("ann", Role.RISK, PASSWORD)
    code = pyotp.TOTP(secret).at(NOW)
    assert people.login("ann", "wrong horse 77!", code) is None
    assert people.login("bob", PASSWORD, code) is None
    assert people.login("ann", PASSWORD, "") is None
    assert people.login("ann", PASSWORD, f"{(int(code) + 1) % 10**6:06}") is None
    found = people.login("ann", PASSWORD, code)
    assert found is not None
    assert (found.name, found.role) == ("ann", Role.RISK)


def test_no_code_is_taken_twice_nor_an_older_one(people: People, clock: Clock) -> None:
    totp = pyotp.TOTP(people.add("ann", Role.RISK, PASSWORD))
    assert people.login("ann", PASSWORD, totp.at(NOW)) is not None
    assert people.login("ann", PASSWORD, totp.at(NOW)) is None
    assert people.login("ann", PASSWORD, totp.at(NOW - 30)) is None
    assert people.login("ann", PASSWORD, totp.at(NOW + 30)) is not None


def test_a_telephones_clock_may_be_a_step_off(people: People, clock: Clock) -> None:
    totp = pyotp.TOTP(people.add("ann", Role.RISK, PASSWORD))
    assert people.login("ann", PASSWORD, totp.at(NOW - 60)) is None
    assert people.login("ann", PASSWORD, totp.at(NOW + 60)) is None
    assert people.login("ann", PASSWORD, totp.at(NOW - 30)) is not None


@pytest.mark.parametrize(
    "code", ["\uff11\uff12\uff13\uff14\uff15\uff16", "12345", "1234567", "abcdef", "-12345", "1e1000"]
)
def test_what_is_no_code_is_none(people: People, code: str) -> None:
    people.add("ann", Role.RISK, PASSWORD)
    assert people.login("ann", PASSWORD, code) is None


def test_who_has_no_second_factor_where_it_is_asked_for_does_not_log_in(people: People) -> None:
    people.add("ann", Role.RISK, PASSWORD, second_factor=False)
    assert people.login("ann", PASSWORD, "") is None
    assert People(people.path, second_factor=False).login("ann", PASSWORD, "") is not None


def test_the_file_has_no_password_and_is_for_its_owner_alone(people: People) -> None:
    people.add("ann", Role.RISK, PASSWORD)
    assert PASSWORD not in people.path.read_text()
    assert stat.S_IMODE(people.path.stat().st_mode) == 0o600


def test_what_another_process_changes_counts_at_once(people: People) -> None:
    people.add("ann", Role.RISK, PASSWORD)
    assert people.get("ann") is not None
    other = People(people.path)
    other.change("ann", role=Role.VIEWER)
    changed = people.get("ann")
    assert changed is not None
    assert changed.role is Role.VIEWER
    other.change("ann", disabled=True)
    assert people.get("ann") is None
    other.remove("ann")
    assert people.all() == {}


def test_another_secret_ends_the_one_before(people: People) -> None:
    old = people.add("ann", Role.RISK, PASSWORD)
    new = people.new_secret("ann")
    assert people.login("ann", PASSWORD, pyotp.TOTP(old).at(NOW)) is None
    assert people.login("ann", PASSWORD, pyotp.TOTP(new).at(NOW)) is not None


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("short", "12 to 256"),
        ("x" * 300, "12 to 256"),
        ("my name is Ann!", "the name"),
        ("ababababababab", "different"),
    ],
)
def test_a_password_that_is_easily_guessed_is_refused(password: str, why: str) -> None:
    with pytest.raises(BadPerson, match=why):
        check_password("ann", password)


@pytest.mark.parametrize("name", ["", "a b", "../x", "-x", "x" * 33, "<b>"])
def test_a_name_is_plain(people: People, name: str) -> None:
    with pytest.raises(BadPerson, match="a name is"):
        people.add(name, Role.RISK, PASSWORD)


def test_a_name_is_there_once(people: People) -> None:
    people.add("ann", Role.RISK, PASSWORD)
    with pytest.raises(BadPerson, match="already"):
        people.add("ann", Role.VIEWER, PASSWORD)
    with pytest.raises(BadPerson, match="there are ann"):
        people.change("bob", role=Role.VIEWER)


def test_a_file_that_is_broken_says_so(people: People) -> None:
    people.add("ann", Role.RISK, PASSWORD)
    people.path.write_text("{")
    with pytest.raises(BadPerson, match=str(people.path)):
        people.all()


def test_an_authenticator_is_told_the_desk(people: People) -> None:
    uri = uri_of("ann", people.add("ann", Role.RISK, PASSWORD), "BROKER")
    assert uri.startswith("otpauth://totp/brokerfix%20BROKER:ann?secret=")
