"""A desk and its market makers: status, stop, start, terms and calibrations, on a running broker."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from brokerfix.facts import CalibrationSet, OperatorActed, QuotesPulled, QuotesResumed
from brokerfix.operate.admin import ActionRefused, ask
from brokerfix.record.journal import read
from tests.live import MAKER, UNSTORED, Market, report, run_cli, until

PROTECTED = MAKER + 'protection = {{ window_ms = 60000, qty = "300" }}\nmax_loss = "1000"\n'


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    """The exchange shows 149.00 / 151.00."""
    market = Market(tmp_path_factory.mktemp("making"), broker=UNSTORED + PROTECTED)
    market.start()
    lp = market.client("LP", market.exchange, "XNAS")
    lp.new_order("LP-BID", "1", "1000", "AAPL", "149.00")
    yield market
    market.stop()


def making(market: Market, command: str, *words: str) -> str:
    done = run_cli("making", command, str(market.broker.config), *words)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def refused(market: Market, command: str, *words: str) -> str:
    done = run_cli("making", command, str(market.broker.config), *words)
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    return done.stderr


def status(market: Market) -> dict[str, Any]:
    (row,) = ask(market.folder / "broker", {"action": "makers"})["makers"]
    return dict(row)


def wait_for(market: Market, **wanted: object) -> dict[str, Any]:
    until(lambda: wanted.items() <= status(market).items())
    return status(market)


def on_record(market: Market, kind: type) -> list[Any]:
    return [fact for one in read(market.folder / "broker" / "journal") for fact in one.facts if isinstance(fact, kind)]


def test_the_status_says_how_it_stands(market: Market) -> None:
    row = wait_for(market, state="quotes", bid="149.97", ask="150.03")
    assert (row["mid"], row["mid_age_s"], row["bid_qty"], row["bids"]) == ("150.00", "0.0", "100", "100 in 1")
    assert (row["position"], row["most_short"], row["most_long"]) == ("0", "-1000", "1000")
    assert (row["model"], row["parameters"]) == ("fixed", "bid_spread=0.03 ask_spread=0.03")
    assert (row["protection"], row["why"], row["until"]) == ("qty 0/300 in 60 s", "", "")
    alice = market.client("ALICE")
    alice.new_order("C1", "1", "40", "AAPL", "150.03")
    report(alice, "C1", "F")
    row = wait_for(market, position="-40", ask_qty="100")
    assert row["protection"] == "qty 40/300 in 60 s"
    # 40 at 3 cents beyond the mid of 150.00.
    earned = {name: row[name] for name in ("total", "spread_captured", "revaluation", "hedging", "fees")}
    assert earned == {
        "total": "1.20", "spread_captured": "1.20", "revaluation": "0.00", "hedging": "0.00", "fees": "0.00",
    }  # fmt: skip
    rows = json.loads(making(market, "status", "MM", "--json"))
    assert [one["position"] for one in rows] == ["-40"]
    head, line = making(market, "status").splitlines()
    assert dict(zip(head.split("\t"), line.split("\t"), strict=True))["spread_captured"] == "1.20"
    assert "there is no market maker XX; there are MM" in refused(market, "status", "XX")


def test_an_operator_stops_and_starts_it(market: Market) -> None:
    assert making(market, "start", "MM") == "MM: runs already\n"
    assert making(market, "stop", "MM", "AAPL") == "MM AAPL: stopped\n"
    row = status(market)
    assert (row["state"], row["why"], row["until"], row["bid"]) == (
        "pulled",
        "STOPPED: by an operator",
        "a reset",
        None,
    )
    assert making(market, "start", "MM", "AAPL") == "MM AAPL: started\n"
    assert status(market)["state"] == "quotes"
    pulled, resumed = on_record(market, QuotesPulled), on_record(market, QuotesResumed)
    assert pulled[-1].operator == resumed[-1].operator != ""
    assert "there is no market maker XX" in refused(market, "stop", "XX")
    assert "MM does not quote MSFT" in refused(market, "start", "MM", "MSFT")


def test_a_reset_forgets_what_protection_has_counted(market: Market) -> None:
    alice = market.client("ALICE")
    alice.new_order("C2", "2", "60", "AAPL", "149.97")
    report(alice, "C2", "F")
    assert status(market)["protection"].startswith("qty 60/300")
    assert "what its protections have counted is forgotten" in making(market, "reset", "MM")
    assert status(market)["protection"].startswith("qty 0/300")


def test_what_can_not_quote_yet_is_told(market: Market) -> None:
    alice = market.client("ALICE")
    assert run_cli("halt", "symbol", "AAPL", "--config", str(market.broker.config)).returncode == 0
    assert "MM AAPL: does not quote yet: HALTED" in making(market, "start", "MM")
    assert run_cli("resume", "symbol", "AAPL", "--config", str(market.broker.config)).returncode == 0
    wait_for(market, state="quotes")
    market.drain(alice)


def test_terms_are_set_and_stay(market: Market) -> None:
    told = making(market, "set", "MM", "AAPL", "bid_spread=0.05", "size=200")
    assert told == "MM AAPL: bid_spread 0.05 (was 0.03), size 200 (was 100)\n"
    wait_for(market, bid="149.95", bid_qty="200", ask="150.03")
    assert on_record(market, OperatorActed)[-1].text == "MM AAPL: bid_spread=0.05 size=200"
    market.broker.stop()
    market.broker.start()
    for name in ("ALICE", "LP"):
        market.client(name).close()
    market.wait_for_exchange()
    wait_for(market, bid="149.95", bid_qty="200")


@pytest.mark.parametrize(
    ("term", "told"),
    [
        ("gamma=x", "MM AAPL: gamma: Expected `float`, got `str`"),
        ("size=-5", "MM AAPL: size: must be above 0"),
        ("most_short=5", "MM AAPL: most_short: must not be above 0: it is a position"),
        ("colour=red", "MM AAPL: colour: there is no such term"),
        ("max_loss=\x01", "'max_loss': is text of up to 100 characters"),
    ],
)
def test_terms_that_are_none_are_refused(market: Market, term: str, told: str) -> None:
    assert told in refused(market, "set", "MM", "AAPL", term)


def test_a_calibration_goes_before_the_priors(market: Market) -> None:
    making(market, "set", "MM", "AAPL", "model=glft", "bid_spread=0", "ask_spread=0", "gamma=0.1", "sigma=0.02", "a=1",
           "k=50")  # fmt: skip
    assert status(market)["parameters"] == "gamma=0.1 sigma=0.02 a=1 k=50"
    request = {"action": "calibration", "symbol": "AAPL", "sigma": "0.01", "a": "2.5", "k": "80"}
    ask(market.folder / "broker", {**request, "samples": "4000", "fills": "120", "quality": "enough"})
    row = status(market)
    assert (row["parameters"], row["from"]) == ("gamma=0.1 sigma=0.01 a=2.5 k=80", "calibrated")
    assert row["quality"] == "4,000 samples, 120 fills, enough"
    (fact,) = on_record(market, CalibrationSet)
    assert (fact.calibration.a, fact.calibration.samples, bool(fact.operator)) == (2.5, 4000, True)


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("sigma", "nan", "sigma: 'nan' is no number"),
        ("sigma", "-0.1", "sigma: must not be below 0"),
        ("a", "0", "a: must be above 0"),
        ("k", "inf", "k: 'inf' is no number"),
        ("k", "much", "k: 'much' is no number"),
        ("samples", "-1", "samples: '-1' is no whole number"),
        ("symbol", "TSLA", "there is no instrument TSLA"),
    ],
)
def test_a_calibration_that_is_none_is_refused(market: Market, field: str, value: str, told: str) -> None:
    request = {"action": "calibration", "symbol": "AAPL", "sigma": "0.01", "a": "2.5", "k": "80"}
    with pytest.raises(ActionRefused, match=told):
        ask(market.folder / "broker", {**request, field: value})


def test_one_number_is_missing(market: Market) -> None:
    with pytest.raises(ActionRefused, match="calibration: k is missing"):
        ask(market.folder / "broker", {"action": "calibration", "symbol": "AAPL", "sigma": "0.01", "a": "2.5"})
