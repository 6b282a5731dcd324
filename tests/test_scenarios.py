"""Every scenario, once as it is and once through a recovery after each step."""

import pytest

from tests.scenario import SCENARIO_FILES, Scenario, World, load, run_step

SCENARIOS = [scenario for path in SCENARIO_FILES for scenario in load(path)]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: f"{scenario.file}: {scenario.title}")
def test_scenario(scenario: Scenario) -> None:
    world = World(**scenario.settings)
    for step, expected in scenario.steps:
        assert run_step(world, step) == expected, step


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: f"{scenario.file}: {scenario.title}")
def test_recovery_after_each_step_gives_the_same_state(scenario: Scenario) -> None:
    world = World(**scenario.settings)
    for step, _ in scenario.steps:
        run_step(world, step)
        assert world.recovered().hash() == world.state.hash(), step
