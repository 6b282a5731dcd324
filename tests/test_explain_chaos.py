"""What `explain` tells of a chaotic day, against a count of the facts, and after a restart."""

import json
import random
import shutil
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from brokerfix import facts as f
from brokerfix.domain import OrdStatus, Side, id_number, id_text
from brokerfix.operate.explain import explain, explain_orders
from brokerfix.operate.explain_replay import begin_of
from brokerfix.record.audit import verify
from brokerfix.record.journal import Journal, read
from brokerfix.record.kept import recovered
from tests.chaotic_day import ChaoticDay
from tests.scenario import DAY

SEED, ORDERS, ASKED = 20261127, 1300, 1000


class Count:
    """What has become of each order, straight from the facts: no state, and nothing of what tells the stories."""

    def __init__(self, folder: Path) -> None:
        self.facts = [fact for record in read(folder) for fact in record.facts]
        self.qty: dict[int, int] = {}
        self.over: set[int] = set()
        self.refused: set[int] = set()
        self.children: dict[int, int] = {}
        self.fills: dict[int, tuple[int, int]] = {}
        for fact in self.facts:
            self._count(fact)

    def _count(self, fact: Any) -> None:
        match fact:
            case f.OrderAccepted():
                self.qty[fact.id] = fact.qty
            case f.OrderRejected():
                self.refused.add(fact.id)
            case f.OrderReplaced() | f.OrderRestated() | f.QuoteMoved():
                self.qty[fact.order_id] = fact.qty
            case f.OrderCanceled() | f.OrderExpired() | f.OrderRefused():
                self.over.add(fact.order_id)
            case f.OrderRouted():
                self.children[fact.id] = fact.order_id
            case f.ChildFilled():
                self.fills[fact.id] = self.children[fact.child_id], fact.qty
            case f.Trade():
                self.fills[fact.id - 1] = fact.maker_order_id, fact.qty
                self.fills[fact.id] = fact.taker_order_id, fact.qty
            case f.TradeBusted():
                self.fills[fact.exec_id] = self.fills[fact.exec_id][0], 0
            case f.TradeCorrected():
                self.fills[fact.exec_id] = self.fills[fact.exec_id][0], fact.qty

    def ends(self) -> dict[int, dict[str, Any]]:
        """By order what `end` tells of it. One that an exchange has filled after its end has less canceled."""
        filled, fills = Counter[int](), Counter[int]()
        for order_id, qty in self.fills.values():
            filled[order_id] += qty
            fills[order_id] += qty > 0
        children = Counter(self.children.values())
        return {
            order_id: {
                "filled": str(filled[order_id]), "children": children[order_id], "fills": fills[order_id],
                "canceled": str(max(0, qty - filled[order_id]) if order_id in self.over else 0),
                "leaves": str(0 if order_id in self.over else max(0, qty - filled[order_id])),
            }
            for order_id, qty in self.qty.items()
        }  # fmt: skip


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> ChaoticDay:
    print("seed", SEED)
    return ChaoticDay(tmp_path_factory.mktemp("chaos") / "journal", ORDERS, SEED)


@pytest.fixture(scope="module")
def asked(day: ChaoticDay) -> list[int]:
    return random.Random(SEED).sample(day.asked, ASKED)


@pytest.fixture(scope="module")
def told(day: ChaoticDay, asked: list[int]) -> Mapping[int, dict[str, Any]]:
    return dict(explain_orders(day.journal.folder, asked))


@pytest.fixture(scope="module")
def count(day: ChaoticDay) -> Count:
    return Count(day.journal.folder)


def words(told: Mapping[int, Any]) -> bytes:
    return json.dumps({str(order_id): told[order_id] for order_id in sorted(told)}).encode()


def test_the_day_has_some_of_everything(count: Count) -> None:
    kinds = Counter(type(fact).__name__ for fact in count.facts)
    least = {
        "Trade": 100, "ChildFilled": 100, "OrderRejected": 20, "RequestRejected": 20, "TradeBusted": 10,
        "TradeCorrected": 5, "OrderReplaced": 20, "OrderCanceled": 100, "ChildEnded": 30, "OrderExpired": 3,
        "OrderRestated": 3, "Started": 2, "DayRolled": 2, "VenueDown": 1,
    }  # fmt: skip
    assert {name: kinds[name] for name in least if kinds[name] < least[name]} == {}


def test_a_thousand_stories_agree_with_the_facts_and_the_audit(
    day: ChaoticDay, asked: list[int], told: Mapping[int, Any], count: Count
) -> None:
    ends, (report, state) = count.ends(), verify(day.journal.folder)
    assert report.problems == []
    assert sorted(told) == sorted(asked)
    for order_id, story in told.items():
        if order_id in count.refused:
            assert (story["end"]["status"], story["fills"], story["decisions"]) == ("rejected", [], []), order_id
            continue
        expected = ends[order_id]
        assert {name: story["end"][name] for name in expected} == expected, id_text(order_id)
        known = state.orders.get(order_id)
        if known is not None:
            assert story["end"]["filled"] == str(known.cum), "as the audit has it"
            assert [report["cum_qty"] for report in story["reports"] if report["cum_qty"]][-1] == str(known.cum)
    numbers = {id_text(fact.id) for fact in count.facts}
    assert {number for story in told.values() for row in story["story"] for number in row["facts"]} <= numbers, (
        "each sentence rests on facts that there are"
    )


