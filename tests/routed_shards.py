"""One client's session through the router to two shards of a cluster, with everything killed at random:
`python -m tests.routed_shards --seconds 120 --seed 1`.

Orders, cancels, replaces, mass status and mass cancels while brokers, their agents, the router and the NATS server are
killed or hang, and an account moves. At the end every ExecID that the shards' journals tell has come to the client
once, but of what the router has brought to the other shard; no order is on both shards; every request was answered;
the account is on one shard, with what its fills come to.
"""

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from brokerfix.access.vouch import VOUCHER, voucher
from brokerfix.cluster.door import door_path
from brokerfix.engine.orders.order import Order
from brokerfix.operate.admin import ActionRefused, NotRunning, ask, ask_at
from brokerfix.record.audit import verify
from brokerfix.tools.client import Client, Disconnected, Message
from brokerfix.tools.demo import Process, free_port
from brokerfix.tools.nats_servers import NatsServers
from tests.live import INSTRUMENT
from tests.router_kills import told_by

SHARDS = (0, 1)
CONFIG = """
[broker]
name = "BROKER"
port = {port}
data = "{data}"
store = false
shard = {shard}
durability = "{durability}"
[gateway]
plain = "127.0.0.1"
upstream = "127.0.0.1:{upstream}"
secret = "secret"
[gateway.budgets]
logons = {{ rate = 0 }}
orders = {{ rate = 0 }}
mass_requests = {{ rate = 0 }}
{cluster}
{instrument}
post = "book"
[accounts.A0]
cash = "100000000"
[accounts.A1]
cash = "100000000"
shard = 1
[accounts.M]
cash = "100000000"
[clients.T]
accounts = ["A0", "A1", "M"]
"""
CLUSTER = """
[cluster]
servers = ["{nats}"]
name = "desk"
node = "node-{shard}"
replicas = 1
shards = true
lease_seconds = 2.0
[limits]
max_gross = "{gross}"
"""
ROUTER = """
[router]
listen = "127.0.0.1:{listen}"
shards = {{ {shards} }}
data = "router"
hold_seconds = {hold}
"""
WHATS = ("shard", "agent", "router", "nats", "hang", "move", "move", "move+")
"""What goes wrong, at random. "move+" is a move in the middle of which a shard is killed."""
ACT_SECONDS = 0.004
SETTLE_SECONDS = 60.0
QUIET_SECONDS = 1.0


class Desk:
    """The processes."""

    def __init__(self, folder: Path, durability: str = "process", gross: int = 100_000_000, hold: float = 0) -> None:
        self.folder = folder
        self.nats = NatsServers(folder, free_port)
        self.listen = free_port()
        (folder / "secret").write_bytes(os.urandom(32))
        upstreams = {shard: free_port() for shard in SHARDS}
        self.shards: dict[int, Process] = {}
        for shard in SHARDS:
            cluster = CLUSTER.format(nats=self.nats.urls[0], shard=shard, gross=gross)
            text = CONFIG.format(
                port=free_port(), data=f"shard{shard}", shard=shard, upstream=upstreams[shard],
                instrument=INSTRUMENT.strip(), cluster=cluster, durability=durability,
            )  # fmt: skip
            config = folder / f"shard{shard}.toml"
            config.write_text(text)
            self.shards[shard] = Process(f"shard {shard}", config, folder / f"shard{shard}.log", upstreams[shard])
        config = folder / "router.toml"
        shards = ", ".join(f'{shard} = "127.0.0.1:{port}"' for shard, port in upstreams.items())
        text = CONFIG.format(
            port=free_port(), data="door", shard=0, upstream=self.listen, instrument=INSTRUMENT.strip(), cluster="",
            durability="process",
        )  # fmt: skip
        config.write_text(text + ROUTER.format(listen=self.listen, shards=shards, hold=hold))
        self.router = Process("router", config, folder / "router.log", self.listen, "router")

    def start(self) -> None:
        self.nats.start()
        for process in self.shards.values():
            process.begin()
        for process in self.shards.values():
            process.wait()
        self.router.start()

    def stop(self) -> None:
        for process in (self.router, *self.shards.values()):
            process.send_signal(signal.SIGCONT)
            process.stop()
        self.nats.stop()

    def data(self, shard: int) -> Path:
        return self.folder / f"shard{shard}"

    def client(self) -> Client:
        """A session with the router, as the gateway makes it."""
        secret = (self.folder / "secret").read_bytes()

        def vouch(number: int, sent: str, reset: bool) -> tuple[int, str]:
            return VOUCHER, voucher(secret, "T", "BROKER", str(number), sent, "Y" if reset else "")

        return Client("T", "BROKER", "127.0.0.1", self.listen, vouch=vouch)

    def asked(self, shard: int, action: str, **more: Any) -> dict[str, Any]:
        try:
            return ask(self.data(shard), {"action": action, **more}, 3)
        except (NotRunning, ActionRefused):
            return {}

    def at_door(self, at: int, action: str, **more: Any) -> dict[str, Any]:
        try:
            return ask_at(door_path(self.data(at)), {"action": action, **more}, 5)
        except (NotRunning, ActionRefused):
            return {}

    def agent(self, shard: int) -> int:
        """The process of a shard's agent, 0: it has none."""
        pid = self.shards[shard].pid
        with suppress(OSError):
            for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
                if b"brokerfix.cluster.agent" in Path(f"/proc/{child}/cmdline").read_bytes():
                    return int(child)
        return 0


