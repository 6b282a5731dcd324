"""Routing by price, and by what a quote costs all in: worked examples, and against an exhaustive search."""

import itertools

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokerfix.commands import MarketUpdate, SessionUp, Start
from brokerfix.domain import (
    ClientOptions,
    FeeTier,
    Instrument,
    Limits,
    OrdType,
    Side,
    TimeInForce,
    Venue,
    money_text,
    to_money,
)
from brokerfix.engine.charges import cost
from brokerfix.engine.engine import State, decide, evolve, observe
from brokerfix.engine.orders.order import Order
from brokerfix.engine.routing.plan import plan
from brokerfix.facts import OrderAccepted, VenueDefined
from tests.scenario import DAY

Quote = tuple[str, int, int]
"""An exchange, a price in cents, a quantity."""


def market(venues: dict[str, tuple[str, str]], quotes: list[Quote], side: Side, route_by: str) -> State:
    """Exchanges with (fee per unit, basis points) and their quotes on a side."""
    state = State()
    instrument = Instrument("AAPL", 2, 0, 1, 1, "at-or-better", "venue", reference=10000, route_by=route_by)
    named = tuple(Venue(name, fee, taker_bps=bps) for name, (fee, bps) in venues.items())
    accounts, clients = (("A", "900000000", Limits()),), (("A", ("A",), 0, ClientOptions()),)
    for fact in decide(state, Start(1, DAY, (instrument,), accounts, clients, named)):
        evolve(state, fact)
    for name in venues:
        for fact in decide(state, SessionUp(1, name, True)):
            evolve(state, fact)
        levels = tuple((side, price, qty) for venue, price, qty in quotes if venue == name)
        observe(state, MarketUpdate(name, "AAPL", True, levels, ()))
    return state


def swept(state: State, side: Side, qty: int, limit: int = 0) -> list[Quote]:
    """What an immediate order takes of each exchange's quotes, in its order."""
    terms = {"ord_type": OrdType.LIMIT if limit else OrdType.MARKET, "time_in_force": TimeInForce.IOC}
    fact = OrderAccepted(
        1, state.last_id + 1, client="A", cl_ord_id="C", account="A", symbol="AAPL", side=side, qty=qty, price=limit,
        risk_price=limit, **terms,
    )  # fmt: skip
    result = plan(state, Order.from_fact(fact), qty)
    return [(one.venue, one.price, one.aimed) for one in result.seen if one.aimed]


def total(state: State, taken: list[Quote], side: Side) -> int:
    """What they cost with fees (of a sale: less is better too)."""
    instrument = state.instruments["AAPL"]
    sign = 1 if side is Side.BUY else -1
    return sum(
        sign * qty * price * instrument.money_factor + _fee(state.venues[venue], instrument, qty, price)
        for venue, price, qty in taken
    )


def _fee(venue: Venue, instrument: Instrument, qty: int, price: int) -> int:
    worth = qty * price * instrument.money_factor
    return to_money(venue.taker_fee) * qty + worth * int(float(venue.taker_bps) * 10_000) // 10**8


SWEEP = [("A", 10001, 300), ("B", 10001, 200), ("C", 10000, 100), ("A", 10002, 500), ("B", 10002, 400)]
FEES = {"A": ("0.0030", "0"), "B": ("-0.0002", "0"), "C": ("0.0035", "0")}


@pytest.mark.parametrize("route_by", ["price", "cost"])
def test_a_sweep_of_three_exchanges_with_fees(route_by: str) -> None:
    state = market(FEES, SWEEP, Side.SELL, route_by)
    taken = swept(state, Side.BUY, 700)
    assert taken == [("C", 10000, 100), ("B", 10001, 200), ("A", 10001, 300), ("B", 10002, 100)]
    assert money_text(total(state, taken, Side.BUY)) == "70008.19"


def test_a_worse_price_without_its_fee_may_be_the_cheaper_one() -> None:
    """100.00 and 0.02 against 100.01 and nothing: by price the first, by cost the second; and when selling likewise."""
    venues, quotes = {"A": ("0.02", "0"), "B": ("0", "0")}, [("A", 10000, 50), ("B", 10001, 50)]
    assert swept(market(venues, quotes, Side.SELL, "price"), Side.BUY, 60) == [("A", 10000, 50), ("B", 10001, 10)]
    assert swept(market(venues, quotes, Side.SELL, "cost"), Side.BUY, 60) == [("B", 10001, 50), ("A", 10000, 10)]
    bids = [("A", 10001, 50), ("B", 10000, 50)]
    assert swept(market(venues, bids, Side.BUY, "cost"), Side.SELL, 60) == [("B", 10000, 50), ("A", 10001, 10)]


