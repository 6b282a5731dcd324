"""Who asks, and what they may: API keys, the clients whose sessions they use, and their accounts."""

import asyncio
import hashlib
import logging
import secrets
import time
from collections.abc import Mapping

import msgspec

from brokerfix.doors.archive import Archive
from brokerfix.doors.model import Order
from brokerfix.doors.quote_model import FirmQuote
from brokerfix.doors.users import KEY_NAME, User
from brokerfix.doors.waiting import RequestRefused, Unavailable
from brokerfix.settings.api_keys import Kept, KeptKeys
from brokerfix.settings.registry import complete
from brokerfix.settings.sections import ApiKeySection, Config, ConfigError

log = logging.getLogger("brokerfix.doors")
CATCH_UP_SECONDS = 0.02


class Caller(msgspec.Struct, frozen=True):
    """Who calls: an API key."""

    name: str
    key: ApiKeySection


class Desk:
    """The API keys of one door, by hash, their clients' sessions by client, and the database. `answer_seconds` is how
    long a request waits for the broker's answer. Keys that are revoked while it is open count no more."""

    def __init__(self, config: Config, keys: Mapping[str, ApiKeySection], answer_seconds: float) -> None:
        self.config, self.answer_seconds = config, answer_seconds
        complete(config)
        self.users: dict[str, User] = {}
        self.keys: dict[str, Caller] = {}
        self.archive = Archive(config)
        self._configured = keys
        self._kept = KeptKeys(config.data)
        self._trouble = ""
        self._take(self.keys_now(self._kept.read()))

    def keys_now(self, kept: Kept) -> dict[str, ApiKeySection]:
        """Those of this door's keys that count, by name."""
        return {name: key for name, key in self._configured.items() if kept.counts(key)}

    def _take(self, keys: Mapping[str, ApiKeySection]) -> list[User]:
        """These are the keys from now on. Returns the users that there were none of yet."""
        self.keys = {key.hash: Caller(name, key) for name, key in keys.items()}
        names = dict.fromkeys(key.client for key in keys.values())
        new = {name: User(self.config, name, self.answer_seconds) for name in names if name not in self.users}
        self.users |= new
        return list(new.values())

    def look(self) -> bool:
        """Take what was made and revoked since the last look, and log on those that no key used yet. Returns whether
        there was something. Where the file of keys can't be read, all stays as it was: that is logged."""
        if not self._kept.has_changed():
            return False
        try:
            kept = self._kept.read()
            self._trouble = ""
        except ConfigError as error:
            if f"{error}" != self._trouble:
                self._trouble = f"{error}"
                log.error("%s", error)
            return False
        complete(self.config)
        for user in self._take(self.keys_now(kept)):
            user.session.start()
        return True

    def find(self, key: str) -> Caller | None:
        """Whose key this is, None where there is none."""
        self.look()
        return self.keys.get(hash_of(key))

    def counts(self, caller: Caller) -> bool:
        """Whether a key that was found before still counts: it may have been revoked since."""
        self.look()
        return caller.key.hash in self.keys

    def user(self, caller: Caller) -> User:
        """The session that the key's requests go through; they are on record with the key's name."""
        KEY_NAME.set(caller.name)
        return self.users[caller.key.client]

    def accounts(self, caller: Caller) -> tuple[str, ...]:
        """The accounts that a key may see and use."""
        return caller.key.accounts or self.config.clients[caller.key.client].accounts

    def chosen(self, caller: Caller, accounts: list[str] | None) -> tuple[str, ...]:
        """The accounts that a request is about: those that it names, or all of the key. Raises RequestRefused 403."""
        own = self.accounts(caller)
        for account in accounts or ():
            if account not in own:
                raise RequestRefused(f"this API key may not use account {account}", status=403)
        return tuple(dict.fromkeys(accounts or own))

    def sees_all(self, caller: Caller) -> bool:
        """Whether a key is for all of the client's accounts."""
        return set(self.accounts(caller)) == set(self.config.clients[caller.key.client].accounts)

    def sees(self, caller: Caller, order: Order | FirmQuote) -> bool:
        """Whether a key may see an order, or a quote. One of which no account is known is for keys of all the client's
        accounts."""
        return order.account in self.accounts(caller) or (not order.account and self.sees_all(caller))

    def own(self, caller: Caller, order: Order | None, cl_ord_id: str) -> Order:
        """The order, if the key may see it. Raises RequestRefused 404."""
        if order is None or not self.sees(caller, order):
            raise RequestRefused(f"there is no order {cl_ord_id}", status=404)
        return order

    async def catch_up(self, user: User) -> None:
        """Wait until the open orders are known from the session, and what was before it from the database: what comes
        later is told by the session. Raises Unavailable."""
        if not user.is_up:
            return
        await user.know_all()
        if not self.archive.exists or user.archived_at == user.session.began_at:
            return
        deadline, began_at = time.monotonic() + self.answer_seconds, user.session.began_at
        while not await asyncio.to_thread(self.archive.has_logon, user.name, began_at):
            if time.monotonic() > deadline:
                raise Unavailable("the database is behind the broker; try again")
            await asyncio.sleep(CATCH_UP_SECONDS)
        user.archived_at = began_at


def hash_of(key: str) -> str:
    """What the configuration keeps of an API key. It is random and long, so that a fast hash is enough."""
    return f"sha256:{hashlib.sha256(key.encode('utf-8', 'surrogateescape')).hexdigest()}"


def make_key(name: str) -> str:
    """A new API key."""
    return f"{name}_{secrets.token_urlsafe(32)}"


def key_of(authorization: str) -> str:
    """The key in an Authorization header, "" where there is none."""
    scheme, _, key = authorization.partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""
