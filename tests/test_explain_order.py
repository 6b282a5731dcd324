"""The evidence of an order: decisions, what they did not take, expected and realised; as JSON and as a page."""

from collections.abc import Iterable
from pathlib import Path

import msgspec
import pytest

from brokerfix.domain import Charge, Instrument, Seen, Side, id_number
from brokerfix.facts import RouteDecided, Started
from brokerfix.operate import plots
from brokerfix.operate.order_alternatives import not_taken
from brokerfix.operate.order_evidence import Evidence, OrderDecision
from brokerfix.operate.order_facts import OrderFacts
from brokerfix.operate.order_market import Best, market_around, span
from brokerfix.operate.order_page import page
from brokerfix.operate.order_told import told
from brokerfix.operate.plots_order import MOST_TICKS, plot_order, time_ticks
from tests.scenario import World
from tests.stories import OURS, SWEEP, Case, only

NS = 10**9


def test_a_sweep_of_two_exchanges(tmp_path: Path) -> None:
    row = Case(tmp_path, *SWEEP).json()
    (one,) = row["decisions"]
    assert only(one, "number", "mode", "qty", "note") == [1, "best", "100", ""]
    assert only(one, "bid", "ask") == [{"price": "149.98", "qty": "10"}, {"price": "150.00", "qty": "60"}]
    assert [only(quote, "exchange", "price", "fee", "qty", "taken") for quote in one["quotes"]] == [
        ["XNAS", "150.00", "0.003", "60", "60"],
        ["XNYS", "150.01", "0.0025", "100", "40"],
    ]
    assert [only(score, "exchange", "cost", "shown", "gets", "why") for score in one["scores"]] == [
        ["XNAS", "150.003", "60", "60", ""],
        ["XNYS", "150.0125", "100", "40", ""],
    ]
    assert one["not_taken"] == []
    # (60 x 150.00 + 40 x 150.01) / 100, and 60 x 0.003 + 40 x 0.0025.
    assert one["expected"] == {"qty": "100", "px": "150.004", "fee": "0.28"}
    # (60 x 149.99 + 40 x 150.01) / 100: 0.006 less a unit, 0.60 in all.
    assert only(one["realised"], "qty", "in_our_book", "px", "fee") == ["100", "0", "149.998", "0.28"]
    assert one["realised"]["slippage"] == {
        "qty": "100", "missed": "0", "px": "149.998", "per_unit": "-0.006", "money": "-0.60", "fee": "0.00",
    }  # fmt: skip


def test_children_have_their_rule_status_and_latencies(tmp_path: Path) -> None:
    row = Case(tmp_path, *SWEEP).json()
    children = row["decisions"][0]["children"]
    names = ("exchange", "qty", "price", "rule", "status", "filled", "ack_ms", "first_fill_ms")
    # A step of a scenario takes a millisecond.
    assert [only(child, *names) for child in children] == [
        ["XNAS", "60", "150.00", "best price", "filled", "60", "1.000000", "3.000000"],
        ["XNYS", "40", "150.01", "best price", "filled", "40", "2.000000", "4.000000"],
    ]
    assert [only(fill, "exchange", "qty", "price", "fee") for fill in row["fills"]] == [
        ["XNAS", "60", "149.99", "0.18"],
        ["XNYS", "40", "150.01", "0.10"],
    ]
    assert row["fills"] == [fill for child in children for fill in child["fills"]]


def test_terms_end_and_story(tmp_path: Path) -> None:
    row = Case(tmp_path, *SWEEP).json()
    assert only(row["order"], "client", "account", "cl_ord_id", "symbol", "side") == [
        "ALICE",
        "ALICE",
        "C1",
        "AAPL",
        "buy",
    ]
    assert only(row["order"], "type", "time_in_force", "qty", "price") == ["limit", "IOC", "100", "150.02"]
    assert only(row["end"], "status", "filled", "left", "avg_px", "fee") == ["filled", "100", "0", "149.998", "0.28"]
    assert row["order"]["time"] == "2001-09-09 01:46:40.005000"
    assert row["end"]["time"] == "2001-09-09 01:46:40.009000"
    story = [line["what happened"] for line in row["story"] if line["about"] not in ("check", "report")]
    assert story[0] == "ALICE sends C1 for account ALICE: buy 100 AAPL at 150.02, limit, IOC; it breaks no limit"
    assert story[1] == "100 of it are placed (best): the market is bid 10 at 149.98, ask 60 at 150.00"


