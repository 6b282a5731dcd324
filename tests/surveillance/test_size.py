"""Unusual size: an order, or a day, that is far larger than what there was before."""

import pytest

from brokerfix.domain import Finding
from tests.surveillance.looked import found, kinds, play, world_of

ONLY = ("unusual-size",)


def orders(sizes: list[int], client: str = "ALICE", first: int = 0) -> str:
    return "\n".join(f"client {client} new {client}{first + n} buy {qty} AAPL 100.00" for n, qty in enumerate(sizes))


USUAL = [40, 50, 60] * 10


def size(steps: str, **section: int) -> list[Finding]:
    return found(world_of(steps, max_notional="100000000"), rules=ONLY, **section)


def test_an_order_that_is_far_larger_than_the_accounts_usual_ones() -> None:
    (one,) = size(orders([*USUAL, 500]))
    assert (one.accounts, one.score, one.severity) == (("ALICE",), 50, "low")
    assert dict(one.values) == {
        "of": "an order", "quantity": "500", "compared with": "ALICE", "sample": "30", "median": "50.0",
        "median absolute deviation": "10.0",
    }  # fmt: skip
    assert "buy 500 AAPL at " in one.sentences[0]


@pytest.mark.parametrize(
    ("steps", "section"),
    [
        (orders([*USUAL, 499]), {}),
        (orders([*USUAL[1:], 500]), {}),
        (orders([10, 50, 500] * 10 + [800]), {}),
        (orders([10, 50, 500] * 10 + [800]), {"size_times": 16}),
        (orders(USUAL) + "\nclient ALICE new M1 buy 500 MSFT 300.00", {}),
    ],
    ids=["not so large", "too few to compare with", "they vary much", "as much as that", "another symbol"],
)
def test_what_is_usual(steps: str, section: dict[str, int]) -> None:
    wanted = {"size_mads": 19} | section if "500 AAPL" in steps and "800 AAPL" in steps else section
    assert size(steps, **wanted) == []


def test_who_has_no_history_is_compared_with_all() -> None:
    (one,) = size(orders(USUAL) + "\n" + orders([600], "BOB"))
    assert (one.accounts, dict(one.values)["compared with"]) == (("BOB",), "all accounts")


def test_own_history_comes_first() -> None:
    large = [400, 500, 600] * 10
    assert size(orders(large, "BOB") + "\n" + orders(USUAL * 2, "ALICE") + "\n" + orders([700], "BOB", 100)) == []


def test_what_is_older_than_the_days_is_forgotten() -> None:
    steps = orders(USUAL) + "\nday 20261221\n" + orders([500], first=100)
    assert size(steps) == []
    assert len(size(steps, size_days=40)) == 1


def test_a_day_on_which_much_more_is_traded_by_small_orders() -> None:
    world = world_of("", max_notional="100000000")
    number = 0
    for day in range(20261123, 20261129):
        play(world, f"day {day}")
        for _ in range(10 if day == 20261128 else 1):
            number += 1
            play(
                world, f"client BOB new B{number} sell 100 AAPL 150.00\nclient ALICE new A{number} buy 100 AAPL 150.00"
            )
    findings = found(world, rules=ONLY)
    assert [one.accounts for one in findings] == [("BOB",), ("ALICE",)], "both, once"
    assert dict(findings[1].values) | {"of": "a day", "quantity": "1000", "sample": "5", "median": "100.0"} == dict(
        findings[1].values
    )
    assert sorted(kinds(world, findings[1])) == ["OrderAccepted", *["Trade"] * 10]
    assert found(world, rules=ONLY, size_day_sample=6) == []
