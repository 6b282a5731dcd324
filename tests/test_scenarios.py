"""Every scenario, once as it is and once through a recovery after each step."""

import pytest

from tests.scenario import SCENARIO_FILES, Scenario, World, load, run_step

SCENARIOS = [scenario for path in SCENARIO_FILES for scenario in load(path)]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: f"{scenario.file}: {scenario.title}")
def test_scenario(scenario: Scenario) -> None:
    run(scenario, through_recovery=False)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: f"{scenario.file}: {scenario.title}")
def test_a_recovery_after_each_step_gives_the_same_reports(scenario: Scenario) -> None:
    run(scenario, through_recovery=True)


def run(scenario: Scenario, through_recovery: bool) -> None:
    """Do the steps. With `through_recovery` the broker dies after each one, and another goes on from its journal."""
    world = World(**scenario.settings)
    for step, expected in scenario.steps:
        assert run_step(world, step) == expected, step
        if through_recovery:
            world.die_and_recover()


def table() -> list[tuple[str, str, str]]:
    """(label, title, result) of each scenario of the FIX specification's order state change matrices."""
    rows = []
    for scenario in SCENARIOS:
        if not scenario.file.startswith("matrix_"):
            continue
        label, _, title = scenario.title.partition(" ")
        try:
            run(scenario, through_recovery=False)
            run(scenario, through_recovery=True)
        except AssertionError as error:
            rows.append((label, title, f"FAILED: {error}".splitlines()[0]))
        else:
            rows.append((label, title, "ok, and through recoveries"))
    return rows


if __name__ == "__main__":
    for label, title, result in table():
        print(f"{label:<6} {title:<110.110} {result}")
