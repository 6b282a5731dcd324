"""Attack a gateway of our own on loopback, one attack after the other, with an honest client alongside:
`python bench/attacks.py`. Exits with 1 unless every attack is withstood.

Withstood means: broker and gateway live on as the processes that they were, the honest session is never lost, its
99th percentile stays within twice its quiet one and 1 ms, both processes together grow by at most 64 MiB, the numbers
of the attacked client's session are as before, and the attack does not get what it is after.
"""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import click

from brokerfix.operate.admin import NotRunning, ask
from brokerfix.settings.passwords import make_hash

sys.path.insert(0, str(Path(__file__).parent))

from attacker import ALICES, ATTACKS, PASSWORD
from load import order
from roundtrip import free_port
from table import percentile, show
from wire import Wire, connect

HERE = Path(__file__).parent
MOST_GROWTH = 64.0
PAUSE = 0.004
MOST_GUESSES = 20
"""Passwords that one source may have tried in the seconds of an attack."""
CONFIG = """
[broker]
name = "BROKER"
port = {port}
data = "data"
store = false
[gateway]
plain = "127.0.0.1"
operation_port = {operation}
max_unread_bytes = {unread}
[instruments.AAPL]
price_digits = 2
qty_digits = 0
tick = "0.01"
lot = "1"
reference = "150.00"
collar = "0.50"
[accounts.ALL]
cash = "900000000000"
[clients.LOAD]
accounts = ["ALL"]
addresses = ["127.0.0.1"]
[clients.ALICE]
accounts = ["ALL"]
password_hash = "{alices}"
[clients.MALLORY]
accounts = ["ALL"]
password_hash = "{password}"
{more}
"""
NO_BUDGETS = """
[clients.MALLORY.budgets]
logons = { rate = 0 }
orders = { rate = 0 }
cancels = { rate = 0 }
requests = { rate = 0 }
subscriptions = { rate = 0 }
others = { rate = 0 }
"""
"""So that an attack comes to what it is about, and is not stopped before."""
NO_ORDER_BUDGET = """
[clients.MALLORY.budgets]
orders = { rate = 0 }
"""
MORE = {"gap queue": NO_ORDER_BUDGET, "mutated messages": NO_BUDGETS}
LITTLE_UNREAD = {"slow reader, orders": 65_536, "slow reader, resends": 65_536}
"""What may be unread: 8 MB would take longer to come together than an attack lasts."""


class Target:
    """A broker with its gateway."""

    def __init__(self, folder: Path, more: str, unread: int) -> None:
        self.port, self.operation = free_port(), free_port()
        path = folder / "broker.toml"
        hashed = make_hash(PASSWORD)
        path.write_text(
            CONFIG.format(
                port=self.port,
                operation=self.operation,
                password=hashed,
                alices=make_hash(ALICES),
                more=more,
                unread=unread,
            )
        )
        self.data = folder / "data"
        self.log = (folder / "log").open("wb")
        self.broker = subprocess.Popen([sys.executable, "-m", "brokerfix", "start", str(path)], stderr=self.log)
        self.wait()
        self.gateway = self._child()

    def wait(self) -> None:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        raise SystemExit("the gateway does not come up")

    def _child(self) -> int:
        children = Path(f"/proc/{self.broker.pid}/task/{self.broker.pid}/children").read_text().split()
        return int(children[0])

    def lives(self) -> bool:
        try:
            return self.broker.poll() is None and self._child() == self.gateway
        except (OSError, IndexError):
            return False

    def numbers(self, name: str) -> tuple[int, int]:
        """The next MsgSeqNums of a session: ours and theirs."""
        for row in ask(self.data, {"action": "sessions"})["sessions"]:
            if row["name"] == name:
                return row["next_out"], row["next_in"]
        raise NotRunning(name)

    def counts(self) -> dict[str, int]:
        """The gateway's counts."""
        with urlopen(f"http://127.0.0.1:{self.operation}/metrics", timeout=10) as answer:
            told = answer.read().decode()
        return {name: int(float(n)) for name, n in re.findall(r"^brokerfix_gateway_(\w+)_total ([0-9.]+)", told, re.M)}

    def peak(self) -> float:
        """The most MiB that both processes have ever held."""
        told = [Path(f"/proc/{pid}/status").read_text() for pid in (self.broker.pid, self.gateway)]
        return sum(int(found) for text in told for found in re.findall(r"VmHWM:\s+(\d+)", text)) / 1024

    def stop(self) -> None:
        self.broker.send_signal(signal.SIGTERM)
        self.broker.wait(30)


def alice_trades(target: Target) -> None:
    """The attacked client has traded before: her sequence numbers are worth something."""
    wire = connect(target.port, "ALICE", "BROKER", credentials=f"553=ALICE\x01554={ALICES}\x01".encode())
    for number in range(3):
        wire.socket.sendall(order(wire, number, b"100.00"))
        wire.receive()
    wire.send(b"5", b"")
    while True:
        try:
            wire.receive()
        except OSError:
            return


