"""Placement among market and limit orders: worked examples, against exhaustive search, and what always holds."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokerfix.engine.routing.placement import Allocation, Terms, VenueTerms, allocate, expected_cost, split, split_qty

TERMS = Terms(half_spread=0.02, theta=0.0005, lambda_u=0.05)
VENUE = VenueTerms("A", fee=0.003, rebate=0.002, queue=2000, outflow=2200)


def test_a_worked_example_at_one_exchange() -> None:
    """F^-1(0.045 / 0.0725) = 2132.68 shares: as many leave the queue so often that the last of ours is worth it."""
    market, limit = split(1000, TERMS, VENUE)
    assert (round(market, 2), round(limit, 2)) == (867.32, 132.68)
    assert split_qty(1000, 1, TERMS, VENUE) == (867, 133)
    assert split_qty(1000, 100, TERMS, VENUE) == (900, 100)
    assert allocate(1000, 100, TERMS, [VENUE]) == Allocation({"A": 900}, {"A": 100})


def test_below_the_one_bound_all_is_queued_and_above_the_other_all_is_taken() -> None:
    """The bounds of lambda_u are (2h + f + r) / F(Q + S) - (h + r + theta) and the same with F(Q)."""
    taken, waits = 2 * 0.02 + 0.003 + 0.002, 0.02 + 0.002 + 0.0005
    lower = taken / (1 - math.exp(-3000 / 2200)) - waits
    upper = taken / (1 - math.exp(-2000 / 2200)) - waits
    for penalty, expected in [(0, (0, 1000)), (lower - 1e-6, (0, 1000)), (upper + 1e-6, (1000, 0)), (9, (1000, 0))]:
        assert split(1000, TERMS._replace(lambda_u=penalty), VENUE) == expected
    for penalty in (lower + 1e-6, upper - 1e-6):
        market, limit = split(1000, TERMS._replace(lambda_u=penalty), VENUE)
        assert market > 0
        assert limit > 0


def test_an_odd_rest_is_not_lost() -> None:
    """1050 in lots of 100: it is taken, or queued with the last of them if all is."""
    assert split_qty(1050, 100, TERMS, VENUE) == (950, 100)
    patient = TERMS._replace(lambda_u=0)
    assert split_qty(1050, 100, patient, VENUE) == (0, 1050)
    assert allocate(1050, 100, patient, [VENUE]) == Allocation({}, {"A": 1050})
    assert allocate(30, 100, TERMS._replace(lambda_u=1), [VENUE]) == Allocation({"A": 30}, {})
    assert allocate(0, 100, TERMS, [VENUE]) == Allocation({}, {})


def test_among_exchanges_queues_rebates_and_fees_count() -> None:
    """Where fewer are before us, more is paid for a fill, or more leaves the queue, more is placed; what is taken is
    taken where the fee is lowest."""
    short, rich, fast = VENUE._replace(queue=1000), VENUE._replace(rebate=0.004), VENUE._replace(outflow=3000)
    for better in (short, rich, fast):
        result = allocate(2000, 10, TERMS, [VENUE, better._replace(name="B", fee=0.0025)])
        assert result.limit["B"] > result.limit["A"]
        assert set(result.market) == {"B"}
    same = allocate(200, 10, TERMS, [VENUE, VENUE._replace(name="B")])
    assert same == Allocation({}, {"A": 100, "B": 100})


def test_lots_are_not_the_exact_solution_rounded() -> None:
    """Could any part of a unit be queued, it would be 3000 at the slow A and 150 each at B and C. In hundreds it isn't
    3000 and a choice between B and C: the second hundred at either saves more than the thirtieth at A."""
    slow, fast = VENUE._replace(queue=0, outflow=2000), VENUE._replace(queue=0, outflow=100)
    terms = TERMS._replace(lambda_u=0.02)
    venues = [slow, fast._replace(name="B"), fast._replace(name="C")]
    result = allocate(3300, 100, terms, venues)
    assert result == Allocation({}, {"A": 2900, "B": 200, "C": 200})
    rounded = expected_cost(3300, terms, venues, {}, {"A": 3000, "B": 200, "C": 100})
    assert expected_cost(3300, terms, venues, {}, result.limit) < rounded


def test_a_huge_quantity_is_placed_too() -> None:
    """One lot after the other it would not end; and no part of it is lost in a float."""
    venues = [VENUE._replace(name=str(number), queue=number * 500, rebate=number / 1000) for number in range(10)]
    qty = 10**24 + 1
    for penalty in (0, 0.02, 0.05, 1):
        result = allocate(qty, 1, TERMS._replace(lambda_u=penalty), venues)
        assert sum(result.market.values()) + sum(result.limit.values()) == qty


QTYS, LOTS = st.integers(0, 100_000), st.integers(1, 1000)
CENTS = st.integers(0, 1000).map(lambda one: one / 10_000)
PENALTIES = st.integers(0, 3000).map(lambda one: one / 10_000)
ALL_TERMS = st.builds(
    Terms, half_spread=st.integers(1, 1000).map(lambda one: one / 10_000), theta=CENTS, lambda_u=CENTS
)
FEES = st.integers(-40, 40).map(lambda one: one / 10_000)


def venue(name: str) -> st.SearchStrategy[VenueTerms]:
    return st.builds(
        VenueTerms,
        name=st.just(name),
        fee=FEES,
        rebate=st.integers(0, 40).map(lambda one: one / 10_000),
        queue=st.integers(0, 20_000),
        outflow=st.integers(1, 20_000),
    )


VENUES = st.integers(1, 4).flatmap(lambda count: st.tuples(*(venue(name) for name in "ABCD"[:count])))


@given(target=st.integers(1, 10_000), terms=ALL_TERMS, one=venue("A"))
def test_the_cost_is_the_mean_over_all_outflows(target: int, terms: Terms, one: VenueTerms) -> None:
    """What the model's cost of an outcome is, over 4000 outflows that are equally likely."""
    market, limit = split(target, terms, one)
    total = 0.0
    for index in range(4000):
        outflow = -one.outflow * math.log(1 - (index + 0.5) / 4000)
        filled = min(limit, max(outflow - one.queue, 0))
        lacks = target - market - filled
        paid = (terms.half_spread + one.fee) * market - (terms.half_spread + one.rebate) * filled
        total += paid + terms.theta * (market + limit + lacks) + terms.lambda_u * lacks
    expected = expected_cost(target, terms, [one], {"A": market}, {"A": limit})
    worth = terms.half_spread + one.rebate + terms.theta + terms.lambda_u
    assert total / 4000 == pytest.approx(expected, abs=1e-6 + worth * one.outflow / 1000)


