"""What may be asked of a broker about surveillance, what its configuration says, and the command line."""

import json
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from brokerfix.cli import main
from brokerfix.commands import Command
from brokerfix.domain import Finding
from brokerfix.engine.engine import decide, evolve
from brokerfix.facts import OperatorRefused
from brokerfix.operate.admin import ActionRefused, Answer, name_of
from brokerfix.operate.surveillance_actions import SurveillanceActions
from brokerfix.projections.events.schema import schema
from brokerfix.settings.load import load
from brokerfix.settings.sections import ConfigError
from tests.surveillance.looked import Quick
from tests.surveillance.test_follower import Desk
from tests.test_config import BROKER

ME = name_of(os.getuid())
FOUND = Finding(
    "layering-20261122-00-7", "layering", ("ALICE",), "AAPL", 20261122, 70, ("ALICE did it.",), (1, 2), (("a", "1"),),
    (("b", "2"),), 1, 2,
)  # fmt: skip


class Running:
    """What the actions need of a broker."""

    def __init__(self) -> None:
        self.world = Quick(venues="none")
        self.state = self.world.state
        self.actions = SurveillanceActions(self, self._done).actions  # type: ignore[arg-type]

    def clock(self) -> int:
        return self.world.now

    def _done(self, command: Command) -> Answer:
        facts = decide(self.state, command)
        for fact in facts:
            evolve(self.state, fact)
            if isinstance(fact, OperatorRefused):
                raise ActionRefused(fact.text)
        return {"facts": [type(fact).__name__ for fact in facts]}

    def ask(self, operator: str, action: str, **request: Any) -> Answer:
        return self.actions[action](operator, request)


def test_an_alert_is_raised_and_disposed_of() -> None:
    running = Running()
    finding = msgspec.to_builtins(FOUND)
    assert running.ask(ME, "raise-alert", finding=finding) == {"facts": ["SurveillanceAlerted", "Alerted"]}
    assert running.ask(ME, "raise-alert", finding=finding) == {"facts": []}
    assert running.ask("eve", "surveillance") == {
        "alerts": {FOUND.alert: {"status": "open", "since": 20261122}}, "open": 1,
    }  # fmt: skip
    assert running.ask("eve", "dispose-alert", alert=FOUND.alert, status="reported", text="STOR 7")["facts"] == [
        "AlertDisposed"
    ]
    assert running.ask("eve", "surveillance")["open"] == 0


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"score": "much"}, "finding: Expected `int`"),
        ({"sentences": []}, "a finding has an id, a rule, a sentence, and evidence"),
        ({"sentences": ["x\x1b[31m"]}, "printable characters"),
        ({"evidence": list(range(3000))}, "lists have up to 2000 items"),
    ],
)
def test_what_is_no_finding_is_refused(change: dict[str, Any], why: str) -> None:
    with pytest.raises(ActionRefused, match=why):
        Running().ask(ME, "raise-alert", finding=msgspec.to_builtins(FOUND) | change)


def test_only_the_brokers_own_user_raises_alerts() -> None:
    with pytest.raises(ActionRefused, match="only the broker's own user"):
        Running().ask("eve", "raise-alert", finding=msgspec.to_builtins(FOUND))


def test_a_status_is_one_of_those_that_there_are() -> None:
    with pytest.raises(ActionRefused, match="status is one of open, reviewing, closed-no-issue, escalated, reported"):
        Running().ask("eve", "dispose-alert", alert="x", status="fine")


def test_the_event_stream_has_it_in_words() -> None:
    told = json.dumps(schema("SurveillanceAlerted"))
    assert '"finding"' in told
    assert '"evidence"' in told


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("owners = { S = ['NOBODY'] }", "surveillance.owners.S: there is no [accounts.NOBODY]"),
        ("owners = { S = ['ALICE'], T = ['ALICE'] }", "surveillance.owners.T: ALICE is S's too"),
        ("owners = { BOB = ['ALICE'] }", "surveillance.owners.BOB: is the name of a client or an account too"),
        ("rules = ['all']", "surveillance.rules[0]: Invalid enum value 'all'"),
        ("wash_crosses = 0", "surveillance.wash_crosses"),
        ("[surveillance.instruments.NONE]\nwash_crosses = 1", "surveillance.instruments.NONE: there is no"),
        ("[surveillance.instruments.AAPL]\nwash_crosses = 0", "surveillance.instruments.AAPL: Expected"),
        ("[surveillance.instruments.AAPL]\ncrosses = 1", "surveillance.instruments.AAPL: Object contains unknown"),
    ],
)
def test_a_configuration_that_can_not_be(text: str, why: str, tmp_path: Path) -> None:
    config = tmp_path / "broker.toml"
    config.write_text(f"{BROKER.read_text()}\n[surveillance]\n{text}\n")
    with pytest.raises(ConfigError) as error:
        load(config)
    assert f"{config}: {why}" in str(error.value)


def cli(*arguments: str) -> str:
    result = CliRunner().invoke(main, ["surveillance", *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.output


def test_the_command_line_without_a_broker(tmp_path: Path) -> None:
    """What is on record, and what other thresholds would find."""
    config = tmp_path / "broker.toml"
    data = tmp_path / "data"
    text = BROKER.read_text().replace('data = "../var/broker"', 'data = "data"')
    config.write_text(f"{text}\n[surveillance]\nquiet_seconds = 0\n[surveillance.instruments.AAPL]\nwash_crosses = 2\n")
    desk = Desk(data)
    desk.trade(2)
    follower = desk.follower()
    follower.follow()
    desk.journal.close()
    told = "--config", str(config)
    assert cli("scan", *told, "--json") == cli("scan", *told, "--rule", "wash-trades", "--json")
    (found,) = json.loads(cli("scan", *told, "--json"))
    assert (found["values"]["trades"], found["thresholds"]["wash_crosses"], found["status"]) == ("2", "2", "open")
    assert json.loads(cli("scan", *told, "--json", "--day", "2026-11-23")) == []
    first, second = json.loads(cli(*told, "--json"))
    assert first["alert"] in cli(*told, "--open")
    assert "no alerts" in cli(*told, "--day", "2026-11-23") or cli(*told, "--day", "2026-11-23") == ""
    shown = cli("show", second["alert"], *told)
    assert "sell 10 AAPL at 150.00" in shown
    assert "it is open" in shown
    assert cli("show", "x", *told) == f"Error: there is no alert x in {data / 'journal'}\n"
    assert "no broker answers here" in cli("dispose", first["alert"], "reviewing", *told)
