"""Limits that a second person has to approve, and limits that are over at a time."""

import pytest

from brokerfix.commands import AnswerProposal, ExpireOverrides, SetLimits
from brokerfix.domain import Level, Limits
from brokerfix.engine.risk.approvals import raised
from brokerfix.engine.risk.levels import pending, utilisation
from brokerfix.facts import Alerted, LimitsProposed, LimitsSet, OperatorRefused, ProposalEnded
from tests.scenario import World

FIRM = Level("firm")
MINUTE = 60 * 10**9


@pytest.mark.parametrize(
    ("had", "wanted", "names"),
    [
        (Limits(max_gross="100"), Limits(max_gross="150"), []),
        (Limits(max_gross="100"), Limits(max_gross="150.01"), ["max_gross"]),
        (Limits(max_gross="100"), Limits(), ["max_gross"]),
        (Limits(), Limits(max_gross="100"), []),
        (Limits(max_gross="100", max_net="5"), Limits(max_gross="90", max_net="50"), ["max_net"]),
        (Limits(reduce_only=True), Limits(), ["reduce_only"]),
        (Limits(), Limits(buying_power=False), ["buying_power"]),
        (Limits(), Limits(own_locates=True), ["own_locates"]),
        (Limits(max_loss="100"), Limits(max_loss="151"), ["max_loss"]),
        (Limits(max_window_qty="5"), Limits(max_window_qty="5", window_seconds=59), ["window_seconds"]),
        (Limits(duplicates="5"), Limits(duplicates="5", duplicate_seconds=9), ["duplicate_seconds"]),
        (Limits(), Limits(window_seconds=1), []),
        (Limits(max_fills="10"), Limits(), ["max_fills"]),
    ],
)  # fmt: skip
def test_what_is_raised_beyond_a_factor(had: Limits, wanted: Limits, names: list[str]) -> None:
    assert raised(had, had, wanted, "1.5") == names


def test_small_raises_do_not_add_up() -> None:
    """What counts is what is configured; what is not above what there is now is no raise."""
    configured, now = Limits(max_gross="100"), Limits(max_gross="150")
    assert raised(now, configured, Limits(max_gross="151"), "1.5") == ["max_gross"]
    assert raised(Limits(max_gross="900"), configured, Limits(max_gross="800"), "1.5") == []


def world_of(limits: str = "firm max_gross=100000") -> World:
    return World(venues="none", post="book", limits=limits)


def propose(world: World, most: str, *, until: int = 0, operator: str = "carol") -> None:
    world.submit(SetLimits(world.now, operator, FIRM, Limits(max_gross=most), "a busy day", until, "1.5"))


def most_gross(world: World) -> str:
    return world.state.limits[FIRM].max_gross


def answer(world: World, operator: str, approve: bool = True, number: int = 0) -> None:
    number = number or next(iter(world.state.proposals), 1)
    world.submit(AnswerProposal(world.now, operator, number, approve))


def test_a_raise_waits_for_another_operator() -> None:
    world = world_of()
    propose(world, "150000")
    assert most_gross(world) == "150000", "not beyond the factor: it holds at once"
    propose(world, "300000")
    assert isinstance(world.facts[-2], LimitsProposed)
    assert isinstance(world.facts[-1], Alerted)
    assert most_gross(world) == "150000"
    assert [(row["level"], row["by"], row["change"]) for row in pending(world.state)] == [
        ("firm", "carol", "max_gross 150000 -> 300000")
    ]
    answer(world, "carol")
    refused = world.facts[-1]
    assert isinstance(refused, OperatorRefused)
    assert "another operator" in refused.text
    world.die_and_recover()
    answer(world, "dan")
    approved = world.facts[-1]
    assert isinstance(approved, LimitsSet)
    assert (approved.operator, approved.approver, most_gross(world)) == ("carol", "dan", "300000")
    assert not pending(world.state)


def test_what_is_turned_down_is_gone_and_the_latest_of_a_level_counts() -> None:
    world = world_of()
    propose(world, "300000")
    propose(world, "400000")
    assert len(world.state.proposals) == 1
    answer(world, "dan", approve=False)
    assert isinstance(world.facts[-1], ProposalEnded)
    assert most_gross(world) == "100000"
    answer(world, "dan")
    assert isinstance(world.facts[-1], OperatorRefused)


def test_what_lowers_holds_at_once() -> None:
    world = world_of()
    propose(world, "10")
    assert most_gross(world) == "10"


def test_limits_for_a_time_are_then_as_before() -> None:
    world = world_of()
    until = world.now + 10 * MINUTE
    propose(world, "120000", until=until)
    propose(world, "140000", until=until + MINUTE)
    rows = utilisation(world.state, world.now)
    assert [row["until"] for row in rows if row["level"] == "firm"] == [until + MINUTE]
    world.now = until
    assert not world.submit(ExpireOverrides(world.now))
    assert most_gross(world) == "140000"
    world.die_and_recover()
    world.now = until + MINUTE
    world.submit(ExpireOverrides(world.now))
    assert most_gross(world) == "100000", "as it was before the first of them"
    assert not world.state.overrides
    last = world.facts[-1]
    assert isinstance(last, LimitsSet)
    assert (last.operator, last.text) == ("expiry", "as before carol has set them for a time")


def test_an_override_that_is_approved_too_late_is_over() -> None:
    world = world_of()
    propose(world, "900000", until=world.now + MINUTE)
    world.now += MINUTE
    answer(world, "dan")
    assert isinstance(world.facts[-1], ProposalEnded)
    assert most_gross(world) == "100000"


def test_limits_that_are_set_for_good_end_an_override() -> None:
    world = world_of()
    propose(world, "120000", until=world.now + MINUTE)
    propose(world, "110000")
    world.now += MINUTE
    world.submit(ExpireOverrides(world.now))
    assert most_gross(world) == "110000"


def test_a_changed_configuration_ends_an_override() -> None:
    """Also where the limits are an account's own, which come with the account."""
    world = World(venues="none", post="book")
    own = Level("account", "ALICE")
    loose = Limits("50000", "1000000")
    world.submit(SetLimits(world.now, "carol", own, loose, "", world.now + MINUTE))
    world.limits = Limits("500", "1000000")
    world.start()
    assert world.state.limits[own].max_order_qty == "500"
    world.now += MINUTE
    world.submit(ExpireOverrides(world.now))
    assert world.state.limits[own].max_order_qty == "500"


def test_limits_of_what_is_gone_are_not_approved() -> None:
    world = world_of("account ALICE TECH max_gross=100")
    level = Level("account", "ALICE", "TECH")
    world.submit(SetLimits(world.now, "carol", level, Limits(max_gross="900"), "", 0, "1.5"))
    world.settings["limits"] = ""
    world.start()
    answer(world, "dan")
    assert isinstance(world.facts[-1], ProposalEnded)
    assert level not in world.state.bounds
