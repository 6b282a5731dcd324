"""What config/deploy has is what the programs that read it take."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import click
import pytest

from brokerfix.cli import main
from brokerfix.settings.addresses import addresses
from brokerfix.settings.load import load
from brokerfix.tools.certificates import Authority
from brokerfix.tools.nats_servers import program

DEPLOY = Path(__file__).parent.parent / "config" / "deploy"
UNITS = sorted(DEPLOY.glob("*.service"))


SHARDS = ("broker.toml", "shard-1.toml")


def test_the_configurations_are_of_one_desk() -> None:
    door = load(DEPLOY / "door.toml")
    assert door.router is not None
    assert door.gateway is not None
    assert door.gateway.upstream == door.router.listen
    for number, name in enumerate(SHARDS):
        shard = load(DEPLOY / name)
        assert shard.broker.shard == number
        assert shard.broker.durability == "disk+cluster"
        assert shard.is_shard
        assert shard.gateway is not None
        assert shard.gateway.upstream == door.router.shards[str(number)]
        assert len(addresses(shard.gateway.upstream)) == 2, "of each of its machines"
        assert shard.cluster == door.cluster
        for part in ("instruments", "limits", "accounts", "clients"):
            assert getattr(shard, part) == getattr(door, part), f"{name}: {part}"
        assert {one.sender for one in shard.venues.values()} == {f"BROKER-{number}"}
    assert {account.shard for account in door.accounts.values()} == {0, 1}
    assert set(door.orders_from) == {"desk"}


def test_all_that_runs_by_itself_has_a_unit() -> None:
    run = {re.findall(r"^ExecStart=\S+ (\S+)", unit.read_text(), re.M)[0] for unit in UNITS}
    assert run >= {"start", "gateway", "router", "http", "orders-from"}


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_unit_runs_what_there_is(unit: Path) -> None:
    (line,) = re.findall(r"^ExecStart=(.*)$", unit.read_text(), re.M)
    program, command, *_ = line.split()
    if program.endswith("brokerfix"):
        assert main.get_command(click.Context(main), command) is not None


def test_a_stop_lets_a_server_hand_over() -> None:
    """systemd sends KillSignal as soon as an ExecStop has ended: a signal that is sent there is cut short."""
    told = (DEPLOY / "nats-server.service").read_text()
    assert re.findall(r"^(ExecStop|KillSignal)=(.*)$", told, re.M) == [("KillSignal", "SIGUSR2")]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed here")
def test_systemd_understands_the_units() -> None:
    done = subprocess.run(
        ["systemd-analyze", "verify", *map(str, UNITS)], capture_output=True, text=True, timeout=60, check=False
    )
    # The programs are not where they will be.
    said = [line for line in done.stderr.splitlines() if "is not executable: No such file" not in line]
    assert [line for line in said if "brokerfix" in line or "nats" in line] == []


def test_the_nats_server_takes_its_configuration(tmp_path: Path) -> None:
    Authority(tmp_path).issue("server", ["nats-1"])
    text = (DEPLOY / "nats.conf").read_text()
    for name in ("server.pem", "server.key", "ca.pem"):
        text = text.replace(f"/etc/nats/{name}", str(tmp_path / name))
    (tmp_path / "nats.conf").write_text(text.replace("/var/lib/nats", str(tmp_path / "store")))
    hashed = "$2a$11$" + "a" * 53
    told = {"NATS_NAME": "nats-1", "NATS_BROKER_PASSWORD": hashed, "NATS_READER_PASSWORD": hashed}
    done = subprocess.run(
        [program(), "-t", "-c", str(tmp_path / "nats.conf")],
        capture_output=True, text=True, timeout=60, check=False, env={**os.environ, **told},
    )  # fmt: skip
    assert "is valid" in done.stdout + done.stderr
