"""A client's file made smaller: without what nobody asks for any more."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from brokerfix.domain.days import later
from brokerfix.router.log import PLACE_BITS, Event
from brokerfix.router.state import FORWARD, KEPT, NOWHERE, RETAINED, SAID, TELL, USED, Shard, State

if TYPE_CHECKING:
    from brokerfix.router.hub import Hub

RETAINED_MESSAGES = 2000
"""Of each side, how many of the last messages may be asked for again at least."""
RETAINED_BYTES = 16 << 20
"""And all that are in so much of the file's end: what was on its way, in buffers on both sides of a gateway, when a
connection was lost."""


def compact(hub: "Hub") -> None:
    """Leave out of the file what nobody asks for any more."""
    hub.flush()
    since = later(hub.state.today or hub.state.day, -hub.section.keep_days)
    hub.record.replace(retained(hub, since))
    hub.state = State()
    for offset, events in reread(hub):
        for index, event in enumerate(events):
            hub.state.apply(event, offset << PLACE_BITS | index)


def reread(hub: "Hub") -> Iterable[tuple[int, list[Event]]]:
    hub.record.end = 0
    return hub.record.read()


def retained(hub: "Hub", since: int) -> Iterable[list[Event]]:
    """The records of a new file."""
    state, end = hub.state, hub.record.end

    def first(of: State | Shard) -> int:
        number = before = max(of.first, of.next_out - RETAINED_MESSAGES)
        while before > of.first:
            before -= 1
            place = of.place(before)
            if place != NOWHERE:
                if end - (place >> PLACE_BITS) > RETAINED_BYTES:
                    break
                number = before
        return number

    yield [(KEPT, state.kept(since, first))]
    for number in range(first(state), state.next_out):
        place = state.place(number)
        if place == NOWHERE:
            yield [(SAID, number + 1)]
        else:
            _, _, _, _, at, kind, rest = hub.event(place)
            yield [(TELL, number, -1, 0, at, kind, rest)]
    for name, shard in state.shards.items():
        for number in range(first(shard), shard.next_out):
            place = shard.place(number)
            if place == NOWHERE:
                yield [(USED, name, number + 1)]
            else:
                _, _, _, own, at, _, kind, rest = hub.event(place)
                yield [(FORWARD, name, number, own, at, RETAINED, kind, rest)]
