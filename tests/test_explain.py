"""Stories of fills, accounts, days and refusals, and what a name is."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from brokerfix import facts as f
from brokerfix.commands import AnswerProposal, ExpireOverrides, NewOrder, SetLimits
from brokerfix.domain import Level, Limits, OrdType, Side, Standing, TimeInForce, id_text
from brokerfix.operate.explain import Ambiguous, explain
from brokerfix.operate.explain_names import named
from brokerfix.record.journal import Journal, Origin
from tests.scenario import DAY, FACTS, World
from tests.stories import OURS, SWEEP, Case, only

Row = dict[str, Any]
BOTH = "XNAS XNYS"


def told(case: Case, *words: str) -> Row:
    result = case.run(*words, "--json")
    assert result.exit_code == 0, result.output
    found: Row = json.loads(result.stdout)
    return found


def texts(story: Row, about: str = "") -> list[str]:
    return [row["what happened"] for row in story["story"] if not about or row["about"] == about]


def number(case: Case, kind: type[f.Fact], index: int = 0) -> str:
    return id_text([fact for fact in case.world.facts if isinstance(fact, kind)][index].id)


# Orders


def test_an_order_is_told_with_each_limit_and_how_much_was_used(tmp_path: Path) -> None:
    limits = "firm max_gross=900000;group DESK max_long=2000;client ALICE max_window_qty=3000"
    row = told(case := Case(tmp_path, *SWEEP, "client ALICE new C2 buy 50 AAPL 149.00",
                            world=World(venues=BOTH, limits=limits)), case.order("C2"))  # fmt: skip
    checks = {one["name"]: only(one, "at", "limit", "used", "value", "broken") for one in row["checks"]}
    assert checks == {
        "lot": ["AAPL", "1", None, "50", False],
        "tick": ["AAPL", "0.01", None, "149.00", False],
        "collar": ["AAPL", "165.00", None, "149.00", False],
        # 100 at the mark of 150.00 are held.
        "max_gross": ["firm", "900000", "15000", "22450", False],
        "max_long": ["group DESK", "2000", "100", "150", False],
        "max_order_qty": ["account ALICE", "10000", None, "50", False],
        "max_order_notional": ["account ALICE", "1000000", None, "7450", False],
        "max_window_qty": ["client ALICE", "3000", "100", "150", False],
        "buying_power": ["account ALICE", "985000.20", None, "7450.00", False],
    }
    set_by = {one["name"]: one["set_by"] for one in row["checks"]}
    assert set_by["max_order_qty"] == set_by["buying_power"] == number(case, f.AccountDefined)
    assert set_by["max_gross"] == number(case, f.LimitsSet)
    assert "it is weighed against 9 limits, by the state after " in texts(row, "check")[0]


def test_limits_that_somebody_has_set_are_told_by_the_fact_that_did(tmp_path: Path) -> None:
    world = World(venues=BOTH)
    world.submit(SetLimits(world.now, "carol", Level("account", "ALICE"), Limits(max_order_qty="500")))
    case = Case(tmp_path, "client ALICE new C1 buy 501 AAPL 149.00", world=world)
    row = told(case, case.order("C1"))
    assert row["refusal"] == {
        "check": "MAX_ORDER_QTY", "name": "max_order_qty", "at": "account ALICE", "limit": "500", "used": None,
        "asked": "501", "value": "501", "set_by": number(case, f.LimitsSet),
    }  # fmt: skip


def test_where_an_order_came_from_and_what_its_client_was_told(tmp_path: Path) -> None:
    case = Case(tmp_path, *SWEEP)
    journal = Journal(tmp_path / "came" / "journal")
    journal.open(DAY)
    came = Origin("c:ALICE", 7, 1_000_000_000_004_900_000, "20010909-01:46:40.004", "20010909-01:46:40.003", "desk 2")
    for record in case.world.records:
        facts = FACTS.decode(record)
        is_order = any(isinstance(fact, f.OrderAccepted) for fact in facts)
        journal.append(facts, came if is_order else Origin(), written=1_000_000_000_005_100_000)
    journal.close()
    row = explain(journal.folder, case.order("C1"))
    assert row["received"] == {
        "session": "client ALICE", "msg_seq_num": 7, "received": "2001-09-09 01:46:40.004900",
        "sending_time": "20010909-01:46:40.004", "transact_time": "20010909-01:46:40.003", "who": "desk 2",
        "written": "2001-09-09 01:46:40.005100",
    }  # fmt: skip
    assert texts(row)[0] == (
        "it came from client ALICE, as its message 7, sent 20010909-01:46:40.004, with TransactTime "
        "20010909-01:46:40.003, of desk 2; received 2001-09-09 01:46:40.004900"
    )
    assert [only(one, "exec_type", "ord_status", "last_qty", "cum_qty", "leaves_qty") for one in row["reports"]] == [
        ["NEW", "NEW", None, "0", "100"],
        ["TRADE", "PARTIALLY_FILLED", "60", "60", "40"],
        ["TRADE", "FILLED", "40", "100", "0"],
    ]


def test_who_did_what_by_hand(tmp_path: Path) -> None:
    case = Case(tmp_path, *SWEEP, "operator OPS bust e3", "operator EVE cancel C1 wrong")
    row = told(case, case.order("C1"))
    assert row["by_hand"][0]["who"] == "OPS"
    assert row["by_hand"][0]["what"] == f"fill {number(case, f.ChildFilled, 1)} is taken back by OPS"
    assert row["by_hand"][-1]["who"] == "EVE"
    assert only(row["end"], "status", "filled", "canceled", "leaves", "children", "fills") == [
        "canceled", "60", "40", "0", 2, 1,
    ]  # fmt: skip


def test_what_is_left_after_a_split_is_of_the_new_shares(tmp_path: Path) -> None:
    case = Case(
        tmp_path, "client ALICE new C1 buy 100 AAPL 149.00", "venue XNAS ack c1", "venue XNAS fill c1 60@149.00 cum 60",
        "operator OPS split AAPL 2 1", "client ALICE new C2 buy 10 AAPL 74.00",
    )  # fmt: skip
    row = told(case, case.order("C1"))
    known = case.world.state.orders[case.world.state.clients["ALICE"].requests["C1"].order_id]  # type: ignore[union-attr]
    assert (known.cum, known.leaves) == (120, 80)
    assert only(row["end"], "filled", "left", "leaves", "canceled", "status") == [
        "120", "80", "80", "0", "partially filled",
    ]  # fmt: skip
    assert only(row["order"], "qty", "qty_now") == ["100", "200"]
    assert "OPS splits AAPL: 2 for 1" in texts(row)


# Refusals


def test_what_is_used_of_a_limit_is_told_of_what_it_refuses(tmp_path: Path) -> None:
    case = Case(
        tmp_path, "client ALICE new C1 buy 80 AAPL 149.00", "client ALICE new C2 buy 30 AAPL 149.00",
        "client ALICE replace C3 C1 buy 101 AAPL 149.00",
        world=World(venues=BOTH, limits="account ALICE AAPL max_long=100"),
    )  # fmt: skip
    row = told(case, case.order("C2"))
    assert only(row["refusal"], "check", "limit", "used", "asked", "value") == ["LONG_LIMIT", "100", "80", "30", "110"]
    assert texts(row, "check")[-1] == (
        "what refuses it is LONG_LIMIT (max_long) of account ALICE AAPL: the limit is 100; 80 of it was used, 30 more "
        "was asked for, which makes 110"
    )
    (request,) = told(case, case.order("C1"))["refused_requests"]
    assert only(request, "request", "cl_ord_id", "orig_cl_ord_id") == ["replace", "C3", "C1"]
    assert only(request["refusal"], "check", "limit", "used", "asked") == ["LONG_LIMIT", "100", "0", "101"]
    account = told(case, "ALICE")
    assert [only(one, "request", "cl_ord_id") for one in account["refusals"]] == [["new", "C2"], ["replace", "C3"]]
    assert [one["refusal"]["used"] for one in account["refusals"]] == ["80", "0"]


def test_a_refused_cancel_of_no_order_has_a_story_of_its_own(tmp_path: Path) -> None:
    case = Case(tmp_path, "client BOB cancel X1 NONE buy AAPL")
    row = told(case, number(case, f.RequestRejected))
    assert (row["kind"], row["request"]["cl_ord_id"], row["request"]["reason"]) == ("request", "X1", "UNKNOWN_ORDER")
    assert texts(row)[0].startswith("cancel X1 of BOB for NONE is refused: ")
    assert [one["message"] for one in row["reports"]] == ["OrderCancelReject"]
    assert [one["cl_ord_id"] for one in told(case, "BOB")["refusals"]] == ["X1"]
    file = tmp_path / "x.html"
    assert case.run(number(case, f.RequestRejected), "--html", str(file)).exit_code == 0
    assert "BOB&#x27;s cancel X1 was refused" in file.read_text()


# Fills


def test_a_fill_at_an_exchange_and_what_became_of_it(tmp_path: Path) -> None:
    case = Case(tmp_path, *SWEEP, "operator OPS correct e3 30@149.00", "operator EVE bust e3")
    row = told(case, number(case, f.ChildFilled, 1))
    one = row["exec"]
    assert only(one, "exchange", "exchange_exec_id", "exchange_order_id", "exchange_fee", "cl_ord_id", "side") == [
        "XNYS", "E4", "V-c2", "0.10", "C1", "buy",
    ]  # fmt: skip
    assert (one["order_id"], one["child_id"]) == (case.order("C1"), number(case, f.OrderRouted, 1))
    assert (one["position"], one["cash"]) == (
        {"before": "60", "after": "100"}, {"before": "991000.60", "after": "985000.20"},
    )  # fmt: skip
    assert one["now"] == {"qty": "0", "price": "149.00", "charged": "0.00", "taken_back": True}
    assert [only(change, "what", "qty", "price", "who") for change in row["changes"]] == [
        ["correction", "30", "149.00", "OPS"],
        ["bust", "0", None, "EVE"],
    ]
    assert [change["position"]["after"] for change in row["changes"]] == ["90", "60"]
    assert [report["exec_type"] for report in row["reports"]] == ["TRADE", "TRADE_CORRECT", "TRADE_CANCEL"]
    assert [one["who"] for one in row["by_hand"]] == ["OPS", "EVE"]
    # What the client was told of the bust names the same fill.
    assert told(case, row["changes"][-1]["new_exec_id"]) == row
    assert row["story"][0]["facts"] == [number(case, f.ChildFilled, 1), number(case, f.OrderRouted, 1)]


def test_both_sides_of_a_trade_in_our_book(tmp_path: Path) -> None:
    case = Case(tmp_path, *OURS, "operator OPS bust e3", world=World(venues=BOTH, post="book"))
    trade = next(fact for fact in case.world.facts if isinstance(fact, f.Trade))
    maker, taker = (told(case, id_text(exec_id)) for exec_id in (trade.id - 1, trade.id))
    assert (maker["exec"]["account"], maker["other_side"]["account"]) == ("BOB", "ALICE")
    assert (taker["exec"]["account"], taker["other_side"]["account"]) == ("ALICE", "BOB")
    assert maker["exec"] == taker["other_side"]
    assert (maker["exec"]["position"], taker["exec"]["position"]) == (
        {"before": "0", "after": "-30"}, {"before": "0", "after": "30"},
    )  # fmt: skip
    assert texts(maker, "fill") == ["two orders meet in our own book: 30 AAPL at 150.00"]
    assert {report["client"] for report in maker["reports"]} == {"ALICE", "BOB"}
    assert [change["exec_id"] for change in maker["changes"]] == [id_text(trade.id - 1), id_text(trade.id)]
    assert [number for row in maker["story"] for number in row["facts"] if number == id_text(trade.id - 1)] != []


def test_a_fills_page_has_its_orders_picture(tmp_path: Path) -> None:
    case, file = Case(tmp_path, *SWEEP), tmp_path / "fill.html"
    assert case.run(number(case, f.ChildFilled), "--html", str(file)).exit_code == 0
    text = file.read_text()
    assert "data:image/png;base64," in text
    assert "ALICE bought 60 AAPL at 149.99 (XNAS)" in text
    assert "http" not in text


# Accounts


def test_limits_that_two_people_have_set_for_a_time(tmp_path: Path) -> None:
    world = World(venues=BOTH)
    wanted = SetLimits(
        world.now, "carol", Level("account", "ALICE"), Limits(max_order_qty="90000", max_order_notional="1000000"),
        "a large client", until=world.now + 10**12, raise_above="1",
    )  # fmt: skip
    world.submit(wanted)
    proposal = world.facts[-2].id
    world.submit(AnswerProposal(world.now, "dave", proposal, True))
    world.now += 2 * 10**12
    world.submit(ExpireOverrides(world.now))
    world.submit(msgspec.structs.replace(wanted, at=world.now, until=0))
    again = world.facts[-2].id
    world.submit(AnswerProposal(world.now, "dave", again, False, "no"))
    row = told(Case(tmp_path, world=world), "ALICE")
    assert [only(one, "what", "who", "approver") for one in row["limits"]] == [
        ["proposed", "carol", None], ["set", "carol", "dave"], ["over", "expiry", None], ["proposed", "carol", None],
        ["not approved", "dave", None],
    ]  # fmt: skip
    sentences = texts(row, "limits")
    assert sentences[0].startswith("carol proposes limits until 2001-09-09 02:03:20: max_order_qty 90000")
    assert f"approved by dave (proposal {id_text(proposal)})" in sentences[1]
    assert sentences[2].startswith("the time of limits is over; they are max_order_qty 10000")
    assert row["story"][-1]["facts"][1:] == [id_text(again)]
    assert {one["who"] for one in row["by_hand"]} == {"carol", "dave"}, "what ends by itself is nobody's"


def test_margin_credit_halts_and_moves(tmp_path: Path) -> None:
    case = Case(tmp_path, "operator OPS kill group DESK", "operator OPS resume group DESK",
                world=World(venues=BOTH, limits="group DESK max_long=2000"))  # fmt: skip
    at, last = case.world.now, case.world.state.last_id
    numbers = {"equity": "10.00", "maintenance": "20.00", "excess": "-10.00"}
    more: list[f.Fact] = [
        f.MarginChanged(at=at, id=last + 1, account="ALICE", standing=Standing.CALL, **numbers),
        f.LiquidationHeld(at, last + 2, "ALICE", "it is ours", "carol"),
        f.LiquidationResumed(at, last + 3, "ALICE", "carol"),
        f.CreditScored(
            at=at, id=last + 4, account="ALICE", score=610, multiplier_bps=5000, inputs=(("calls", "1"),),
            reasons=("a margin call",), operator="credit",
        ),
        f.MarginChanged(at=at, id=last + 5, account="BOB", standing=Standing.CALL, **numbers),
        f.AccountMoving(at=at, id=last + 6, account="ALICE", to=2, operator="dave"),
        f.AccountMoving(at=at, id=last + 7, account="ALICE", to=-1, operator="dave"),
        f.PersonalErased(at, last + 8, "ALICE", "erin", "she has asked"),
    ]  # fmt: skip
    journal = Journal(case.journal)
    journal.open(DAY)
    journal.append(more, written=at)
    journal.close()
    row = told(case, "ALICE")
    assert texts(row, "halt") == [
        "the account is killed: its orders are canceled, new ones refused, by OPS (with group DESK)",
        "new orders are taken again, OPS says so",
    ]
    assert texts(row, "margin") == [
        "the account is in a margin call: it may only close positions, and its orders that would need more are "
        "canceled: equity 10.00, maintenance margin 20.00, excess liquidity -10.00"
    ]
    assert texts(row, "liquidation") == [
        "carol stops the liquidation: it is ours",
        "the liquidation goes on, carol says so",
    ]
    assert only(row["credit"][0], "score", "may_use_percent", "inputs", "reasons") == [
        610, "50", {"calls": "1"}, ["a margin call"],
    ]  # fmt: skip
    assert texts(row, "move") == [
        "the account is to move to shard 2, dave says so: no new orders, its orders are waited for",
        "the account stays after all, dave says so",
    ]
    assert texts(row, "personal") == ["erin erases the personal data: she has asked"]
    assert "erin erases the personal data of ALICE: she has asked" in texts(told(case, str(DAY)), "hand")
    file = tmp_path / "account.html"
    assert case.run("ALICE", "--html", str(file)).exit_code == 0
    assert "Its margin: call since" in file.read_text()


def test_an_account_that_there_is_not(tmp_path: Path) -> None:
    result = Case(tmp_path).run("NOBODY")
    assert result.exit_code == 1
    assert "there is no account 'NOBODY'" in result.stderr


# Days


def test_a_days_story(tmp_path: Path) -> None:
    case = Case(
        tmp_path, *SWEEP, "operator OPS bust e3", "client ALICE new C9 buy 10001 AAPL 150.00",
        "operator OPS halt symbol MSFT", "operator BETTY enter ALICE - sell 5 AAPL 160.00", f"day {DAY + 1}",
        "client ALICE new C2 buy 10 AAPL 149.00",
    )  # fmt: skip
    row = told(case, "2026-11-22")
    assert row == told(case, str(DAY))
    assert only(row["totals"]["all"], "received", "accepted", "refused", "filled", "fills", "taken_back") == [
        3, 2, 1, 1, 2, 1,
    ]  # fmt: skip
    assert [only(one, "exchange", "fills", "bought") for one in row["totals"]["exchanges"]] == [
        ["XNAS", 1, "60"], ["XNYS", 1, "40"],
    ]  # fmt: skip
    sentences = texts(row)
    for sentence in (
        "the broker starts", "exchange XNAS is up", "OPS halts symbol MSFT",
        f"BETTY enters order {number(case, f.OrderAccepted, 1)} for ALICE: sell 5 AAPL at 160.00",
    ):  # fmt: skip
        assert sentence in sentences
    assert [one["who"] for one in row["by_hand"]] == ["OPS", "OPS", "BETTY"]
    after = told(case, str(DAY + 1))
    assert (after["totals"]["all"]["accepted"], after["totals"]["all"]["refused"]) == (1, 0)
    assert texts(after)[0] == f"trading day {DAY + 1} begins"
    result = case.run("20261130")
    assert (result.exit_code, "there is no trading day 20261130" in result.stderr) == (1, True)
    text = case.run(str(DAY)).stdout
    assert "taken back" in text
    file = tmp_path / "day.html"
    assert case.run(str(DAY), "--html", str(file)).exit_code == 0
    assert "3 orders received: 2 accepted, 1 refused" in file.read_text()


def test_many_alerts_alike_are_told_by_their_number(tmp_path: Path) -> None:
    case = Case(tmp_path)
    journal = Journal(case.journal)
    journal.open(DAY)
    last = case.world.state.last_id
    journal.append([f.Alerted(case.world.now + n, last + n, "XNAS", "LATE", f"late {n}") for n in range(1, 31)])
    journal.close()
    row = told(case, str(DAY))
    sentences = texts(row, "alert")
    assert len(sentences) == 21
    assert sentences[-1].startswith("10 more alerts LATE from XNAS since ")
    assert only(row["alerts"][0], "source", "code", "count") == ["XNAS", "LATE", 30]


# Names


@pytest.mark.parametrize("account", ["20261122", "2026-11-22", "20261122-00-13"])
def test_an_account_that_is_called_like_something_else_is_ambiguous(account: str, tmp_path: Path) -> None:
    case = Case(tmp_path)
    journal = Journal(case.journal)
    journal.open(DAY)
    journal.append([f.AccountDefined(case.world.now, case.world.state.last_id + 1, account, "5", Limits())])
    journal.close()
    with pytest.raises(Ambiguous, match="is an account, and a"):
        named(case.journal, account)
    assert "say `--as account` or" in case.run(account).stderr
    assert texts(told(case, account, "--as", "account"))[0].startswith("the account is set up: kind cash, 5 paid in")


def test_what_a_number_is(tmp_path: Path) -> None:
    case = Case(tmp_path, *SWEEP, "operator OPS bust e3")
    order, fill = case.order("C1"), number(case, f.ChildFilled)
    kinds = {name: told(case, name)["kind"] for name in (order, fill, number(case, f.OrderRouted), "ALICE", str(DAY))}
    assert list(kinds.values()) == ["order", "exec", "order", "account", "day"]
    for words, why in (
        ((order, "--as", "exec"), f"there is no fill {order}"),
        ((fill, "--as", "order"), "that is the ExecID of a fill"),
        (("ALICE", "--as", "order"), "'ALICE' is no order"),
        (("ALICE", "--as", "day"), "'ALICE' is no day"),
        ((number(case, f.VenueUp),), "is the number of a VenueUp"),
    ):
        result = case.run(*words)
        assert (result.exit_code, why in result.stderr) == (1, True), result.stderr


def test_an_order_with_a_rate_limit_is_told_how_many_there_were(tmp_path: Path) -> None:
    world = World(venues=BOTH, rate="2")
    case = Case(tmp_path, world=world)
    for name in ("C1", "C2", "C3"):
        world.submit(
            NewOrder(world.now, "ALICE", name, "", "AAPL", Side.BUY, OrdType.LIMIT, TimeInForce.DAY, 10, 14900)
        )
    case = Case(tmp_path / "again", world=world)
    row = told(case, case.order("C3"))
    assert only(row["refusal"], "check", "limit", "used", "asked") == ["RATE", "2/s", "2", "1"]
