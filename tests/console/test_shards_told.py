"""What the page "Shards" makes of the shards' answers."""

from typing import Any

import pytest

from brokerfix.console.needs import BAD, WARN, of_shards
from brokerfix.console.pages.shards_told import (
    exact,
    missing,
    order_rows,
    outcome,
    part_rows,
    pending_rows,
    position_rows,
    shard_rows,
    stopped,
    sum_rows,
    troubles,
)

AWAY = {"shard": 2, "ok": False, "error": "it is not there", "away": True}


def shard(number: int, state: str = "up", standing: int = 3, **more: Any) -> dict[str, Any]:
    return {
        "shard": number, "node": f"n{number}", "name": "DESK", "state": state, "heard_s": 0.3, "accounts": 5,
        "epoch": 2, "standing": standing, **more,
    }  # fmt: skip


def door(*shards: dict[str, Any], asked: int = 3) -> dict[str, Any]:
    return {"shards": list(shards), "asked": asked, "here": 1, "trouble": ""}


def told(*answers: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"answers": list(answers), "kept": False, "number": 0, "error": "", **more}


def test_a_shard_is_shown_by_what_is_heard_of_it_and_what_it_says() -> None:
    status = {"shard": 1, "ok": True, "day": 20261128, "facts": 12345, "working": 7, "alerts": 0,
              "pause_ms": {"last_minute": 1.25}}  # fmt: skip
    one, two = shard_rows(door(shard(1), shard(2, "away", 1, heard_s=400.0)), told(status, AWAY))
    assert (one["shard"], one["state"]["text"], one["facts"], one["pause"]) == ("1 (here)", "up", "12,345", "1.2 ms")
    assert (one["heard"], one["done"]) == ("0.3 s ago", "3 of 3")
    assert (two["shard"], two["state"]["text"], two["state"]["kind"]) == ("2", "away", "bad")
    assert (two["heard"], two["done"]) == ("6 min ago", {"text": "! 1 of 3", "kind": "bad"})
    assert "facts" not in two


def test_a_shard_that_is_heard_of_and_does_not_answer_is_red_with_what_to_do() -> None:
    silent = {"shard": 2, "ok": False, "error": "its broker does not answer", "away": True}
    (row,) = shard_rows(door(shard(2)), told(silent))
    assert (row["state"]["text"], row["state"]["kind"]) == ("no answer", "bad")
    (need,) = troubles(door(shard(2)), told(silent))
    assert (need.kind, need.what) == (BAD, "Shard 2 does not tell how it is: its broker does not answer.")


@pytest.mark.parametrize(
    ("found", "kind", "what"),
    [
        (door(shard(2, "away", 1, heard_s=12.0)), BAD,
         "Shard 2 (node n2) is away: nothing was heard of it for 12 s. It has 5 accounts. 2 requests to all shards "
         "wait for it."),
        (door(shard(2, "away", 2, accounts=0)), WARN,
         "Shard 2 (node n2) is away: nothing was heard of it for 0 s. It has no account. 1 request to all shards waits "
         "for it."),
        ({**door(shard(1)), "trouble": "no quorum"}, BAD, "What the shards share can't be read: no quorum."),
        ({"silent": "The agent does not answer. See its log."}, BAD, "The agent does not answer."),
    ],
)  # fmt: skip
def test_what_is_wrong_with_shards_needs_a_hand(found: dict[str, Any], kind: str, what: str) -> None:
    (need,) = of_shards(found)
    assert (need.kind, need.what, need.link) == (kind, what, "/shards")
    assert need.do


def test_where_all_are_up_nothing_needs_a_hand() -> None:
    assert list(of_shards(door(shard(1), shard(2, standing=2)))) == []


# What was asked of all


