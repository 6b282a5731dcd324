"""Marking the close: trades in the last minutes that are much of what is traded, and a price that goes their way."""

import pytest

from brokerfix.domain import Instrument, Phase
from brokerfix.settings.schedule import Hours
from tests.surveillance.looked import Quick, found, kinds, names, play

HOURS = {"opens": 9 * 3600, "closes": 17 * 3600 + 1800}
"""A scenario's day is at 01:46:40 UTC; it opens at nine, and closes at half past five."""
CLOSE = 1_000_000_000 // 86_400 * 86_400 + HOURS["closes"]


def at(seconds_before_the_close: float) -> str:
    return f"at {seconds_before_the_close}"


def world_of(steps: str, closing_auction: int = 0, venues: str = "none") -> Quick:
    """As the others', in a symbol that has hours. `at 30` is 30 seconds before its close."""
    instrument = Instrument(
        "AAPL", 2, 0, 1, 1, "at-or-better", "book", reference=15000, closing_auction=closing_auction, **HOURS
    )  # fmt: skip
    world = Quick((instrument,), venues=venues)
    for step in steps.strip().splitlines():
        words = step.split()
        if words[:1] == ["at"]:
            world.now = int((CLOSE - float(words[1])) * 10**9)
            play(world, "wait 0")
        else:
            play(world, step)
    return world


def trade(number: int, qty: int, price: str, buyer: str = "BOB", seller: str = "ALICE") -> str:
    """The buyer takes what the seller offers."""
    return (
        f"client {seller} new S{number} sell {qty} AAPL {price}\nclient {buyer} new T{number} buy {qty} AAPL {price}\n"
    )


BEFORE = at(7200) + "\n" + trade(1, 100, "150.00") + at(900) + "\n" + trade(2, 1000, "150.00")
LATE = at(60) + "\n" + trade(3, 300, "150.60")
AFTER = "at -1\n"


def test_trades_that_move_the_close_are_found() -> None:
    world = world_of(BEFORE + LATE + AFTER)
    (one,) = found(world)
    assert (one.rule, one.accounts, one.day) == ("marking-the-close", ("BOB",), 20261122)
    assert dict(one.values) == {
        "quantity": "300", "volume": "300", "share percent": "100", "price before": "150.000", "price after": "150.600",
        "moved bps": "40", "average price": "150.60", "the last trade here": "yes",
    }  # fmt: skip
    assert kinds(world, one) == ["OrderAccepted", "Trade"]
    assert "in the close at 17:30:00.000: 100 % of the 300" in one.sentences[0]


def test_what_an_auction_trades_is_of_the_close() -> None:
    auction = at(200) + "\nclient ALICE new S3 sell 300 AAPL 150.60\nclient BOB new T3 buy 300 AAPL 150.60\n" + AFTER
    world = world_of(BEFORE + auction, closing_auction=300)
    assert world.state.phases["AAPL"] is Phase.CLOSED
    (one,) = found(world)
    assert one.accounts == ("BOB",)


OTHERS = (
    at(300) + "\nclient ALICE new S4 sell 800 AAPL 150.00\nclient ALICE new T4 buy 800 AAPL 150.00 +1=SHARED\n"
)  # fmt: skip


@pytest.mark.parametrize(
    "steps",
    [
        BEFORE + LATE.replace("150.60", "150.20") + AFTER,
        BEFORE + LATE.replace("150.60", "149.00") + AFTER,
        BEFORE + OTHERS + LATE + AFTER,
        BEFORE + at(660) + "\n" + trade(3, 300, "150.60") + AFTER,
        LATE + AFTER,
        BEFORE + LATE + at(30) + "\n" + trade(5, 300, "150.60", "ALICE", "BOB") + AFTER,
    ],
    ids=[
        "the price hardly moves", "the price goes the other way of the buyer", "a small part of the volume",
        "before the last minutes", "no price of before", "bought and sold the same",
    ],
)  # fmt: skip
def test_what_is_no_marking(steps: str) -> None:
    findings = [one for one in found(world_of(steps), rules=("marking-the-close",)) if one.accounts == ("BOB",)]
    assert findings == [], findings


def test_who_sells_into_a_fall_is_found_the_other_way_round() -> None:
    (one,) = found(world_of(BEFORE + LATE.replace("150.60", "149.00") + AFTER), rules=("marking-the-close",))
    assert one.accounts == ("ALICE",)
    assert one.sentences[0].startswith("ALICE sold 300 AAPL")


UP = "venue XNAS up\nquote XNAS AAPL bid 1@140.00 ask 1@160.00\n"


def test_what_exchanges_have_traded_counts_towards_the_volume() -> None:
    told = at(590) + "\nprint XNAS AAPL 1@150.00\nrecord\n" + LATE
    assert names(found(world_of(UP + BEFORE + told + AFTER, venues="XNAS"))) == ["marking-the-close"]
    busy = told + "print XNAS AAPL 5000@150.60\nrecord\n"
    assert found(world_of(UP + BEFORE + busy + AFTER, venues="XNAS")) == []


def test_each_day_has_its_close() -> None:
    world = world_of(BEFORE + AFTER)
    hours = Hours(world.instruments[0])
    assert hours.next_times(world.now)[1] == (CLOSE + 86_400) * 10**9
    play(world, "day 20261123")
    world.now = (CLOSE + 86_400 - 1200) * 10**9
    play(world, "wait 0\n" + trade(10, 100, "150.00"))
    world.now = (CLOSE + 86_400 - 60) * 10**9
    play(world, trade(11, 300, "150.60") + "wait 100")
    (one,) = found(world)
    assert one.day == 20261123


def test_an_instrument_that_never_closes_has_none() -> None:
    world = Quick((Instrument("AAPL", 2, 0, 1, 1, "at-or-better", "book", reference=15000),), venues="none")
    play(world, trade(1, 100, "150.00") + "wait 700\n" + trade(2, 100, "155.00") + "wait 90000")
    assert found(world) == []
