"""What a decision rests on is in its fact: a refusal's check, limit and value, a route's rule and the quotes it saw."""

from collections.abc import Sequence

import pytest

from brokerfix.domain import Evidence, OrdRejReason, Reject, RouteRule, Score, Seen
from brokerfix.facts import Fact, OrderRejected, OrderRouted, RequestRejected, RouteDecided
from tests.scenario import World, run_step


def facts_of(world: World, step: str) -> Sequence[Fact]:
    before = len(world.facts)
    run_step(world, step)
    return world.facts[before:]


@pytest.mark.parametrize(
    ("order", "evidence"),
    [
        ("buy 10001 AAPL 150.00", Evidence("MAX_ORDER_QTY", "10000", "10001", "account ALICE")),
        ("buy 100 AAPL 150.005", Evidence("PRICE")),
        ("buy 100 NONE 150.00", Evidence("UNKNOWN_SYMBOL", "", "NONE")),
        ("buy 100 AAPL 150.00 +111=200", Evidence("MAX_FLOOR", "100", "200")),
        ("buy 100 AAPL 150.00 +100=XXXX", Evidence("UNKNOWN_VENUE", "", "XXXX")),
    ],
)
def test_a_refusal_has_its_check_and_numbers(order: str, evidence: Evidence) -> None:
    world = World(venues="XNAS")
    run_step(world, "venue XNAS up")
    (refused,) = facts_of(world, f"client ALICE new C1 {order}")
    assert isinstance(refused, OrderRejected)
    assert refused.evidence == evidence
    assert refused.text.startswith(f"{evidence.check}: ")


def test_a_refused_replace_has_them_too() -> None:
    world = World(venues="XNAS")
    run_step(world, "venue XNAS up")
    run_step(world, "client ALICE new C1 buy 100 AAPL 150.00")
    (refused,) = facts_of(world, "client ALICE replace C2 C1 buy 10001 AAPL 150.00")
    assert isinstance(refused, RequestRejected)
    assert refused.evidence == Evidence("MAX_ORDER_QTY", "10000", "10001", "account ALICE")


def test_a_route_has_its_rule_and_the_quotes_that_it_took_and_the_next_one() -> None:
    world = World(venues="XNAS XNYS")
    run_step(world, "venue XNAS up")
    run_step(world, "venue XNYS up")
    run_step(world, "quote XNAS AAPL ask 60@150.00")
    run_step(world, "quote XNYS AAPL ask 100@150.01")
    found = facts_of(world, "client ALICE new C1 buy 50 AAPL 150.02 IOC")
    (route,) = [fact for fact in found if isinstance(fact, OrderRouted)]
    assert route.why is RouteRule.BEST_PRICE
    (decided,) = [fact for fact in found if isinstance(fact, RouteDecided)]
    assert decided.seen == (Seen("XNAS", 15000, 60, 50, "0.003"), Seen("XNYS", 15001, 100, 0, "0.0025"))
    assert (decided.bid, decided.ask, decided.mode, decided.qty) == (None, (15000, 60), "best", 50)
    assert (decided.expected_qty, decided.expected_px, decided.expected_fee) == (50, "150.00", "0.15")
    assert decided.scores == (
        Score("XNAS", "150.003", 60, 50),
        Score("XNYS", "150.0125", 100, 0, "others are better, or it is not needed"),
    )


def test_an_exchange_that_gets_nothing_has_its_reason() -> None:
    world = World(venues="XNAS XNYS")
    run_step(world, "venue XNAS up")
    found = facts_of(world, "client ALICE new C1 buy 50 AAPL 150.02 IOC")
    (decided,) = [fact for fact in found if isinstance(fact, RouteDecided)]
    assert decided.scores == (Score("XNAS", "", 0, 0, "shows nothing"), Score("XNYS", "", 0, 0, "down"))
    assert decided.note == "NO_LIQUIDITY: nothing more to be had at once"


def test_a_refusals_text_is_made_of_its_evidence() -> None:
    assert Reject(OrdRejReason.OTHER, "TICK", limit="0.01", value="1.005").text == "TICK: limit=0.01, value=1.005"
    assert Reject(OrdRejReason.OTHER, "CROSS", "there is a better price", limit="1").text == (
        "CROSS: limit=1, there is a better price"
    )