def test_basis_points_count_too_and_a_limit_is_one_of_the_price() -> None:
    """At 100.00 two basis points are two cents."""
    venues, quotes = {"A": ("0", "2"), "B": ("0.015", "0")}, [("A", 10000, 50), ("B", 10000, 50), ("B", 10001, 50)]
    state = market(venues, quotes, Side.SELL, "cost")
    assert swept(state, Side.BUY, 70, 10000) == [("B", 10000, 50), ("A", 10000, 20)]
    assert swept(state, Side.BUY, 140, 10001) == [("B", 10000, 50), ("A", 10000, 50), ("B", 10001, 40)]
    assert cost(state, "A", state.instruments["AAPL"], 100, 10000) == 0, "the client pays no commission"


PRICES, QTYS = st.integers(9995, 10005), st.integers(1, 30)
VENUES = ("A", "B", "C")
SOME_FEES = st.sampled_from(["0", "0.01", "-0.01", "0.025", "0.003"])


@given(
    fees=st.tuples(SOME_FEES, SOME_FEES, SOME_FEES),
    bps=st.sampled_from(["0", "1", "3"]),
    quotes=st.dictionaries(st.tuples(st.sampled_from(VENUES), PRICES), QTYS, max_size=6),
    side=st.sampled_from(Side),
    qty=st.integers(1, 100),
    limit=st.sampled_from([0, 9998, 10000, 10003]),
)  # fmt: skip
def test_by_cost_it_is_the_cheapest_that_there_is(
    fees: tuple[str, str, str], bps: str, quotes: dict[tuple[str, int], int], side: Side, qty: int, limit: int
) -> None:
    """Against every order in which the quotes within the limit could be taken."""
    venues = {name: (fee, bps if name == "C" else "0") for name, fee in zip(VENUES, fees, strict=True)}
    offered = [(venue, price, there) for (venue, price), there in quotes.items()]
    state = market(venues, offered, side.opposite, "cost")
    taken = swept(state, side, qty, limit)
    within = [one for one in offered if not limit or (one[1] <= limit if side is Side.BUY else one[1] >= limit)]
    assert sum(one[2] for one in taken) == min(qty, sum(one[2] for one in within))
    best = min(total(state, _filled(order, qty), side) for order in itertools.permutations(within))
    assert total(state, taken, side) == best


def _filled(quotes: tuple[Quote, ...], qty: int) -> list[Quote]:
    taken = []
    for venue, price, there in quotes:
        part = min(qty, there)
        if part:
            taken.append((venue, price, part))
        qty -= part
    return taken


def test_a_fee_with_a_cap_and_fees_by_the_months_volume() -> None:
    """0.50 a unit is no more than 10 basis points of 100.00, 0.10. From 1,000 units on it takes nothing."""
    state = market({"A": ("0.50", "0"), "B": ("0.20", "0")}, [("A", 10000, 100), ("B", 10000, 100)], Side.SELL, "cost")
    assert swept(state, Side.BUY, 50) == [("B", 10000, 50)]
    capped = msgspec.structs.replace(state.venues["A"], fee_cap_bps="10")
    evolve(state, VenueDefined(1, state.last_id + 1, capped))
    assert swept(state, Side.BUY, 50) == [("A", 10000, 50)]
    tiers = (FeeTier("1000", "0.15"), FeeTier("2000"))
    tiered = msgspec.structs.replace(state.venues["A"], fee_cap_bps="0", tiers=tiers)
    evolve(state, VenueDefined(1, state.last_id + 1, tiered))
    for filled, first in ((999, "B"), (1000, "A"), (2000, "A")):
        state.months["A"] = (state.day // 100, filled * 10**8)
        assert swept(state, Side.BUY, 50) == [(first, 10000, 50)]
    assert state.terms_of("A").taker_fee == "0"
    state.months["A"] = (state.day // 100 - 1, 5000 * 10**8)
    assert state.terms_of("A").taker_fee == "0.50", "a month begins anew"