def test_every_accepted_order_was_within_its_limits_and_each_refusal_by_a_limit_was_not(
    told: Mapping[int, Any], count: Count
) -> None:
    limited = 0
    for order_id, story in told.items():
        broken = [row["check"] for row in story["checks"] if row["broken"]]
        if order_id not in count.refused:
            assert story["checks"]
            assert broken == [], id_text(order_id)
        elif story["refusal"]["limit"] is not None:
            limited += 1
            assert story["refusal"]["check"] in broken, id_text(order_id)
    assert limited > 20


def test_the_words_are_the_same_whatever_the_replay_begins_with(
    day: ChaoticDay, told: Mapping[int, Any], tmp_path: Path
) -> None:
    """From the state that was kept in between, and from the first fact on; and after a restart."""
    later = [order_id for order_id in told if order_id > day.kept_at]
    assert len(later) > 300
    folder, other = day.journal.folder, tmp_path / "journal"
    assert begin_of(folder, min(later))[0].last_id == day.kept_at
    shutil.copytree(folder, other)
    assert words(dict(explain_orders(folder, later))) == words({order_id: told[order_id] for order_id in later})
    state = recovered(other)
    assert state.hash() == day.state.hash()
    journal = Journal(other)
    journal.open(state.day)
    number = state.last_id
    journal.append([f.Started(day.now, number + 1), f.Stopped(day.now, number + 2)], written=day.now)
    journal.close()
    for path in other.glob("*.state"):
        path.unlink()
    some = random.Random(SEED).sample(sorted(told), 300)
    assert words(dict(explain_orders(other, some))) == words({order_id: told[order_id] for order_id in some})


def test_the_days_totals_are_those_of_the_facts(day: ChaoticDay, count: Count) -> None:
    first, second = (explain(day.journal.folder, str(one)) for one in (DAY, DAY + 1))
    both = Counter(first["totals"]["all"]) + Counter(second["totals"]["all"])
    kinds = Counter(type(fact) for fact in count.facts)
    expired = sum(isinstance(fact, f.OrderExpired) and fact.status is OrdStatus.EXPIRED for fact in count.facts)
    assert both == {
        "received": len(day.asked), "accepted": kinds[f.OrderAccepted], "refused": kinds[f.OrderRejected],
        "filled": both["filled"], "canceled": kinds[f.OrderCanceled] + kinds[f.OrderRefused], "expired": expired,
        "fills": len(count.fills), "corrected": kinds[f.TradeCorrected], "taken_back": kinds[f.TradeBusted],
    }  # fmt: skip
    for story in (first, second):
        totals = story["totals"]
        for name in ("accepted", "fills", "taken_back"):
            for by in ("accounts", "symbols"):
                assert sum(row[name] for row in totals[by]) == totals["all"][name]
        assert sum(row["fills"] for row in totals["exchanges"]) == totals["all"]["fills"]
    assert {row["who"] for row in first["by_hand"]} == {"carol", "dave"}
    assert "dave" in {row["origin"]["who"] for row in first["story"] if row["origin"]}


def test_an_accounts_story_adds_up_to_its_position(day: ChaoticDay, count: Count) -> None:
    story = explain(day.journal.folder, "ALICE")
    (row,) = (row for row in story["symbols"] if row["symbol"] == "AAPL")
    assert int(row["bought"]) - int(row["sold"]) == day.state.accounts["ALICE"].positions["AAPL"].qty
    refused = [one for one in count.facts if isinstance(one, f.OrderRejected) and one.client == "ALICE"]
    assert [one["fact"] for one in story["refusals"] if one["request"] == "new"] == [id_text(one.id) for one in refused]
    assert {row["who"] for row in story["by_hand"]} == {"carol", "dave"}


def test_what_fills_have_changed_of_accounts(day: ChaoticDay, count: Count) -> None:
    orders = {fact.id: fact for fact in count.facts if isinstance(fact, f.OrderAccepted)}
    for exec_id in random.Random(SEED).sample(sorted(count.fills), 4):
        order_id, qty = count.fills[exec_id]
        story = explain(day.journal.folder, id_text(exec_id))
        one, order = story["exec"], orders[order_id]
        sign = 1 if order.side is Side.BUY else -1
        before, after = (int(one["position"][name]) for name in ("before", "after"))
        other = story["other_side"]
        if other is None or other["account"] != one["account"]:
            assert after - before == sign * int(one["qty"])
        assert id_number(one["order_id"]) == order_id
        assert int(one["now"]["qty"]) == qty
        assert story["reports"][0]["exec_id"] in (id_text(exec_id), other and other["exec_id"])
