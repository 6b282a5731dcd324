"""What is asked about API keys: action by action, as `Operations`. The keys themselves never come here, but their
hashes."""

from collections.abc import Callable

import msgspec

from brokerfix import commands as cmd
from brokerfix.operate.admin import ActionRefused, Answer, Request
from brokerfix.operate.running import Running
from brokerfix.settings.api_keys import Kept, KeptKeys, check_key, rows
from brokerfix.settings.base import ConfigError
from brokerfix.settings.sections import ApiKeySection


class KeyActions:
    """The actions, by name. `done` carries a command out and raises ActionRefused where it is refused."""

    def __init__(self, broker: Running, done: Callable[[cmd.Command], Answer]) -> None:
        self.broker, self._done = broker, done
        self.actions: dict[str, Callable[[str, Request], Answer]] = {
            "api-keys": self._list,
            "add-api-key": self._add,
            "revoke-api-key": self._revoke,
        }

    def _list(self, operator: str, request: Request) -> Answer:
        """All API keys: whose they are, and what they may. No hash is told."""
        return {"keys": rows(self.broker.config, self._file()[1])}

    def _file(self) -> tuple[KeptKeys, Kept]:
        """The file and what it has. Raises ActionRefused."""
        file = KeptKeys(self.broker.config.data)
        try:
            return file, file.read()
        except ConfigError as error:
            raise ActionRefused(f"{error}") from error

    def _add(self, operator: str, request: Request) -> Answer:
        """A key that the HTTP door takes from now on. It is on record before it counts."""
        name, (file, kept) = str(request["name"]), self._file()
        try:
            key = msgspec.convert(request["settings"], ApiKeySection)
            check_key(self.broker.config, kept, name, key)
        except msgspec.ValidationError as error:
            raise ActionRefused(f"{name}: {error}") from error
        except ConfigError as error:
            raise ActionRefused(f"{error}") from error
        accounts = f", accounts {' '.join(key.accounts)}" if key.accounts else ""
        told = f"{name}: client {key.client}, scopes {' '.join(key.scopes)}{accounts}"
        self._done(cmd.OperatorActs(self.broker.clock(), operator, "add-api-key", told))
        kept.added[name] = key
        file.write(kept)
        return {"name": name}

    def _revoke(self, operator: str, request: Request) -> Answer:
        """A key that counts no more, at any door. It is on record once it does not."""
        name, (file, kept) = str(request["name"]), self._file()
        key = self.broker.config.api_keys.get(name) or kept.added.get(name)
        if key is None:
            raise ActionRefused(f"there is no API key {name!r}")
        if not kept.counts(key):
            raise ActionRefused(f"{name}: it is revoked already")
        kept.revoked[key.hash] = name
        # The name of one that was made at run time is free again.
        kept.added.pop(name, None)
        file.write(kept)
        told = f"{name}: client {key.client}, scopes {' '.join(key.scopes)}"
        self._done(cmd.OperatorActs(self.broker.clock(), operator, "revoke-api-key", told))
        return {"name": name}
