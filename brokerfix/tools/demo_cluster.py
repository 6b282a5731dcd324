"""`brokerfix demo --cluster`: three NATS servers, two shards behind a router and a gateway, a standby, two exchanges,
PostgreSQL and scripted clients, on one machine. In the middle a primary is killed and its data folder deleted.

At the end the accounts of clients, brokers and exchanges are compared as in the demo of one broker.
"""

import select
import shutil
import signal
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from brokerfix.cluster.door import door_path
from brokerfix.domain import to_text
from brokerfix.operate.admin import ask_at
from brokerfix.tools.client import Disconnected, Message
from brokerfix.tools.cluster_desk import SECONDS, Desk, Node
from brokerfix.tools.cluster_files import ACCOUNTS, CLIENTS, EXCHANGES, SENDERS
from brokerfix.tools.cluster_screen import ClusterView
from brokerfix.tools.demo import cancel_all, compare, explain_last, turn
from brokerfix.tools.screen import LineView, View
from brokerfix.tools.trader import PRICES, Trader

KILLED_SHARD, OTHER_SHARD = 1, 2
ROOM, STEP = 1000, 50
"""How much room the firm's limit has when it is set, in units, and what each order takes of it."""
ASK_AGAIN_SECONDS = 0.05


class ShardTrader(Trader):
    """A client that trades for accounts of several shards, and knows from the OrderID which one an order is on."""

    def __init__(self, comp_id: str, port: int, seed: int) -> None:
        super().__init__(comp_id, port, seed, tuple(ACCOUNTS))
        self.taken: dict[int, int] = {}
        """By shard, the number of the last order that it took."""
        self.news: Counter[int] = Counter()
        self.refusals: list[str] = []

    def _report(self, message: Message) -> None:
        if message[150] == "0":
            shard = int(message[37].split("-")[1])
            self.news[shard] += 1
            # The client's own numbers: which of its messages that was.
            self.taken[shard] = int(message[11].rpartition("-")[2])
        elif message[150] == "8":
            self.refusals.append(message.get(58, ""))
        super()._report(message)

    def buy(self, account: str, symbol: str, qty: int) -> str:
        """Buy far from the market, so that it rests, and wait for the answer. Returns why it is refused, "" where it is
        taken."""
        cl_ord_id = self._next_id()
        self.counts["orders"] += 1
        self.working[cl_ord_id] = (symbol, "1")
        price = to_text(PRICES[symbol] * 95 // 100, 2)
        self.client.new_order(cl_ord_id, "1", str(qty), symbol, price, t1=account)
        answered = len(self.refusals)
        deadline = time.monotonic() + SECONDS
        while cl_ord_id in self._sent_at:
            if time.monotonic() > deadline:
                raise Disconnected(f"{cl_ord_id} has no answer")
            select.select([self.client], [], [], 0.05)
            self.take_in()
        return self.refusals[answered] if len(self.refusals) > answered else ""


class Play:
    """What happens on the desk, and the clients that trade meanwhile."""

    def __init__(self, desk: Desk, view: View, seconds: int) -> None:
        self.desk, self.view, self.seconds = desk, view, seconds
        self.traders = [ShardTrader(name, desk.files.door_port, seed) for seed, name in enumerate(CLIENTS)]
        self._began = time.monotonic()

    def run(self) -> None:
        """All of it. Raises Disconnected where something does not happen."""
        self._began = time.monotonic()
        self.desk.until(self._has_prices, "the exchanges show no prices", lambda: turn(self.traders, acting=False))
        self.view.say("ALICE, BOB and CAROL trade for NORTH, on shard 1, and SOUTH, on shard 2, each on one session")
        self._trade(self.seconds / 2)
        lost = self._kill_primary()
        lost.begin("standby")
        self.desk.until(lost.is_standby, f"node {lost.name} did not come back", self._turn)
        self.view.say(f"node {lost.name} came back with an empty folder, and is the standby: all is in the stream")
        self._trade(self.seconds)
        self.view.say("canceling what still works")
        cancel_all(self.traders)
        self._hit_limit()
        cancel_all(self.traders)
        told = {exec_id for trader in self.traders for exec_id in trader.told}
        self.desk.until(lambda: self.desk.executions() == told, "the database has other fills than clients were told")
        self.view.say(f"the database has all {len(told)} fills, under the ExecIDs that clients were told")
        for trader in self.traders:
            trader.client.logout()

    def _has_prices(self) -> bool:
        return all(levels for trader in self.traders for levels in trader.books.values())

    def _turn(self) -> None:
        turn(self.traders, acting=True)
        now = time.monotonic()
        # A screen takes longer to draw than an order to be answered: it is drawn between them.
        if not any(trader.is_waiting(now) for trader in self.traders):
            self.view.update(list(self.traders), now - self._began)

    def _trade(self, seconds: float) -> None:
        while time.monotonic() < self._began + seconds:
            self._turn()

    def _kill_primary(self) -> Node:
        """Kill the primary of a shard, and trade until another one has taken an order. Returns who it was."""
        lost = self.desk.primary(KILLED_SHARD)
        epoch = lost.told("cluster")["epoch"]
        before = {trader.name: len(trader.sent) for trader in self.traders}
        refused, others = self._refused(), self._news(OTHER_SHARD)
        killed = time.monotonic()
        lost.process.stop(signal.SIGKILL)
        shutil.rmtree(lost.data, ignore_errors=True)
        self.view.say(f"kill -9 of node {lost.name}, the primary of shard {KILLED_SHARD} in epoch {epoch}")
        self.view.say(f"    and its data folder is deleted: {lost.data}")
        self.desk.until(lambda: self._has_taken(before), "nobody took over", self._turn)
        seconds = time.monotonic() - killed
        refused, others = self._refused() - refused, self._news(OTHER_SHARD) - others
        new = self.desk.primary(KILLED_SHARD)
        now = new.told("cluster")["epoch"]
        self.view.say(f"node {new.name} is the primary of shard {KILLED_SHARD}, in epoch {now}")
        self.view.say(f"    {seconds:.1f} s from the kill to the first order that it took; meanwhile {refused} orders")
        self.view.say(f"    for shard {KILLED_SHARD} were refused at once, and shard {OTHER_SHARD} took {others}")
        return lost

    def _has_taken(self, before: dict[str, int]) -> bool:
        """Whether the shard has taken an order that was sent after so many messages of its client's."""
        return any(trader.taken.get(KILLED_SHARD, 0) > before[trader.name] for trader in self.traders)

    def _refused(self) -> int:
        return sum(text.startswith("SHARD_DOWN") for trader in self.traders for text in trader.refusals)

    def _news(self, shard: int) -> int:
        return sum(trader.news[shard] for trader in self.traders)

    def _hit_limit(self) -> None:
        """Both shards take orders until the firm's limit, that is set for it, is used up to the unit."""
        nodes = {shard: self.desk.primary(shard) for shard in SENDERS}
        used = {shard: self._used(node) for shard, node in nodes.items()}
        limit = sum(used.values()) + ROOM
        request: dict[str, Any] = {"action": "set-limits", "kind": "firm", "name": "", "symbol": "", "text": "demo"}
        request |= {"settings": {"max_long": str(limit)}}
        ask_at(door_path(nodes[1].data), {"action": "all", "request": request}, SECONDS)
        held = ", ".join(f"shard {shard} uses {units:,}" for shard, units in used.items())
        self.view.say(f"an operator sets the firm's max_long to {limit:,} units, for all shards together: {held}")
        places = {shard: (account, *_longest(nodes[shard], account)) for account, shard in ACCOUNTS.items()}
        self._use_up(places)
        for shard, (account, symbol, _) in places.items():
            self.view.say(f"shard {shard} refuses: {self.traders[0].buy(account, symbol, STEP) or 'NOTHING'}")
        used = {shard: self._used(node) for shard, node in nodes.items()}
        sum_of = " + ".join(f"{units:,}" for units in used.values())
        self.view.update(list(self.traders), float(self.seconds))
        self.view.say(f"used are {sum_of} = {sum(used.values()):,} of {limit:,} units: both together, to the unit")
        if sum(used.values()) != limit:
            raise Disconnected("the firm's limit was not hit exactly")

    @staticmethod
    def _used(node: Node) -> int:
        (row,) = (row for row in node.told("parts")["parts"] if (row["kind"], row["limit"]) == ("firm", "max_long"))
        return int(float(row["used"]))

    def _use_up(self, places: dict[int, tuple[str, str, int]]) -> None:
        """Buy until there is no room left. An order that a shard's part does not allow yet is sent again."""
        room, deadline = ROOM, time.monotonic() + SECONDS
        # What is short of a symbol has to be bought back before it counts.
        sizes = {shard: STEP + max(0, -held) for shard, (_, _, held) in places.items()}
        while room:
            # The first takes twice as much, and so gets a part of what would be the other's.
            for shard in (KILLED_SHARD, KILLED_SHARD, OTHER_SHARD)[: room // STEP]:
                account, symbol, _ = places[shard]
                if self.traders[0].buy(account, symbol, sizes[shard]):
                    time.sleep(ASK_AGAIN_SECONDS)
                else:
                    room -= STEP
                    sizes[shard] = STEP
            if time.monotonic() > deadline:
                raise Disconnected(f"{room} units of the firm's limit could not be used")


def _longest(node: Node, account: str) -> tuple[str, int]:
    """The symbol in which an account is longest, and how long."""
    held = {row["symbol"]: int(float(row["qty"] or 0)) for row in node.told("positions")["positions"] if row["symbol"]}
    symbol = max(PRICES, key=lambda name: held.get(name, 0))
    return symbol, held.get(symbol, 0)


def run(folder: Path, seconds: int) -> int:
    """Run the demo for `seconds`. Returns 0 if nothing was lost and all accounts agree."""
    desk = Desk(folder, lambda text: print(text, flush=True))
    try:
        desk.start()
        view: View = ClusterView(seconds, desk.look) if sys.stdout.isatty() else LineView(seconds)
        with view:
            play = Play(desk, view, seconds)
            play.run()
        journals = {f"SHARD {shard}": desk.primary(shard).data / "journal" for shard in SENDERS}
    finally:
        desk.stop()
    return _summary(desk, play, journals)


def _summary(desk: Desk, play: Play, brokers: dict[str, Path]) -> int:
    journals = brokers | {name: desk.files.var / name.lower() / "journal" for name in EXCHANGES}
    explain_last(brokers["SHARD 1"])
    balanced = compare(play.traders, list(brokers), list(SENDERS.values()), journals)
    told = any(trader.fills for trader in play.traders)
    print(f"files: {desk.folder}/config, var (journals), *.log; start-by-hand.txt says how to start the parts")
    if balanced and told:
        print("nothing was lost: everything balances")
    else:
        print("THE ACCOUNTS DIFFER" if told else "NOTHING WAS TRADED")
    return 0 if balanced and told else 1
