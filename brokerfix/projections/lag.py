"""How far a broker's database, or another projection of its journal, is behind it: kept in a file that `status` and the
metrics tell, and an alert to the operator when it is too far, or does not take anything, and when that is over."""

import json
import logging
import threading
import time
from pathlib import Path
from typing import Any

from brokerfix.domain import day_of, sequence_of
from brokerfix.operate.admin import ActionRefused, NotRunning, ask
from brokerfix.settings.whole import write_whole

log = logging.getLogger("brokerfix.projections.lag")

ALERT_SECONDS = 30.0
TELL_SECONDS = 1.0
STALE_SECONDS = 5.0
"""A file that is older than this is of a process that has ended."""
MOST_TEXT = 200
STORE = "store"
"""The name of the database's."""
SECOND = 10**9


class Lag:
    """What is told of a projection: the last fact that its database has, whether that was all there was, and what is
    wrong with the database. `name` is what its file is called by, `what` and `code` what an alert calls it."""

    def __init__(
        self, data: Path, alert_seconds: float = ALERT_SECONDS, name: str = STORE, what: str = "the database",
        code: str = "STORE",
    ) -> None:  # fmt: skip
        self.data = data
        self.alert_seconds = alert_seconds
        self.name, self.what, self.code = name, what, code
        self._last_id = 0
        self._as_of = time.time_ns()
        self._fine_at = time.monotonic()
        self._is_fine = False
        self._trouble = ""
        self._alerted = False

    def has(self, last_id: int, written: int = 0) -> None:
        """The database has all up to a fact, whose record was written then (ns UTC; 0: nobody knows)."""
        self._last_id, self._as_of = last_id, written or self._as_of
        self._is_fine = False

    def caught_up(self) -> None:
        """The database has all that there is."""
        self._trouble, self._is_fine = "", True
        self._as_of, self._fine_at = time.time_ns(), time.monotonic()

    def fails(self, why: str) -> None:
        """The database takes nothing, and why."""
        self._trouble, self._is_fine = why, False

    def watch(self) -> None:
        """Tell it once a second from now on, in a thread of its own: a database that hangs is told too."""
        threading.Thread(target=self._watch, daemon=True, name="lag").start()

    def _watch(self) -> None:
        while True:
            self.tell()
            time.sleep(TELL_SECONDS)

    def tell(self) -> None:
        """Write the file, and alert."""
        told = {
            "last_id": self._last_id, "as_of": self._as_of, "caught_up": self._is_fine, "trouble": self._trouble,
            "at": time.time_ns(),
        }  # fmt: skip
        path = path_of(self.data, self.name)
        try:
            write_whole(path, json.dumps(told).encode(), synced=False)
        except OSError as error:
            log.debug("%s: %s", path, error)
        bad_for = 0.0 if self._is_fine else time.monotonic() - self._fine_at
        if self._alerted and self._is_fine:
            self._alerted = not self._alert(f"{self.code}_CAUGHT_UP", f"{self.what} has all of the journal again")
        elif not self._alerted and not self._is_fine and bad_for >= self.alert_seconds:
            why = self._trouble or "the projection is slower than the broker"
            self._alerted = self._alert(
                f"{self.code}_BEHIND", f"{self.what} has been behind for {bad_for:.0f} s: {why}"
            )

    def _alert(self, code: str, text: str) -> bool:
        """Have the broker put it on record. Returns whether that was done."""
        readable = "".join(letter if letter.isprintable() else " " for letter in text)[:MOST_TEXT]
        try:
            ask(self.data, {"action": "alert", "code": code, "text": readable})
        except (NotRunning, ActionRefused, OSError) as error:
            log.debug("%s is not told: %s", code, error)
            return False
        return True


def events_lag(name: str) -> str:
    """The name of that of the event stream `[events.NAME]`."""
    return f"events.{name}"


def path_of(data: Path, name: str = STORE) -> Path:
    """Where a projection tells how far it is."""
    return data / f"{name}.lag"


def lag_of(data: Path, last_id: int, now: int, name: str = STORE) -> dict[str, Any] | None:
    """How far the database, or the projection of this name, is behind the journal whose last fact is `last_id`, `now`
    (ns UTC): `facts` and `seconds`, and the `trouble` that it has ("": none). None where no projection has told
    anything."""
    try:
        told = json.loads(path_of(data, name).read_text())
        has, as_of = told["last_id"], told["as_of"]
        is_fine = told["caught_up"] and now - told["at"] < STALE_SECONDS * SECOND
        is_stale = now - told["at"] > STALE_SECONDS * SECOND
    except (OSError, ValueError, KeyError, TypeError):
        return None
    # Numbers begin anew with each day: of earlier days' facts at least those are missing.
    facts = sequence_of(last_id) - (sequence_of(has) if day_of(has) == day_of(last_id) else 0)
    return {
        "facts": max(0, facts) if not is_fine else 0,
        "seconds": 0.0 if is_fine else round(max(0, now - as_of) / SECOND, 1),
        "trouble": told["trouble"] or ("the projection does not run" if is_stale else ""),
    }


def lag_text(lag: dict[str, Any] | None) -> str:
    """What `lag_of` has found, for people."""
    if lag is None:
        return "has told nothing yet"
    behind = f"{lag['facts']:,} facts and {lag['seconds']:g} s behind" if lag["facts"] else "has all facts"
    return behind + (f": {lag['trouble']}" if lag["trouble"] else "")
