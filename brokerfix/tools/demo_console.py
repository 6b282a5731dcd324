"""`brokerfix demo --console`: three exchanges, the broker, scripted clients, a market maker, and the console to watch
them in a browser."""

import secrets
import sys
import time
import webbrowser
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from brokerfix.access.people import People
from brokerfix.access.roles import Role
from brokerfix.record import keys
from brokerfix.record.audit import verify
from brokerfix.tools.client import Disconnected
from brokerfix.tools.demo import (
    CONFIGS,
    EXCHANGES,
    START_SECONDS,
    Process,
    connect,
    finish,
    free_port,
    set_up,
    turn,
    wait_until_ready,
)
from brokerfix.tools.trader import Trader

TRADERS = ("ALICE", "BOB", "CAROL")
PEOPLE = {"demo": Role.ADMINISTRATOR, "second": Role.RISK}
"""Who may log in. A limit that is raised takes both."""
DESK = """
[console]
port = {port}
second_factor = false

[proof]
seconds = 5

[approvals]
raise_above = "1.5"

[accounts.MM]
cash = "5000000"
limits = {{ max_long = "20000", max_short = "20000" }}

[accounts.MARGE]
cash = "400000"
margin = "reg-t"

[clients.MARGE]
accounts = ["MARGE"]

[makers.MM]
account = "MM"

[makers.MM.quotes.AAPL]
size = "100"
most_long = "1000"
most_short = "-1000"
model = "fixed"
bid_spread = "0.03"
ask_spread = "0.03"
levels = 2
level_step = "0.02"

[makers.MM.quotes.MSFT]
size = "50"
most_long = "500"
most_short = "-500"
model = "fixed"
bid_spread = "0.05"
ask_spread = "0.05"
levels = 2
level_step = "0.02"
"""
"""What the shipped configuration gets besides."""
APPROVALS = '[approvals]                         # what needs a second person\nraise_above = ""'
"""What it says otherwise there."""
SPREAD = "spread_ticks = 2", "spread_ticks = 8"
"""Of the exchanges' quoters: each begins its walk when it starts, and a maker does not quote in a crossed market."""
Say = Callable[[str], None]


class ConsoleDesk:
    """The processes of a folder, and where the console is. `password` is that of all PEOPLE."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.processes = set_up(folder)
        self.config = folder / "config" / "broker.toml"
        self.data = folder / "var" / "broker"
        for name in EXCHANGES:
            exchange = folder / "config" / f"{CONFIGS[name]}.toml"
            exchange.write_text(exchange.read_text().replace(*SPREAD))
        port = free_port()
        text = self.config.read_text().replace(APPROVALS, "#")
        self.config.write_text(text + DESK.format(port=port))
        self.url = f"http://127.0.0.1:{port}/"
        self.password = secrets.token_urlsafe(12)
        keys.make(self.data / "keys")
        people = People(self.data / "console" / "people.json", second_factor=False)
        for name, role in PEOPLE.items():
            people.add(name, role, self.password, second_factor=False)
        self.console = Process("console", self.config, folder / "console.log", port, "console")
        broker = self.processes["BROKER"]
        self.traders = [Trader(name, broker.port, seed) for seed, name in enumerate((*TRADERS, "MARGE"))]

    def start(self) -> None:
        """All of it. Raises Disconnected where something does not come up."""
        for process in self.processes.values():
            process.start()
        wait_until_ready(self.folder)
        self.console.start()

    def trade(self, until: Callable[[], bool]) -> None:
        """Have the clients trade until something is so."""
        for trader in self.traders:
            connect(trader)
        deadline = time.monotonic() + START_SECONDS
        while not all(levels for trader in self.traders for levels in trader.books.values()):
            if time.monotonic() > deadline:
                raise Disconnected("the exchanges' market makers show no prices; see the logs")
            turn(self.traders, acting=False)
        while not until():
            turn(self.traders, acting=True)

    def stop(self) -> None:
        """End all."""
        with suppress(Disconnected):
            finish(self.traders)
        self.console.stop()
        for name in ("BROKER", *(name for name in self.processes if name != "BROKER")):
            self.processes[name].stop()


def run(folder: Path, seconds: int | None, say: Say, opens: bool = True) -> int:
    """Trade for so many seconds (None: until Ctrl-C), and have a browser show it. Returns 0 if the journal is in order
    at the end."""
    desk = ConsoleDesk(folder)
    try:
        desk.start()
        say(f"the console: {desk.url}   name: demo   password: {desk.password}")
        say("a second person, who approves limits: second, with the same password")
        say("Ctrl-C ends it" if seconds is None else f"it ends after {seconds} s")
        if opens and sys.stdout.isatty():
            webbrowser.open(desk.url)
        began = time.monotonic()
        with suppress(KeyboardInterrupt):
            desk.trade(lambda: seconds is not None and time.monotonic() > began + seconds)
    finally:
        desk.stop()
    report = verify(desk.data / "journal")[0]
    say(f"BROKER: {report.facts} facts, {'; '.join(report.problems) or 'every invariant holds'}")
    say(f"files: {folder}/var (journals, SQLite), {folder}/*.log, {folder}/config")
    return 1 if report.problems else 0