class Trial:
    """One run."""

    def __init__(self, desk: Desk, seed: int, whats: Sequence[str] = WHATS) -> None:
        self.desk, self.random, self.whats = desk, random.Random(seed), whats
        self.client = desk.client()
        self.counts: Counter[str] = Counter()
        self.exec_ids: Counter[str] = Counter()
        self.told: list[Message] = []
        self.sent: dict[str, str] = {}
        self.answered: Counter[str] = Counter()
        self.mass: dict[str, float] = {}
        self.open: list[tuple[str, str]] = []
        self.filled: Counter[str] = Counter()
        self.later: list[tuple[float, Any]] = []
        self._act_at = 0.0
        self.down: set[str] = set()

    def turn(self, acting: bool = True) -> None:
        now = time.monotonic()
        for one in [one for one in self.later if one[0] <= now]:
            self.later.remove(one)
            one[1]()
        for process in self.desk.shards.values():
            if process.has_ended and "shard" not in self.down:
                # Its agent has ended it, as it hung; a machine's supervisor starts it again.
                self.counts["ended"] += 1
                process.begin()
        client = self.client
        try:
            if not client.connected:
                client.connect(timeout=5)
            if acting and now >= self._act_at:
                self._act_at = now + ACT_SECONDS
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
        name = f"x{client.next_out}-{len(self.sent)}"
        if pick < 0.12 and self.open:
            orig, side = self.random.choice(self.open)
            self.sent[f"c{name}"] = "F"
            client.cancel(f"c{name}", orig, side, "AAPL")
        elif pick < 0.18 and self.open:
            orig, side = self.random.choice(self.open)
            self.sent[f"r{name}"] = "G"
            client.replace(f"r{name}", orig, side, "20", "AAPL", "149.00" if side == "1" else "151.00")
        elif pick < 0.19:
            self.mass[f"q{name}"] = time.monotonic()
            client.send("q", [(11, f"q{name}"), (530, "7"), (60, "20261127-00:00:00")])
        elif pick < 0.20:
            self.mass[f"m{name}"] = time.monotonic()
            client.send("AF", [(584, f"m{name}"), (585, "7")])
        else:
            account, side = self.random.choice(("A0", "A1", "M")), self.random.choice("12")
            price = "150.00" if pick < 0.7 else ("149.00" if side == "1" else "151.00")
            self.sent[f"o{name}"] = "D"
            client.new_order(f"o{name}", side, "10", "AAPL", price, t1=account)

    def _take(self, message: Message) -> None:
        self.told.append(message)
        kind = message[35]
        if kind in ("j", "3"):
            self.answered[message.get(379, "")] += 1
            self.counts[f"{kind} {message.get(58, '')[:40]}"] += 1
            self.mass.pop(message.get(379, ""), None)
        elif kind == "9":
            self.answered[message[11]] += 1
            self.counts["9"] += 1
        elif kind == "r":
            self._mass_answered(message[11])
        elif kind == "8":
            self._report(message)

    def _mass_answered(self, name: str) -> None:
        if name in self.mass:
            took = time.monotonic() - self.mass.pop(name)
            self.counts["longest mass answer ms"] = max(self.counts["longest mass answer ms"], int(took * 1000))

    def _report(self, message: Message) -> None:
        name = message.get(11, "")
        if message.get(912) == "Y":
            self._mass_answered(message.get(584, ""))
        self.exec_ids[message[17]] += 1
        if message[150] == "I":
            return
        self.answered[name] += 1
        if message[150] == "8":
            self.counts[f"8 {message.get(58, '')[:30]}"] += 1
        if message[150] == "F":
            signed = int(message[32]) * (1 if message[54] == "1" else -1)
            self.filled[message[1]] += signed
        if message[39] in ("2", "4", "8"):
            self.open = [one for one in self.open if one[0] not in (name, message.get(41))]
        elif message[150] in ("0", "5") and (name, message[54]) not in self.open:
            self.open.append((name, message[54]))

    # What goes wrong

    def disturb(self) -> None:
        what = self.random.choice(self.whats)
        if what in self.down:
            return
        shard = self.random.choice(SHARDS)
        if what == "shard" and "hang" not in self.down:
            self._kill_shard(shard)
        elif what == "agent":
            pid = self.desk.agent(shard)
            if pid:
                os.kill(pid, signal.SIGKILL)
        elif what == "router":
            self.desk.router.stop(signal.SIGKILL)
            self.desk.router.start()
        elif what == "nats":
            self.desk.nats.kill(0)
            self._later(self.random.uniform(0.1, 3), "nats", self.desk.nats.start)
        elif what == "hang" and "shard" not in self.down:
            self.desk.shards[shard].send_signal(signal.SIGSTOP)
            self._later(
                self.random.uniform(0.2, 3), "hang", lambda: self.desk.shards[shard].send_signal(signal.SIGCONT)
            )
        elif what.startswith("move"):
            to = 1 - self._where().get("shard", 0)
            cancel = int(self.random.random() < 0.9)
            if self.desk.at_door(self.random.choice(SHARDS), "move-account", account="M", shard=to, drain=cancel):
                self.counts["moves"] += 1
                if what == "move+" and not self.down & {"shard", "hang"}:
                    time.sleep(self.random.uniform(0, 0.15))
                    self._kill_shard(shard)
        self.counts[f"did {what}"] += 1

    def _kill_shard(self, shard: int) -> None:
        process = self.desk.shards[shard]
        process.stop(signal.SIGKILL)
        self._later(self.random.uniform(0.0, 2), "shard", process.begin)

    def _later(self, seconds: float, what: str, do: Any) -> None:
        self.down.add(what)

        def done() -> None:
            do()
            self.down.discard(what)

        self.later.append((time.monotonic() + seconds, done))

    # The end

    def finish(self) -> None:
        """Until nothing is under way, and the client has been quiet."""
        deadline, quiet_since = time.monotonic() + SETTLE_SECONDS, time.monotonic()
        while True:
            before = len(self.told)
            self.turn(acting=False)
            if len(self.told) != before or not self.client.connected or self.later or not self._is_settled():
                quiet_since = time.monotonic()
            if time.monotonic() - quiet_since > QUIET_SECONDS:
                break
            assert time.monotonic() < deadline, f"it does not settle: mass {self.mass}, M {self._where()}"
        self.wait_for_answers()
        self.client.logout()
        self.desk.stop()

    def wait_for_answers(self) -> None:
        deadline = time.monotonic() + 10
        while (self.unanswered or self.mass) and time.monotonic() < deadline:
            self.turn(acting=False)

    @property
    def unanswered(self) -> list[str]:
        return [f"{kind} {name}" for name, kind in self.sent.items() if not self.answered[name]]

    def _where(self) -> dict[str, Any]:
        return self.desk.at_door(0, "account", account="M") or self.desk.at_door(1, "account", account="M")

    def _is_settled(self) -> bool:
        if getattr(self, "_looked", 0) > time.monotonic() - 0.3:
            return self._settled
        self._looked = time.monotonic()
        self._settled = False
        placed = [self.desk.asked(shard, "placed") for shard in SHARDS]
        where = self._where()
        if not all(placed) or not where or where["under_way"]:
            return False
        if any(one["handed"] or one["moving"] for one in placed):
            if any(one["moving"] for one in placed):
                # What it waits for may work for ever.
                self.desk.at_door(0, "move-account", account="M", shard=-1)
            return False
        self._settled = all(one["here"].get(f"A{shard}") for shard, one in zip(SHARDS, placed, strict=True))
        return self._settled

    def compare(self) -> None:
        """Assert what must hold."""
        told: Counter[str] = Counter()
        orders: dict[int, dict[str, Any]] = {}
        held: dict[int, int] = {}
        here = []
        for shard in SHARDS:
            report, state = verify(self.desk.data(shard) / "journal")
            assert report.problems == [], (shard, report.problems)
            requests = state.clients["T"].requests
            orders[shard] = {name: order for name, order in requests.items() if isinstance(order, Order)}
            told += told_by(self.desk.data(shard) / "journal", "T", but="OTHER_SHARD")
            position = state.accounts["M"].positions.get("AAPL")
            held[shard] = position.qty if position is not None else 0
            if "M" in state.sharing.here:
                here.append(shard)
        problems = []
        twice = [exec_id for exec_id, count in self.exec_ids.items() if count > 1]
        if twice:
            problems.append(f"told twice: {len(twice)} {twice[:5]}")
        lost = [exec_id for exec_id in told if exec_id not in self.exec_ids]
        if lost:
            problems.append(f"lost: {len(lost)} {lost[:5]}")
        both = sorted(orders[0].keys() & orders[1].keys())
        if both:
            problems.append(f"on both shards: {both[:5]}")
        if self.unanswered:
            problems.append(f"no answer: {len(self.unanswered)} {self.unanswered[:5]}")
        if self.mass:
            problems.append(f"no answer: {self.mass}")
        if len(here) != 1:
            problems.append(f"M is on {here}")
        if sum(held.values()) != self.filled["M"]:
            problems.append(f"M holds {held}, and its fills come to {self.filled['M']}")
        assert not problems, "; ".join(problems)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--durability", default="process")
    parser.add_argument("--every", type=float, default=1.5)
    parser.add_argument("--what", nargs="*", default=WHATS)
    parser.add_argument("--hold", type=float, default=0)
    parser.add_argument("--keep", default="")
    asked = parser.parse_args()
    folder = asked.keep or tempfile.mkdtemp(prefix="routed-")
    Path(folder).mkdir(exist_ok=True)
    desk = Desk(Path(folder), asked.durability, hold=asked.hold)
    trial = Trial(desk, asked.seed, asked.what)
    try:
        desk.start()
        deadline = time.monotonic() + 30
        while not all(desk.asked(shard, "placed").get("here", {}).get(f"A{shard}") for shard in SHARDS):
            assert time.monotonic() < deadline, "the shards do not begin"
            time.sleep(0.1)
        deadline, at = time.monotonic() + asked.seconds, time.monotonic() + asked.every
        while time.monotonic() < deadline:
            trial.turn()
            if time.monotonic() > at:
                trial.disturb()
                at = time.monotonic() + trial.random.uniform(0.5, 1.5) * asked.every
        trial.finish()
        trial.compare()
    except AssertionError as error:
        print(f"seed {asked.seed}: {error}\n{dict(trial.counts)}\n{folder}")
        return 1
    finally:
        desk.stop()
    print(f"seed {asked.seed}: {len(trial.sent)} requests, {len(trial.exec_ids)} reports; {dict(trial.counts)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
