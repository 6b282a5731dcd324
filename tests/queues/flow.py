"""A journal that grows as a broker's does, without one: orders of two accounts that meet in the book, and their facts
at a queue."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from brokerfix.commands import Command, MarketUpdate, NewOrder, RecordQuotes, SessionUp, Start
from brokerfix.domain import ClientOptions, Instrument, Limits, OrdType, Side, TimeInForce, Venue, id_number
from brokerfix.engine.engine import decide, observe
from brokerfix.engine.evolve import evolve
from brokerfix.engine.state import State
from brokerfix.projections.events.destination import Where
from brokerfix.projections.events.form import DECODERS
from brokerfix.projections.events.publisher import Publisher
from brokerfix.projections.events.queues import destination_of, reader_of
from brokerfix.projections.events.reading import Asked, at_queue, in_journal
from brokerfix.projections.lag import Lag
from brokerfix.record.journal import Journal, Origin
from brokerfix.settings.servers import EventsSection
from tests.servers import Server, new_subject, queue_of

DAY, NOW = 20261127, 1_795_737_600 * 10**9
ACCOUNTS = ("ALICE", "BOB")
LONG = 20.0
CONFIG = """
[broker]
name = "BROKER"
port = 1
data = "."
[instruments.AAPL]
price_digits = 2
qty_digits = 0
tick = "0.01"
lot = "1"
[accounts.ALICE]
cash = "0"
[accounts.BOB]
cash = "0"
[queues.bus]
kind = "{kind}"
servers = {servers}
[events.all]
queue = "bus"
subject = "{subject}"
format = "{format}"
lag_seconds = 1
"""


class Flow:
    """A data folder whose journal `trade` makes longer, and a destination for it at a server."""

    def __init__(self, folder: Path, server: Server, **section: Any) -> None:
        self.folder, self.server = folder, server
        folder.mkdir(exist_ok=True)
        self.config = folder / "broker.toml"
        events = EventsSection(queue="bus", subject=new_subject(), **section)
        self.where = Where(self.config, "all", events, queue_of(server), 0)
        urls = list(self.where.queue.servers)
        self.config.write_text(
            CONFIG.format(kind=server.kind, servers=urls, subject=events.subject, format=events.format)
        )  # fmt: skip
        self.state = State()
        self.journal = Journal(folder / "journal")
        self.journal.open(DAY)
        self.orders = 0
        instrument = Instrument("AAPL", 2, 0, 1, 1, "always", "book", 5000, 15000)
        accounts = tuple((name, "900000000000", Limits("1000000", "1000000000")) for name in ACCOUNTS)
        clients = tuple((name, (name,), 0, ClientOptions()) for name in ACCOUNTS)
        self.put(Start(NOW, DAY, (instrument,), accounts, clients, (Venue("XNAS"),)))

    def put(self, command: Command) -> None:
        facts = decide(self.state, command)
        self.journal.append(facts, Origin("c:ALICE", self.orders + 1, command.at))
        for fact in facts:
            evolve(self.state, fact)

    def trade(self, pairs: int) -> None:
        """So many times, ALICE offers what BOB takes."""
        for _ in range(pairs):
            self.orders += 1
            for account, side in zip(ACCOUNTS, (Side.SELL, Side.BUY), strict=True):
                name = f"{account}-{self.orders}"
                self.put(
                    NewOrder(
                        NOW + self.orders, account, name, "", "AAPL", side, OrdType.LIMIT, TimeInForce.DAY, 5, 15000
                    )
                )  # fmt: skip

    def quote(self, price: int) -> None:
        """The market moves: it is offered at a price."""
        if not self.state.market.up.get("XNAS"):
            self.put(SessionUp(NOW, "XNAS", True))
        observe(self.state, MarketUpdate("XNAS", "AAPL", True, ((Side.SELL, price, 10),)))
        self.put(RecordQuotes(NOW + price, ("AAPL",)))

    @property
    def last(self) -> int:
        return self.state.last_id

    def publisher(self) -> Publisher:
        lag = Lag(self.folder, self.where.section.lag_seconds)
        return Publisher(self.where, self.folder / "journal", destination_of(self.where), lag)

    def process(self) -> "subprocess.Popen[bytes]":
        """The publisher as the broker starts it, with us as the broker."""
        command = [sys.executable, "-m", "brokerfix.process.events", str(self.config), "all", str(os.getpid())]
        return subprocess.Popen(command)

    def journaled(self) -> list[dict[str, Any]]:
        """Every fact of the journal as the stream is to have it."""
        return list(in_journal(self.folder / "journal", Asked(), False))

    async def raw(self) -> list[int]:
        """The numbers of all messages that are at the queue, whatever came twice."""
        decode = DECODERS[self.where.section.format]
        return [id_number(decode(body)["id"]) async for body in reader_of(self.where).read(0, False)]

    async def rows(self, asked: Asked | None = None) -> list[dict[str, Any]]:
        """What a reader is told."""
        return [row async for row in at_queue(self.where, asked or Asked(), False)]


@asynccontextmanager
async def publishing(flow: Flow) -> AsyncIterator[Publisher]:
    """A publisher at work, in this process. At the end it sends what is left."""
    publisher, is_over = flow.publisher(), False
    running = asyncio.create_task(publisher.run(lambda: is_over))
    try:
        yield publisher
    finally:
        is_over = True
        await asyncio.wait_for(running, LONG)


async def until_confirmed(publisher: Publisher, number: int) -> None:
    """Until the queue has all up to a fact."""
    async with asyncio.timeout(LONG):
        while publisher.confirmed < number:
            await asyncio.sleep(0.005)


async def publish(flow: Flow) -> None:
    """Have all that there is at the queue."""
    async with publishing(flow) as publisher:
        await until_confirmed(publisher, flow.last)


def by_account(rows: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """An account's facts in their order."""
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        found.setdefault(row["account"], []).append(row)
    return found


def quietly(process: "subprocess.Popen[bytes]") -> None:
    """End a process for good."""
    with suppress(ProcessLookupError):
        process.kill()
    process.wait()
