"""The rules together: the same facts give the same findings, wherever one stops and goes on; and each finding is true
by its rule's definition, counted again from the facts alone."""

from itertools import pairwise
from statistics import median
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brokerfix.domain import Finding, day_of
from brokerfix.facts import Fact, OrderAccepted, OrderCanceled, Trade
from brokerfix.settings.surveillance import SurveillanceSection
from brokerfix.surveillance.detector import Detector, dump, load
from tests.surveillance.looked import SECOND, Quick, later, play

EASY: dict[str, Any] = {
    "quiet_seconds": 0, "wash_round_trips": 2, "layering_orders": 2, "layering_ratio": 2, "size_sample": 5,
    "size_times": 2, "size_mads": 1, "size_day_sample": 2,
}  # fmt: skip
"""Thresholds that random trading reaches."""
LOW = SurveillanceSection(**EASY)
ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(["new", "new", "new", "cancel", "wait"]), st.sampled_from(["ALICE", "BOB"]),
        st.booleans(), st.sampled_from(["buy", "sell"]), st.sampled_from([10, 20, 100]), st.integers(0, 3),
    ),
    min_size=20, max_size=60,
)  # fmt: skip


def traded(actions: list[tuple[str, str, bool, str, int, int]]) -> Quick:
    """A broker in whose book two clients, who share an account, trade and cancel."""
    world = Quick(venues="none", post="book")
    for number, (what, client, shared, side, qty, step) in enumerate(actions):
        if what == "wait":
            play(world, f"wait {step * 4}")
        elif what == "cancel":
            working = [one for one in world.state.clients[client].working.values() if not one.pending]
            for order in working[step : step + 2]:
                side = "buy" if order.side == "1" else "sell"
                play(world, f"client {client} cancel X{number}-{order.order_id % 1000} {order.cl_ord_id} {side} AAPL")
        else:
            own = " +1=SHARED" if shared else ""
            play(world, f"client {client} new N{number} {side} {qty} AAPL {150 + step / 100:.2f}{own}")
    later(world)
    return world


def looked(facts: list[Fact], section: SurveillanceSection = LOW) -> list[Finding]:
    detector = Detector(section)
    return [one for fact in facts for one in detector.apply(fact)]


@settings(max_examples=60, deadline=None)
@given(ACTIONS)
def test_what_is_found_is_true_and_rests_on_facts_that_there_are(actions: list[Any]) -> None:
    facts = traded(actions).facts
    known = {fact.id: fact for fact in facts}
    findings = looked(facts)
    for one in findings:
        evidence = [known[number] for number in one.evidence]
        assert {one.began, one.ended} <= {fact.at for fact in evidence}
        assert one.day == day_of(one.evidence[0])
        assert 50 <= one.score <= 100
        CHECKS[one.rule](one, evidence, facts)
    # No trade with oneself is left out.
    told = {number for one in findings if dict(one.values).get("pattern") == "crosses" for number in one.evidence}
    owners = {fact.id: fact.client for fact in facts if isinstance(fact, OrderAccepted)}
    for fact in facts:
        if isinstance(fact, Trade):
            assert (owners[fact.maker_order_id] == owners[fact.taker_order_id]) == (fact.id in told)


def check_wash(one: Finding, evidence: list[Any], facts: list[Fact]) -> None:
    orders = {fact.id: fact for fact in evidence if isinstance(fact, OrderAccepted)}
    trades = [fact for fact in evidence if isinstance(fact, Trade)]
    assert max(fact.at for fact in trades) - min(fact.at for fact in trades) <= 60 * SECOND
    if dict(one.values)["pattern"] == "crosses":
        (trade,) = trades
        assert orders[trade.maker_order_id].client == orders[trade.taker_order_id].client
        return
    buys = [(fact.qty, fact.price, fact.id) for fact in trades for order in order_of(fact, orders) if order.side == "1"]
    sells = [(fact.qty, fact.price) for fact in trades for order in order_of(fact, orders) if order.side == "2"]
    bought, sold = sum(qty for qty, *_ in buys), sum(qty for qty, _ in sells)
    assert abs(bought - sold) <= 0.05 * max(bought, sold)
    paid, got = sum(qty * price for qty, price, _ in buys) / bought, sum(qty * price for qty, price in sells) / sold
    assert abs(paid - got) <= paid * 0.001 + 1e-9
    assert (
        sum(order.side == "1" for order in orders.values()) >= 2 <= sum(order.side == "2" for order in orders.values())
    )
    assert len({order.client for order in orders.values()}) == 1


