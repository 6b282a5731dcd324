"""API keys that are made and revoked while the broker runs: a file of its data folder, which has their hashes alone.

The broker writes it, and the doors read it anew whenever it has changed. What was revoked stays revoked, whether the
key was in the configuration or made at run time: it is known by its hash.
"""

from pathlib import Path

import msgspec

from brokerfix.settings.base import ConfigError
from brokerfix.settings.sections import COMP_ID, ApiKeySection, Config
from brokerfix.settings.whole import write_whole

FILE = "api_keys.json"
UNREADABLE = -1, -1


class Kept(msgspec.Struct):
    """`added`: the keys that were made at run time, by name; `revoked`: the names of keys that count no more, by
    hash."""

    added: dict[str, ApiKeySection] = msgspec.field(default_factory=dict)
    revoked: dict[str, str] = msgspec.field(default_factory=dict)

    def counts(self, key: ApiKeySection) -> bool:
        return key.hash not in self.revoked


class KeptKeys:
    """The file of a data folder. It is read again whenever another process has written it."""

    def __init__(self, data: Path) -> None:
        self.path = data / FILE
        self._stamp: tuple[int, int] | None = None
        self._kept = Kept()

    def has_changed(self) -> bool:
        """Whether there is something else to `read` than there was."""
        return self._now() != self._stamp

    def read(self) -> Kept:
        """What there is now. Raises ConfigError where the file can't be read."""
        stamp = self._now()
        if stamp != self._stamp:
            if stamp is None:
                # What was revoked stays so.
                raise ConfigError(f"{self.path}: it is gone; restore it from a copy")
            try:
                self._kept = msgspec.json.decode(self.path.read_bytes(), type=Kept)
            except (OSError, msgspec.MsgspecError) as error:
                raise ConfigError(f"{self.path}: can't be read: {error}; restore it from a copy") from error
            self._stamp = stamp
        return self._kept

    def _now(self) -> tuple[int, int] | None:
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return None
        except OSError:
            return UNREADABLE
        return found.st_mtime_ns, found.st_ino

    def write(self, kept: Kept) -> None:
        """Put another one in its place. Raises OSError."""
        write_whole(self.path, msgspec.json.format(msgspec.json.encode(kept)) + b"\n", 0o600)


def check_key(config: Config, kept: Kept, name: str, key: ApiKeySection) -> None:
    """Raises ConfigError where there can't be such a new key."""
    if not COMP_ID.fullmatch(name):
        raise ConfigError(f"{name!r}: a key's name is 1 to 32 letters, digits, dots, dashes, underlines")
    if name in config.api_keys:
        raise ConfigError(f"{name}: there is a key of this name in the configuration")
    if name in kept.added:
        raise ConfigError(f"{name}: there is a key of this name already; revoke it, or call this one otherwise")
    if key.hash in kept.revoked or key.hash in {one.hash for one in (*config.api_keys.values(), *kept.added.values())}:
        raise ConfigError(f"{name}: this key was used before; make another one")
    client = config.clients.get(key.client)
    if client is None:
        raise ConfigError(f"{name}: there is no client {key.client}; there are {', '.join(config.clients)}")
    if client.fix != "FIX.4.4":
        raise ConfigError(f"{name}: {key.client} speaks {client.fix}; HTTP needs FIX.4.4")
    for account in key.accounts:
        if account not in client.accounts:
            raise ConfigError(f"{name}: account {account} is none of {key.client}")


def http_keys(config: Config, kept: Kept) -> dict[str, ApiKeySection]:
    """The keys that count at the HTTP door now, by name."""
    return {
        name: key
        for name, key in {**kept.added, **config.http_keys}.items()
        if kept.counts(key) and key.client in config.clients
    }


def rows(config: Config, kept: Kept) -> list[dict[str, object]]:
    """All keys that there are, for people: never the hashes."""
    queued = {key: name for name, section in config.orders_from.items() for key in section.api_keys}
    known = {key.hash for key in (*config.api_keys.values(), *kept.added.values())}
    gone = {"client": "", "scopes": [], "accounts": [], "made": "run time", "door": "HTTP", "revoked": True}
    return [
        {
            "name": name,
            "client": key.client,
            "scopes": list(key.scopes),
            "accounts": list(key.accounts),
            "made": made,
            "door": f"queue {queued[name]}" if name in queued and made == "configuration" else "HTTP",
            "revoked": not kept.counts(key),
        }
        for made, keys in (("configuration", config.api_keys), ("run time", kept.added))
        for name, key in keys.items()
    ] + [{"name": name, **gone} for digest, name in kept.revoked.items() if digest not in known]
