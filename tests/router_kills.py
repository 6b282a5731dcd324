"""Kill the router and compare what client and shards hold: `python -m tests.router_kills --kills 500 --seed 1`.

The router runs as `python -m tests.router_crash`, which ends itself with SIGKILL at a chosen boundary; random kills
come from outside. After each kill it is started again and the client goes on.
"""

import argparse
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from brokerfix.engine.orders.order import Order
from brokerfix.fix.text import pairs
from brokerfix.record.audit import verify
from brokerfix.record.journal import Journal
from brokerfix.record.outbox import Outbox
from brokerfix.record.pipeline import Pipeline
from brokerfix.tools.client import Client, Disconnected, Message
from tests import starter
from tests.router.live import SHARDS, Market

ACCOUNTS = ("NORTH", "SOUTH")
QUIET_SECONDS = 0.5
SETTLE_SECONDS = 30.0


class Harness:
    """Two shards and an exchange, a router that can be killed, and a client under load."""

    def __init__(self, market: Market, seed: int) -> None:
        """The market has been started; its gateway and router are stopped."""
        self.random = random.Random(seed)
        self.market = market
        market.gateway.stop()
        market.router.stop()
        self.client: Client = self.market.direct("BOB")
        self.told: list[Message] = []
        self.exec_ids: Counter[str] = Counter()
        self.sent: list[str] = []
        self.open: list[str] = []
        self.refused: list[Message] = []
        self.kills = 0
        self.mass: list[str] = []

    def run_to_crash(self, point: str, count: int, timeout: float = 20) -> None:
        """Trade until the router kills itself the `count`-th time it comes to `point`."""
        router = self.market.router
        with router.log.open("ab") as log:
            command = [sys.executable, "-m", "tests.router_crash", str(router.config), point, str(count)]
            process = starter.start(command, log)
        deadline = time.monotonic() + timeout
        while process.poll() is None:
            assert time.monotonic() < deadline, f"the router never came to {point}"
            self.turn()
        assert process.returncode == -signal.SIGKILL, f"the router ended by itself: see {router.log}"
        self.kills += 1

    def kill_at_random(self) -> None:
        """Trade for a moment, then kill the router from outside."""
        self.market.router.start()
        until = time.monotonic() + self.random.uniform(0.05, 0.4)
        while time.monotonic() < until:
            self.turn()
        self.market.router.stop(signal.SIGKILL)
        self.kills += 1

    def turn(self, acting: bool = True) -> None:
        """Connect if need be, take what has come, send something."""
        client = self.client
        try:
            if not client.connected:
                client.connect(timeout=3)
            if acting:
                self._act()
            client.poll(0.003)
        except (Disconnected, TimeoutError):
            client.close()
            time.sleep(0.02)
        while client.messages:
            client.received_pairs.popleft()
            self._take(client.messages.popleft())

    def _act(self) -> None:
        client, pick = self.client, self.random.random()
        name = f"{self.kills}-{client.next_out}"
        if pick < 0.1 and self.open:
            client.cancel(f"c{name}", self.random.choice(self.open), "1", "AAPL")
        elif pick < 0.15 and self.open:
            orig = self.random.choice(self.open)
            self.sent.append(f"r{name}")
            client.replace(f"r{name}", orig, "1", "20", "AAPL", "148.00")
        elif pick < 0.17:
            # It counts before it is sent: where that fails it is sent again after the next Logon.
            self.mass.append(f"q{name}")
            client.send("q", [(11, f"q{name}"), (530, "7"), (60, "20261127-00:00:00")])
        elif pick < 0.19:
            self.mass.append(f"m{name}")
            client.send("AF", [(584, f"m{name}"), (585, "7")])
        else:
            price = "151.00" if pick < 0.8 else "149.00"
            self.sent.append(f"o{name}")
            client.new_order(f"o{name}", "1", "10", "AAPL", price, t1=self.random.choice(ACCOUNTS))

    def _take(self, message: Message) -> None:
        self.told.append(message)
        kind = message[35]
        if kind in ("j", "3"):
            self.refused.append(message)
        if kind == "r":
            self.mass.remove(message[11])
        if kind != "8":
            return
        if message[37] != "NONE":
            self.exec_ids[message[17]] += 1
        if message.get(912) == "Y":
            self.mass.remove(message[584])
        if message[39] == "8" and message[150] != "I":
            self.refused.append(message)
        name = message.get(11, "")
        if message[39] in ("2", "4", "8"):
            self.open = [one for one in self.open if one not in (name, message.get(41))]
        elif message[150] in ("0", "5") and name not in self.open:
            self.open.append(name)

    def finish(self) -> None:
        """Start once more, wait until all is told, stop all."""
        self.market.router.start()
        deadline, quiet_since = time.monotonic() + SETTLE_SECONDS, time.monotonic()
        while time.monotonic() - quiet_since < QUIET_SECONDS or self.mass:
            assert time.monotonic() < deadline, f"questions were not answered: {self.mass}"
            before = len(self.told)
            self.turn(acting=False)
            if len(self.told) != before or not self.client.connected:
                quiet_since = time.monotonic()
        self.client.logout()
        for process in reversed(self.market.processes.values()):
            process.stop()

    def compare(self) -> tuple[int, int]:
        """Assert that nothing is lost and nothing is doubled. Returns the numbers of orders and of reports."""
        assert self.refused == [], self.refused[:3]
        told: Counter[str] = Counter()
        known: set[str] = set()
        for shard in SHARDS:
            folder = self.market.folder / f"shard{shard}" / "journal"
            report, state = verify(folder)
            assert report.problems == [], (shard, report.problems)
            requests = state.clients["BOB"].requests
            orders = {name for name, order in requests.items() if isinstance(order, Order)}
            assert not orders & known, "an order is on both shards"
            known |= requests.keys()
            told += _told(folder)
        twice = [exec_id for exec_id, count in self.exec_ids.items() if count > 1]
        assert not twice, f"told twice: {twice[:5]}"
        lost = [exec_id for exec_id in told if exec_id not in self.exec_ids]
        assert not lost, f"lost: {lost[:5]}"
        assert not [exec_id for exec_id in self.exec_ids if exec_id not in told], "told what no shard has said"
        missing = [name for name in self.sent if name not in known]
        assert not missing, f"no shard has heard of {missing[:5]}"
        return len(self.sent), sum(told.values())


def _told(folder: Path) -> Counter[str]:
    """The ExecIDs of what a shard's journal says that it has told the client; reports that nothing works are none."""
    outbox = Outbox(10**6)
    journal = Journal(folder)
    Pipeline(journal, lambda out: None, lambda out: None, outbox).recover(0)
    journal.close()
    box = outbox.box(False, "BOB")
    assert box.epoch == 0, "the shard's sequence numbers have begun anew"
    found: Counter[str] = Counter()
    for one in box.messages:
        message = dict(pairs(one.text))
        if message["35"] == "8" and message["37"] != "NONE":
            found[message["17"]] += 1
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--durability", choices=["process", "disk"], default="process")
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}")
    with tempfile.TemporaryDirectory() as name:
        market = Market(Path(name), more=f'durability = "{arguments.durability}"')
        try:
            market.start()
            market.wait_for_exchange()
            harness = Harness(market, arguments.seed)
            while harness.kills < arguments.kills:
                harness.kill_at_random()
                print(f"\r{harness.kills}/{arguments.kills} kills", end="", flush=True)
            harness.finish()
            orders, reports = harness.compare()
        finally:
            market.stop()
    print(f"\n{orders} orders, {reports} reports of the shards: none lost, none doubled; one sequence of numbers")


if __name__ == "__main__":
    main()
