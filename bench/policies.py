"""Ways to place an order, the engine's and naive ones, on the same orders; and what they cost against the arrival."""

import random
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy
from exchanges import MONEY, Exchange, Simulation, Ticket, instrument, timeline
from numpy.typing import NDArray
from recorded import NAMES, QTY_DIGITS, SECOND, Scene

from brokerfix.domain import Side

Numbers = NDArray[numpy.float64]
WARM_UP = 3 * SECOND
"""Of a scene, before the first order."""
SPREAD_OF_SIZES = 1.0
"""Sigma of the log-normal of the orders' sizes."""
REACH_BPS = 0.5
"""A limit is at most so far beyond the mid at arrival."""
BLOCK = 20
"""Orders of a block of the bootstrap: those near each other are not independent."""
DRAWS = 2000


class Policy(NamedTuple):
    """`choose` names the exchange that gets an order whole, for a simulation and the order's number and side; without
    it the engine decides, as its instrument's keys say."""

    name: str
    route_by: str = "price"
    route_mode: str = "best"
    latency_cost: int = 0
    choose: Callable[[Simulation, int, Side], str] | None = None
    is_bound: bool = False


def _always(name: str, simulation: Simulation, number: int, side: Side) -> str:
    return name


BASE = "best displayed price"
POLICIES = (
    Policy("engine: best by price"),
    Policy("engine: best by cost", "cost"),
    Policy("engine: by cost and latency", "cost", latency_cost=10_000),
    Policy("engine: pro-rata", route_mode="pro-rata"),
    Policy("engine: pro-rata by cost", "cost", "pro-rata"),
    Policy("engine: spray", route_mode="spray"),
    Policy("engine: sequential", route_mode="sequential"),
    Policy("engine: sequential by cost", "cost", "sequential"),
    Policy(BASE, choose=lambda simulation, number, side: simulation.best_displayed(side)),
    Policy("round robin", choose=lambda simulation, number, side: NAMES[number % len(NAMES)]),
    *(Policy(f"{name} alone", choose=partial(_always, name)) for name in NAMES),
    Policy("all seen and had at once, by cost", is_bound=True),
)


class Wish(NamedTuple):
    """An order of the stream: when (ns), what, and its limit (0: at market)."""

    at: int
    side: Side
    qty: int
    price: int


def stream(scene: Scene, every: int, median_qty: int, limited: bool, seed: int) -> list[Wish]:
    """Immediate orders at random times, every so often (ns) on average; at market, or `limited` to what is marketable
    or nearly. Otherwise those are the same."""
    chance, wishes = random.Random(seed), []
    at = scene.span[0] + WARM_UP
    while (at := at + int(every * chance.expovariate(1))) < scene.span[1] - SECOND:
        side = chance.choice((Side.BUY, Side.SELL))
        qty = max(1, round(median_qty * chance.lognormvariate(0, SPREAD_OF_SIZES)))
        beyond = chance.uniform(0.05, REACH_BPS) / 10_000 * (1 if side is Side.BUY else -1)
        price = round(scene.mid_at(at) / 2 * (1 + beyond)) if limited else 0
        wishes.append(Wish(at, side, qty, price))
    return wishes


def tried(scene: Scene, exchanges: tuple[Exchange, ...], policy: Policy, wishes: list[Wish]) -> list[Ticket]:
    """What becomes of the orders under a policy."""
    terms = instrument(scene, policy.route_by, policy.route_mode, policy.latency_cost)
    simulation = Simulation(scene, exchanges, terms)

    def send(number: int, wish: Wish) -> None:
        if policy.is_bound:
            simulation.take(wish.side, wish.qty, wish.price)
            return
        venue = policy.choose(simulation, number, wish.side) if policy.choose is not None else ""
        simulation.send(wish.side, wish.qty, wish.price, venue)

    for number, wish in enumerate(wishes):
        simulation.later(wish.at, partial(send, number, wish))
    simulation.run(timeline(scene, exchanges))
    assert len(simulation.tickets) == len(wishes)
    assert all(ticket.done for ticket in simulation.tickets), "an order hangs"
    return simulation.tickets


class Outcome(NamedTuple):
    """One number for each order: what its fills cost above the mid at arrival with fees, the same with its rest made
    up when it was over, both in money; what was filled and the whole of it at that mid; children; ms to its end."""

    cost: Numbers
    whole_cost: Numbers
    filled: Numbers
    worth: Numbers
    qty: Numbers
    is_whole: Numbers
    children: Numbers
    aimed: Numbers
    missed: Numbers
    took: Numbers


def outcome(tickets: list[Ticket], money_factor: int) -> Outcome:
    rows = []
    for one in tickets:
        sign = 1 if one.side is Side.BUY else -1
        worth = one.mid * money_factor / 2 / MONEY
        cost = sign * (one.notional * money_factor / MONEY - one.filled * worth) + one.fee / MONEY
        whole = cost + one.rest / MONEY
        took, units = (one.done - one.sent) / 1e6, one.qty / 10**QTY_DIGITS
        is_whole = one.filled == one.qty
        of_children = one.children, one.filled + one.missed, one.missed
        rows.append((cost, whole, one.filled * worth, one.qty * worth, units, is_whole, *of_children, took))
    return Outcome(*numpy.array(rows, dtype=numpy.float64).T)


def bps(cost: Numbers, worth: Numbers) -> float:
    return float(cost.sum() / worth.sum() * 10_000)


def difference(one: Outcome, base: Outcome, seed: int) -> tuple[float, float, float]:
    """How much more a policy costs than another, the rest of each order made up, in bps, and its 95 % interval (a
    bootstrap of blocks of orders: Kuensch 1989, "The jackknife and the bootstrap for general stationary
    observations")."""
    more, worth = one.whole_cost - base.whole_cost, one.worth
    chance = numpy.random.default_rng(seed)
    length = min(BLOCK, len(more))
    blocks = -(-len(more) // length)
    starts = chance.integers(0, len(more) - length + 1, (DRAWS, blocks))
    picks = (starts[:, :, None] + numpy.arange(length)).reshape(DRAWS, -1)[:, : len(more)]
    drawn = more[picks].sum(axis=1) / worth[picks].sum(axis=1) * 10_000
    low, high = numpy.quantile(drawn, (0.025, 0.975))
    return bps(more, worth), float(low), float(high)
