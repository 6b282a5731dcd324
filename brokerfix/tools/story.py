"""`brokerfix demo --story margin`: an account buys with borrowed money, is refused more, and the price falls until its
positions are sold for it. An exchange, a broker and two clients, over real sockets; at the end the journal tells it."""

from collections.abc import Callable
from pathlib import Path

from brokerfix.operate.admin import ask
from brokerfix.operate.explain import explain_account
from brokerfix.tools.client import Client, Disconnected, Message
from brokerfix.tools.demo import Process, free_port, make_folder

INSTRUMENT = """
[instruments.AAPL]
price_digits = 2
qty_digits = 0
tick = "0.01"
lot = "1"
collar = "0.10"
reference = "150.00"
margin = { initial = "0.5", maintenance = "0.48" }
"""
EXCHANGE = f"""
[broker]
name = "XNAS"
port = {{port}}
data = "xnas"
store = false
{INSTRUMENT.replace("{", "{{").replace("}", "}}")}
[accounts.ALL]
cash = "0"
limits = {{{{ buying_power = false }}}}
[clients.BROKER]
accounts = ["ALL"]
[clients.LP]
accounts = ["ALL"]
"""
BROKER = f"""
[broker]
name = "BROKER"
port = {{port}}
data = "broker"
record_interval_ms = 50
{INSTRUMENT.replace("{", "{{").replace("}", "}}")}
[margin]
grace_seconds = 1
[accounts.MARGE]
cash = "10000"
margin = "reg-t"
[clients.MARGE]
accounts = ["MARGE"]
[venues.XNAS]
host = "127.0.0.1"
port = {{venue_port}}
sender = "BROKER"
target = "XNAS"
"""
SECONDS = 15.0
Say = Callable[[str], None]


class Stage:
    """The processes, the client MARGE and the exchange's liquidity LP."""

    def __init__(self, folder: Path) -> None:
        make_folder(folder)
        self.folder = folder
        ports = {"XNAS": free_port(), "BROKER": free_port()}
        texts = {
            "XNAS": EXCHANGE.format(port=ports["XNAS"]),
            "BROKER": BROKER.format(port=ports["BROKER"], venue_port=ports["XNAS"]),
        }
        self.processes = {}
        for name, text in texts.items():
            path = folder / f"{name.lower()}.toml"
            path.write_text(text)
            self.processes[name] = Process(name, path, folder / f"{name.lower()}.log", ports[name])
        self.client = Client("MARGE", "BROKER", "127.0.0.1", ports["BROKER"])
        self.lp = Client("LP", "XNAS", "127.0.0.1", ports["XNAS"])
        self.quoted: list[tuple[str, str]] = []
        self.number = 0

    @property
    def data(self) -> Path:
        return self.folder / "broker"

    def start(self) -> None:
        for process in self.processes.values():
            process.start()
        self.lp.connect()
        self.client.connect()
        self.client.subscribe("market", ["AAPL"])

    def stop(self) -> None:
        self.client.close()
        self.lp.close()
        for process in reversed(self.processes.values()):
            process.stop()

    def quote(self, middle: int, qty: int = 200) -> None:
        """The exchange's best prices are around this (in cents) from now on, and the broker sees them."""
        for cl_ord_id, side in self.quoted:
            self.number += 1
            self.lp.cancel(f"Q{self.number}", cl_ord_id, side, "AAPL")
        self.quoted = []
        for side, price in (("1", middle - 5), ("2", middle + 5)):
            self.number += 1
            self.lp.new_order(f"Q{self.number}", side, str(qty), "AAPL", f"{price / 100:.2f}")
            self.quoted.append((f"Q{self.number}", side))
        best = (270, f"{(middle + 5) / 100:.2f}")
        self.client.receive_until(lambda message: message[35] in "WX" and best in self.client.last, SECONDS)

    def order(self, cl_ord_id: str, side: str, qty: int, price: str) -> Message:
        """An order of MARGE's, and what is said of it when it is filled or refused."""
        self.client.new_order(cl_ord_id, side, str(qty), "AAPL", price)
        return self.client.receive_until(
            lambda message: message[35] == "8" and message.get(11) == cl_ord_id and message[150] in "8F", SECONDS
        )

    def until_liquidated(self) -> Message:
        """What MARGE is told of the order that closes some of its position."""
        return self.client.receive_until(
            lambda message: message[35] == "8" and message[150] == "F" and message[54] == "2", SECONDS
        )

    def standing(self) -> str:
        """How the account stands, as the broker says."""
        return str(ask(self.data, {"action": "margin"})["margin"][0]["standing"])


def play(stage: Stage, say: Say) -> None:
    """The story, step by step. Raises Disconnected where something does not happen."""
    say("MARGE has 10,000 and buys for 19,500: half of it is borrowed")
    stage.quote(14_995)
    stage.order("M1", "1", 130, "150.00")
    say("it wants more, and is refused:")
    refused = stage.order("M2", "1", 30, "150.00")
    say(f"    {refused.get(58)}")
    for cents, expected in ((14_500, "warning"), (13_990, "")):
        stage.quote(cents)
        say(f"the price falls to {cents / 100:.2f}")
        if expected:
            _wait_for(stage, expected)
            say(f"    MARGE is in the standing {expected!r}")
    filled = stage.until_liquidated()
    say(f"    {filled[32]} AAPL are sold for it at {filled[31]}")
    _wait_for(stage, "ok", "warning")
    say(f"    MARGE is in the standing {stage.standing()!r} again")


def _wait_for(stage: Stage, *standings: str) -> None:
    for _ in range(int(SECONDS / 0.05)):
        if stage.standing() in standings:
            return
        stage.client.poll(0.05)
    raise Disconnected(f"MARGE did not come to be {' or '.join(standings)}, but is {stage.standing()}")


def run(folder: Path, say: Say) -> int:
    """Play the story and have the journal tell it. Returns 0."""
    stage = Stage(folder)
    try:
        stage.start()
        play(stage, say)
    finally:
        stage.stop()
    say("")
    say("as the journal tells it (`brokerfix explain MARGE`):")
    for told in explain_account(stage.data / "journal", "MARGE"):
        row = told.row()
        say(f"  {row['time'][11:]}  {row['what happened']}")
    return 0
