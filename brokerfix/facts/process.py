"""Facts: the process, its days, sessions and jobs."""

from brokerfix.facts.base import Fact


class Started(Fact, frozen=True, gc=False):
    """The process began; every session was down and every open child's fate unknown."""


class Stopped(Fact, frozen=True, gc=False):
    """The process ended in good order; everything was sent."""


class ClockChecked(Fact, frozen=True, gc=False):
    """How the process's clock was: whether the kernel keeps it with another, how far it is from that and how wrong it
    may be at most (ns), as adjtimex(2) tells."""

    synchronized: bool
    offset: int
    max_error: int


class CheckBegun(Fact, frozen=True, gc=False):
    """Here the primary of a cluster and its standbys count the hash of their states."""


class StateChecked(Fact, frozen=True, gc=False):
    """The primary's state had this hash at the fact `of`; `parts` names what it covers, see `record.checked`."""

    of: int
    parts: str
    state_hash: str


class DayRolled(Fact, frozen=True, gc=False):
    """A trading day began; its number starts the ids."""

    day: int


class SliceDone(Fact, frozen=True, gc=False):
    """A slice of the first job is done: the last `seen` of what it has to look at. `overdue` are the orders among them
    whose time is over but that wait for an exchange."""

    seen: int
    overdue: tuple[int, ...] = ()


class StateKept(Fact, frozen=True, gc=False):
    """The whole state as it was just before a trading day began, as older versions kept it in the journal; it is
    a file of its own now. It has the number of the fact before it, and changes nothing that was there. `missed` is
    what clients that are away have not got: (client, text, whether it has groups)."""

    day: int
    state_hash: str
    data: bytes
    missed: tuple[tuple[str, str, bool], ...] = ()


class VenueUp(Fact, frozen=True, gc=False):
    """`anew`: the session's sequence numbers have begun anew, so that what was on its way may be lost."""

    venue: str
    anew: bool = False


class VenueDown(Fact, frozen=True, gc=False):
    """The exchange's session is gone: what it holds of ours is in doubt until it says."""

    venue: str


class ClientUp(Fact, frozen=True, gc=False):
    client: str


class ClientDown(Fact, frozen=True, gc=False):
    client: str


class ClientGone(Fact, frozen=True, gc=False):
    """The client has not come back in time: what its options say of its orders is done. `job`: in slices."""

    client: str
    job: bool = False


class ReportsResent(Fact, frozen=True, gc=False):
    """A client's sequence numbers have begun anew before it asked for what it had missed: these messages, (text,
    whether it has groups), are sent again with PossResend(97)."""

    client: str
    messages: tuple[tuple[str, bool], ...]
