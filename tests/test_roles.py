"""Who may do what at the operators' door."""

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

import msgspec
import pytest

from brokerfix.access.roles import ACTIONS, READS, Kind, Role, markdown, may, may_read
from brokerfix.facts import Halted, OperatorRefused
from brokerfix.operate.admin import ActionRefused, name_of
from brokerfix.operate.operations import Operations
from brokerfix.settings.load import from_tables
from brokerfix.settings.operators import OperatorSection
from brokerfix.settings.sections import ConfigError
from tests.cluster.test_moves import Running
from tests.scenario import World

US = name_of(os.getuid())
GUIDE = (Path(__file__).parents[1] / "docs" / "operation.md").read_text()
DESK = SimpleNamespace(
    operators={
        "vera": OperatorSection("viewer"),
        "rita": OperatorSection("risk"),
        "carl": OperatorSection("compliance"),
    }
)


def door() -> tuple[World, Operations]:
    world = World()
    running: Any = Running(world)
    running.config = DESK
    return world, Operations(running)


def test_every_action_has_a_row_and_every_row_an_action() -> None:
    assert set(ACTIONS) == set(door()[1].actions)
    assert set(READS) == {kind.value for kind in Kind}


def test_an_administrator_may_do_and_read_all() -> None:
    assert all(may(Role.ADMINISTRATOR, action) for action in ACTIONS)
    assert all(may_read(Role.ADMINISTRATOR, kind) for kind in Kind)
    assert not may(Role.ADMINISTRATOR, "dance")
    assert not may_read(Role.ADMINISTRATOR, "diaries")


def test_duties_are_apart() -> None:
    for role in Role:
        if role is not Role.ADMINISTRATOR:
            assert not (may(role, "enter") and may(role, "set-limits")), "who trades sets no limits"
            assert not may(role, "add-client")
    can_act = {action for action in ACTIONS if may(Role.VIEWER, action)}
    assert can_act.isdisjoint({"cancel", "kill", "halt", "enter", "roll", "alert", "move-account"})
    assert not may_read(Role.VIEWER, Kind.JOURNAL)
    assert {role for role in Role if may_read(role, Kind.PERSONAL)} == {Role.COMPLIANCE, Role.ADMINISTRATOR}


def test_the_configuration_knows_these_roles() -> None:
    field = msgspec.structs.fields(OperatorSection)[0]
    assert get_args(field.type) == tuple(role.value for role in Role)
    with pytest.raises(ConfigError, match=r"operators.ann.role: Invalid enum value 'god'"):
        from_tables(
            Path("b.toml"), {"broker": {"name": "B", "port": 1, "data": "x"}, "operators": {"ann": {"role": "god"}}}
        )


@pytest.mark.parametrize("table", [markdown(ACTIONS, "action"), markdown(READS, "records")], ids=["actions", "reads"])
def test_the_guide_has_the_tables(table: list[str]) -> None:
    assert "\n".join(table) in GUIDE


@pytest.mark.parametrize("role", Role)
def test_what_a_role_may_not_do_is_refused_and_on_record(role: Role) -> None:
    world, operations = door()
    for action in ACTIONS:
        before = len(world.facts)
        try:
            operations.handle(US, {"action": action, "by": "olga", "role": role.value})
        except (ActionRefused, AttributeError) as error:
            # Some need more of a broker than there is here: they were let through.
            is_refused = "may not do this" in str(error)
        else:
            is_refused = False
        assert is_refused is not may(role, action), action
        last = world.facts[-1] if len(world.facts) > before else None
        if is_refused:
            assert isinstance(last, OperatorRefused)
            assert (last.operator, last.action) == ("olga", action)
            assert last.text.startswith(f"the role {role.value} may not do this; ")


def test_who_is_configured_has_his_role() -> None:
    world, operations = door()
    with pytest.raises(ActionRefused, match="vera: the role viewer may not do this; trader, risk, operator, compl"):
        operations.handle("vera", {"action": "halt", "kind": "all"})
    assert not world.state.halts
    operations.handle("carl", {"action": "halt", "kind": "all"})
    with pytest.raises(ActionRefused, match="the role compliance may not do this; risk, operator and admin"):
        operations.handle("carl", {"action": "resume", "kind": "all"})
    operations.handle("rita", {"action": "resume", "kind": "all"})
    operations.handle("otto", {"action": "halt", "kind": "all"})
    halted = world.facts[-1]
    assert isinstance(halted, Halted)
    assert halted.operator == "otto", "who is only in broker.operators may do all, as before there were roles"


def test_a_role_is_told_only_by_the_brokers_own_user() -> None:
    world, operations = door()
    for operator, request, told in (
        ("vera", {"role": "administrator"}, "a role is for who asks in another's name"),
        ("vera", {"by": "rita", "role": "risk"}, "only the broker's own user may ask in another's name"),
        (US, {"by": "olga", "role": "emperor"}, "there is no role 'emperor'; there are viewer, trader"),
        (US, {"by": "olga", "role": ["risk"]}, "there is no role"),
        (US, {"by": "", "role": "risk"}, "by is a name of 1 to 64 characters"),
        (US, {"by": "vera"}, "vera: the role viewer may not do this"),
    ):
        with pytest.raises(ActionRefused, match=told):
            operations.handle(operator, {"action": "halt", "kind": "all", **request})
    assert not world.state.halts
    operations.handle(US, {"action": "halt", "kind": "all", "by": "vera", "role": "risk"})
    assert world.state.halts
