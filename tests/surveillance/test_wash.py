"""Wash trades: who trades with itself, and who turns over without a change of its position."""

import pytest

from tests.surveillance.looked import found, kinds, names, world_of

OWN = """
client ALICE new A1 sell 100 AAPL 150.00 +1=SHARED
client ALICE new A2 buy 100 AAPL 150.00
"""
OTHERS = """
client BOB new B1 sell 100 AAPL 150.00
client ALICE new A1 buy 100 AAPL 150.00
"""


def test_an_owner_on_both_sides_of_a_trade_is_found() -> None:
    world = world_of(OWN)
    (one,) = found(world)
    assert (one.rule, one.accounts, one.symbol, one.severity) == ("wash-trades", ("ALICE", "SHARED"), "AAPL", "low")
    assert kinds(world, one) == ["OrderAccepted", "OrderAccepted", "Trade"]
    assert one.sentences[0].startswith("ALICE was on both sides of 1 trade in AAPL (our book): 100 at 150.00, at ")
    assert dict(one.values)["trades"] == "1"


def test_others_trades_are_not() -> None:
    assert found(world_of(OTHERS)) == []


def test_whose_an_account_is_can_be_told() -> None:
    assert found(world_of(OWN), owner="account") == [], "each account is somebody else's"
    assert names(found(world_of(OTHERS), owners={"SMITH": ("ALICE", "BOB")})) == ["wash-trades"]
    assert names(found(world_of(OWN), owner="account", owners={"S": ("ALICE", "SHARED")})) == ["wash-trades"]


def test_several_within_the_window_where_the_threshold_is_higher() -> None:
    twice = OWN + OWN.replace("A1", "A3").replace("A2", "A4")
    (one,) = found(world_of(twice), wash_crosses=2)
    assert dict(one.values) | {"trades": "2", "quantity": "200"} == dict(one.values)
    assert len(one.evidence) == 6
    assert found(world_of(OWN), wash_crosses=2) == []
    late = OWN + "wait 61" + OWN.replace("A1", "A3").replace("A2", "A4")
    assert found(world_of(late), wash_crosses=2) == [], "the first is out of the window"


AT_EXCHANGE = """
venue XNAS up
quote XNAS AAPL bid 500@149.90 ask 500@150.10
client ALICE new A1 sell 100 AAPL 150.00 +100=XNAS
client ALICE new A2 buy 100 AAPL 150.00 +100=XNAS +1=SHARED
venue XNAS ack c1
venue XNAS ack c2
venue XNAS fill c1 100@150.00 cum 100
{pause}
venue XNAS fill c2 {second} cum 100
"""


@pytest.mark.parametrize(
    ("second", "pause", "is_found"),
    [("100@150.00", "", True), ("100@149.99", "", False), ("99@150.00", "", False), ("100@150.00", "wait 1.1", False)],
)
def test_a_buy_and_a_sell_that_met_at_an_exchange(second: str, pause: str, is_found: bool) -> None:
    steps = "\n".join(line for line in AT_EXCHANGE.format(second=second, pause=pause).splitlines() if line)
    world = world_of(steps, venues="XNAS", cross="never")
    findings = found(world)
    assert names(findings) == ["wash-trades"] * is_found
    for one in findings:
        assert kinds(world, one) == ["OrderAccepted", "OrderAccepted", "ChildFilled", "ChildFilled"]
        assert "(XNAS): 100 at 150.00" in one.sentences[0]


def trips(count: int, price: str = "150.01", qty: int = 100, pause: str = "wait 1") -> str:
    """ALICE buys and sells, with BOB on the other side."""
    steps = []
    for n in range(count):
        steps += [
            f"client BOB new B{n} sell 100 AAPL 150.00", f"client ALICE new A{n} buy 100 AAPL 150.00", pause,
            f"client ALICE new C{n} sell {qty} AAPL {price}", f"client BOB new D{n} buy {qty} AAPL {price}", pause,
        ]  # fmt: skip
    return "\n".join(steps)


def test_round_trips_without_a_change_of_the_position() -> None:
    world = world_of(trips(3))
    of_alice = [one for one in found(world) if one.accounts == ("ALICE",)]
    (one,) = of_alice
    assert dict(one.values) == {
        "pattern": "round trips", "bought": "300", "sold": "300", "orders to buy": "3", "orders to sell": "3",
        "average bought at": "150.00", "average sold at": "150.01",
    }  # fmt: skip
    assert kinds(world, one).count("Trade") == 6
    assert kinds(world, one).count("OrderAccepted") == 6


@pytest.mark.parametrize(
    "steps",
    [trips(2), trips(3, price="150.20"), trips(3, qty=80), trips(3, pause="wait 15")],
    ids=["too few", "at other prices", "what is left is a position", "too slow"],
)
def test_what_is_no_round_trip(steps: str) -> None:
    assert found(world_of(steps)) == []


def test_it_is_told_once_for_a_while_and_then_as_one() -> None:
    steps = "".join(OWN.replace("A1", f"S{n}").replace("A2", f"B{n}") for n in range(4))
    first, more = found(world_of(steps), quiet_seconds=600)
    assert len(first.evidence) == 3
    assert first.alert < more.alert
    assert len(more.evidence) == 9
    assert more.score == 70
    assert more.sentences[-1].startswith("It goes on from an alert before: 3 times in all until ")