def test_the_text_is_the_story_as_before(tmp_path: Path) -> None:
    case = Case(tmp_path, *SWEEP)
    lines = case.run(case.order("C1")).stdout.splitlines()
    story = case.json()["story"]
    # A table's lines rest on what the sentence before them does.
    facts = [" " * 14 if line["what happened"].startswith(" ") else line["fact"] for line in story]
    assert lines == [
        f"{line['time']}  {fact}  {line['what happened']}" for line, fact in zip(story, facts, strict=True)
    ]
    assert lines[-2].endswith(" fills 40 at 150.01")
    assert "ALICE is told TRADE: OrdStatus FILLED, CumQty 100, LeavesQty 0" in lines[-1]


def test_what_did_not_come_is_placed_again(tmp_path: Path) -> None:
    row = Case(
        tmp_path,
        *SWEEP[:5],
        "venue XNAS fill c1 25@150.00 cum 25",
        "quote XNAS AAPL",
        "venue XNAS canceled c1",
        "venue XNYS fill c2 40@150.02 cum 40",
        "venue XNYS fill c3 35@150.01 cum 35",
    ).json()
    first, second = row["decisions"]
    # 25 at 150.00 and 40 at 150.02 of the 100 expected at 150.004: 150.0123..., 0.0083... a unit, 0.54 in all.
    assert first["expected"] == {"qty": "100", "px": "150.004", "fee": "0.28"}
    assert only(first["realised"], "qty", "px") == ["65", "150.01230769"]
    slippage = first["realised"]["slippage"]
    assert only(slippage, "qty", "missed", "money") == ["65", "35", "0.54"]
    assert slippage["per_unit"] == "0.00830769"
    # 25 x 0.003 + 40 x 0.0025 = 0.175, against 65 hundredths of 0.28.
    assert (first["realised"]["fee"], slippage["fee"]) == ("0.175", "-0.007")
    assert [only(child, "status", "filled") for child in first["children"]] == [["canceled", "25"], ["filled", "40"]]
    assert only(second["expected"], "qty", "px", "fee") == ["35", "150.01", "0.0875"]
    assert only(second["realised"]["slippage"], "qty", "per_unit", "money") == ["35", "0.00", "0.00"]
    assert second["not_taken"] == [{"exchange": "XNAS", "price": None, "qty": "0", "reason": "shows nothing"}]
    assert [fill["decision"] for fill in row["fills"]] == [1, 1, 2]
    assert only(row["end"], "status", "filled") == ["filled", "100"]


def test_a_rejected_child_and_where_the_order_then_does_not_go(tmp_path: Path) -> None:
    row = Case(
        tmp_path,
        "quote XNAS AAPL ask 100@150.00",
        "quote XNYS AAPL ask 100@150.01",
        "client ALICE new C1 buy 50 AAPL 150.02 IOC",
        "venue XNAS rejected c1",
        "venue XNYS fill c2 50@150.01 cum 50",
    ).json()
    first, second = row["decisions"]
    assert only(first["children"][0], "status", "text", "ack_ms") == ["rejected", "not today", None]
    assert only(first["realised"], "qty", "px", "fee", "slippage") == ["0", None, None, None]
    # All in 150.0125 a unit at XNYS, and 150.003 at XNAS.
    assert [only(one, "exchange", "price", "qty", "reason") for one in first["not_taken"]] == [
        [
            "XNYS", "150.01", "100",
            "others are better, or it is not needed; costs 0.0095 more a unit, fee included, than the dearest that is "
            "taken",
        ]
    ]  # fmt: skip
    (other,) = second["not_taken"]
    assert other["exchange"] == "XNAS"
    assert other["reason"].startswith("has rejected a part of it; costs 0.0095 less a unit, fee included")
    assert second["realised"]["slippage"]["per_unit"] == "0.00"


def test_what_trades_in_our_own_book_is_the_decisions_too(tmp_path: Path) -> None:
    case = Case(tmp_path, *OURS, world=World(venues="XNAS XNYS", post="book"))
    (one,) = case.json()["decisions"]
    # 30 at 150.00 are not expected of an exchange.
    assert one["expected"] == {"qty": "20", "px": "150.01", "fee": "0.06"}
    assert only(one["realised"], "qty", "in_our_book", "px", "fee") == ["50", "30", "150.008", "0.06"]
    assert only(one["realised"]["slippage"], "qty", "per_unit", "money") == ["20", "0.01", "0.20"]
    fills = case.json()["fills"]
    assert [only(fill, "exchange", "with_order", "decision", "adds_liquidity") for fill in fills] == [
        ["own book", case.order("B1"), 1, False],
        ["XNAS", None, 1, False],
    ]


