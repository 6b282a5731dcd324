"""A scripted FIX client for the demo and the crash tests, with its own account of what it is told."""

import random
import time
from collections import Counter
from collections.abc import Sequence

from brokerfix.domain import to_text
from brokerfix.tools.client import Client, Message, pairs_of

PRICES = {"AAPL": 15_000, "MSFT": 40_000}
"""What the clients trade, and the price in cents that they begin around."""
ORDER_EVERY = 0.12
PATIENCE = 0.05
SIDES = {"1": "BUY", "2": "SELL"}
ENDED = frozenset(["2", "4", "8", "C"])

Fills = Counter[tuple[str, str]]
"""(symbol, side) -> quantity."""


class Trader:
    """A scripted client: sends, cancels and replaces at random, and keeps its own account of what it is told."""

    def __init__(self, comp_id: str, port: int, seed: int, accounts: Sequence[str] = ()) -> None:
        """With `accounts` each order is for one of them, at random."""
        self.client = Client(comp_id, "BROKER", "127.0.0.1", port)
        self.name = comp_id
        self.random = random.Random(seed)
        self.accounts = accounts
        self.working: dict[str, tuple[str, str]] = {}
        self.asked: dict[str, str] = {}
        self.sent: list[str] = []
        self.exec_ids: set[str] = set()
        self.told: dict[str, int] = {}
        self.leaves: dict[str, int] = {}
        self.fills: Fills = Counter()
        self.counts: Counter[str] = Counter()
        self.latencies: list[float] = []
        self.books: dict[str, dict[tuple[str, str], str]] = {symbol: {} for symbol in PRICES}
        self._sent_at: dict[str, float] = {}
        self._number = 0
        self._due = 0.0
        self._last_sent = 0.0

    def act(self, now: float) -> None:
        """Perhaps send something."""
        if now < self._due or not self.client.connected:
            return
        self._due = now + self.random.uniform(0.5, 1.5) * ORDER_EVERY
        choices = list(self.working)
        if choices and self.random.random() < 0.45:
            chosen = self.random.choice(choices)
            if self.random.random() < 0.6:
                self.cancel(chosen)
            else:
                self._replace(chosen)
        else:
            self._new()

    def is_waiting(self, now: float) -> bool:
        """Whether the last that was sent is still to be answered, and has not waited long for it."""
        return bool(self.sent) and self.sent[-1] in self._sent_at and now < self._last_sent + PATIENCE

    def _new(self) -> None:
        symbol, side = self.random.choice(list(PRICES)), self.random.choice("12")
        mid = self._mid(symbol)
        price = to_text(mid + self.random.randint(-8, 8), 2)
        qty = str(self.random.randint(1, 6) * 50)
        kind = self.random.choice(("day", "day", "day", "gtc", "ioc", "market"))
        cl_ord_id = self._next_id()
        self.counts["orders"] += 1
        self.working[cl_ord_id] = (symbol, side)
        tif = {"day": "0", "gtc": "1", "ioc": "3", "market": "3"}[kind]
        more = {"t1": self.random.choice(self.accounts)} if self.accounts else {}
        self.client.new_order(cl_ord_id, side, qty, symbol, None if kind == "market" else price, tif=tif, **more)

    def cancel(self, orig: str) -> None:
        symbol, side = self.working[orig]
        self.counts["cancels"] += 1
        self.client.cancel(self._next_id(orig), orig, side, symbol)

    def _replace(self, orig: str) -> None:
        symbol, side = self.working[orig]
        self.counts["replaces"] += 1
        price = to_text(self._mid(symbol) + self.random.randint(-8, 8), 2)
        qty = str(self.random.randint(1, 6) * 50)
        self.client.replace(self._next_id(orig), orig, side, qty, symbol, price)

    def _next_id(self, orig: str = "") -> str:
        self._number += 1
        cl_ord_id = f"{self.name}-{self._number}"
        self.sent.append(cl_ord_id)
        self._sent_at[cl_ord_id] = time.perf_counter()
        self._last_sent = time.monotonic()
        if orig:
            self.asked[cl_ord_id] = orig
        return cl_ord_id

    def _mid(self, symbol: str) -> int:
        prices = [[int(float(price) * 100) for (side, price) in self.books[symbol] if side == which] for which in "01"]
        if prices[0] and prices[1]:
            return (max(prices[0]) + min(prices[1])) // 2
        return PRICES[symbol]

    def take_in(self) -> int:
        """Handle what has come. Returns how many messages that were."""
        self.client.poll()
        count = len(self.client.messages)
        while self.client.messages:
            message, every = self.client.messages.popleft(), self.client.received_pairs.popleft()
            if message[35] == "8":
                self._report(message)
            elif message[35] == "9":
                self.counts["cancel rejects"] += 1
            elif message[35] in ("W", "X"):
                self._market_data(message, every)
        return count

    def _report(self, message: Message) -> None:
        if message[17] in self.exec_ids:
            self.counts["resent reports"] += 1
            return
        self.exec_ids.add(message[17])
        self.leaves[message[37]] = int(message[151])
        sent_at = self._sent_at.pop(message[11], None)
        if sent_at is not None:
            self.latencies.append((time.perf_counter() - sent_at) * 1e6)
        if message[150] == "F":
            self.counts["fills"] += 1
            self.fills[message[55], SIDES[message[54]]] += int(message[32])
            self.told[message[17]] = int(message[32])
        if message[150] == "8":
            self.counts["rejects"] += 1
        if message[150] in ("4", "5") and 41 in message:
            self.working.pop(message[41], None)
        # Filled while a cancel is asked for, its OrdStatus is pending still.
        if message[39] in ENDED or message[151] == "0":
            self.working.pop(message[11], None)
        elif message[150] in ("0", "5"):
            self.working[message[11]] = (message[55], message[54])

    def _market_data(self, message: Message, every: list[tuple[int, str]]) -> None:
        if message[35] == "W":
            self.books[message[55]].clear()
        for entry in pairs_of(every, 269 if message[35] == "W" else 279):
            symbol = entry.get(55, message.get(55, ""))
            if entry[269] not in "01":
                continue
            level = (entry[269], entry[270])
            if entry.get(279) == "2":
                self.books[symbol].pop(level, None)
            else:
                self.books[symbol][level] = entry[271]
