"""Whether two machines that apply the same facts have the same state: each forks a child at the same fact that counts
the state's hash, while the process goes on.
"""

import gc
import hashlib
import logging
import os
from contextlib import suppress

from brokerfix.engine.state import State
from brokerfix.record.kept import HASHED_PARTS, NICENESS

log = logging.getLogger("brokerfix")

PARTS = hashlib.sha256(repr(HASHED_PARTS).encode()).hexdigest()[:16]
"""Names what a state's hash covers: hashes of versions that cover something else are not compared."""
MOST_KEPT = 8
"""Checks of which the hash is kept until the other side's is known."""


class Checker:
    """Counts hashes, one at a time. `hashes` are those that are known, by the number of the fact they are at."""

    def __init__(self) -> None:
        self.hashes: dict[int, str] = {}
        self._child = 0
        self._pipe = -1
        self._at = 0

    def begin(self, state: State) -> bool:
        """Have the hash of the state as it is now counted. Returns whether it is; not while one is."""
        self.look_after()
        if self._child:
            return False
        ours, theirs = os.pipe()
        try:
            self._child = os.fork()
        except OSError as error:
            log.error("the state's hash is not counted now: %s", error)
            os.close(ours)
            os.close(theirs)
            return False
        if not self._child:
            _count(state, theirs)
        os.close(theirs)
        os.set_blocking(ours, False)
        self._pipe, self._at = ours, state.last_id
        return True

    def look_after(self) -> int:
        """Take the hash of a child that is done. Returns the number of the fact it was at, or 0."""
        if not self._child:
            return 0
        with suppress(BlockingIOError):
            told = os.read(self._pipe, 64).decode()
            with suppress(ChildProcessError):
                os.waitpid(self._child, 0)
            os.close(self._pipe)
            self._child, self._pipe = 0, -1
            if len(told) == 64:
                self.hashes[self._at] = told
                while len(self.hashes) > MOST_KEPT:
                    del self.hashes[next(iter(self.hashes))]
                return self._at
            log.error("the state's hash at fact %d could not be counted", self._at)
        return 0


def _count(state: State, pipe: int) -> None:
    """In the child: count, tell and end. Nothing else of the parent's stays open, and nothing of Python's exit is
    run."""
    try:
        gc.disable()
        os.dup2(pipe, 3)
        os.closerange(4, max(map(int, os.listdir("/proc/self/fd"))) + 1)
        os.nice(NICENESS)
        os.write(3, state.hash().encode())
    except BrokenPipeError:
        # The parent is gone, or has begun anew.
        pass
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is told and the child ends
        os.write(2, f"the state's hash can't be counted: {type(error).__name__}: {error}\n".encode())
    finally:
        os._exit(0)


class Comparison:
    """A standby's view: its own hashes against those that the primary has put on record."""

    def __init__(self, checker: Checker) -> None:
        self.checker = checker
        self._theirs: dict[int, str] = {}

    def told(self, at: int, parts: str, state_hash: str) -> None:
        """The primary had this hash at a fact."""
        if parts == PARTS:
            self._theirs[at] = state_hash
            while len(self._theirs) > MOST_KEPT:
                del self._theirs[next(iter(self._theirs))]

    def result(self) -> tuple[int, bool] | None:
        """The next fact that both have a hash at, and whether it is the same; None for none."""
        self.checker.look_after()
        for at, theirs in self._theirs.items():
            ours = self.checker.hashes.get(at)
            if ours is not None:
                del self._theirs[at]
                return at, ours == theirs
        return None
