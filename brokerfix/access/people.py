"""Who may log in to the console: a file of names, roles, scrypt hashes of passwords and secrets of one-time codes.

The codes are TOTP (RFC 6238): six digits of 30 seconds, one step early or late; no code is taken twice.
"""

import json
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fcntl import LOCK_EX, flock
from pathlib import Path

import msgspec
import pyotp

from brokerfix.access.roles import Role
from brokerfix.settings import passwords
from brokerfix.settings.base import ConfigError
from brokerfix.settings.whole import write_whole

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")
LEAST_PASSWORD, MOST_PASSWORD = 12, 256
STEP_SECONDS = 30
ISSUER = "brokerfix"


class BadPerson(ConfigError):
    """What can't be so of a person, for whoever wants it."""


class Person(msgspec.Struct):
    """One person. `secret` is that of the one-time codes (base32; "": none is asked for), `last_step` the time step of
    the last code that was taken. `created` is in seconds since 1970."""

    name: str
    role: Role
    password_hash: str
    secret: str = ""
    created: int = 0
    last_step: int = 0
    disabled: bool = False


class People:
    """The people of a file, read again whenever another process has written it."""

    def __init__(self, path: Path, second_factor: bool = True, clock: Callable[[], float] = time.time) -> None:
        """With `second_factor` nobody logs in without a one-time code."""
        self.path = path
        self._second_factor = second_factor
        self._clock = clock
        self._people: dict[str, Person] = {}
        self._stamp: tuple[int, int] | None = None
        self._lock = threading.RLock()
        self._nobody = passwords.hash_of_none()

    def all(self) -> dict[str, Person]:
        """By name. Raises BadPerson where the file can't be read."""
        with self._lock:
            self._read()
            return dict(self._people)

    def get(self, name: str) -> Person | None:
        """Who may log in by this name. Raises BadPerson where the file can't be read."""
        with self._lock:
            self._read()
            person = self._people.get(name)
        return None if person is None or person.disabled else person

    def login(self, name: str, password: str, code: str) -> Person | None:
        """Whose name, password and one-time code these are. It takes as long for a name that there is not. Raises
        BadPerson where the file can't be read."""
        person = self.get(name)
        is_right = passwords.matches(password[:MOST_PASSWORD], person.password_hash if person else self._nobody)
        if person is None or not is_right:
            return None
        if self._second_factor or person.secret:
            step = self._step_of(person.secret, code) if person.secret else 0
            with self._changing():
                # Another login may have taken it meanwhile.
                now = self._people.get(name)
                if now is None or now.disabled or step <= now.last_step:
                    return None
                now.last_step = step
                person = now
        return person

    def _step_of(self, secret: str, code: str) -> int:
        """The time step that a code is of, 0 where it is of none near."""
        if not re.fullmatch(r"\d{6}", code, re.ASCII):
            return 0
        totp, now = pyotp.TOTP(secret), int(self._clock())
        for step in (now // STEP_SECONDS + offset for offset in (-1, 0, 1)):
            if secrets.compare_digest(totp.at(step * STEP_SECONDS), code):
                return step
        return 0

    def add(self, name: str, role: Role, password: str, second_factor: bool = True) -> str:
        """A new person. Returns the secret of the one-time codes. Raises BadPerson."""
        if not NAME.fullmatch(name):
            raise BadPerson(f"{name!r}: a name is 1 to 32 letters, digits, dots, dashes, underlines")
        check_password(name, password)
        secret = pyotp.random_base32() if second_factor else ""
        with self._changing():
            if name in self._people:
                raise BadPerson(f"there is a {name} already")
            self._people[name] = Person(name, role, passwords.make_hash(password), secret, int(self._clock()))
        return secret

    def change(
        self, name: str, role: Role | None = None, password: str | None = None, disabled: bool | None = None
    ) -> None:
        """Other terms for a person; None: as they are. Raises BadPerson."""
        if password is not None:
            check_password(name, password)
        with self._changing():
            person = self._known(name)
            person.role = person.role if role is None else role
            person.disabled = person.disabled if disabled is None else disabled
            if password is not None:
                person.password_hash = passwords.make_hash(password)

    def new_secret(self, name: str) -> str:
        """Another secret of one-time codes for a person. Raises BadPerson."""
        with self._changing():
            person = self._known(name)
            person.secret, person.last_step = pyotp.random_base32(), 0
        return person.secret

    def remove(self, name: str) -> None:
        """Raises BadPerson."""
        with self._changing():
            del self._people[self._known(name).name]

    def _known(self, name: str) -> Person:
        person = self._people.get(name)
        if person is None:
            raise BadPerson(f"there is no {name!r}; there are {', '.join(self._people) or 'none'}")
        return person

    def _read(self) -> None:
        try:
            found = self.path.stat()
        except FileNotFoundError:
            self._people, self._stamp = {}, None
            return
        except OSError as error:
            raise BadPerson(f"{self.path}: can't be read: {error.strerror}") from error
        stamp = found.st_mtime_ns, found.st_ino
        if stamp == self._stamp:
            return
        try:
            self._people = msgspec.json.decode(self.path.read_bytes(), type=dict[str, Person])
        except (OSError, msgspec.DecodeError) as error:
            raise BadPerson(f"{self.path}: can't be read: {error}; restore it from a copy") from error
        self._stamp = stamp

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Read, changed and written by one process at a time."""
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self.path.with_suffix(".lock").open("w") as guard, self._lock:
            flock(guard, LOCK_EX)
            self._stamp = None
            self._read()
            try:
                yield
                self._write()
            except BaseException:
                self._stamp = None
                raise

    def _write(self) -> None:
        text = json.dumps(msgspec.to_builtins(self._people), indent=1) + "\n"
        write_whole(self.path, text.encode(), 0o600)
        found = self.path.stat()
        self._stamp = found.st_mtime_ns, found.st_ino


def check_password(name: str, password: str) -> None:
    """Raises BadPerson for one that is too short or easily guessed (NIST SP 800-63B: its length counts)."""
    if not LEAST_PASSWORD <= len(password) <= MOST_PASSWORD:
        raise BadPerson(f"a password has {LEAST_PASSWORD} to {MOST_PASSWORD} characters")
    if name.lower() in password.lower() or len(set(password)) < 5:
        raise BadPerson("a password does not have the name in it, and at least 5 different characters")


def uri_of(name: str, secret: str, desk: str) -> str:
    """What an authenticator takes, often as a QR code (otpauth://)."""
    return pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name=f"{ISSUER} {desk}")
