"""Searching the facts of a day."""

import json

from click.testing import CliRunner

from brokerfix.cli import main
from brokerfix.domain import id_number
from brokerfix.projections.events.search import Found, Sought, search
from brokerfix.projections.events.source import Source
from brokerfix.projections.events.values import moment_of
from brokerfix.projections.events.words import in_words, spaced
from tests.queues.flow import DAY, Flow


def found(flow: Flow, day: int = DAY, **sought: object) -> Found:
    return search(flow.folder / "journal", 0, Sought(day, most=500, **sought))  # type: ignore[arg-type]


def test_everything_is_found_and_told_in_words(flow: Flow) -> None:
    every = found(flow)
    assert [id_number(row["id"]) for row in every.facts] == [
        message.number for message in Source(flow.folder / "journal", 0).read(1000)
    ]
    assert every.looked == len(every.facts)
    accepted = next(row for row in every.facts if row["kind"] == "OrderAccepted")
    assert accepted["words"].startswith("Order accepted (ALICE, AAPL): client ALICE, cl ord id ALICE-1, side sell")
    assert found(flow, DAY + 1).facts == []


def test_pages_are_the_whole(flow: Flow) -> None:
    folder, every = flow.folder / "journal", [row["id"] for row in found(flow).facts]
    paged: list[str] = []
    while True:
        after = id_number(paged[-1]) if paged else 0
        page = search(folder, 0, Sought(DAY, after=after, most=3))
        paged += [row["id"] for row in page.facts]
        if not page.more:
            break
    assert paged == every


def test_by_kind_account_text_and_time(flow: Flow) -> None:
    trades = found(flow, kind="Trade").facts
    assert [row["account"] for row in trades] == ["ALICE", "BOB"] * 4
    assert {row["account"] for row in found(flow, account="BOB").facts} == {"BOB"}
    assert [row["kind"] for row in found(flow, text="bob-2").facts][:1] == ["OrderAccepted"]
    assert found(flow, text='no "such" text').facts == []
    since, until = (moment_of(trades[number]["at"]) for number in (2, 4))
    between = found(flow, kind="Trade", since=since, until=until).facts
    assert [row["id"] for row in between] == [row["id"] for row in trades[2:4]]


def test_an_order_is_found_by_either_of_its_names(flow: Flow) -> None:
    (accepted,) = [row for row in found(flow, kind="OrderAccepted").facts if row["fact"]["cl_ord_id"] == "BOB-3"]
    by_id, by_name = found(flow, order=accepted["id"]).facts, found(flow, order="BOB-3").facts
    assert by_id == by_name
    assert by_id[0]["kind"] == "OrderAccepted"
    assert "Trade" in [row["kind"] for row in by_id]
    page = search(flow.folder / "journal", 0, Sought(DAY, order="BOB-3", after=id_number(accepted["id"])))
    assert page.facts == by_name[1:], "its name is known on a later page too"


def test_at_the_command_line(flow: Flow) -> None:
    def run(*words: str) -> str:
        result = CliRunner().invoke(main, ["search", "--day", "2026-11-27", "--config", str(flow.config), *words])
        return result.output

    assert run("--kind", "Trade", "--limit", "1").splitlines()[1].startswith("there are more: --after 20261127-00-")
    assert len(json.loads(run("--kind", "Trade", "--json"))["facts"]) == 8
    assert "there is no kind Gossip" in run("--kind", "Gossip")
    assert "a time is like 2026-11-27T08:00:00Z" in run("--from", "noon")


def test_words() -> None:
    assert spaced("OrderAccepted") == "order accepted"
    row = {"kind": "Halted", "account": "", "symbol": "", "fact": {"kind": "symbol", "job": True, "text": ""}}
    assert in_words(row) == "Halted: kind symbol, job yes"
    long = in_words({"kind": "X", "fact": {"text": "y" * 500}})
    assert len(long) < 120
