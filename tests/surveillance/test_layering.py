"""Layering and spoofing: orders that go once their owner has traded on the other side."""

import pytest

from tests.surveillance.looked import found, kinds, names, world_of

MARKET = """
client BOB new S1 buy 100 AAPL 149.90
client BOB new S2 sell 100 AAPL 150.10
"""
LAYERS = """
client ALICE new L1 buy 300 AAPL 149.80
client ALICE new L2 buy 300 AAPL 149.70
client ALICE new L3 buy 300 AAPL 149.60
"""
FILL = """
client ALICE new T1 sell 100 AAPL 149.90
"""
CANCELS = """
client ALICE cancel X1 L1 buy AAPL
client ALICE cancel X2 L2 buy AAPL
client ALICE cancel X3 L3 buy AAPL
"""


def test_layers_that_go_after_a_fill_are_found() -> None:
    world = world_of(MARKET + LAYERS + "wait 1" + FILL + "wait 2" + CANCELS)
    (one,) = found(world)
    assert (one.rule, one.accounts, one.symbol) == ("layering", ("ALICE",), "AAPL")
    assert (one.score, one.severity) == (100, "high")
    assert dict(one.values) | {"orders canceled": "3", "canceled to traded": "9.0", "traded": "100"} == dict(one.values)
    assert len(one.sentences) == 4, "each order with its times"
    assert "buy 300 at 149.80: entered" in one.sentences[1]
    assert sorted(kinds(world, one)) == ["OrderAccepted"] * 4 + ["OrderCanceled"] * 3 + ["Trade"]


def test_a_mass_cancel_cancels_them_too() -> None:
    assert names(found(world_of(MARKET + LAYERS + FILL + "client ALICE mass-cancel X1"))) == ["layering"]


def test_cancels_just_before_the_fill_count_too() -> None:
    assert names(found(world_of(MARKET + LAYERS + CANCELS + "wait 1" + FILL))) == ["layering"]
    assert found(world_of(MARKET + LAYERS + CANCELS + "wait 3" + FILL)) == []


@pytest.mark.parametrize(
    "steps",
    [
        MARKET + LAYERS + FILL,
        MARKET + LAYERS + FILL + "wait 11" + CANCELS,
        MARKET + LAYERS + "wait 31" + FILL + CANCELS,
        MARKET + LAYERS.replace("buy", "sell").replace("149.", "151.") + FILL + CANCELS.replace("buy", "sell"),
        MARKET + LAYERS.replace("300", "100") + FILL + CANCELS,
        MARKET + LAYERS + FILL + "".join(CANCELS.splitlines(keepends=True)[:3]),
        MARKET + LAYERS.replace("ALICE", "BOB") + FILL + CANCELS.replace("ALICE", "BOB"),
        MARKET + LAYERS + FILL + "client BOB new S3 sell 900 AAPL 149.60" + CANCELS,
    ],
    ids=[
        "they stay", "they go much later", "they stood for long", "they are on the fill's side", "they are small",
        "too few go", "they are another's", "they trade",
    ],
)  # fmt: skip
def test_what_is_no_layering(steps: str) -> None:
    assert found(world_of(steps), rules=("layering",)) == []


LARGE = "\nclient ALICE new L1 buy 1000 AAPL 149.80\n"
CANCEL = "\nclient ALICE cancel X1 L1 buy AAPL"


def test_one_order_that_is_large_is_enough() -> None:
    shown = "client BOB new S1 buy 100 AAPL 149.90\nrecord"
    (one,) = found(world_of(shown + LARGE + FILL + CANCEL))
    assert dict(one.values)["shown on its side"] == "100"
    assert ", 0.10 from the best: " in one.sentences[1]
    assert found(world_of(shown + LARGE + FILL + CANCEL), layering_large_percent=1001) == []


def test_large_against_the_usual_orders_of_the_symbol() -> None:
    usual = "\n".join(f"client BOB new U{n} buy 50 AAPL 149.0{n}" for n in range(9)) + MARKET
    assert names(found(world_of(usual + LARGE + FILL + CANCEL), size_sample=5, size_times=100)) == ["layering"]
    assert found(world_of(usual + LARGE + FILL + CANCEL), size_sample=5, size_times=100, layering_large_median=21) == []


def test_an_instrument_can_have_thresholds_of_its_own() -> None:
    steps = MARKET + LAYERS + FILL + CANCELS
    assert found(world_of(steps), instruments={"AAPL": {"layering_orders": 4}}) == []
    assert names(found(world_of(steps), instruments={"MSFT": {"layering_orders": 4}})) == ["layering"]


@pytest.mark.parametrize(("filled", "is_found"), [(30, True), (31, False)])
def test_an_order_of_which_more_was_filled_was_meant(filled: int, is_found: bool) -> None:
    some = f"client BOB new S3 sell {filled} AAPL 149.80\n"
    assert names(found(world_of(MARKET + LAYERS + FILL + some + CANCELS))) == ["layering"] * is_found
