"""The load, a process of its own: `python bench/load.py SCENARIO PORT OPEN_ORDERS VENUE_PORT CLIENTS [AUTHORITY]`.

It logs on CLIENTS clients, with TLS if the certificate of an AUTHORITY is named, sends OPEN_ORDERS orders, says
`ready`, and then measures what each line of its input asks for: `latency N`, `paced N` or `rate N`. It answers with
JSON. Scenario `echo` waits for first reports; `route` plays the exchange too, and waits for fills; with `-wait` behind
them it sleeps while there is nothing to read. Orders go to the clients in turn.
"""

import json
import random
import select
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from wire import Wire, connect, field

WINDOW = 32
PACE = 0.005
"""Seconds between two orders of a person's flow."""
CHILD_ID = b"\x0111="


def order(wire: Wire, number: int, price: bytes) -> bytes:
    return wire.pack(
        b"D",
        b"11=%d\x0121=1\x0138=1\x0140=2\x0144=%b\x0154=1\x0155=AAPL\x0159=0\x0160=%b\x01" % (number, price, wire.stamp),
    )


class Exchange:
    """The exchange's end of a broker's session: quotes without end, acknowledges and fills every order."""

    def __init__(self, port: int) -> None:
        listener = socket.create_server(("127.0.0.1", port))
        connection, _ = listener.accept()
        self.wire = Wire(connection, "XNAS", "BROKER")
        self.fills = 0
        self.subscribed = False
        while not self.subscribed:
            self.serve(True)

    def serve(self, block: bool = False) -> None:
        wire = self.wire
        for message in wire.receive(block):
            message_type = field(message, b"\x0135=")
            if message_type == b"D":
                self._fill(message)
            elif message_type == b"A":
                wire.send(b"A", b"98=0\x01108=60\x01141=Y\x01" if b"\x01141=Y" in message else b"98=0\x01108=60\x01")
            elif message_type == b"V":
                wire.send(
                    b"W",
                    b"262=%b\x0155=AAPL\x01268=1\x01269=1\x01270=150.00\x01271=900000000\x01"
                    % field(message, b"\x01262="),
                )
                self.subscribed = True

    def _fill(self, message: bytes) -> None:
        self.fills += 1
        child = field(message, CHILD_ID)
        common = b"37=V%d\x0111=%b\x0155=AAPL\x0154=1\x0138=1\x01" % (self.fills, child)
        ack = b"%b17=A%d\x01150=0\x0139=0\x01151=1\x0114=0\x016=0\x01" % (common, self.fills)
        fill = b"%b17=F%d\x01150=F\x0139=2\x01151=0\x0114=1\x016=150\x0132=1\x0131=150.00\x01" % (common, self.fills)
        self.wire.socket.sendall(self.wire.pack(b"8", ack) + self.wire.pack(b"8", fill))


def latencies(
    wires: list[Wire], count: int, first: int, price: bytes, done: bytes, serve: Callable[[], None], pace: float = 0.0
) -> list[float]:
    """Closed loop: microseconds from an order to the report that contains `done`, one order at a time, with about
    `pace` seconds between them."""
    result = []
    for number in range(first, first + count):
        wire = wires[number % len(wires)]
        if pace:
            time.sleep(random.uniform(0.5, 1.5) * pace)
        if number % 200 == 0 or len(wires) > 1 or pace:
            wire.refresh()
        message = order(wire, number, price)
        started = time.perf_counter_ns()
        wire.socket.sendall(message)
        waiting = True
        while waiting:
            serve()
            for reply in wire.receive(False):
                if done in reply:
                    waiting = False
        result.append((time.perf_counter_ns() - started) / 1000)
    return result


def throughput(
    wires: list[Wire], count: int, first: int, window: int, done: bytes, price: bytes, serve: Callable[[], None]
) -> float:
    """Orders per second with `window` orders on their way at any time."""
    sent = finished = 0
    only = wires[0]
    poll = select.epoll()
    by_descriptor = {wire.socket.fileno(): wire for wire in wires}
    for descriptor in by_descriptor:
        poll.register(descriptor, select.EPOLLIN)
    for wire in wires:
        wire.refresh()
    started = time.perf_counter()
    while finished < count:
        batch = []
        while sent < count and sent - finished < window:
            if len(wires) == 1:
                batch.append(order(only, first + sent, price))
            else:
                wire = wires[sent % len(wires)]
                wire.socket.sendall(order(wire, first + sent, price))
            sent += 1
        if batch:
            only.refresh()
            only.socket.sendall(b"".join(batch))
        serve()
        ready = wires if len(wires) == 1 else [by_descriptor[found] for found, _ in poll.poll(0)]
        for wire in ready:
            finished += sum(done in reply for reply in wire.receive(False))
    elapsed = time.perf_counter() - started
    poll.close()
    return count / elapsed


def nothing() -> None:
    """Nobody else to serve."""


def waiting(serve: Callable[[], None], sockets: list[socket.socket]) -> Callable[[], None]:
    """`serve` that sleeps until there is something to read: a load that spins takes a processor from the servers."""
    poll = select.epoll()
    for one in sockets:
        poll.register(one, select.EPOLLIN)

    def wait_and_serve() -> None:
        poll.poll(1.0)
        serve()

    return wait_and_serve


def main() -> None:
    scenario, port, open_orders = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    serve: Callable[[], None] = nothing
    price, done = b"100.00", b"\x01150=0\x01"
    exchange = None
    if scenario.startswith("route"):
        exchange = Exchange(int(sys.argv[4]))
        serve, price, done = exchange.serve, b"150.00", b"\x01150=F\x01"
    clients, authority = int(sys.argv[5]), sys.argv[6] if len(sys.argv) > 6 else ""
    names = ["LOAD", *(f"LOAD{number}" for number in range(1, clients))]
    wires = [connect(port, name, "BROKER", authority) for name in names]
    if scenario.endswith("-wait"):
        sockets = [wire.socket for wire in wires]
        serve = waiting(serve, [*sockets, exchange.wire.socket] if exchange is not None else sockets)
    throughput(wires, open_orders, 1, WINDOW, done, price, serve)
    first = open_orders + 1
    print("ready", flush=True)
    for line in sys.stdin:
        what, number = line.split()
        count = int(number)
        if what in ("latency", "paced"):
            pace = PACE if what == "paced" else 0.0
            print(json.dumps(latencies(wires, count, first, price, done, serve, pace)), flush=True)
        else:
            print(json.dumps(throughput(wires, count, first, WINDOW, done, price, serve)), flush=True)
        first += count


if __name__ == "__main__":
    main()