@pytest.mark.parametrize(
    ("answer", "kept", "kind", "text"),
    [
        ({"ok": True, "orders": 1}, True, "good", "killed, 1 order is being canceled"),
        ({"ok": True}, True, "good", "killed"),
        ({"ok": True, "proposal": "7"}, True, "warn", "waits for a second person: 7"),
        ({"ok": False, "error": "there is no account X"}, True, "bad", "refuses it: there is no account X"),
        ({"ok": False, "error": "client T is halted already"}, True, "good", "client T is halted already"),
        (AWAY, True, "bad", "it is not there: it does it before it takes orders again"),
        (AWAY, False, "bad", "it is not there, and it is NOT kept for it (no quorum): ask again once it is back"),
    ],
)  # fmt: skip
def test_what_came_of_a_request_at_a_shard(answer: dict[str, Any], kept: bool, kind: str, text: str) -> None:
    asked = told({**answer, "shard": 2}, kept=kept, number=4 * kept, error="" if kept else "no quorum")
    assert outcome(asked, "killed", door(shard(2))) == [(2, kind, text)]


def test_who_was_away_has_confirmed_once_it_has_carried_it_out() -> None:
    asked = told(AWAY, kept=True, number=4)
    assert outcome(asked, "killed", door(shard(2, standing=4)))[0].text == "has carried it out since"
    assert outcome(asked, "killed", door(shard(2, standing=3)))[0].kind == "bad"
    not_kept = told(AWAY, error="no quorum")
    assert outcome(not_kept, "killed", door(shard(2, standing=9)))[0].kind == "bad"


def test_a_shard_without_the_account_has_nothing_to_do_where_another_has_done_it() -> None:
    other = {"shard": 1, "ok": False, "error": "OTHER_SHARD: account SOUTH is on shard 2"}
    lines = outcome(told(other, {"shard": 2, "ok": True, "orders": 0}), "killed", door(shard(1), shard(2)))
    assert lines[0] == (1, "good", "has nothing to do: account SOUTH is on shard 2")
    # On its way nobody has it: then nobody has done it.
    lines = outcome(told(other, {**other, "shard": 2}), "killed", door(shard(1), shard(2)))
    assert [line.kind for line in lines] == ["bad", "bad"]


def test_what_is_stopped_at_some_shards_only() -> None:
    halt = {"kind": "client", "name": "ALICE", "by": "rita", "killed": False}
    kill = {"kind": "all", "name": "", "by": "tom", "killed": True}
    found = stopped(
        told({"shard": 1, "ok": True, "stopped": [halt, kill]}, {"shard": 2, "ok": True, "stopped": [kill]})
    )
    assert found == [("client", "ALICE", "rita", False, "not at shard 2"), ("all", "", "tom", True, "")]


def test_the_same_change_waits_at_several_shards() -> None:
    change = {"level": "firm", "by": "rita", "change": "max_gross 1 -> 2", "text": "more"}
    rows = pending_rows(told(
        {"shard": 1, "ok": True, "pending": [{**change, "number": "11"}]},
        {"shard": 2, "ok": True, "pending": [{**change, "number": "22"}, {**change, "number": "23", "by": "rob"}]},
    ))  # fmt: skip
    assert [(row["by"], row["at"]) for row in rows] == [("rita", {1: "11", 2: "22"}), ("rob", {2: "23"})]


# What all have


def order(number: int, at: int, **more: str) -> dict[str, Any]:
    return {
        "order_id": f"{number}", "client": "T", "account": "A", "cl_ord_id": f"c{number}", "side": "buy", "qty": "1000",
        "symbol": "AAPL", "leaves_qty": "10", "price": "1.00", "at": at, **more,
    }  # fmt: skip


