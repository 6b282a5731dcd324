"""What the rules find in scenarios' facts."""

from typing import Any

from brokerfix.commands import CheckClock, Command
from brokerfix.domain import Finding
from brokerfix.engine.engine import decide, evolve
from brokerfix.settings.surveillance import SurveillanceSection
from brokerfix.surveillance.detector import Detector
from tests.scenario import World, run_step

SECOND = 10**9
HOUR = 3600 * SECOND


class Quick(World):
    """A world that looks at nothing but the facts: others' tests look at the rest."""

    def _submit(self, command: Command) -> list[str]:
        self.last_facts = decide(self.state, command)
        for fact in self.last_facts:
            evolve(self.state, fact)
            self.facts.append(fact)
        return []


def world_of(steps: str, **settings: str) -> World:
    """A broker in whose own book all trades, unless `venues` are named, after these steps."""
    if "venues" not in settings:
        settings |= {"venues": "none", "post": "book"}
        world: World = Quick(**settings)
    else:
        world = World(**settings)
    play(world, steps)
    return world


def play(world: World, steps: str) -> None:
    for step in steps.strip().splitlines():
        if step.strip():
            run_step(world, step.strip())


def later(world: World, ns: int = HOUR) -> None:
    """Time passes, and there is a fact that tells."""
    world.now += ns
    world.submit(CheckClock(world.now, True, 0, 0))


def found(world: World, calendars: dict[str, str] | None = None, **section: Any) -> list[Finding]:
    """What is found in all facts, each one by itself unless `quiet_seconds` is told, once everything is over."""
    later(world)
    detector = Detector(SurveillanceSection(**{"quiet_seconds": 0, **section}), calendars)
    return [one for fact in world.facts for one in detector.apply(fact)]


def names(findings: list[Finding]) -> list[str]:
    return [one.rule for one in findings]


def kinds(world: World, one: Finding) -> list[str]:
    """The kinds of the facts that are evidence."""
    known = {fact.id: type(fact).__name__ for fact in world.facts}
    return [known[number] for number in one.evidence]
