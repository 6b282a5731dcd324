"""What the agent tells of the cluster, in a file that the broker and its operator read."""

import json
import logging
from pathlib import Path
from typing import Any

from brokerfix.settings.whole import write_whole

log = logging.getLogger("brokerfix.cluster")
FILE = "cluster.json"


class Told:
    """The file's contents: it is written whenever they change."""

    def __init__(self, data: Path) -> None:
        self._path = data / FILE
        self._contents: dict[str, Any] = {}
        self._failed = False

    def get(self, name: str) -> Any:
        return self._contents.get(name)

    def update(self, **contents: Any) -> None:
        """Set some of it."""
        changed = {**self._contents, **contents}
        if changed == self._contents:
            return
        self._contents = changed
        try:
            write_whole(self._path, json.dumps(changed).encode(), synced=False)
            self._failed = False
        except OSError as error:
            if not self._failed:
                log.error("%s: can't be written: %s; what it tells is old", self._path, error.strerror)
            self._failed = True


def read_told(data: Path) -> dict[str, Any]:
    """What the agent of a data folder has told last; {} where there is none."""
    try:
        told: dict[str, Any] = json.loads((data / FILE).read_text())
    except (OSError, ValueError):
        return {}
    return told
