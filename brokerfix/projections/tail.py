"""What every projection of the journal does: begin with the newest kept state that is not beyond what it has, follow
the records, and know what each fact has touched."""

import fcntl
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeVar

from brokerfix.engine.evolve import evolve, note
from brokerfix.engine.touched import Touched
from brokerfix.facts import Fact
from brokerfix.projections.ending import Ending
from brokerfix.record.journal import Place, Record, exists
from brokerfix.record.kept import belongs, newest, oldest, place_of
from brokerfix.record.onward import Onward


class Anew(Exception):
    """The projection has what its journal has not, as after a power loss: it is to be made anew, from nothing."""


class Tail:
    """Follows a journal for a projection that has what is before `stored`, whose last fact was `stored_id` (0: it has
    nothing). `place` is where the state is, `touched` what the facts have touched that were told. Raises Anew."""

    def __init__(self, folder: Path, stored: Place, stored_id: int) -> None:
        self.folder = folder
        self.stored = stored
        self.stored_id = stored_id
        self.touched = Touched()
        self.begins_with_state = False
        if stored_id and not exists(folder, stored):
            raise Anew
        found = newest(folder, lambda head: place_of(head) <= stored and belongs(folder, head))
        if found is not None:
            self.state, head, _ = found
            self.place = place_of(head)
        else:
            self.state, self.place = oldest(folder)
            # The facts that it has this from are gone: the projection has to take all of the state.
            self.begins_with_state = bool(self.state.last_id)
        self._onward = Onward(folder, self.place)
        self._compare()

    def _compare(self) -> None:
        """The journal must have, where the projection stands, the fact that it has been made from."""
        if self.place == self.stored and self.state.last_id != self.stored_id:
            raise Anew

    def follow(self, tell: Callable[[Fact, Record], None], most: int) -> int:
        """Apply the next records, so many at most, and tell each fact that the projection has not, with its record, as
        soon as it is applied. Returns how many records that were. Raises Anew."""
        count = 0
        for record, place in self._onward.take(most):
            is_new = place > self.stored
            for fact in record.facts:
                evolve(self.state, fact)
                if is_new:
                    note(self.state, fact, self.touched)
                    tell(fact, record)
            self.place = place
            if not is_new:
                self._compare()
            count += 1
        return count

    def whole_state(self) -> None:
        """All that the state has counts as touched."""
        state = self.state
        for order in state.orders.values():
            self.touched.order(order)
        for child in state.children.values():
            self.touched.children[child.child_id] = child
        for name, account in state.accounts.items():
            self.touched.positions.update(dict.fromkeys((name, symbol) for symbol in ("", *account.positions)))

    def is_stored(self) -> None:
        """The projection has all up to `place` now: what was touched counts anew."""
        if self.place > self.stored:
            self.stored, self.stored_id = self.place, self.state.last_id
        self.touched = Touched()


class Follower(Protocol):
    """A projection that is kept up to date."""

    def follow(self) -> int:
        """Project what is new. Returns how many records that were."""


Followed = TypeVar("Followed", bound=Follower)


def follow_until_ended(make: Callable[[Path], Followed], lock: str, taken: str, every: float) -> Followed:
    """What the process of a projection does, alone by its lock file: follow the journal of the data folder named on the
    command line until SIGTERM, or until the broker that has the process id there has ended; then catch up. It looks
    again `every` so many seconds. Exits with `taken` where another process has the lock."""
    ending = Ending()
    # Ctrl-C goes to the whole group; the broker tells us when to stop.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    data, parent = Path(sys.argv[1]), int(sys.argv[2])
    # It is held as long as the process lives.
    guard = (data / lock).open("w")
    try:
        fcntl.flock(guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit(f"{data}: {taken}")
    projection = make(data)
    # A broker that was killed can't tell us: then our parent changes, and the next broker starts its own.
    while os.getppid() == parent:
        if ending.wait(0 if projection.follow() else every):
            break
    projection.follow()
    guard.close()
    return projection
