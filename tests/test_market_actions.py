"""The market as operators ask for it: depth by exchange and together, and what the router would do."""

import time
from types import SimpleNamespace
from typing import Any

import pytest

from brokerfix.engine.market import STALE
from brokerfix.operate.admin import ActionRefused
from brokerfix.operate.market_actions import MarketActions
from tests.scenario import World, run_step


def asked(steps: str, heard: int = 0, **settings: str) -> tuple[World, Any]:
    """A world after some steps, and its actions."""
    world = World(**settings)
    for step in filter(None, map(str.strip, steps.splitlines())):
        run_step(world, step)
    broker: Any = SimpleNamespace(
        state=world.state, clock=lambda: world.now, heard=lambda venue, symbol: world.now - heard
    )
    actions = MarketActions(broker).actions
    return world, lambda action, **request: actions[action]("ann", {"action": action, "symbol": "AAPL", **request})


UP = """
    venue XNAS up
    venue XNYS up
    quote XNAS AAPL bid 500@149.90 bid 100@149.80 ask 300@150.10 ask 700@150.12
    quote XNYS AAPL bid 200@149.90 ask 400@150.11
"""


def test_depth_has_each_exchange_and_all_together() -> None:
    _, ask = asked(UP, heard=250_000_000)
    told = ask("depth")
    assert told["bids"] == [(14990, 700, {"XNAS": 500, "XNYS": 200}), (14980, 100, {"XNAS": 100})]
    assert told["asks"] == [(15010, 300, {"XNAS": 300}), (15011, 400, {"XNYS": 400}), (15012, 700, {"XNAS": 700})]
    xnas, xnys = told["exchanges"]
    assert (xnas["exchange"], xnas["counts"], xnas["routed"], xnas["why"], xnas["age_ms"]) == (
        "XNAS",
        True,
        True,
        "",
        250,
    )
    assert xnys["asks"] == [(15011, 400)]
    assert (told["price_digits"], told["qty_digits"]) == (2, 0)


def test_depth_is_cut_at_the_levels_that_are_asked_for() -> None:
    told = asked(UP)[1]("depth", levels=1)
    assert [len(told["bids"]), len(told["asks"]), len(told["exchanges"][0]["asks"])] == [1, 1, 1]


def test_our_own_book_stands_among_the_exchanges() -> None:
    _, ask = asked(UP + "client ALICE new B1 buy 50 AAPL 149.95", post="book")
    assert ask("depth")["bids"][0] == (14995, 50, {"": 50})
    assert ask("depth", levels=1)["bids"] == [(14995, 50, {"": 50})], "of all together, and not of each"


def test_an_exchange_whose_quotes_do_not_count_is_told_of_with_the_reason() -> None:
    world, ask = asked(UP)
    world.state.market.leave_out("XNAS", "AAPL", STALE)
    told = ask("depth")
    assert [parts for _, _, parts in told["asks"]] == [{"XNYS": 400}]
    xnas = told["exchanges"][0]
    assert (xnas["counts"], xnas["stale"]) == (False, True)
    assert xnas["why"] == "it has told nothing for longer than max_quote_age_ms"
    assert xnas["asks"], "what it showed last is still told"


@pytest.mark.parametrize(
    ("step", "why"),
    [
        ("venue XNYS down", "its session is down"),
        ("operator halt venue XNYS", "nothing is sent there: an operator has halted it"),
        ("quote XNYS AAPL", "it shows nothing"),
    ],
)
def test_why_an_exchange_gets_nothing(step: str, why: str) -> None:
    world, ask = asked(UP)
    if step.startswith("operator"):
        world.state.halts["venue", "XNYS"] = "ann"
    else:
        run_step(world, step)
    assert ask("depth")["exchanges"][1]["why"] == why


def test_the_router_says_where_each_part_would_go_and_why() -> None:
    _, ask = asked(UP)
    told = ask("would-route", side="buy", qty="600")
    assert [(part["exchange"], part["qty"], part["price"]) for part in told["parts"]] == [
        ("XNAS", "300", "150.10"), ("XNYS", "300", "150.11"),
    ]  # fmt: skip
    assert told["best"] == "XNAS"
    assert (told["expected_qty"], told["expected_px"], told["fees"]) == ("600", "150.105", "1.65")
    assert told["words"] == [
        "XNAS is best for the first 300: at 150.10, a fee of 0.003 a unit, 150.103 all in (best price).",
        "Then 300 from XNYS: at 150.11, a fee of 0.0025 a unit, 150.1125 all in (best price).",
        "Expected: 600 at 150.105 on average, with 1.65 of exchanges' fees.",
    ]


def test_a_sweep_of_several_prices_says_from_where_to_where() -> None:
    told = asked(UP)[1]("would-route", side="buy", qty="1000")
    assert told["words"][0].startswith(
        "XNAS is best for the first 600: from 150.10 to 150.12, a fee of 0.003 a unit, 150.103 all in at first"
    )


def test_at_one_price_the_cheaper_exchange_is_best_and_the_other_is_said_to_cost_more() -> None:
    _, ask = asked(UP.replace("150.11", "150.10"))
    told = ask("would-route", side="buy", qty="100")
    assert told["best"] == "XNYS"
    assert "0.0005 more a unit, fee included" in told["not_taken"][0]["reason"]


def test_a_dry_run_sends_nothing_and_changes_nothing() -> None:
    world, ask = asked(UP)
    before, facts = world.state.hash(), len(world.facts)
    ask("would-route", side="sell", qty="600", price="149.85", client="BOB")
    assert (world.state.hash(), len(world.facts)) == (before, facts)
    assert not world.state.market.flights, "nothing is aimed at either"


def test_what_is_not_to_be_had_is_said() -> None:
    _, ask = asked(UP)
    told = ask("would-route", side="buy", qty="5000")
    assert told["rest"] == "3600 would not be placed: NO_LIQUIDITY: nothing more to be had at once"
    nothing = asked("venue XNAS up")[1]("would-route", side="buy", qty="100")
    assert nothing["words"][0] == "Buy 100 AAPL: nothing could be had now."


@pytest.mark.parametrize(
    ("action", "request_", "told"),
    [
        ("depth", {"symbol": "NONE"}, "there is no symbol 'NONE'"),
        ("depth", {"levels": 21}, "levels are 1 to 20"),
        ("would-route", {"side": "long", "qty": "1"}, "side is buy or sell"),
        ("would-route", {"side": "buy", "qty": "0"}, "qty is more than 0"),
        ("would-route", {"side": "buy", "qty": "1", "client": "EVE"}, "there is no client 'EVE'"),
    ],
)
def test_what_can_not_be_asked(action: str, request_: dict[str, Any], told: str) -> None:
    with pytest.raises(ActionRefused, match=told):
        asked(UP)[1](action, **request_)


def test_a_deep_market_costs_the_broker_little() -> None:
    """Bounded by the levels that are asked for, whatever stands behind them: no walk of the whole book."""
    deep = " ".join(f"bid 100@{149.90 - n / 100:.2f} ask 100@{150.10 + n / 100:.2f}" for n in range(2000))
    _, ask = asked(f"venue XNAS up\nvenue XNYS up\nquote XNAS AAPL {deep}\nquote XNYS AAPL {deep}")
    best = min(_seconds(ask) for _ in range(20))
    assert best < 0.005


def _seconds(ask: Any) -> float:
    began = time.perf_counter()
    ask("depth")
    return time.perf_counter() - began
