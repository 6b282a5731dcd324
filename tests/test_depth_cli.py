"""`brokerfix depth`: what it makes of the broker's answer."""

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from brokerfix.cli import depth as module
from brokerfix.cli.base import main
from tests.test_market_actions import UP, asked


@pytest.fixture
def answered(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """Have the broker be a world of ours. Returns the options that every call has."""
    _, ask = asked(UP)

    def ask_broker(config: str, as_json: bool, done: str, *, action: str, **request: Any) -> Any:
        return ask(action, **{name: value for name, value in request.items() if value is not None})

    monkeypatch.setattr(module, "ask_broker", ask_broker)
    return ["--config", str(tmp_path / "broker.toml")]


def test_the_depth_is_a_row_for_each_price_and_then_the_exchanges(answered: list[str]) -> None:
    lines = CliRunner().invoke(main, ["depth", "AAPL", *answered]).output.splitlines()
    assert "XNYS:400" in next(line for line in lines if "150.11" in line)
    assert "XNAS:500 XNYS:200" in next(line for line in lines if "149.90" in line)
    assert any(line.startswith("XNYS\tyes") for line in lines)


def test_where_an_order_would_go_is_said_in_words(answered: list[str]) -> None:
    output = CliRunner().invoke(main, ["depth", "AAPL", "--buy", "100", *answered]).output
    assert output.startswith("XNAS is best for the first 100: at 150.10")
    assert "XNYS" in output


def test_one_asks_for_one_side(answered: list[str]) -> None:
    done = CliRunner().invoke(main, ["depth", "AAPL", "--buy", "1", "--sell", "1", *answered])
    assert (done.exit_code, "ask to --buy or to --sell" in done.output) == (2, True)
