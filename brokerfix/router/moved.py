"""Accounts that are on another shard than the router takes them to be: a shard says so, and the message goes there."""

import logging
import re
from typing import TYPE_CHECKING

from brokerfix.router.state import CAME, MOVED, NOWHERE, REDIRECTED, WITHDRAW
from brokerfix.router.text import changed, value

if TYPE_CHECKING:
    from brokerfix.router.hub import Hub

log = logging.getLogger("brokerfix.router")
ELSEWHERE = re.compile(rb"\AOTHER_SHARD: account (\S+) is on shard ([0-9]{1,2})\b")
"""How a shard refuses what is about an account that is not its own: with the shard that it is on."""
ON_ITS_WAY = b"MOVING: account %b is on its way to another shard; send it again"
BROKER_OPTION = b"99"
"""OrdRejReason(103) of an order whose account is on its way."""


def follow(hub: "Hub", shard: int, number: int, kind: bytes, rest: bytes) -> bool:
    """Whether a shard's refusal of a message, whose account is elsewhere, has brought it there."""
    found = ELSEWHERE.search(value(rest, 58))
    if found is None:
        return False
    known, there = hub.state.unanswered.get(_cl_ord_id(kind, rest)), int(found[2])
    if known is None or known[0] != shard or known[2] & REDIRECTED:
        if found[1] in hub.routes.accounts:
            _learn(hub, found[1], there)
        return False
    place = hub.state.shard(shard).place(known[1])
    if there == shard or str(there) not in hub.section.shards or place == NOWHERE:
        return False
    _, _, _, client_number, _, _, asked, body = hub.event(place)
    hub.emit(CAME, shard, number + 1)
    # It is answered there, whatever becomes of it.
    hub.emit(WITHDRAW, shard, known[1])
    _learn(hub, found[1] if found[1] in hub.routes.accounts else hub.routes.accounts[0], there)
    hub.to_one(there, asked, body, client_number, REDIRECTED)
    return True


def on_its_way(hub: "Hub", shard: int, kind: bytes, rest: bytes) -> bytes:
    """What the client is told of a message that two shards have refused, each as that of another: its account has left
    one, and has not come to the other."""
    found = ELSEWHERE.search(value(rest, 58))
    known = hub.state.unanswered.get(_cl_ord_id(kind, rest))
    if found is None or known is None or known[0] != shard or not known[2] & REDIRECTED:
        return rest
    return changed(changed(rest, 58, ON_ITS_WAY % found[1]), 103, BROKER_OPTION)


def _cl_ord_id(kind: bytes, rest: bytes) -> bytes:
    return value(rest, 379 if kind == b"j" else 11)


def _learn(hub: "Hub", account: bytes, shard: int) -> None:
    """A shard has told where an account is. One that the router has no address of is left alone."""
    if str(shard) in hub.section.shards:
        hub.emit(MOVED, account, shard)
        hub.learn(account.decode(), shard)
        log.info("%s: account %s is on shard %d", hub.name, account.decode(), shard)