def test_orders_of_all_shards_stand_by_their_time_and_are_found_by_words() -> None:
    one = {"shard": 1, "ok": True, "orders": [order(1, 30), order(2, 10, account="B")], "more": 1200}
    found = told(one, {"shard": 2, "ok": True, "orders": [order(3, 20)], "more": 0}, {**AWAY, "shard": 3})
    rows, count = order_rows(found, "", str)
    assert [(row["order"], row["shard"], row["at"]) for row in rows] == [
        ("1", "1", "30"), ("3", "2", "20"), ("2", "1", "10")
    ]  # fmt: skip
    assert count == "3 at work; shard 1 has 1,200 older ones besides"
    assert missing(found, "orders") == ["shard 3: it is not there"]
    assert [row["order"] for row in order_rows(found, "shard 2 aapl", str)[0]] == ["3"]
    rows, count = order_rows(found, "", str, most=2)
    assert [row["order"] for row in rows] == ["1", "3"]
    assert count.startswith("the newest 2 of 3 at work")


def held(number: int, sums: dict[str, str], cash: dict[str, str], **more: Any) -> dict[str, Any]:
    positions = [{"account": f"A{number}", "symbol": symbol, "qty": qty} for symbol, qty in sums.items()]
    return {"shard": number, "ok": True, "sums": sums, "cash": cash, "positions": positions, "more": 0, **more}


def test_positions_are_summed_exactly_over_shards() -> None:
    found = told(
        held(1, {"AAPL": "1000", "BTC": "0.30000000"}, {"": "0.10", "EUR": "5.00"}),
        held(2, {"AAPL": "-1500", "BTC": "0.60000000"}, {"": "0.200000000000000000000000001"}, more=7),
    )
    assert [(row["what"], row["sum"]) for row in sum_rows(found)] == [
        ("cash", "0.300000000000000000000000001"), ("cash in EUR", "5.00"), ("AAPL", "-500"), ("BTC", "0.90000000"),
    ]  # fmt: skip
    rows, count = position_rows(found, "aapl")
    assert [(row["account"], row["shard"], row["qty"]) for row in rows] == [("A1", "1", "1,000"), ("A2", "2", "-1,500")]
    assert count == "2 positions; shard 2 has 7 more"


def test_a_sum_without_a_shard_is_not_shown_as_if_it_were_all() -> None:
    rows = sum_rows(told(held(1, {"AAPL": "10"}, {"": "1.00"}), AWAY))
    assert rows[1]["sum"] == {"text": "! 10", "kind": "bad"}


def test_decimal_texts_are_summed_with_nothing_rounded() -> None:
    assert exact(["-0.50", "0.25", "3"]) == "2.75"
    assert exact([]) == "0"


def part(limit: str, whole: str, amount: str, used: str) -> dict[str, str]:
    return {"kind": "firm", "name": "", "limit": limit, "whole": whole, "part": amount, "used": used}


def test_a_limit_is_shown_with_each_shards_part_and_what_is_away_counts_whole() -> None:
    answers = told(
        {
            "shard": 1,
            "ok": True,
            "parts": [part("max_gross", "1000", "600", "100"), part("max_long", "50", "25", "25")],
        },
        AWAY,
    )
    entry = {"amount": "400.00", "used": "10.00", "needs": "10.00", "since": 0, "limit": "1000.00", "epoch": 1}
    kept = {"parts": [{"kind": "firm", "name": "", "limit": "max_gross", "shards": {"1": entry, "2": entry}}]}
    rows, count = part_rows(answers, kept)
    assert [(row["limit"], row["most"], row["used"]["text"]) for row in rows] == [
        ("max_gross", "1,000", "50.0 % (500)"), ("max_long", "50", "50.0 % (25)"),
    ]  # fmt: skip
    assert rows[0]["parts"] == "shard 1: 100 of 600; shard 2: 10 of 400 (away: all of it counts)"
    assert count == "2 limits"


def test_a_limit_of_which_shards_have_different_numbers_is_red() -> None:
    answers = [{"shard": 1, "ok": True, "parts": [part("max_gross", "1000", "1", "0")]},
               {"shard": 2, "ok": True, "parts": [part("max_gross", "900", "1", "0")]}]  # fmt: skip
    (row,), count = part_rows(told(*answers), {})
    assert row["most"] == {"text": "! 900", "kind": "bad"}
    assert count == "1 limit; ! of 1 shards have different numbers: the lowest counts"
