"""What a broker keeps beside its journal and its standbys need too: clients and exchanges that were added while it ran,
and passwords that clients have changed."""

from pathlib import Path
from typing import TYPE_CHECKING

from brokerfix.settings.registry import ADDED_CLIENTS, ADDED_VENUES

if TYPE_CHECKING:
    from brokerfix.cluster.keys import Keys

ADDED = (ADDED_CLIENTS, ADDED_VENUES)
"""Those that a broker reads at its start only."""
COPIED = (*ADDED, "passwords.json")


class Files:
    """A data folder's files, as the cluster's keys have them."""

    def __init__(self, keys: "Keys", shard: int, data: Path) -> None:
        self.keys = keys
        self.shard = shard
        self.data = data
        self._told: dict[str, bytes] = {}
        self._revisions: dict[str, int] = {}

    def _key(self, name: str) -> str:
        return f"file.{self.shard}.{name}"

    async def tell(self) -> None:
        """As the primary: tell of those that have changed. Raises Away."""
        for name in COPIED:
            path = self.data / name
            contents = path.read_bytes() if path.exists() else b""
            if contents and contents != self._told.get(name):
                await self.keys.write(self._key(name), contents)
                self._told[name] = contents

    async def take(self) -> None:
        """As a standby: have those that the primary has. Raises Away, OSError."""
        for name in COPIED:
            read = await self.keys.read(self._key(name))
            if read is None or self._revisions.get(name) == read[0]:
                continue
            path = self.data / name
            if not path.exists() or path.read_bytes() != read[1]:
                written = path.with_suffix(".copied")
                written.write_bytes(read[1])
                written.chmod(0o600)
                written.replace(path)
            self._revisions[name] = read[0]
