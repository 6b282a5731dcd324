"""How the journal is signed."""

from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from brokerfix.settings.base import Section


class WitnessSection(Section, frozen=True):
    """A server of somebody else that signs our checkpoints: its address, and its verifier key."""

    url: Annotated[str, Meta(pattern="^https?://")]
    key: str


class ProofSection(Section, frozen=True):
    """Checkpoints of the journal, see `record.checkpoints`."""

    seconds: Annotated[float, Meta(ge=0.1, le=3600)] = 10.0
    keys: str = ""
    copies: tuple[str, ...] = ()
    witnesses: dict[str, WitnessSection] = msgspec.field(default_factory=dict)

    def folder(self, path: Path, data: Path) -> Path:
        """Where the keys are, for the configuration `path` with its data folder."""
        return (path.parent / self.keys).resolve() if self.keys else data / "keys"