def test_what_rests_in_our_book_is_of_the_decision_that_let_it_rest(tmp_path: Path) -> None:
    case = Case(tmp_path, *OURS, world=World(venues="XNAS XNYS", post="book"))
    row = case.json("B1")
    (one,) = row["decisions"]
    assert only(one["realised"], "qty", "in_our_book", "px", "slippage") == ["30", "30", "150.00", None]
    assert only(row["fills"][0], "with_order", "adds_liquidity") == [case.order("C1"), True]
    assert "Filled: 30 in our own book." in case.page("B1")


def test_what_the_account_is_charged_is_told_beside_the_exchanges_fee(tmp_path: Path) -> None:
    world = World(venues="XNAS XNYS")
    world.commission = Charge("0.01", exchange_fees=True)
    row = Case(tmp_path, "restart", "venue XNAS up", "venue XNYS up", *SWEEP, world=world).json()
    # 100 x 0.01 besides the exchanges' 0.28.
    assert only(row["end"], "fee", "charged") == ["0.28", "1.28"]
    assert only(row["decisions"][0]["realised"], "fee", "charged") == ["0.28", "1.28"]


def test_an_order_to_sell_is_worse_off_with_less(tmp_path: Path) -> None:
    (one,) = Case(
        tmp_path,
        "quote XNAS AAPL bid 60@150.00",
        "quote XNYS AAPL bid 60@149.99",
        "client ALICE new C1 sell 50 AAPL 149.90 IOC",
        "venue XNAS fill c1 50@149.98 cum 50",
    ).json()["decisions"]
    assert one["ask"] is None
    assert only(one["realised"]["slippage"], "per_unit", "money") == ["0.02", "1.00"]
    # 149.997 a unit at XNAS, 149.9875 at XNYS.
    (other,) = one["not_taken"]
    assert other["reason"].endswith("brings 0.0095 less a unit, fee included, than the worst that is taken")


def test_what_is_beyond_the_limit_is_told_so(tmp_path: Path) -> None:
    case = Case(
        tmp_path,
        "quote XNAS AAPL ask 60@150.00",
        "quote XNYS AAPL ask 60@150.05",
        "client ALICE new C1 buy 100 AAPL 150.02 IOC",
        "venue XNAS fill c1 60@150.00 cum 60",
    )
    row = case.json()
    assert row["decisions"][0]["not_taken"][0]["reason"] == "beyond the limit of 150.02"
    assert only(row["end"], "status", "filled", "left") == ["canceled", "60", "40"]
    # What can't be placed has its reason, what is all placed has none.
    assert row["decisions"][0]["note"] == "NO_LIQUIDITY: nothing more to be had at once"


def test_a_fill_that_is_taken_back_counts_for_nothing(tmp_path: Path) -> None:
    row = Case(tmp_path, *SWEEP, "operator OPS bust e3").json()
    back = [fill for fill in row["fills"] if fill["taken_back"]]
    assert len(back) == 1
    left = {"XNAS": ("40", "150.01"), "XNYS": ("60", "149.99")}[back[0]["exchange"]]
    assert only(row["end"], "filled", "avg_px") == list(left)
    assert row["decisions"][0]["realised"]["qty"] == left[0]


def test_an_order_that_works_has_no_end(tmp_path: Path) -> None:
    case = Case(tmp_path, "quote XNYS AAPL ask 60@150.00", "client ALICE new C1 buy 100 AAPL 149.00")
    row = case.json()
    (other,) = row["decisions"][0]["not_taken"]
    assert other["reason"] == "others are better, or it is not needed; what it shows is beyond the limit of 149.00"
    assert only(row["end"], "status", "time", "filled", "left", "avg_px") == ["new", None, "0", "100", None]
    assert row["decisions"][0]["children"][0]["status"] == "sent"
    assert "data:image/png" in case.page()


@pytest.mark.parametrize("symbol", ["AAPL", "NONE"])
def test_a_refused_order(symbol: str, tmp_path: Path) -> None:
    case = Case(tmp_path, f"client ALICE new C1 buy 10001 {symbol} 150.00")
    row = case.json()
    assert only(row["end"], "status") == ["rejected"]
    assert row["decisions"] == row["fills"] == []
    text = case.page()
    assert "It was refused: " in text
    assert "No picture: the order was refused." in text


