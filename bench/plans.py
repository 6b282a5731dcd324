"""What a routing decision takes: ten exchanges that show ten levels each, one plan after the other."""

import random
import time

from brokerfix.commands import MarketUpdate, SessionUp, Start
from brokerfix.domain import ClientOptions, Instrument, Limits, OrdType, Side, TimeInForce, Venue
from brokerfix.engine.engine import State, decide, evolve, observe
from brokerfix.engine.orders.order import Order
from brokerfix.engine.routing.evidence import evidence
from brokerfix.engine.routing.plan import plan
from brokerfix.facts import OrderAccepted

VENUES, LEVELS = 10, 10
BEST = 15000
WAYS = (
    ("best by price", "price", "best"),
    ("best by cost", "cost", "best"),
    ("pro-rata", "price", "pro-rata"),
    ("pro-rata by cost", "cost", "pro-rata"),
    ("spray", "price", "spray"),
    ("sequential", "price", "sequential"),
)
SWEEPS = (("best level", 1), ("3 levels", 3), ("whole book", 0))


def shown(levels: int, seed: int) -> tuple[list[Venue], dict[str, list[tuple[int, int]]]]:
    """Exchanges with fees of their own, and their offers (price, quantity); each has the best price."""
    chance = random.Random(seed)
    venues = [Venue(f"X{number}", f"{chance.choice((-20, -10, 0, 10, 25, 30)) / 10_000}") for number in range(VENUES)]
    offers = {one.venue: [(BEST + at, chance.randint(1, 9) * 100) for at in range(levels)] for one in venues}
    return venues, offers


def market(route_by: str, mode: str, venues: list[Venue], offers: dict[str, list[tuple[int, int]]]) -> State:
    state = State()
    instrument = Instrument("AAPL", 2, 0, 1, 1, "at-or-better", "venue", 0, BEST, route_by=route_by, route_mode=mode)
    accounts, clients = (("A", "900000000000", Limits()),), (("A", ("A",), 0, ClientOptions()),)
    commands = [Start(1, 20261122, (instrument,), accounts, clients, tuple(venues))]
    for command in (*commands, *(SessionUp(1, one.venue, True) for one in venues)):
        for fact in decide(state, command):
            evolve(state, fact)
    for venue, levels in offers.items():
        told = tuple((Side.SELL, price, qty) for price, qty in levels)
        observe(state, MarketUpdate(venue, "AAPL", True, told))
    return state


def plan_times(state: State, qty: int, rounds: int, with_evidence: bool) -> list[float]:
    """Microseconds of each of so many plans."""
    fact = OrderAccepted(
        1, state.last_id + 1, client="A", cl_ord_id="C", account="A", symbol="AAPL", side=Side.BUY, qty=qty, price=0,
        risk_price=0, ord_type=OrdType.MARKET, time_in_force=TimeInForce.IOC,
    )  # fmt: skip
    order = Order.from_fact(fact)
    times = []
    for _ in range(rounds):
        started = time.perf_counter_ns()
        planned = plan(state, order, qty)
        if with_evidence:
            evidence(state, order, qty, planned, 1)
        times.append((time.perf_counter_ns() - started) / 1000)
    return times


def plan_cost(rounds: int, seed: int, levels: int = LEVELS) -> dict[tuple[str, str, bool], list[float]]:
    """Times (us) by (sweep, way, with evidence). The ways take turns, so that the machine's drift hits all alike."""
    venues, offers = shown(levels, seed)
    states = {name: market(route_by, mode, venues, offers) for name, route_by, mode in WAYS}
    times: dict[tuple[str, str, bool], list[float]] = {}
    for _ in range(10):
        for sweep, deep in SWEEPS:
            qty = sum(qty for some in offers.values() for price, qty in some if not deep or price < BEST + deep)
            for name, state in states.items():
                for with_evidence in (False, True):
                    more = plan_times(state, qty, rounds // 10, with_evidence)
                    times.setdefault((sweep, name, with_evidence), []).extend(more)
    return times
