"""What a routing decision is made of: what is to be done with a quantity, and where it is not to go."""

from typing import NamedTuple

import msgspec

from brokerfix.domain import (
    IMMEDIATE,
    Hold,
    Instructions,
    OrdType,
    RouteRule,
    Seen,
    TimeInForce,
)

AT_ONCE = (*IMMEDIATE, TimeInForce.OPENING)
MAX_TRIES = 50
"""Children without a fill after which an order is no longer routed again: a venue that lies can't keep us busy."""


class Avoid(NamedTuple):
    """Where a quantity is not to go: the venue that has just rejected it (without a `limit`), or what a venue that has
    just not filled it shows up to a limit (0: at any price); and exchanges that are `failing` for now. `at` is the
    time (ns) of the plan, where market makers quote."""

    venue: str = ""
    limit: int | None = None
    failing: tuple[str, ...] = ()
    at: int = 0


NOWHERE = Avoid()
SELF_MATCH = "SELF_MATCH: it would trade with another order of its client"


class Cross(msgspec.Struct, frozen=True, gc=False):
    """A trade with an order that rests in our book."""

    maker_order_id: int
    qty: int
    price: int


class Route(msgspec.Struct, frozen=True, gc=False):
    """A child order to send. `instructions` are what the exchange is asked to do itself."""

    venue: str
    qty: int
    price: int
    ord_type: OrdType
    time_in_force: TimeInForce
    why: RouteRule
    instructions: Instructions | None = None


class Plan(msgspec.Struct, gc=False):
    """What to do with a quantity. What `crosses`, `routes`, `book` and `held` leave over can't be placed now. `price`
    is where a peg works (0: at the order's price). `seen` are the exchanges' quotes that were looked at. `ends` are
    orders that it must not trade with, and that end instead; `stopped`: it ends itself. `decrements` are those that
    lose a quantity, (order, quantity), as it does: it trades neither with them nor elsewhere. `mode` is the routing
    mode; `waits`: what is left waits for the routes to end, and is planned anew; `note` is for the evidence."""

    crosses: list[Cross] = []
    routes: list[Route] = []
    book: int = 0
    held: int = 0
    hold: Hold | None = None
    price: int = 0
    why_left: str = ""
    seen: tuple[Seen, ...] = ()
    ends: list[int] = []
    decrements: list[tuple[int, int]] = []
    stopped: bool = False
    mode: str = "best"
    waits: bool = False
    note: str = ""
