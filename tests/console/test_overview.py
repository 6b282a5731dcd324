"""The overview: what needs a hand, in words, and who has seen an alert."""

import time
from typing import Any

import pytest

from brokerfix import facts as f
from brokerfix.console.activity import SECOND, Activity
from brokerfix.console.needs import BAD, Need, lasted, needs
from brokerfix.console.pages.overview_parts import cluster_rows
from brokerfix.operate.admin import ask
from tests.console.desk import Desk, needs_browser, open_page
from tests.console.test_activity import UP, told
from tests.console.test_kill import facts
from tests.scenario import run_step

FINE: dict[str, Any] = {
    "disk_full": False, "cluster": {}, "pause_ms": {"last_minute": 2.0}, "events": {}, "store": None,
}  # fmt: skip


def found(steps: str = UP, status: dict[str, Any] | None = None, alerts: int = 0, later: int = 0) -> list[Need]:
    """What needs a hand after some steps."""
    activity = Activity()
    world = told(activity, steps)
    answer = FINE if status is None else status
    return needs(world.state, answer, activity, alerts, "", world.now + later * SECOND)


def test_where_all_is_well_nothing_needs_a_hand() -> None:
    assert found() == []


@pytest.mark.parametrize(
    ("status", "what"),
    [
        ({}, "The broker does not answer."),
        (FINE | {"disk_full": True}, "The broker's disk is full: it takes no orders."),
        (FINE | {"cluster": {"quorum": False, "standbys": 1}}, "The cluster has no quorum."),
        (FINE | {"cluster": {"quorum": True, "standbys": 0}}, "No standby could take over."),
        (FINE | {"store": {"facts": 5, "seconds": 9.0, "trouble": "no room"}},
         "The database does not take what happens: no room."),
        (FINE | {"events": {"desk": {"facts": 5, "seconds": 9.0, "trouble": "refused"}}},
         "The event stream desk does not take what happens: refused."),
    ],
)  # fmt: skip
def test_what_the_broker_says_of_itself(status: dict[str, Any], what: str) -> None:
    assert [(need.kind, need.what) for need in found(status=status)] == [(BAD, what)]


CLUSTER: dict[str, Any] = {
    "node": "a", "role": "primary", "quorum": True, "standbys": 1, "behind_bytes": 0, "behind_ms": 0.0, "epoch": 3,
    "nodes": {"a": {"alive": True, "role": "primary", "check": "same", "behind": 0},
              "b": {"alive": True, "role": "standby", "check": "same", "behind": 2048}},
}  # fmt: skip
GONE = CLUSTER["nodes"]["b"] | {"alive": False}
SHARDS = {"shards": [{"shard": 1, "state": "up"}, {
    "shard": 2, "node": "c", "state": "away", "heard_s": 5, "accounts": 1, "standing": 0,
}], "asked": 0}  # fmt: skip


def of_cluster(cluster: dict[str, Any], status: dict[str, Any], shards: dict[str, Any] | None = None) -> list[str]:
    activity = Activity()
    world = told(activity, UP)
    return [need.what for need in needs(world.state, status, activity, 0, "", world.now, cluster, shards or {})]


@pytest.mark.parametrize(
    ("cluster", "what"),
    [
        (CLUSTER, []),
        (CLUSTER | {"nodes": {"b": GONE}}, ["Node b of this shard is away; it was standby."]),
        (CLUSTER | {"trouble": "no route", "quorum": False},
         ["The cluster can't be reached: no route.", "The cluster has no quorum."]),
        (CLUSTER | {"nodes": {"b": CLUSTER["nodes"]["b"] | {"check": "different"}}},
         ["Node b has another state than the primary, and will not take over."]),
    ],
)  # fmt: skip
def test_what_the_broker_says_of_its_cluster(cluster: dict[str, Any], what: list[str]) -> None:
    assert of_cluster(cluster, FINE | {"cluster": cluster}) == what


def test_a_node_that_is_no_primary_says_so_and_another_shard_that_is_away_needs_a_hand() -> None:
    standby = CLUSTER | {"role": "standby", "primary": "b", "address": "10.0.0.2:1"}
    assert of_cluster(standby, {}) == ["This node, a, is not the primary (standby): it takes no orders."]
    (need,) = of_cluster(CLUSTER, FINE, SHARDS)
    assert need.startswith("Shard 2 (node c) is away: nothing was heard of it for 5 s.")