@given(target=st.integers(1, 100_000), terms=ALL_TERMS, one=venue("A"), other=st.floats(0, 1))
def test_no_other_split_is_cheaper(target: int, terms: Terms, one: VenueTerms, other: float) -> None:
    market, limit = split(target, terms, one)
    assert market >= 0
    assert limit >= 0
    assert market + limit == pytest.approx(target)
    best = expected_cost(target, terms, [one], {"A": market}, {"A": limit})
    for share in (0, other, 1):
        cost = expected_cost(target, terms, [one], {"A": target * share}, {"A": target * (1 - share)})
        assert best <= cost + 1e-9 * target


@given(qty=QTYS, lot=LOTS, terms=ALL_TERMS, one=venue("A"), more=PENALTIES)
def test_who_is_in_more_of_a_hurry_takes_more(qty: int, lot: int, terms: Terms, one: VenueTerms, more: float) -> None:
    hurried = terms._replace(lambda_u=terms.lambda_u + more)
    assert split(qty, terms, one)[0] <= split(qty, hurried, one)[0] + 1e-9 * qty
    assert split_qty(qty, lot, terms, one)[0] <= split_qty(qty, lot, hurried, one)[0]


@given(lots=st.integers(0, 300), lot=LOTS, terms=ALL_TERMS, venues=VENUES, more=PENALTIES)
def test_and_so_among_exchanges(lots: int, lot: int, terms: Terms, venues: tuple[VenueTerms, ...], more: float) -> None:
    hurried = terms._replace(lambda_u=terms.lambda_u + more)
    calm, quick = allocate(lots * lot, lot, terms, venues), allocate(lots * lot, lot, hurried, venues)
    assert sum(calm.market.values()) <= sum(quick.market.values())


@given(qty=QTYS, lot=LOTS, terms=ALL_TERMS, one=venue("A"))
def test_one_exchange_among_several_ways_of_asking(qty: int, lot: int, terms: Terms, one: VenueTerms) -> None:
    """Lots are within one of what is best of any quantity, and both ways give the same but for an odd rest."""
    exact = split(qty, terms, one)[1]
    limit = split_qty(qty, lot, terms, one)[1]
    assert abs(limit - exact) <= lot
    result = allocate(qty, lot, terms, [one])
    assert abs(result.limit.get("A", 0) - exact) <= lot
    if qty % lot == 0:
        costs = [
            expected_cost(qty, terms, [one], {"A": qty - queued}, {"A": queued})
            for queued in (limit, result.limit.get("A", 0))
        ]
        assert costs[0] == pytest.approx(costs[1], abs=1e-9)


