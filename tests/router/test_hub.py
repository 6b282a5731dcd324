"""What becomes of a client's messages and of shards', with all that is sent written down."""

import os
from pathlib import Path

import pytest

from brokerfix.router.again import ANSWER_MS, expire_asks, expire_held, resend, shard_anew
from brokerfix.router.compact import compact
from brokerfix.router.log import Log, LogError
from brokerfix.router.state import KEPT, NOWHERE, TODAY
from brokerfix.router.text import now_ms, value
from tests.router.hubs import Bench, text

ORDER = "11={}|1={}|55=AAPL|54=1|60=20261127-10:00:00.000|38=100|40=2|44=150.00"
REPORT = "37=20261127-{:02}-{}|17=20261127-{:02}-{}|150={}|39={}|11={}|1={}|55=AAPL|54=1|151=100|14=0|6=0"


def report(bench: Bench, shard: int, cl_ord_id: str, number: int = 1, status: str = "0", more: str = "") -> int:
    account = "NORTH" if shard == 0 else "SOUTH"
    told = REPORT.format(shard, number, shard, number + 1000, status, status, cl_ord_id, account) + more
    return bench.shard(shard, "8", told)


def test_orders_go_to_their_accounts_shards_and_reports_come_back_in_one_sequence(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.client("D", ORDER.format("C1", "NORTH"))
    bench.client("D", ORDER.format("C2", "SOUTH"))
    bench.client("D", ORDER.format("C3", "SOUTH"))
    assert [text(one, 11) for one in bench.shards[0].take()] == ["D 11=C1"]
    assert [(one.number, text(one, 11)) for one in bench.shards[3].take()] == [(1, "D 11=C2"), (2, "D 11=C3")]
    report(bench, 3, "C2")
    report(bench, 0, "C1")
    assert [(one.number, text(one, 11, 1)) for one in bench.take()] == [(1, "8 11=C2 1=SOUTH"), (2, "8 11=C1 1=NORTH")]


def test_a_cancel_without_account_follows_its_order_also_after_a_restart(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.client("D", ORDER.format("C1", "SOUTH"))
    bench.client("G", "11=C2|41=C1|55=AAPL|54=1|38=50|40=2|44=149.00")
    bench.begin()
    bench.client("F", "11=C3|41=C2|55=AAPL|54=1")
    assert [text(one, 11, 41) for one in bench.shards[3].take()] == ["F 11=C3 41=C2"]
    bench.client("F", "11=C4|41=lost|37=20261127-03-42|55=AAPL|54=1")
    assert [text(one, 11) for one in bench.shards[3].take()] == ["F 11=C4"], "its OrderID names the shard"
    bench.client("F", "11=C5|41=lost|55=AAPL|54=1")
    assert [text(one, 11, 41, 102, 434) for one in bench.take()] == ["9 11=C5 41=lost 102=1 434=1"]
    assert bench.shards[0].take() == bench.shards[3].take() == []


def test_a_kill_between_two_messages_loses_and_doubles_no_number(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.client("D", ORDER.format("C1", "NORTH"))
    report(bench, 0, "C1")
    before = bench.hub.state
    bench.begin()
    after = bench.hub.state
    assert (after.next_in, after.next_out) == (before.next_in, before.next_out) == (2, 2)
    assert (after.shards[0].next_in, after.shards[0].next_out) == (2, 2)
    resend(bench.hub, 0, 1, 0)
    bench.hub.flush()
    again = bench.shards[0].take()
    assert [(one.number, one.again, text(one, 11)) for one in again] == [(1, True, "D 11=C1")]


def test_what_is_not_written_whole_has_not_happened(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.client("D", ORDER.format("C1", "NORTH"))
    size = os.path.getsize(tmp_path / "ALICE.log")
    bench.client("D", ORDER.format("C2", "NORTH"))
    os.truncate(tmp_path / "ALICE.log", size + 20)
    bench.begin()
    assert (bench.hub.state.next_in, bench.hub.state.shards[0].next_out) == (2, 2)
    assert "C2" not in {name.decode() for name in bench.hub.state.orders}
    assert os.path.getsize(tmp_path / "ALICE.log") == size


def test_a_file_that_is_damaged_in_its_middle_is_not_used(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    for number in range(3):
        bench.client("D", ORDER.format(f"C{number}", "NORTH"))
    with (tmp_path / "ALICE.log").open("r+b") as file:
        file.seek(30)
        file.write(b"???")
    with pytest.raises(LogError, match=r"ALICE\.log: is damaged at byte 0"):
        list(Log(tmp_path / "ALICE.log").read())


def test_an_order_whose_shard_is_down_is_refused_at_once_and_others_go_on(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.down(3)
    bench.client("D", ORDER.format("C1", "SOUTH"))
    bench.client("D", ORDER.format("C2", "NORTH"))
    (refused,) = bench.take()
    assert text(refused, 11, 39, 150, 58) == (
        "8 11=C1 39=8 150=8 58=SHARD_DOWN: shard 3 is down; this message was not taken"
    )
    assert [text(one, 11) for one in bench.shards[0].take()] == ["D 11=C2"]
    number = bench.client("F", "11=C3|41=C1|1=SOUTH|55=AAPL|54=1")
    assert [text(one, 45, 372, 379, 380) for one in bench.take()] == [f"j 45={number} 372=F 379=C3 380=4"]
    bench.up(3)
    bench.client("D", ORDER.format("C4", "SOUTH"))
    assert [(one.number, text(one, 11)) for one in bench.shards[3].take()] == [(1, "D 11=C4")]


def test_an_order_may_wait_for_its_shard_for_a_moment(tmp_path: Path) -> None:
    bench = Bench(tmp_path, hold_seconds=2.0)
    bench.down(3)
    bench.client("D", ORDER.format("C1", "SOUTH"))
    bench.client("D", ORDER.format("C2", "SOUTH"))
    assert bench.take() == bench.shards[3].take() == []
    expire_held(bench.hub, now_ms() + 1000)
    bench.up(3)
    resend(bench.hub, 3, 1, 0)
    bench.hub.flush()
    assert [text(one, 11) for one in bench.shards[3].take()] == ["D 11=C1", "D 11=C2"]
    bench.down(3)
    bench.client("D", ORDER.format("C3", "SOUTH"))
    expire_held(bench.hub, now_ms() + 3000)
    bench.hub.flush()
    assert [text(one, 11, 39) for one in bench.take()] == ["8 11=C3 39=8"]
    bench.up(3)
    resend(bench.hub, 3, 3, 0)
    bench.hub.flush()
    (fill,) = bench.shards[3].take()
    assert (fill.kind, fill.number, value(fill.rest, 36)) == (b"4", 3, b"4"), "it never comes to the shard"


def test_an_old_order_is_not_brought_to_a_shard_that_comes_back(tmp_path: Path) -> None:
    bench = Bench(tmp_path, stale_seconds=1e-3)
    bench.client("D", ORDER.format("C1", "SOUTH"))
    bench.client("F", "11=C2|41=C1|55=AAPL|54=1")
    bench.shards[3].take()
    started = now_ms()
    while now_ms() < started + 3:
        pass
    resend(bench.hub, 3, 1, 0)
    bench.hub.flush()
    assert [(one.kind, one.number) for one in bench.shards[3].take()] == [(b"4", 1), (b"F", 2)], (
        "a cancel always passes"
    )
    assert [text(one, 11, 39) for one in bench.take()] == ["8 11=C1 39=8"]
    bench.begin()
    resend(bench.hub, 3, 1, 0)
    bench.hub.flush()
    assert [(one.kind, one.number) for one in bench.shards[3].take()] == [(b"4", 1), (b"F", 2)]
    assert bench.take() == [], "it is refused once"


def test_an_account_that_has_moved_is_followed_once(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    number = bench.client("D", ORDER.format("C1", "NORTH"))
    assert text(bench.shards[0].take()[0], 11) == "D 11=C1"
    report(bench, 0, "C1", status="8", more="|103=99|58=OTHER_SHARD: account NORTH is on shard 3")
    assert bench.take() == [], "the client does not hear of it"
    assert [text(one, 11) for one in bench.shards[3].take()] == ["D 11=C1"]
    assert bench.hub.state.shards[3].client_number(1) == number
    bench.client("D", ORDER.format("C2", "NORTH"))
    assert [text(one, 11) for one in bench.shards[3].take()] == ["D 11=C2"]
    bench.begin()
    bench.client("F", "11=C3|41=C1|55=AAPL|54=1")
    assert [text(one, 11) for one in bench.shards[3].take()] == ["F 11=C3"], "it is known after a restart"
    report(bench, 3, "C1", status="8", more="|103=99|58=OTHER_SHARD: account NORTH is on shard 0")
    assert [text(one, 11, 39, 103, 58) for one in bench.take()] == [
        "8 11=C1 39=8 103=99 58=MOVING: account NORTH is on its way to another shard; send it again"
    ], "an order is not sent about for ever"


def test_an_order_whose_accounts_new_shard_is_down_is_refused_once(tmp_path: Path) -> None:
    bench = Bench(tmp_path, stale_seconds=1e-3)
    bench.client("D", ORDER.format("C1", "NORTH"))
    bench.down(3)
    report(bench, 0, "C1", status="8", more="|103=99|58=OTHER_SHARD: account NORTH is on shard 3")
    assert [text(one, 11, 58) for one in bench.take()] == [
        "8 11=C1 58=SHARD_DOWN: shard 3 is down; this message was not taken"
    ]
    shard_anew(bench.hub, 0, 20261128)
    bench.hub.flush()
    assert bench.take() == [], "also when the other shard's day begins"


def test_a_clordid_is_the_clients_on_whatever_shard(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.hub.emit(TODAY, 20261128)
    bench.client("D", ORDER.format("C1", "NORTH"))
    bench.client("D", ORDER.format("C2", "SOUTH"))
    bench.begin()
    bench.client("D", ORDER.format("C1", "SOUTH"))
    bench.client("G", "11=C1|41=C2|55=AAPL|54=1|38=50|40=2|44=149.00")
    bench.client("F", "11=C1|41=C2|55=AAPL|54=1")
    assert bench.shards[3].take() == []
    assert [text(one, 11, 39, 103, 102, 58) for one in bench.take()] == [
        "8 11=C1 39=8 103=6 102= 58=DUPLICATE: ClOrdID=C1, of an order on shard 0",
        "9 11=C1 39=8 103= 102=6 58=DUPLICATE: ClOrdID=C1, of an order on shard 0",
        "9 11=C1 39=8 103= 102=6 58=DUPLICATE: ClOrdID=C1, of an order on shard 0",
    ]
    bench.client("F", "11=C3|41=C1|55=AAPL|54=1")
    assert [text(one, 11) for one in bench.shards[0].take()] == ["F 11=C3"], "the order of that name is found"
    bench.hub.emit(TODAY, 20261129)
    bench.client("D", ORDER.format("C1", "SOUTH"))
    assert [text(one, 11) for one in bench.shards[3].take()] == ["D 11=C1"], "on another day it may be used anew"


def test_nobody_is_sent_about_by_what_a_client_has_written(tmp_path: Path) -> None:
    """A refusal has the client's words in it."""
    bench = Bench(tmp_path)
    bench.client("D", ORDER.format("C1", "OTHER_SHARD: account NORTH is on shard 3"))
    report(bench, 0, "C1", status="8", more="|58=UNKNOWN_ACCOUNT: value=OTHER_SHARD: account NORTH is on shard 3")
    assert [text(one, 11, 39) for one in bench.take()] == ["8 11=C1 39=8"]
    assert bench.where.shard("NORTH") == 0


def test_copies_of_other_clients_reports_are_about_their_clordids(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.hub.emit(TODAY, 20261128)
    bench.client("D", ORDER.format("C1", "NORTH"))
    report(bench, 3, "C1", more="|797=Y")
    assert bench.hub.state.unanswered.keys() == {b"C1"}
    bench.client("F", "11=C2|41=C1|55=AAPL|54=1")
    assert [text(one, 11) for one in bench.shards[0].take()] == ["D 11=C1", "F 11=C2"]


def test_orders_stay_where_they_were_when_their_account_moves(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.client("D", ORDER.format("C1", "NORTH"))
    report(bench, 0, "C1", status="2")
    bench.client("D", ORDER.format("C2", "NORTH"))
    report(bench, 0, "C2", status="8", more="|103=99|58=OTHER_SHARD: account NORTH is on shard 3")
    bench.shards[0].take()
    assert [text(one, 11) for one in bench.shards[3].take()] == ["D 11=C2"]
    bench.client("D", "97=Y|" + ORDER.format("C1", "NORTH"))
    bench.client("H", "11=C1|55=AAPL|54=1")
    bench.client("H", "11=C2|55=AAPL|54=1")
    assert [text(one, 11, 97) for one in bench.shards[0].take()] == ["D 11=C1 97=Y", "H 11=C1 97="], (
        "the new shard would take it a second time"
    )
    assert [text(one, 11) for one in bench.shards[3].take()] == ["H 11=C2"]


def test_our_own_exec_ids_do_not_come_again_when_numbers_begin_anew(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.down(3)
    for name in ("C1", "C2"):
        bench.hub.begin_anew(20261128)
        bench.client("D", ORDER.format(name, "SOUTH"))
        start = now_ms()
        while now_ms() == start:
            pass
    assert len({value(one.rest, 17) for one in bench.take()}) == 2


def test_a_file_of_an_older_version_is_read(tmp_path: Path) -> None:
    """It did not keep which shard knows a ClOrdID, nor the trading day."""
    told = {
        "numbers": [5, 7, 7, 20261127], "orders": [[b"SOUTH", 20261127, [b"C1"]]], "unanswered": [], "moved": [],
        "has_all": False, "shards": [[3, 2, 3, 3, 20261127]],
    }  # fmt: skip
    Log(tmp_path / "ALICE.log").append([(KEPT, told)])
    bench = Bench(tmp_path)
    bench.client("F", "11=C3|41=C1|55=AAPL|54=1")
    bench.client("D", ORDER.format("C1", "NORTH"))
    assert [text(one, 11) for one in bench.shards[3].take()] == ["F 11=C3"]
    assert [text(one, 11) for one in bench.shards[0].take()] == ["D 11=C1"]


def test_messages_wait_for_a_shard_that_was_not_needed_before(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    del bench.hub.links[3]
    bench.client("D", ORDER.format("C1", "SOUTH"))
    bench.client("H", "11=C1|55=AAPL|54=1")
    assert bench.take() == bench.shards[3].take() == []
    bench.up(3)
    resend(bench.hub, 3, 1, 0)
    bench.hub.flush()
    assert [text(one, 11) for one in bench.shards[3].take()] == ["D 11=C1", "H 11=C1"]


def test_what_never_came_to_a_shard_is_no_possible_duplicate_on_its_new_day(tmp_path: Path) -> None:
    bench = Bench(tmp_path, hold_seconds=60)
    bench.client("D", ORDER.format("C1", "SOUTH"))
    bench.down(3)
    bench.client("D", ORDER.format("C2", "SOUTH"))
    bench.client("H", "11=C1|55=AAPL|54=1")
    bench.shards[3].take()
    bench.shards[3].is_up = True
    shard_anew(bench.hub, 3, 20261128)
    bench.hub.flush()
    sent = [(one.number, text(one, 11, 97)) for one in bench.shards[3].take()]
    assert sent == [(2, "D 11=C1 97=Y"), (3, "D 11=C2 97="), (4, "H 11=C1 97=")]
    expire_held(bench.hub, now_ms() + 61_000)
    bench.hub.flush()
    assert bench.take() == []


def test_a_refusal_names_the_clients_own_number(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.client("D", ORDER.format("C1", "NORTH"))
    bench.client("D", ORDER.format("C2", "NORTH"))
    number = bench.client("D", ORDER.format("C3", "SOUTH"))
    bench.shard(3, "3", "45=1|371=44|372=D|373=6|58=Incorrect data format for value")
    assert [text(one, 45, 373) for one in bench.take()] == [f"3 45={number} 373=6"]


def test_a_mass_cancel_goes_to_all_shards_and_is_answered_once_with_the_sum(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.client("q", "11=Q1|530=7|60=20261127-10:00:00.000")
    assert [text(bench.shards[shard].take()[0], 11) for shard in (0, 3)] == ["q 11=Q1"] * 2
    bench.shard(3, "r", "11=Q1|37=20261127-03-7|530=7|531=7|533=2|60=20261127-10:00:00.000")
    assert bench.take() == []
    bench.begin()
    bench.shard(0, "r", "11=Q1|37=20261127-00-9|530=7|531=7|533=3|60=20261127-10:00:00.000")
    assert [text(one, 11, 531, 533, 37) for one in bench.take()] == ["r 11=Q1 531=7 533=5 37=20261127-03-7"]
    assert not bench.hub.state.asks


def test_a_mass_cancel_follows_its_account(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.client("q", "11=Q1|530=7|453=1|448=SOUTH|452=38|60=20261127-10:00:00.000")
    bench.shard(3, "r", "11=Q1|37=1|530=7|531=0|532=99|58=OTHER_SHARD: account SOUTH is on shard 0")
    assert bench.take() == []
    assert [text(one, 11, 448) for one in bench.shards[0].take()] == ["q 11=Q1 448=SOUTH"]
    bench.shard(0, "r", "11=Q1|37=2|530=7|531=7|533=2")
    assert [text(one, 11, 531, 533) for one in bench.take()] == ["r 11=Q1 531=7 533=2"]
    bench.shards[3].take()
    bench.client("D", ORDER.format("C1", "NORTH"))
    assert [text(one, 11) for one in bench.shards[0].take()] == ["D 11=C1"], "another account has not moved"


def test_a_mass_cancel_tells_which_shard_refuses_or_is_down(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.client("q", "11=Q1|530=7|60=20261127-10:00:00.000")
    bench.shard(0, "r", "11=Q1|37=1|530=7|531=7|533=3|60=20261127-10:00:00.000")
    bench.shard(3, "r", "11=Q1|37=2|530=7|531=0|532=99|60=20261127-10:00:00.000|58=NOT_NOW")
    assert [text(one, 531, 533, 58) for one in bench.take()] == ["r 531=7 533=3 58=shard 3: NOT_NOW"]
    bench.down(3)
    bench.client("q", "11=Q2|530=7|60=20261127-10:00:00.000")
    bench.shard(0, "r", "11=Q2|37=1|530=7|531=7|533=1|60=20261127-10:00:00.000")
    assert [text(one, 533, 58) for one in bench.take()] == ["r 533=1 58=SHARD_DOWN: shard 3 did not answer"]
    bench.up(3)
    bench.client("q", "11=Q3|60=20261127-10:00:00.000")
    for shard in (0, 3):
        bench.shard(shard, "j", "45=3|372=q|379=Q3|380=5|58=Conditionally required tag missing")
    assert [text(one, 372, 379) for one in bench.take()] == ["j 372=q 379=Q3"], "what all refuse is refused once"


def status(bench: Bench, shard: int, number: int, total: int, last: bool) -> None:
    more = f"|584=M1|911={total}|912={'Y' if last else 'N'}"
    report(bench, shard, f"C{shard}{number}", number, "0", more)


def test_a_mass_status_is_one_answer_with_one_last_report(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.client("AF", "584=M1|585=7")
    status(bench, 0, 1, 2, False)
    status(bench, 0, 2, 2, True)
    status(bench, 3, 1, 1, True)
    told = [text(one, 11, 911, 912) for one in bench.take()]
    assert told == ["8 11=C01 911= 912=N", "8 11=C02 911= 912=N", "8 11=C31 911=3 912=Y"]


def test_a_status_that_waits_goes_before_news_of_its_shard(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.client("AF", "584=M1|585=7")
    status(bench, 0, 1, 1, True)
    assert bench.take() == []
    bench.begin()
    report(bench, 0, "C01", 5, "2")
    assert [text(one, 11, 39, 912) for one in bench.take()] == ["8 11=C01 39=0 912=N", "8 11=C01 39=2 912="]
    bench.shard(3, "8", "37=NONE|17=20261127-03-9|150=I|39=8|584=M1|911=0|912=Y|58=NO_ORDERS: nothing works")
    (last,) = bench.take()
    assert text(last, 37, 911, 912, 58) == "8 37=NONE 911=1 912=Y 58=all reports are told"


def test_a_shard_that_goes_down_is_missing_in_the_answer(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.client("AF", "584=M1|585=7")
    status(bench, 0, 1, 1, True)
    bench.down(3)
    assert [text(one, 11, 911, 912, 58) for one in bench.take()] == [
        "8 11=C01 911=1 912=Y 58=SHARD_DOWN: shard 3 did not answer"
    ]


def test_a_question_is_answered_without_a_shard_that_hangs(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.client("AF", "584=M1|585=7")
    bench.client("q", "11=Q1|530=7|60=20261127-10:00:00.000")
    bench.shard(0, "r", "11=Q1|37=1|530=7|531=7|533=3|60=20261127-10:00:00.000")
    began = now_ms()
    for late in (0, ANSWER_MS - 100):
        expire_asks(bench.hub, began + late)
    assert bench.take() == []
    status(bench, 0, 1, 1, True)
    bench.begin()
    expire_asks(bench.hub, began)
    expire_asks(bench.hub, began + ANSWER_MS + 1)
    bench.hub.flush()
    assert [text(one, 58) for one in bench.take()] == [
        "8 58=SHARD_DOWN: shard 3 did not answer", "r 58=SHARD_DOWN: shard 3 did not answer",
    ]  # fmt: skip
    assert not bench.hub.state.asks


def test_the_client_waits_for_every_shard_that_is_full(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    waits: list[bool] = []
    bench.hub.pause = waits.append
    for shard, is_full in ((0, True), (3, True), (0, False), (3, False)):
        bench.hub.full(shard, is_full)
    assert waits == [True, True, True, False]


def test_market_data_come_from_one_shard_and_move_with_a_fresh_snapshot(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.client("V", "262=MD|263=1|264=1|265=1|267=1|269=0|146=1|55=AAPL")
    assert [text(one, 262) for one in bench.shards[0].take()] == ["V 262=MD"]
    assert bench.shards[3].take() == []
    bench.shard(0, "X", "262=MD|268=1|279=0|269=0|270=150|271=1")
    assert [one.kind for one in bench.take()] == [b"X"]
    bench.down(0)
    assert [text(one, 262) for one in bench.shards[3].take()] == ["V 262=MD"]
    bench.client("V", "262=MD|263=2|264=1|267=1|269=0|146=1|55=AAPL")
    assert [text(one, 263) for one in bench.shards[3].take()] == ["V 263=2"], "its end goes where it is now"
    bench.up(0)
    assert bench.shards[0].take() == []


def test_a_shards_new_day_brings_what_it_has_not_answered_again(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.client("D", ORDER.format("C1", "SOUTH"))
    report(bench, 3, "C1")
    bench.client("D", ORDER.format("C2", "SOUTH"))
    bench.shards[3].take()
    assert shard_anew(bench.hub, 3, 20261128) == 1
    bench.hub.flush()
    assert [(one.number, text(one, 97, 11)) for one in bench.shards[3].take()] == [(2, "D 97=Y 11=C2")]
    bench.begin()
    assert (bench.hub.state.shards[3].next_in, bench.hub.state.shards[3].next_out) == (1, 3)


def test_a_smaller_file_says_the_same(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    for number in range(30):
        bench.client("D", ORDER.format(f"C{number}", ("NORTH", "SOUTH")[number % 2]))
        report(bench, (0, 3)[number % 2], f"C{number}", number)
        bench.hub.say(b"0", b"")
    bench.client("D", ORDER.format("open", "SOUTH"))
    before = bench.hub.state
    compact(bench.hub)
    for after in (bench.hub.state, Bench(tmp_path).hub.state):
        for name in ("next_in", "next_out", "day", "orders", "unanswered", "moved"):
            assert getattr(after, name) == getattr(before, name), name
        for number in (0, 3):
            assert after.shards[number].next_in == before.shards[number].next_in
            assert after.shards[number].next_out == before.shards[number].next_out
    hub = Bench(tmp_path).hub
    told = hub.event(hub.state.place(before.next_out - 2))
    assert value(told[6], 11) == b"C29"
    assert value(hub.event(hub.state.shards[3].place(16))[7], 11) == b"open"


@pytest.mark.parametrize(("share", "told"), [(2.0, 20), (0.5, 10), (0.0, 2)])
def test_a_smaller_file_has_all_that_may_have_been_on_its_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, share: float, told: int
) -> None:
    """More than the last few messages: a client that was lost under load asks for what was in buffers."""
    bench = Bench(tmp_path)
    for number in range(20):
        bench.client("D", ORDER.format(f"C{number}", "NORTH"))
        bench.hub.say(b"0", b"")
        report(bench, 0, f"C{number}", number)
    monkeypatch.setattr("brokerfix.router.compact.RETAINED_MESSAGES", 3)
    monkeypatch.setattr("brokerfix.router.compact.RETAINED_BYTES", int(share * bench.hub.record.end))
    compact(bench.hub)
    state = bench.hub.state
    kept = [number for number in range(1, state.next_out) if state.place(number) != NOWHERE]
    assert abs(len(kept) - told) <= 1
    assert value(bench.hub.event(state.place(kept[-1]))[6], 11) == b"C19"


def test_a_possible_duplicate_is_told_to_the_shard_as_one(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.client("D", ORDER.format("C1", "NORTH"), again=True)
    (sent,) = bench.shards[0].take()
    assert (sent.again, text(sent, 97, 11)) == (False, "D 97=Y 11=C1")
