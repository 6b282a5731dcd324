"""Credit scores: the formula at its worked example, what a score changes, and scores out of a journal, over sockets."""

import json
import math
from pathlib import Path

import pytest

from brokerfix.commands import OperatorCredit
from brokerfix.facts import Alerted, CreditScored, OrderAccepted, OrderRejected
from brokerfix.operate.credit import default_probability, distance, score_of
from brokerfix.tools import story
from tests.live import run_cli
from tests.scenario import World, run_step


def test_the_worked_example() -> None:
    """EL 5000, a position of 20000 with 25 % maintenance margin, 6 % a day, five days."""
    d = distance(5000, [20000 * 0.75], [[0.06**2]], 5)
    assert round(d, 4) == 2.4845
    assert round(default_probability(d), 5) == 0.01297
    assert round(score_of(default_probability(d)), 1) == 612.1


def test_a_hedge_is_worth_something() -> None:
    both = [[0.01, 0.009], [0.009, 0.01]]
    assert distance(1000, [5000, -5000], both, 1) > distance(1000, [5000, 5000], both, 1)
    assert distance(1000, [], [], 1) == math.inf
    assert (score_of(0.0), score_of(1.0)) == (850, 300)


def scored(world: World, score: int) -> int:
    world.submit(OperatorCredit(world.now, "credit", "ALICE", score, (("PD", "0.1"),), ("drawdown: -20 points",)))
    return world.state.accounts["ALICE"].credit_bps


def test_cuts_apply_at_once_and_raises_go_one_step_on_a_clean_day() -> None:
    world = World(margin="reg-t")
    assert [scored(world, score) for score in (720, 720)] == [12_500, 12_500], "one step is all there is"
    assert [scored(world, score) for score in (699, 610, 559)] == [10_000, 7_500, 0]
    assert scored(world, 720) == 0, "it was raised today"
    for day, expected in ((20261123, 5_000), (20261124, 7_500), (20261125, 10_000)):
        run_step(world, f"day {day}")
        assert [scored(world, 720), scored(world, 720)] == [expected, expected]
    told = [fact for fact in world.facts if isinstance(fact, Alerted) and fact.code == "CREDIT_CUT"]
    assert len(told) == 3
    assert world.recovered().hash() == world.state.hash()


@pytest.mark.parametrize(("score", "passes"), [(700, 250), (640, 200), (600, 150), (560, 100)])
def test_a_score_says_how_much_of_the_available_funds_may_be_used(score: int, passes: int) -> None:
    """10,000 with an initial margin of a half, at 100.00."""
    for qty, kind in ((passes, OrderAccepted), (passes + 1, OrderRejected)):
        world = World(margin="reg-t", cash="10000", post="book", venues="", collar_bps="0")
        world.state.marks["AAPL"] = 10000
        scored(world, score)
        run_step(world, f"client ALICE new A1 buy {qty} AAPL 100.00")
        assert any(isinstance(fact, kind) for fact in world.facts), world.facts[-1]


def test_a_score_below_all_steps_lets_positions_be_closed_only() -> None:
    world = World(margin="reg-t")
    scored(world, 500)
    run_step(world, "client ALICE new A1 buy 1 AAPL 150.00")
    assert isinstance(world.facts[-1], OrderRejected)
    assert world.facts[-1].text.endswith("its credit score is too low")


def test_scores_out_of_the_journal_reach_the_broker(tmp_path: Path) -> None:
    stage = story.Stage(tmp_path / "story")
    stage.start()
    try:
        story.play(stage, lambda line: None)
        config = str(tmp_path / "story" / "broker.toml")
        told = run_cli("credit-score", "--config", config)
        assert told.returncode == 0, told.stderr
        explained = json.loads(run_cli("credit", "MARGE", "--config", config, "--json").stdout)
        inputs = dict(explained["inputs"])
        assert inputs["margin calls in 90 days"] == "1"
        assert float(inputs["distance"]) > 0
        assert explained["history"][-1]["score"] == int(told.stdout.split(", it may")[0].split(": ")[1])
        assert 1 <= len(explained["reasons"]) <= 4
        assert run_cli("credit", "MARGE", "--config", config).stdout.startswith(f"MARGE: {explained['score']}")
        desk = run_cli(
            "limits", "set", "account", "MARGE", "max_long=500", "max_loss=9000", "--text", "a test", "--config", config
        )
        assert desk.returncode == 0, desk.stderr
        story_told = run_cli("explain", "MARGE", "--config", config).stdout
        assert f"credit score {explained['score']}: " in story_told
        assert " set by " in story_told
        assert story_told.rstrip().endswith(": max_long 500, max_loss 9000 (a test)")
        assert "no account with margin" in run_cli("credit", "NOBODY", "--config", config).stderr
    finally:
        stage.stop()


def test_only_margin_accounts_are_scored() -> None:
    world = World(margin="reg-t")
    world.submit(OperatorCredit(world.now, "credit", "BOB", 700, (), ()))
    world.submit(OperatorCredit(world.now, "credit", "ALICE", 900, (), ()))
    assert not any(isinstance(fact, CreditScored) for fact in world.facts)
