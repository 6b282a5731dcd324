"""A process that watches a broker, and pulls the plug when nobody can be sure of it any more.

It asks the broker how it is, every second. One that runs but has not answered for a while is ended, and begins its next
start with a kill of everything, so that what it has left at exchanges is canceled. One that has found breaks between
itself and an exchange that it can't explain is killed while it runs, where that is asked for.
"""

import fcntl
import getpass
import logging
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from brokerfix.operate.admin import ActionRefused, Answer, NotRunning, Request, ask
from brokerfix.operate.killfile import Kill, leave

log = logging.getLogger("brokerfix.operate.supervisor")
OPERATOR = "supervisor"
START_SECONDS = 900.0
"""For so long a broker that has not answered yet may recover."""
Ask = Callable[[Path, Request, float], Answer]


class Supervisor:
    """Watches the broker of a data folder. `heartbeat` is for how many seconds it may be silent; `on_breaks`: a break
    kills all. `clock` is in seconds and never goes back."""

    def __init__(
        self,
        data: Path,
        heartbeat: float,
        on_breaks: bool,
        asks: Ask = ask,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.data, self.heartbeat, self.on_breaks = data, heartbeat, on_breaks
        self._ask, self._clock = asks, clock
        self._heard = clock()
        self._is_up = True
        self._killed_for = 0
        self._owner = self._answered = owner_of(data)

    def look(self) -> str:
        """Ask once, and act. Returns what was done, "" for nothing."""
        try:
            breaks = int(self._ask(self.data, {"action": "status"}, self.heartbeat).get("breaks", 0))
            self._heard, self._is_up = self._clock(), True
            if breaks > self._killed_for and self.on_breaks:
                self._ask(self.data, {"action": "kill", "kind": "all", "name": ""}, self.heartbeat)
                self._killed_for = breaks
                return f"{breaks} breaks with exchanges: all is killed"
        except NotRunning as error:
            return self._silent(str(error))
        except ActionRefused as error:
            return f"the broker does not do it: {error}"
        self._killed_for = min(self._killed_for, breaks)
        if self._answered != self._owner:
            self._answered = self._owner = owner_of(self.data)
        return ""

    def _silent(self, why: str) -> str:
        owner = owner_of(self.data)
        if owner != self._owner:
            # Another process: it has to recover before it can answer.
            self._owner, self._heard = owner, self._clock()
        if owner is None:
            # It was stopped, or is being started: nothing of it can trade.
            self._heard = self._clock()
            was_up, self._is_up = self._is_up, False
            return f"no broker runs: {why}" if was_up else ""
        patience = self.heartbeat if owner == self._answered else max(self.heartbeat, START_SECONDS)
        if self._clock() - self._heard < patience:
            return ""
        leave(self.data, Kill("all", "", OPERATOR))
        with suppress(ProcessLookupError):
            os.kill(owner, signal.SIGKILL)
        self._heard = self._clock()
        return f"process {owner} has not answered for {patience:g} s: it is ended, and its next start kills all"


def owner_of(data: Path) -> int | None:
    """The process that runs on a data folder, or None."""
    try:
        with (data / "lock").open("r+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return int(file.read(20) or 0) or None
    except (OSError, ValueError):
        pass
    return None


def watch(supervisor: Supervisor, every: float) -> None:
    """Look every so many seconds, until SIGTERM or Ctrl-C."""
    log.info("watching %s as %s", supervisor.data, getpass.getuser())
    while True:
        done = supervisor.look()
        if done:
            log.critical("%s", done)
        time.sleep(every)
