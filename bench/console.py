"""The console's blotter under load: 100,000 orders of which 500 change every second, in a real Chromium. How soon they
are there, whether frames stay smooth while they change and while somebody scrolls, what it costs the network and the
console's process, and that browsers which are stopped or gone cost nothing: `python -m bench.console`.
"""

import multiprocessing
import os
import random
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import click

sys.path.insert(0, str(Path(__file__).parent))

from table import percentile, show

from brokerfix.access.people import People
from brokerfix.access.roles import Role
from brokerfix.commands import Command, NewOrder, OperatorCancel, Start
from brokerfix.domain import ClientOptions, Instrument, Limits, OrdType, Side, TimeInForce
from brokerfix.engine.engine import State, decide, evolve
from brokerfix.facts import Fact, OrderAccepted
from brokerfix.record.journal import Journal, Origin
from brokerfix.tools.demo import free_port
from tests.console.desk import Desk as LiveDesk
from tests.console.desk import chromium
from tests.console.everybody import PASSWORD
from tests.live import until

DAY = 20261127
BEGAN = 1_795_800_000 * 10**9
SYMBOLS = [f"SYM{number}" for number in range(20)]
ACCOUNTS = [f"ACC{number}" for number in range(50)]
TURN = 0.02
DEAD = 40
"""Connections that ask and never read."""
CONFIG = """
[broker]
name = "BENCH"
port = {port}
data = "data"
store = false
{instruments}
[accounts.ACC0]
cash = "1"
[clients.LOAD]
accounts = ["ACC0"]
[console]
port = {console}
second_factor = false
"""
INSTRUMENT = '[instruments.{}]\nprice_digits = 2\nqty_digits = 0\ntick = "0.01"\nlot = "1"\n'
FRAMES = """
([seconds, scrolls]) => new Promise((done) => {
    const view = document.querySelector(".ag-body-viewport"), frames = [];
    performance.clearResourceTimings();
    const began = performance.now();
    let last = began, down = 40;
    const frame = (now) => {
        frames.push(now - last);
        last = now;
        if (scrolls) {
            const before = view.scrollTop;
            view.scrollTop += down;
            if (view.scrollTop === before) down = -down;
        }
        if (now - began < seconds * 1000) return requestAnimationFrame(frame);
        const got = performance.getEntriesByType("resource").filter((one) => one.name.includes("/data/orders"));
        done({ frames: frames.slice(1), pulls: got.length, bytes: got.reduce((sum, one) => sum + one.transferSize, 0),
               seconds: (now - began) / 1000 });
    };
    requestAnimationFrame(frame);
})"""


class Load:
    """The engine with a journal: orders that rest, and changes of them. `took` are the seconds of each command."""

    def __init__(self, folder: Path) -> None:
        self.state = State()
        self.journal = Journal(folder)
        self.journal.open(DAY)
        self.random = random.Random(7)
        self.working: list[int] = []
        self.took: list[float] = []
        self._at, self._number = BEGAN, 0
        instruments = tuple(Instrument(name, 2, 0, 1, 1, "never", "book", 0, 15_000) for name in SYMBOLS)
        accounts = tuple((name, "900000000000", Limits("1000000", "1000000000")) for name in ACCOUNTS)
        self.run(Start(self._at, DAY, instruments, accounts, (("LOAD", tuple(ACCOUNTS), 0, ClientOptions()),), ()))

    def run(self, command: Command) -> list[Fact]:
        began = time.perf_counter()
        facts = decide(self.state, command)
        self.journal.append(facts, Origin("c:LOAD", 1, 1), 1)
        for fact in facts:
            evolve(self.state, fact)
        self.took.append(time.perf_counter() - began)
        return facts

    def add(self) -> None:
        self._at += 10**6
        self._number += 1
        name, symbol, account = f"C{self._number}", self.random.choice(SYMBOLS), self.random.choice(ACCOUNTS)
        price, qty = self.random.randint(14_000, 14_999), self.random.randint(1, 90) * 10
        new = NewOrder(
            self._at, "LOAD", name, account, symbol, Side.BUY, OrdType.LIMIT, TimeInForce.DAY, qty, price
        )  # fmt: skip
        accepted = self.run(new)[0]
        assert isinstance(accepted, OrderAccepted), accepted
        self.working.append(accepted.id)

    def change(self) -> None:
        """Half of what changes is new, half is canceled."""
        if self.random.random() < 0.5:
            return self.add()
        at = self.random.randrange(len(self.working))
        self.working[at], self.working[-1] = self.working[-1], self.working[at]
        self._at += 10**6
        self.run(OperatorCancel(self._at, "bench", self.working.pop()))
        return None