def test_the_page_has_sentences_tables_and_a_picture(tmp_path: Path) -> None:
    text = Case(tmp_path, *SWEEP).page()
    for sentence in (
        "Order 20261122-00-",
        "100 of 100 were filled at an average of 149.998.",
        "Filled: 60 at XNAS, 40 at XNYS.",
        "Exchanges took 0.28 in fees; the account was charged 0.00.",
        "The market was bid 10 at 149.98, ask 60 at 150.00.",
        "Expected to take 100 at exchanges at once, at 150.004 on average, for fees of 0.28.",
        "Realised 100 at 149.998 on average, for fees of 0.28.",
        "What exchanges filled of it, 100, was 0.006 a unit better than expected (0.60 in all).",
        "<h2>Decision 1: 100 placed, mode best, 01:46:40.005000</h2>",
        "src='data:image/png;base64,iVBORw0KGgo",
        "ALICE sends C1 for account ALICE: buy 100 AAPL at 150.02",
    ):
        assert sentence in text, sentence
    assert "http" not in text


def test_names_on_the_page_are_escaped(tmp_path: Path) -> None:
    case = Case(tmp_path, "quote XNAS AAPL ask 60@150.00", "client ALICE new <b>&C1 buy 10 AAPL 149.00")
    text = case.page("<b>&C1")
    assert "&lt;b&gt;&amp;C1" in text
    assert "<b>" not in text


def test_without_matplotlib_the_page_says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise plots.NoPlots("plots need matplotlib: pip install 'brokerfix[plots]'")

    monkeypatch.setattr(plots, "drawing", missing)
    text = Case(tmp_path, *SWEEP).page()
    assert "data:image" not in text
    assert "No picture: plots need matplotlib" in text
    assert "Decision 1" in text


def test_what_there_is_not_is_told(tmp_path: Path) -> None:
    case = Case(tmp_path)
    for words in (
        ("20261122-00-99",),
        ("20261122-00-99", "--html", str(tmp_path / "x.html")),
        ("20261122-00-99", "--json"),
    ):
        result = case.run(*words)
        assert result.exit_code == 1
        assert "there is no order 20261122-00-99" in result.stderr
    assert not (tmp_path / "x.html").exists()


def test_the_market_around_an_order(tmp_path: Path) -> None:
    steps = (
        "quote XNAS AAPL bid 10@149.00", "record", *SWEEP[:2], "record", *SWEEP[2:], "quote XNYS AAPL ask 9@150.09",
        "quote XNAS AAPL", "record",
    )  # fmt: skip
    case = Case(tmp_path, *steps)
    found = case.found()
    since, until = span(found)
    assert (found.began - since, until - found.ended) == (20_000_000, 20_000_000)
    shown = [(best.bid, best.ask) for best in market_around(case.journal, found)]
    assert shown[-4:] == [(14900, None), (14998, 15000), (14998, 15000), (None, 15009)]


def test_what_the_market_was_while_no_process_ran_is_not_known(tmp_path: Path) -> None:
    case = Case(tmp_path, SWEEP[0], "record", "restart", "venue XNAS up", "record", SWEEP[2])
    shown = market_around(case.journal, case.found())
    began = next(fact.at for fact in reversed(case.world.facts) if isinstance(fact, Started))
    assert Best(began, None, None) in shown or Best(began - 1_000_000, None, None) in shown


@pytest.mark.parametrize("side", ["bid", "ask", ""])
def test_pictures_of_markets_with_one_side_or_none(side: str, tmp_path: Path) -> None:
    quote = f"quote XNAS AAPL {side} 60@150.00" if side else "quote XNAS AAPL"
    case = Case(tmp_path, quote, "record", "client ALICE new C1 buy 100 AAPL 150.02")
    found = case.found()
    assert plot_order(found, market_around(case.journal, found)).startswith(b"\x89PNG")
    assert plot_order(found, []).startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("length", "first", "labels"),
    [
        (4 * 10**6, NS * 10 + 1, ["00:00:10.0005", "00:00:10.0010"]),
        (5 * NS, NS * 10, ["00:00:10", "00:00:11"]),
        (50 * NS, NS * 10 + 1, ["00:00:20", "00:00:30"]),
        (4 * 3600 * NS, 1, ["00:30", "01:00"]),
        (5 * 86400 * NS, 1, ["01-02", "01-03"]),
        (80 * 86400 * NS, 1, ["01-12", "01-23"]),
    ],
)
def test_times_are_round(length: int, first: int, labels: Iterable[str]) -> None:
    ticks = time_ticks(first, first + length)
    assert [label for _, label in ticks][:2] == labels
    assert 2 <= len(ticks) <= MOST_TICKS + 1
    assert all(first <= at <= first + length for at, _ in ticks)