class Honest:
    """A client that sends an order every few milliseconds and waits for its report."""

    def __init__(self, port: int) -> None:
        self.wire: Wire = connect(port, "LOAD", "BROKER")
        self.wire.socket.settimeout(10)
        self.sent = 0
        self.heartbeat = time.monotonic()

    def trade(self, seconds: float, until: Any = None) -> list[float]:
        """Microseconds of each order's round trip. Raises OSError when the session is lost."""
        times = []
        end = time.monotonic() + seconds
        while time.monotonic() < end and (until is None or until()):
            self.wire.refresh()
            self.sent += 1
            message = order(self.wire, self.sent, b"100.00")
            wanted = b"\x0111=%d\x01" % self.sent
            started = time.perf_counter_ns()
            self.wire.socket.sendall(message)
            while not any(wanted in reply for reply in self._receive()):
                pass
            times.append((time.perf_counter_ns() - started) / 1000)
            time.sleep(PAUSE)
        return times

    def _receive(self) -> list[bytes]:
        replies = self.wire.receive()
        self.wire.socket.settimeout(10)
        for reply in replies:
            if b"\x0135=1\x01" in reply:
                told = reply[reply.index(b"\x01112=") + 5 :].split(b"\x01")[0]
                self.wire.send(b"0", b"112=%b\x01" % told)
        return replies


def attack(folder: Path, name: str, seconds: float, seed: int, mutations: int) -> tuple[list[str], bool]:
    """Attack a target of its own. Returns the row of the table, and whether it was withstood."""
    folder.mkdir()
    target = Target(folder, MORE.get(name, ""), LITTLE_UNREAD.get(name, 8 << 20))
    alice_trades(target)
    honest = Honest(target.port)
    honest.trade(1.0)
    quiet = percentile(honest.trade(seconds), 0.99)
    before, numbers = target.peak(), target.numbers("ALICE")
    environment = {**os.environ, "MUTATIONS": str(mutations), "ALICE_NEXT": str(numbers[1])}
    attacker = subprocess.Popen(
        [sys.executable, str(HERE / "attacker.py"), name, str(target.port), str(seconds), str(seed)],
        stdout=subprocess.PIPE,
        env=environment,
    )
    kept, times = True, [0.0]
    long = 3600.0 if name == "mutated messages" else seconds + 20
    try:
        times = honest.trade(long, lambda: attacker.poll() is None)
    except OSError:
        kept = False
    if attacker.poll() is None:
        attacker.kill()
    told = attacker.communicate()[0].decode().strip()
    found: dict[str, Any] = json.loads(told) if told else {"held": False, "why": "the attacker has failed"}
    p99, grown, lives = percentile(times, 0.99), target.peak() - before if target.lives() else 0.0, target.lives()
    counts = target.counts() if target.lives() else {}
    if name.startswith("slow reader"):
        found["cut for not reading"] = counts.get("slow_readers", 0)
        found["held"] = found["held"] and counts.get("slow_readers", 0) > 0
    if name == "password guessing":
        found["guesses checked"] = counts.get("refused_logons", 0)
        found["held"] = found["held"] and counts.get("refused_logons", 0) <= MOST_GUESSES
    same = name == "password guessing" or (lives and target.numbers("ALICE") == numbers)
    target.stop()
    held = bool(found.pop("held")) and same
    withstood = held and kept and lives and grown <= MOST_GROWTH and p99 <= 2 * quiet + 1000
    said = ", ".join(f"{value} {key.replace('_', ' ')}" for key, value in found.items())
    row = [
        name, "yes" if lives else "NO", "yes" if kept else "NO", f"{quiet / 1000:.1f}", f"{p99 / 1000:.1f}",
        f"{grown:.0f}", "yes" if held else "NO", said, "withstood" if withstood else "FAILED",
    ]  # fmt: skip
    return row, withstood


@click.command()
@click.argument("names", nargs=-1)
@click.option("--seconds", default=8.0, show_default=True, help="How long each attack lasts.")
@click.option("--seed", default=1, show_default=True)
@click.option("--mutations", default=20_000, show_default=True, help="How many mutated messages.")
def main(names: tuple[str, ...], seconds: float, seed: int, mutations: int) -> None:
    """Attack, with all attacks or those whose names begin with one of NAMES."""
    chosen = [name for name in ATTACKS if not names or name.startswith(names)]
    rows, failed = [], False
    with tempfile.TemporaryDirectory() as folder:
        for number, name in enumerate(chosen):
            row, withstood = attack(Path(folder) / str(number), name, seconds, seed, mutations)
            click.echo(" | ".join(row), err=True)
            rows.append(row)
            failed = failed or not withstood
    head = ["attack", "alive", "session kept", "quiet p99 ms", "p99 ms", "MiB grown", "aim prevented", "seen", "result"]
    show(f"Attacks of {seconds:.0f} s each, seed {seed}", head, rows)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