def load(folder: str, orders: int, rate: int, told: Connection) -> None:
    """What another process does: make the journal, then change it; each message asks for the latencies so far."""
    made = Load(Path(folder))
    for _ in range(orders):
        made.add()
    told.send("ready")
    made.took.clear()
    due = time.monotonic()
    while True:
        due += TURN
        for _ in range(round(rate * TURN)):
            made.change()
        if told.poll(max(0.0, due - time.monotonic())):
            if told.recv() == "end":
                return
            told.send(made.took)
            made.took = []


class Desk(LiveDesk):
    """The console alone, beside a journal."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.processes, self._console, self._http = folder, {}, None, []
        self.console_port = free_port()
        self.config = folder / "BENCH.toml"
        instruments = "\n".join(INSTRUMENT.format(name) for name in SYMBOLS)
        self.config.write_text(CONFIG.format(port=free_port(), console=self.console_port, instruments=instruments))
        People(folder / "data" / "console" / "people.json", False).add("tom", Role.TRADER, PASSWORD, False)

    @property
    def pid(self) -> int:
        assert self._console is not None
        return self._console.pid


def cpu(pid: int, thread: int = 0) -> float:
    """Seconds of processor time that a process has used, or one thread of it."""
    path = Path(f"/proc/{pid}/task/{thread}/stat" if thread else f"/proc/{pid}/stat")
    fields = path.read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident(pid: int) -> float:
    """Its memory in MiB."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def family(pid: int) -> list[int]:
    """A process's descendants."""
    parents: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found[1:]


def browsers() -> list[int]:
    """Chromium's processes, of this bench alone."""
    return [pid for pid in family(os.getpid()) if "chrom" in Path(f"/proc/{pid}/comm").read_text()]


@contextmanager
def stopped(pids: list[int]) -> Iterator[None]:
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def dead_sockets(port: int, cookie: str) -> list[socket.socket]:
    """Connections that ask for all orders and never read what comes."""
    made = []
    for _ in range(DEAD):
        one = socket.create_connection(("127.0.0.1", port))
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        head = f"GET /data/orders HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nCookie: {cookie}\r\n\r\n"
        one.sendall(head.encode())
        made.append(one)
    return made


