"""Who is logged in, since when and from where; and who tried to be.

A session is a random token in a cookie, made at the login and never before. We keep its hash. Tokens do not outlive
this process: who was logged in logs in again.
"""

import hashlib
import secrets
import time
from collections.abc import Callable

import msgspec

from brokerfix.access.people import People, Person
from brokerfix.settings.console import ConsoleSection

MOST_OF_ONE = 8
"""Sessions of one person: a further login ends the one that was used least recently."""
MOST_TRIED = 10_000
FORGIVEN_AFTER = 10
LONGEST = 64


class Login(msgspec.Struct):
    """A session. `secrets` are the person's when it began: the hash of the password, and of the codes. `csrf` is what a
    form of it has to bring; times are of a clock that never goes back, in seconds."""

    key: str
    name: str
    address: str
    csrf: str
    began: float
    used: float
    secrets: tuple[str, str]


class Tried(msgspec.Struct):
    """What failed for one address, or for one person from anywhere."""

    failures: int = 0
    failed_at: float = 0.0
    locked_until: float = 0.0


class Logins:
    """All sessions. `ended` is told which of them is over and why."""

    def __init__(
        self,
        section: ConsoleSection,
        people: People,
        ended: Callable[[Login, str], None] = lambda login, why: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.section = section
        self.people = people
        self._ended = ended
        self._clock = clock
        self._logins: dict[str, Login] = {}
        self._tried: dict[str, Tried] = {}

    def begin(self, person: Person, address: str) -> tuple[str, Login]:
        """A new session. Returns the token for the cookie, and the session."""
        token, now = secrets.token_urlsafe(32), self._clock()
        own = sorted((one for one in self._logins.values() if one.name == person.name), key=lambda one: one.used)
        for login in own[: max(0, len(own) - MOST_OF_ONE + 1)]:
            self.end(login, "another login of the same person")
        login = Login(_key(token), person.name, address, secrets.token_urlsafe(16), now, now, _secrets_of(person))
        self._logins[login.key] = login
        return token, login

    def of(self, token: str) -> tuple[Login, Person] | None:
        """Whose session a token is, if it goes on: who is no longer there, or was idle for too long, is logged out."""
        login = self._logins.get(_key(token)) if token else None
        return None if login is None else self.standing(login)

    def standing(self, login: Login) -> tuple[Login, Person] | None:
        """The same of a session."""
        if login.key not in self._logins:
            return None
        now = self._clock()
        if now - login.used > self.section.idle_minutes * 60:
            why = f"nothing was done for {self.section.idle_minutes:g} minutes"
        elif now - login.began > self.section.session_hours * 3600:
            why = f"it was {self.section.session_hours:g} hours long"
        elif (person := self.people.get(login.name)) is None:
            why = "the person may not log in any more"
        elif _secrets_of(person) != login.secrets:
            why = "the password or the codes are others now"
        else:
            return login, person
        self.end(login, why)
        return None

    def use(self, login: Login) -> None:
        """A person has done something."""
        login.used = self._clock()

    def end(self, login: Login, why: str) -> None:
        if self._logins.pop(login.key, None) is not None:
            self._ended(login, why)

    def end_all(self, name: str, why: str) -> None:
        """End the sessions of a person."""
        for login in [one for one in self._logins.values() if one.name == name]:
            self.end(login, why)

    def now(self) -> list[Login]:
        """Who is logged in."""
        return [login for login in list(self._logins.values()) if self.standing(login)]

    # What was tried

    def locked_for(self, *keys: str) -> float:
        """For how many seconds nobody may try from this address, or for this name."""
        now = self._clock()
        return max((self._tried[key].locked_until - now for key in keys if key in self._tried), default=0.0)

    def failed(self, key: str, weight: int = 1) -> float:
        """A login failed. A right one in between forgives none. `weight` is how many more failures this key may have
        than an address. Returns for how many seconds it is locked out now."""
        now, seconds = self._clock(), self.section.lockout_seconds
        tried = self._tried.pop(key, Tried())
        if now - tried.failed_at > FORGIVEN_AFTER * seconds:
            tried = Tried()
        self._tried[key] = tried
        tried.failures, tried.failed_at = tried.failures + 1, now
        beyond = tried.failures - self.section.failures_before_lockout * weight
        if beyond >= 0:
            tried.locked_until = now + seconds * min(2**beyond, LONGEST)
        for oldest in list(self._tried)[: max(0, len(self._tried) - MOST_TRIED)]:
            del self._tried[oldest]
        return max(0.0, tried.locked_until - now)


def _secrets_of(person: Person) -> tuple[str, str]:
    return person.password_hash, person.secret


def _key(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