@given(qty=QTYS, lot=LOTS, terms=ALL_TERMS, venues=VENUES)
def test_nothing_is_lost_and_nothing_simple_is_cheaper(
    qty: int, lot: int, terms: Terms, venues: tuple[VenueTerms, ...]
) -> None:
    """Against all taken at any one exchange, and all queued at any one."""
    result = allocate(qty, lot, terms, venues)
    sent = [*result.market.values(), *result.limit.values()]
    assert sum(sent) == qty
    assert all(one > 0 for one in sent)
    assert sum(1 for one in result.limit.values() if one % lot) <= 1
    cost = expected_cost(qty, terms, venues, result.market, result.limit)
    for one in venues:
        assert cost <= expected_cost(qty, terms, venues, {one.name: qty}, {}) + 1e-9 * qty
        assert cost <= expected_cost(qty, terms, venues, {}, {one.name: qty}) + 1e-9 * qty


@given(lots=st.integers(0, 8), lot=LOTS, terms=ALL_TERMS, venues=VENUES)
def test_it_is_the_cheapest_of_all_that_there_are(
    lots: int, lot: int, terms: Terms, venues: tuple[VenueTerms, ...]
) -> None:
    """Against every way of placing so many lots; what is not queued is taken where that is cheapest."""
    cheapest = min(venues, key=lambda one: one.fee).name
    best = math.inf
    for counts in itertools.product(range(lots + 1), repeat=len(venues)):
        if sum(counts) <= lots:
            limit = {one.name: count * lot for one, count in zip(venues, counts, strict=True)}
            market = {cheapest: (lots - sum(counts)) * lot}
            best = min(best, expected_cost(lots * lot, terms, venues, market, limit))
    result = allocate(lots * lot, lot, terms, venues)
    assert expected_cost(lots * lot, terms, venues, result.market, result.limit) == pytest.approx(best, abs=1e-9)


@given(lots=st.integers(0, 2000), terms=ALL_TERMS, venues=VENUES)
def test_many_lots_are_placed_as_one_by_one(lots: int, terms: Terms, venues: tuple[VenueTerms, ...]) -> None:
    """Each lot where it adds the least to the cost."""
    limits = dict.fromkeys((one.name for one in venues), 0)
    taking = min(terms.half_spread + one.fee for one in venues) * 10
    for _ in range(lots):
        added = {}
        for one in venues:
            passed = math.exp(-(one.queue + limits[one.name]) / one.outflow)
            fill = -one.outflow * passed * math.expm1(-10 / one.outflow)
            lacks = 10 - fill
            added[one.name] = (terms.theta + terms.lambda_u) * lacks - (terms.half_spread + one.rebate) * fill
        name = min(added, key=lambda one: added[one])
        if added[name] >= taking:
            break
        limits[name] += 10
    qty = lots * 10
    rest = {min(venues, key=lambda one: one.fee).name: qty - sum(limits.values())}
    result = allocate(qty, 10, terms, venues)
    cost = expected_cost(qty, terms, venues, result.market, result.limit)
    assert cost == pytest.approx(expected_cost(qty, terms, venues, rest, limits), abs=1e-8)


@pytest.mark.parametrize(
    ("qty", "lot", "terms", "venues"),
    [
        (-1, 1, TERMS, [VENUE]),
        (1, 0, TERMS, [VENUE]),
        (1, 1, TERMS._replace(half_spread=-0.01), [VENUE]),
        (1, 1, TERMS._replace(lambda_u=math.nan), [VENUE]),
        (1, 1, TERMS, []),
        (1, 1, TERMS, [VENUE, VENUE]),
        (1, 1, TERMS, [VENUE._replace(outflow=0)]),
        (1, 1, TERMS, [VENUE._replace(queue=-1)]),
        (1, 1, TERMS, [VENUE._replace(rebate=-1)]),
    ],
)
def test_what_makes_no_sense_is_refused(qty: int, lot: int, terms: Terms, venues: list[VenueTerms]) -> None:
    with pytest.raises(ValueError):
        allocate(qty, lot, terms, venues)
    if len(venues) == 1:
        with pytest.raises(ValueError):
            split_qty(qty, lot, terms, venues[0])


def test_no_more_is_placed_than_was_asked() -> None:
    with pytest.raises(ValueError, match="more is placed"):
        expected_cost(100, TERMS, [VENUE], {"A": 60}, {"A": 41})