def test_the_cluster_in_the_brokers_figures() -> None:
    rows = {title: (text, kind) for title, text, kind in cluster_rows(FINE, CLUSTER, SHARDS)}
    assert rows["Node a"] == ("primary", "")
    assert rows["Node b"] == ("standby, 2,048 bytes behind", "")
    assert rows["Shards"] == ("! 1 of 2 are up", "bad")
    rows = {title: (text, kind) for title, text, kind in cluster_rows({}, CLUSTER | {"nodes": {"b": GONE}}, {})}
    assert rows["Node b"] == ("! away; was standby", "bad")
    assert cluster_rows(FINE, {}, {}) == [("Cluster", "none: no standby", "")]


def test_an_exchange_that_is_down_with_what_it_holds() -> None:
    need = found(UP + "client ALICE new C1 buy 100 AAPL 149.90\nvenue XNAS down\nvenue XNYS down", later=65)
    assert [one.kind for one in need] == [BAD, BAD]
    assert any("is down for 65 s. 1 orders of ours there are in doubt." in one.what for one in need)


def test_an_exchange_that_owes_answers() -> None:
    need = found(UP + "client ALICE new C1 buy 100 AAPL 150.10", later=12)
    assert need[0].what == "XNAS has not answered 1 orders for 12 s."
    assert found(UP + "client ALICE new C1 buy 100 AAPL 150.10", later=5) == []


def test_what_is_stopped_and_alerts_are_to_be_looked_at_and_come_after_what_is_bad() -> None:
    activity = Activity()
    world = told(activity, UP)
    run_step(world, "venue XNAS down")
    world.state.halts["client", "ALICE"] = "rita"
    world.state.killed["client", "ALICE"] = None
    activity.clock = f.ClockChecked(at=1, id=1, synchronized=False, offset=0, max_error=1)
    need = needs(world.state, FINE | {"pause_ms": {"last_minute": 500.0}}, activity, 2, "", world.now)
    assert [one.what for one in need] == [
        "The session with XNAS is down for 0 s.",
        "The broker's loop paused for 500 ms in the last minute.",
        "client ALICE is killed.",
        "The machine's clock is not kept with another.",
        "2 alerts that nobody has acknowledged.",
    ]


def test_time_spans_for_people() -> None:
    assert [lasted(seconds) for seconds in (5, 300, 7500, 400_000)] == ["5 s", "5 min", "2 h 5 min", "4 d"]


@needs_browser
def test_a_person_sees_what_needs_a_hand_and_acknowledges_an_alert(desk: Desk, browser: Any) -> None:
    ask(desk.folder / "broker", {"action": "alert", "code": "TEST", "text": "<b>look</b> at this"})
    page = open_page(browser, desk, "olga", "/")
    hand = page.get_by_role("list", name="What needs a hand")
    hand.get_by_text("1 alert that nobody has acknowledged.").wait_for()
    row = page.get_by_role("list", name="Alerts").get_by_role("listitem").filter(has_text="TEST")
    row.get_by_text("<b>look</b> at this").wait_for()
    row.get_by_role("button").click()
    row.wait_for(state="detached")
    acted = [(one.operator, one.action) for one in facts(desk, f.OperatorActed) if one.action == "acknowledge"]
    assert acted == [("olga", "acknowledge")]
    page.get_by_role("checkbox", name="Show acknowledged ones too").click()
    row.get_by_text("✓ olga,").wait_for()
    assert page.troubles == []


@needs_browser
def test_a_telephone_shows_it_all_and_an_exchange_that_goes_is_red(desk: Desk, browser: Any) -> None:
    page = open_page(browser, desk, "rita", "/", 390, 844)
    exchanges = page.locator("[aria-label=Exchanges]")
    exchanges.get_by_role("row").filter(has_text="XNYS").get_by_text("up", exact=True).wait_for()
    desk.processes["XNYS"].stop()
    down = page.get_by_role("list", name="What needs a hand").get_by_text("The session with XNYS is down")
    down.wait_for()
    assert page.locator(".overview-hand.bad").count() == 1
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width == 390, "nothing is wider than the telephone"
    kill = page.get_by_role("button", name="Kill", exact=True)
    assert kill.bounding_box()["height"] >= 44, "large enough for a thumb"
    desk.processes["XNYS"].start()
    began = time.monotonic()
    down.wait_for(state="detached")
    assert time.monotonic() - began < 30
    assert page.troubles == []
