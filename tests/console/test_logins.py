"""Sessions of the console: how long they last, and who is kept out."""

from pathlib import Path

import pytest

from brokerfix.access.people import Person
from brokerfix.access.roles import Role
from brokerfix.console.logins import MOST_OF_ONE, Login, Logins
from brokerfix.settings.console import ConsoleSection
from tests.console.everybody import everybody

SECTION = ConsoleSection(port=1, idle_minutes=30, session_hours=2, failures_before_lockout=3, lockout_seconds=60)


class Desk:
    """Sessions with a clock of the test's own, and what was told of their ends."""

    def __init__(self, folder: Path) -> None:
        self.now = 1000.0
        self.ended: list[tuple[str, str]] = []
        self.people = everybody(folder / "people.json")
        self.logins = Logins(SECTION, self.people, self._ended, lambda: self.now)

    def _ended(self, login: Login, why: str) -> None:
        self.ended.append((login.name, why))

    def begin(self) -> tuple[str, Login]:
        person = self.people.get("rita")
        assert isinstance(person, Person)
        return self.logins.begin(person, "127.0.0.1")


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_a_token_is_its_sessions_and_no_other_is(desk: Desk) -> None:
    token, login = desk.begin()
    found = desk.logins.of(token)
    assert found is not None
    assert found[0] is login
    assert token not in str(login)
    assert desk.logins.of("") is desk.logins.of(token[:-1]) is desk.logins.of(login.key) is None


def test_every_login_has_another_token(desk: Desk) -> None:
    assert desk.begin()[0] != desk.begin()[0]


def test_who_does_nothing_is_logged_out(desk: Desk) -> None:
    token, login = desk.begin()
    desk.now += 29 * 60
    desk.logins.use(login)
    desk.now += 29 * 60
    assert desk.logins.of(token) is not None
    desk.now += 2 * 60
    assert desk.logins.of(token) is None
    assert desk.ended == [("rita", "nothing was done for 30 minutes")]


def test_no_session_is_longer_than_it_may_be(desk: Desk) -> None:
    token, login = desk.begin()
    for _ in range(5):
        desk.now += 25 * 60
        desk.logins.use(login)
    assert desk.logins.of(token) is None
    assert desk.ended == [("rita", "it was 2 hours long")]


def test_who_may_log_in_no_more_is_logged_out(desk: Desk) -> None:
    token, _ = desk.begin()
    desk.people.change("rita", disabled=True)
    assert desk.logins.of(token) is None


def test_another_role_counts_at_once(desk: Desk) -> None:
    token, _ = desk.begin()
    desk.people.change("rita", role=Role.VIEWER)
    found = desk.logins.of(token)
    assert found is not None
    assert found[1].role is Role.VIEWER


def test_a_person_has_so_many_sessions_at_most(desk: Desk) -> None:
    first = desk.begin()[0]
    for _ in range(MOST_OF_ONE):
        desk.now += 1
        last = desk.begin()[0]
    assert desk.logins.of(first) is None
    assert desk.logins.of(last) is not None
    assert len(desk.logins.now()) == MOST_OF_ONE


def test_failures_lock_out_for_longer_each_time(desk: Desk) -> None:
    key = "address 10.0.0.1"
    assert [desk.logins.failed(key) for _ in range(4)] == [0, 0, 60, 120]
    assert desk.logins.locked_for(key, "name rita") == 120
    assert desk.logins.locked_for("address 10.0.0.2", "name rita") == 0
    desk.now += 121
    assert desk.logins.locked_for(key) < 0
    assert desk.logins.failed(key) == 240
    desk.now += 601
    assert desk.logins.failed(key) == 0


def test_a_name_takes_more_failures_than_an_address(desk: Desk) -> None:
    assert [desk.logins.failed("name rita", weight=4) for _ in range(12)] == [0] * 11 + [60]