def order_of(trade: Trade, orders: dict[int, OrderAccepted]) -> list[OrderAccepted]:
    return [orders[number] for number in (trade.maker_order_id, trade.taker_order_id) if number in orders]


def check_layering(one: Finding, evidence: list[Any], facts: list[Fact]) -> None:
    orders = {fact.id: fact for fact in evidence if isinstance(fact, OrderAccepted)}
    canceled = [fact for fact in evidence if isinstance(fact, OrderCanceled)]
    trades = [fact for fact in evidence if isinstance(fact, Trade)]
    first = min(fact.at for fact in trades)
    withdrawn = 0
    for fact in canceled:
        order = orders.pop(fact.order_id)
        filled = sum(
            trade.qty
            for trade in facts
            if isinstance(trade, Trade)
            and trade.id < fact.id
            and order.id in (trade.maker_order_id, trade.taker_order_id)
        )
        assert filled * 10 <= order.qty
        assert first - 30 * SECOND <= order.at <= first
        assert first - 2 * SECOND <= fact.at <= first + 10 * SECOND
        withdrawn += order.qty - filled
    (side,) = {order.side for order in orders.values()}
    assert all(fact.side != side for fact in evidence if isinstance(fact, OrderAccepted) and fact.id not in orders)
    assert len({fact.client for fact in evidence if isinstance(fact, OrderAccepted)}) == 1
    sums = sum(
        trade.qty for trade in trades for number in (trade.maker_order_id, trade.taker_order_id) if number in orders
    )
    assert withdrawn >= 2 * sums
    assert len(canceled) >= 2 or withdrawn


def check_size(one: Finding, evidence: list[Any], facts: list[Fact]) -> None:
    """The order against those before it, with the library's medians."""
    if dict(one.values)["of"] == "a day":
        return
    (order,) = evidence
    assert isinstance(order, OrderAccepted)
    before = [fact for fact in facts if isinstance(fact, OrderAccepted) and fact.id < order.id]
    own = [fact.qty for fact in before if fact.account == order.account]
    basis = own if len(own) >= 5 else [fact.qty for fact in before]
    middle = median(basis)
    assert order.qty >= 2 * middle
    assert order.qty >= middle + median(abs(qty - middle) for qty in basis)


CHECKS = {"wash-trades": check_wash, "layering": check_layering, "unusual-size": check_size}


@settings(max_examples=20, deadline=None)
@given(ACTIONS, st.integers(0, 200))
def test_a_replay_gives_the_same_wherever_it_has_stopped(actions: list[Any], stop: int) -> None:
    facts = traded(actions).facts
    section = SurveillanceSection(**EASY | {"quiet_seconds": 5})
    findings = looked(facts, section)
    first = Detector(section)
    before = [one for fact in facts[:stop] for one in first.apply(fact)]
    second = Detector(section, memory=load(dump(first.memory)))
    assert before + [one for fact in facts[stop:] for one in second.apply(fact)] == findings
    assert len({one.alert for one in findings}) == len(findings), "each has an id of its own"
    assert all(one.day <= another.day for one, another in pairwise(findings))


def test_orders_that_are_over_are_forgotten() -> None:
    world = Quick(venues="none", post="book")
    detector = Detector(SurveillanceSection())
    for number in range(40):
        play(
            world,
            f"client BOB new S{number} sell 10 AAPL 150.00\nclient ALICE new B{number} buy 10 AAPL 150.00\nwait 60",
        )
    for fact in world.facts:
        detector.apply(fact)
    assert len(detector.memory.orders) < 26, "those of the last eleven minutes"
    assert len(detector.memory.over) < 26


@pytest.mark.parametrize("makers", [False, True])
def test_market_makers_are_looked_at_where_that_is_wanted(makers: bool) -> None:
    """What is a maker's is known by the facts."""
    world = traded([("new", "ALICE", False, "buy", 10, 0)] * 10 + [("new", "ALICE", False, "buy", 100, 0)] + [
        ("new", "BOB", False, "buy", 10, 0)] * 10)  # fmt: skip
    section = SurveillanceSection(**EASY | {"makers": makers})
    detector = Detector(section)
    detector.memory.makers["ALICE"] = None
    assert bool([one for fact in world.facts for one in detector.apply(fact)]) is makers
