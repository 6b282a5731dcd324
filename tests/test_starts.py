"""A process loads what it needs and no more: somebody waits for its start."""

import subprocess
import sys

import pytest

HEAVY = {
    "aio_pika", "confluent_kafka", "exchange_calendars", "httpx", "litestar", "matplotlib", "nats", "numpy", "pandas",
    "psycopg", "pyarrow", "quickfix", "rich", "rstream",
}  # fmt: skip


@pytest.mark.parametrize(
    ("loading", "needed"),
    [
        ("brokerfix.cli.base.main.get_command(None, 'kill')", set()),
        ("brokerfix.cli.base.main.get_command(None, 'start')", set()),
        ("import brokerfix.process.broker", {"quickfix"}),
        ("import brokerfix.gateway.process", set()),
        ("import brokerfix.projections.sqlite", set()),
        ("import brokerfix.web.process", {"litestar"}),
    ],
)
def test_a_process_loads_nothing_heavy_that_it_does_not_need(loading: str, needed: set[str]) -> None:
    told = f"import brokerfix.cli, sys; {loading}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, timeout=30, check=True)
    assert HEAVY & set(done.stdout.split()) == needed
