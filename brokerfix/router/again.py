"""What goes to a shard again, and what no longer goes there."""

from collections import deque
from typing import TYPE_CHECKING

from brokerfix.router.log import Event
from brokerfix.router.refusals import NOT_AVAILABLE, business_reject
from brokerfix.router.state import NOWHERE, PART, REDIRECTED, SHARD_ANEW, SUBSCRIBING, WITHDRAW
from brokerfix.router.text import now_ms, value

if TYPE_CHECKING:
    from brokerfix.router.hub import Hub

STALE = frozenset((b"D", b"G", b"E", b"s", b"R", b"AJ", b"i", b"S"))
"""Messages that are not brought to a shard when they are old."""
ANSWER_MS = 10_000
"""For so long shards may tell nothing of the answer to a question; it is told without them then."""


def shard_anew(hub: "Hub", shard: int, day: int) -> int:
    """A shard's numbers begin anew. What it has not answered goes to it again, as it may have come before. Returns
    the number of the Logon, which is the first."""
    state = hub.state.shard(shard)
    hub.flush()
    unsure = {number: flags for of, number, flags in hub.state.unanswered.values() if of == shard}
    never_sent = {number for _, of, number in hub.held if of == shard}
    hub.held = deque(one for one in hub.held if one[1] != shard)
    again = [
        (hub.event(place), unsure.get(number, 0), number in never_sent)
        for number in sorted(unsure.keys() | never_sent)
        if (place := state.place(number)) != NOWHERE
    ]
    hub.emit(SHARD_ANEW, shard, day)
    logon = hub.use(shard)
    for (_, _, _, number, at, _, kind, rest), flags, is_new in again:
        if is_stale(hub, kind, at):
            text = f"SHARD_DOWN: shard {shard} has not answered, and its day has ended; ask for the order's status"
            hub.answer(business_reject(kind, rest, number, NOT_AVAILABLE, text))
            continue
        if not is_new and not rest.startswith(b"97=Y\x01"):
            rest = b"97=Y\x01" + rest
        hub.forward(shard, kind, rest, number, flags & REDIRECTED)
    return logon


def is_stale(hub: "Hub", kind: bytes, at: int) -> bool:
    return kind in STALE and now_ms() - at > 1000 * hub.section.stale_seconds


def resend(hub: "Hub", shard: int, first: int, last: int) -> None:
    """A shard has not got what has these numbers. What is too old to go there is refused now."""
    state = hub.state.shard(shard)
    last = state.next_out - 1 if last in (0, 999_999) or last >= state.next_out else last
    names, number = hub.link(shard).names, first
    gap = 0
    while number <= last:
        hub.make_room()
        state = hub.state.shard(shard)
        place = state.place(number)
        event = hub.event(place) if place != NOWHERE else None
        if event is not None and is_subscribed(hub, event):
            # That was asked for anew.
            event = None
        if event is not None and is_stale(hub, event[6], event[4]):
            withdraw(hub, shard, number)
            event = None
        if event is None:
            gap = gap or number
        else:
            if gap:
                hub.send(shard, names.message(b"4", gap, b"123=Y\x0136=%d\x01" % number, now_ms()))
                gap = 0
            hub.send(shard, names.message(event[6], number, event[7], event[4]))
        number += 1
    if gap:
        hub.send(shard, names.message(b"4", gap, b"123=Y\x0136=%d\x01" % number, now_ms()))


def is_subscribed(hub: "Hub", event: Event) -> bool:
    """Whether a message that was forwarded asked for a subscription that there still is."""
    tag = SUBSCRIBING.get(event[6])
    return tag is not None and (event[6], value(event[7], tag)) in hub.subscriptions


def withdraw(hub: "Hub", shard: int, number: int) -> None:
    """A message that its shard has not got does not go there any more: it is refused."""
    place = hub.state.shard(shard).place(number)
    if place == NOWHERE:
        return
    _, _, _, client_number, _, _, kind, rest = hub.event(place)
    hub.emit(WITHDRAW, shard, number)
    if client_number:
        hub.answer(hub.down(shard, kind, rest, client_number))


def expire_held(hub: "Hub", now: int) -> None:
    """Refuse what has waited too long for its shard (ms UTC)."""
    while hub.held and hub.held[0][0] <= now:
        _, shard, number = hub.held.popleft()
        link = hub.links.get(shard)
        if link is None or not (link.is_up or link.has_sent(number)):
            withdraw(hub, shard, number)


def expire_asks(hub: "Hub", now: int) -> None:
    """Answer questions without the shards that have told nothing for too long (ms UTC), though they are up."""
    for key, ask in list(hub.state.asks.items()):
        if now - hub.heard.setdefault(key, now) > ANSWER_MS:
            for shard in sorted(ask.waiting):
                hub.emit(PART, shard, key, b"", b"")
            hub.conclude(key)