class Bench:
    """One run. `rows` are the console's figures by phase."""

    def __init__(self, desk: Desk, told: Connection, seconds: float) -> None:
        self.desk, self.told, self.seconds = desk, told, seconds
        self.rows: list[list[str]] = []

    def phase(self, name: str, work: Callable[[], Any] | None = None) -> Any:
        """What the console uses, and what a command takes beside it, while something is done."""
        self.told.send("latencies")
        self.told.recv()
        began, used, memory = time.monotonic(), cpu(self.desk.pid), resident(self.desk.pid)
        result = (work or self.wait)()
        took, used = time.monotonic() - began, cpu(self.desk.pid) - used
        self.told.send("latencies")
        latencies = [one * 1e6 for one in self.told.recv()]
        self.rows.append(
            [
                name, f"{100 * used / took:.0f} %", f"{memory:.0f} -> {resident(self.desk.pid):.0f} MiB",
                f"{len(latencies) / took:.0f}", f"{percentile(latencies, 0.5):.0f}",
                f"{percentile(latencies, 0.99):.0f}", f"{os.getloadavg()[0]:.1f}",
            ]
        )  # fmt: skip
        return result

    def wait(self) -> None:
        time.sleep(self.seconds)

    def frames(self, page: Any, name: str, scrolls: bool) -> list[str]:
        """How frames come while it changes, and how much of a processor the page's main thread takes."""
        pages = [pid for pid in browsers() if "--type=renderer" in Path(f"/proc/{pid}/cmdline").read_text()]
        before = {pid: cpu(pid, pid) for pid in pages}
        began = time.monotonic()
        told = self.phase(name, lambda: page.evaluate(FRAMES, [self.seconds, scrolls]))
        took = time.monotonic() - began
        used = max(cpu(pid, pid) - before[pid] for pid in pages)
        return [*_frames(told), f"{100 * used / took:.0f} %"]

    def run(self, browser: Any, orders: int) -> None:
        self.phase("no browser")
        page = browser.new_context(viewport={"width": 1366, "height": 768}).new_page()
        page.goto(f"{self.desk.url}/login?next=/orders")
        page.fill("#name", "tom")
        page.fill("#password", PASSWORD)
        began = time.monotonic()
        page.click("button[type=submit]")
        page.wait_for_selector(".ag-row", timeout=120_000)
        first = time.monotonic() - began
        counts = "document.querySelector('.orders-counts').textContent"
        page.wait_for_function(f"parseInt({counts}.replaceAll(',', '')) >= {orders}", timeout=120_000)
        full = time.monotonic() - began
        show("The blotter is there", ["what", "s"], [["first rows", f"{first:.1f}"], ["all of them", f"{full:.1f}"]])
        frames = []
        for name, scrolls in (("it changes", False), ("it changes, and somebody scrolls", True)):
            frames.append([name, *self.frames(page, name, scrolls)])
        page.select_option("select[aria-label='Which orders are shown']", "working")
        page.select_option("select[aria-label='Group by']", "symbol")
        frames.append(["filtered and grouped", *self.frames(page, "filtered and grouped", False)])
        head = [
            "while", "frames/s", "p50 ms", "p99 ms", "longest ms", "beyond 50 ms", "pulls/s", "kB/s", "the page's CPU",
        ]  # fmt: skip
        show(f"Frames of {self.seconds:g} s each", head, frames)
        with stopped(browsers()):
            self.phase("the browser is stopped")
            self.phase("the same, later")
        cookie = next(f"{one['name']}={one['value']}" for one in page.context.cookies())
        page.context.close()
        dead = dead_sockets(self.desk.console_port, cookie)
        self.phase(f"{DEAD} sockets that never read, at first")
        self.phase("the same sockets, later")
        for one in dead:
            one.close()
        self.phase("nobody is there")
        show(
            "The console's process, and a command of the broker's beside it (decide, append, evolve)",
            ["while", "console's CPU", "its memory", "commands/s", "p50 us", "p99 us", "load average"],
            self.rows,
        )


def _frames(told: dict[str, Any]) -> list[str]:
    frames, seconds = told["frames"], told["seconds"]
    return [
        f"{len(frames) / seconds:.0f}", f"{percentile(frames, 0.5):.1f}", f"{percentile(frames, 0.99):.1f}",
        f"{max(frames):.0f}", f"{sum(one > 50 for one in frames)} of {len(frames)}",
        f"{told['pulls'] / seconds:.1f}", f"{told['bytes'] / seconds / 1000:.1f}",
    ]  # fmt: skip


@click.command()
@click.option("--orders", default=100_000, show_default=True)
@click.option("--rate", default=500, show_default=True, help="Orders that change every second.")
@click.option("--seconds", default=10.0, show_default=True, help="Of each phase.")
def main(orders: int, rate: int, seconds: float) -> None:
    with tempfile.TemporaryDirectory() as name:
        desk = Desk(Path(name))
        ours, theirs = multiprocessing.Pipe()
        context = multiprocessing.get_context("spawn")
        loading = context.Process(target=load, args=(f"{name}/data/journal", orders, rate, theirs), daemon=True)
        loading.start()
        click.echo(f"writing a journal of {orders:,} orders", err=True)
        ours.recv()
        try:
            desk.start_console()
            click.echo("waiting until the console has read it", err=True)
            client = desk.login("tom")
            until(lambda: client.get("/healthz").json()["behind_seconds"] < 1, 300)
            client.close()
            with chromium() as browser:
                Bench(desk, ours, seconds).run(browser, orders)
        finally:
            ours.send("end")
            desk.stop_console()
            loading.join(10)


if __name__ == "__main__":
    main()