def test_a_split_is_noted(tmp_path: Path) -> None:
    case = Case(tmp_path, "quote XNAS AAPL ask 60@150.00", "client ALICE new C1 buy 100 AAPL 149.00")
    assert case.json()["notes"] == []
    other = Case(
        tmp_path / "split", "quote XNAS AAPL ask 60@150.00", "client ALICE new C1 buy 100 AAPL 149.00",
        "operator OPS split AAPL 2 1",
    )  # fmt: skip
    row = told(other.found())
    assert "was split since the order came" in row["notes"][0]
    assert "was split since the order came" in page(row, None, "not drawn")


def test_an_exchange_that_has_just_not_filled_is_told_so(tmp_path: Path) -> None:
    row = Case(tmp_path, *SWEEP[:5], "venue XNAS canceled c1").json()
    (other,) = row["decisions"][1]["not_taken"]
    assert other["exchange"] == "XNAS"
    assert other["reason"].startswith("has just not filled what it showed; costs 0.0095 less a unit, fee included")


def test_what_rests_behind_what_was_expected_is_not_compared_with_it(tmp_path: Path) -> None:
    (one,) = Case(
        tmp_path,
        "quote XNAS AAPL ask 60@150.00",
        "client ALICE new C1 buy 100 AAPL 150.02",
        "venue XNAS fill c1 70@150.01 cum 70 +851=2",
        "venue XNAS fill c1 30@150.02 cum 100 +851=1",
    ).json()["decisions"]
    assert only(one["expected"], "qty", "px", "fee") == ["60", "150.00", "0.18"]
    # 70 x 0.003 paid, 30 x 0.002 got back.
    assert only(one["realised"], "qty", "px", "fee") == ["100", "150.013", "0.15"]
    assert only(one["realised"]["slippage"], "qty", "missed", "per_unit", "money", "fee") == [
        "60", "0", "0.01", "0.60", "0.00",
    ]  # fmt: skip


def test_a_fill_in_our_book_that_is_taken_back_is_so_for_both(tmp_path: Path) -> None:
    case = Case(tmp_path, *OURS, "operator OPS bust e3", world=World(venues="XNAS XNYS", post="book"))
    assert [fill["taken_back"] for fill in case.json("B1")["fills"]] == [True]
    assert [fill["taken_back"] for fill in case.json()["fills"]] == [True, False]


def test_the_picture_begins_with_what_was_there_before_and_has_what_others_saw(tmp_path: Path) -> None:
    case = Case(
        tmp_path,
        *("quote XNAS AAPL ask 60@150.00", "record", "wait 5", SWEEP[0], "record", "wait 5"),
        "client ALICE new C1 buy 100 AAPL 150.00",
        "quote XNAS AAPL bid 10@149.97 ask 60@150.03",
        "client BOB new B1 buy 1 AAPL 149.00",
    )
    found = case.found()
    market = market_around(case.journal, found)
    assert market[0] == Best(span(found)[0], 14998, 15000)
    assert market[-1][1:] == (14997, 15003)
    assert len(market) == 3


def test_children_of_older_versions_are_of_no_decision(tmp_path: Path) -> None:
    case = Case(tmp_path, *SWEEP)
    of = OrderFacts(id_number(case.order("C1")))
    found = Evidence(of)
    for one in case.world.facts:
        fact = msgspec.structs.replace(one, at=one.at - 1) if isinstance(one, RouteDecided) else one
        if of.concerns(fact):
            found.apply(fact)
    row = told(found)
    assert row["decisions"][0]["children"] == []
    assert [child["filled"] for child in row["other_children"]] == ["60", "40"]
    assert [fill["decision"] for fill in row["fills"]] == [None, None]
    assert "Children of no decision on record" in page(row, None, "")


def test_what_costs_the_same_is_told_so() -> None:
    seen = Seen("XNAS", 15000, 60, 50, "0.003"), Seen("XNYS", 15000, 60, 0, "0.003")
    fact = RouteDecided(at=1, id=2, order_id=1, mode="best", qty=50, seen=seen)
    decision = OrderDecision(number=1, fact=fact, limit=15000)
    (row,) = not_taken(decision, Side.BUY, Instrument("AAPL", 2, 0, 1, 1, "at-or-better", "venue"))
    assert row["reason"] == "costs the same, fee included, as what is taken last"
    # By price the better one goes first, whatever its exchange takes.
    seen = seen[0], Seen("XNYS", 15001, 60, 0, "-0.02")
    decision.fact, decision.limit = msgspec.structs.replace(fact, seen=seen), 0
    (row,) = not_taken(decision, Side.BUY, Instrument("AAPL", 2, 0, 1, 1, "at-or-better", "venue"))
    assert row["reason"] == "its price is 0.01 worse, which goes first, though it costs 0.013 less a unit, fee included"
