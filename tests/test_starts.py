"""A process loads what it needs and no more: somebody waits for its start."""

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from brokerfix.cli import main
from brokerfix.queues import needed
from tests.test_config import BROKER

HEAVY = {
    "aio_pika", "confluent_kafka", "exchange_calendars", "fastapi", "httpx", "litestar", "matplotlib", "nats",
    "nicegui", "numpy", "pandas", "psycopg", "pyarrow", "pyotp", "quickfix", "rich", "rstream",
}  # fmt: skip


@pytest.mark.parametrize(
    ("loading", "needed"),
    [
        ("brokerfix.cli.base.main.get_command(None, 'kill')", set()),
        ("brokerfix.cli.base.main.get_command(None, 'start')", set()),
        ("import brokerfix.process.broker", {"quickfix"}),
        ("import brokerfix.gateway.process", set()),
        ("import brokerfix.projections.sqlite", set()),
        ("import brokerfix.surveillance.process", set()),
        ("import brokerfix.web.process", {"litestar"}),
        ("import brokerfix.console.process", set()),
    ],
)
def test_a_process_loads_nothing_heavy_that_it_does_not_need(loading: str, needed: set[str]) -> None:
    told = f"import brokerfix.cli, sys; {loading}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, timeout=30, check=True)
    assert HEAVY & set(done.stdout.split()) == needed


@pytest.mark.parametrize(
    ("command", "more"),
    [
        (["start"], ""),
        (["standby"], ""),
        (["cluster"], ""),
        (["orders", "--all-shards", "--config"], "shards = true"),
    ],
)
def test_a_cluster_without_its_library_is_told_what_to_install(
    command: list[str], more: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(needed, "find_spec", lambda module: None)
    config = tmp_path / "broker.toml"
    config.write_text(f'{BROKER.read_text()}\n[cluster]\nservers = ["nats://127.0.0.1:4222"]\n{more}\n')
    result = CliRunner().invoke(main, [*command, str(config)])
    assert result.exit_code == 1
    assert result.output == f"Error: {config}: cluster: its servers are NATS: pip install 'brokerfix[cluster]'\n"
