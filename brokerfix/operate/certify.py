"""Certification: a scripted counterpart that a client developer points a FIX client at. It tells live what it expects
and what it sees, and writes a report.

It is a FIX session of its own on a plain socket (its codec is simplefix), so that it can do what a well-behaved engine
never does: leave a gap, drop the connection, let a fill cross a cancel.
"""

import select
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import msgspec
import simplefix

from brokerfix.tools.client import FIX_42, FIXT, Message, utc_now

SYMBOL = "AAPL"
PRICE = "150.00"
QTY = 100
TRANSPORT_NAMES = {"FIX.4.2": "FIX 4.2", "FIX.4.4": "FIX 4.4", "FIXT.1.1": "FIX 5.0 SP2"}


class Failed(Exception):
    """What a client did other than expected; the step has failed."""


class Finding(msgspec.Struct, frozen=True):
    """One step's outcome: what was expected, what was seen, and why it failed ('': it did not)."""

    step: str
    expected: str
    seen: list[str]
    failure: str = ""


class Counterpart:
    """The server's end of one FIX session. `tell` gets a line for people at each message. `patience` is in seconds."""

    def __init__(
        self, port: int, name: str, client: str, begin_string: str, tell: Callable[[str], None], patience: float
    ) -> None:
        self.name, self.client, self.begin_string = name, client, begin_string
        self.tell, self.patience = tell, patience
        self.listener = socket.create_server(("127.0.0.1", port))
        self.port: int = self.listener.getsockname()[1]
        self.next_out = self.next_in = 1
        self.seen: list[str] = []
        self.resend_requests = 0
        self._sent: dict[int, list[tuple[int, str]]] = {}
        self._socket: socket.socket | None = None
        self._parser = simplefix.FixParser()
        self._numbers = 0

    # The session

    def accept(self) -> Message:
        """Wait for a connection and its Logon, and answer it. Raises Failed."""
        self.listener.settimeout(self.patience)
        try:
            self._socket, _ = self.listener.accept()
        except TimeoutError:
            raise Failed("no connection came") from None
        self._parser = simplefix.FixParser()
        logon = self.receive()
        if logon[35] != "A":
            raise Failed(f"the first message must be a Logon (35=A), not 35={logon[35]}")
        if not logon.get(108, "").isdecimal():
            raise Failed("the Logon has no HeartBtInt(108)")
        if self.begin_string == FIXT and 1137 not in logon:
            raise Failed("a FIXT 1.1 Logon needs DefaultApplVerID(1137)")
        if logon.get(141) == "Y":
            self.next_out = 1
        answer = [(98, "0"), (108, logon[108])] + ([(1137, "9")] if self.begin_string == FIXT else [])
        self.send("A", answer + ([(141, "Y")] if logon.get(141) == "Y" else []))
        return logon

    def hang_up(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def close(self) -> None:
        self.hang_up()
        self.listener.close()

    def number(self) -> str:
        """An OrderID or ExecID."""
        self._numbers += 1
        return f"CERT-{self._numbers}"

    def send(self, kind: str, body: list[tuple[int, str]]) -> int:
        """Send a message. Returns its MsgSeqNum."""
        number = self.next_out
        self.next_out += 1
        self._write(kind, body, number)
        return number

    def note(self, kind: str, body: list[tuple[int, str]]) -> None:
        """Give a message its number without sending it: the client gets it when it asks."""
        self._sent[self.next_out] = [(35, kind), *body]
        self.next_out += 1

    def _write(self, kind: str, body: list[tuple[int, str]], number: int, again: bool = False) -> None:
        message = simplefix.FixMessage()
        self._sent.setdefault(number, [(35, kind), *body])
        head = [(8, self.begin_string), (35, kind), (49, self.name), (56, self.client), (34, number), (52, utc_now())]
        for tag, value in head + ([(43, "Y"), (122, utc_now())] if again else []) + body:
            message.append_pair(tag, value)
        self.seen.append(f"sent {_line(kind, dict(body), number)}")
        self.tell(f"  > {_line(kind, dict(body), number)}")
        assert self._socket is not None
        with suppress(OSError):
            self._socket.sendall(message.encode())

    def receive(self) -> Message:
        """The client's next message that is not a heartbeat; ResendRequests are answered. Raises Failed."""
        deadline = time.monotonic() + self.patience
        while True:
            message = self._next(deadline)
            kind, number = message[35], int(message[34])
            for tag, wanted in ((8, self.begin_string), (49, self.client), (56, self.name)):
                if message.get(tag) != wanted:
                    raise Failed(f"tag {tag} is {message.get(tag)!r}, not {wanted!r}")
            if kind == "A" and message.get(141) == "Y":
                self.next_in = 1
            if message.get(43) == "Y" and number < self.next_in:
                return message
            if number != self.next_in and kind != "4":
                raise Failed(f"MsgSeqNum(34) is {number}, expected {self.next_in}")
            self.next_in = int(message[36]) if kind == "4" else number + 1
            if kind == "2":
                self.resend_requests += 1
                self._resend(int(message[7]), int(message[16]))
            if kind != "0" or 112 in message:
                return message

    def _next(self, deadline: float) -> Message:
        while True:
            parsed = self._parser.get_message()
            if parsed is not None:
                pairs = [(int(tag), value.decode("latin-1")) for tag, value in parsed.pairs]
                message = dict(reversed(pairs))
                self.seen.append(f"got {_line(message[35], message, int(message[34]))}")
                self.tell(f"  < {_line(message[35], message, int(message[34]))}")
                return message
            left = deadline - time.monotonic()
            if self._socket is None or left <= 0 or not select.select([self._socket], [], [], left)[0]:
                raise Failed(f"nothing came within {self.patience:.0f} s")
            data = self._socket.recv(1 << 16)
            if not data:
                raise Failed("the client closed the connection")
            self._parser.append_buffer(data)

    def _resend(self, first: int, last: int) -> None:
        last = last or self.next_out - 1
        for number in range(first, min(last, self.next_out - 1) + 1):
            kept = self._sent.get(number)
            if kept is None or kept[0][1] in "0125A":
                self._write("4", [(123, "Y"), (36, str(number + 1))], number, again=True)
            else:
                self._write(kept[0][1], kept[1:], number, again=True)

    def expect(self, kind: str, what: str) -> Message:
        """The next message must be of this kind. A ResendRequest or a TestRequest before it is answered."""
        while True:
            message = self.receive()
            if message[35] == "1":
                self.send("0", [(112, message.get(112, ""))])
            elif message[35] == kind:
                return message
            elif message[35] != "2":
                raise Failed(f"expected {what} (35={kind}), got 35={message[35]} {message.get(58, '')}".rstrip())

    # Reports

    def report(
        self,
        order: "Tracked",
        exec_type: str,
        *,
        last: int = 0,
        cl_ord_id: str = "",
        orig: str = "",
        keep: bool = False,
    ) -> None:
        """An ExecutionReport on the order as it is tracked. With `keep` it is numbered and not sent."""
        body = [(37, order.order_id), (17, self.number())]
        if self.begin_string == FIX_42:
            exec_type = {"F": "2" if order.cum == order.qty else "1"}.get(exec_type, exec_type)
            body.append((20, "0"))
        leaves = 0 if order.status == "4" else order.qty - order.cum
        body += [(150, exec_type), (39, order.status), (11, cl_ord_id or order.cl_ord_id)]
        body += [(41, orig)] if orig else []
        body += [(55, SYMBOL), (54, "1"), (38, str(order.qty)), (40, "2"), (44, order.price)]
        body += [(32, str(last)), (31, order.price)] if last else []
        body += [(151, str(leaves)), (14, str(order.cum)), (6, order.price if order.cum else "0"), (60, utc_now())]
        if keep:
            self.note("8", body)
        else:
            self.send("8", body)

    def is_alive(self) -> None:
        """The client answers a TestRequest. Raises Failed."""
        asked = self.number()
        self.send("1", [(112, asked)])
        while True:
            message = self.receive()
            if message[35] == "0":
                if message.get(112) != asked:
                    raise Failed(f"the Heartbeat answers TestReqID {message.get(112)!r}, not {asked!r}")
                return
            if message[35] != "2":
                raise Failed(f"expected a Heartbeat that answers the TestRequest, got 35={message[35]}")


class Tracked(msgspec.Struct):
    """The client's order as the script has it."""

    order_id: str
    cl_ord_id: str
    qty: int
    price: str
    cum: int = 0
    status: str = "0"


def _line(kind: str, fields: dict[int, str], number: int) -> str:
    shown = " ".join(
        f"{tag}={fields[tag]}" for tag in (11, 41, 38, 44, 150, 39, 14, 151, 7, 16, 36, 112, 58) if tag in fields
    )
    return f"35={kind} 34={number} {shown}".rstrip()


Step = tuple[str, str, Callable[[Counterpart, dict[str, Any]], None]]


def _logon(c: Counterpart, kept: dict[str, Any]) -> None:
    c.accept()


def _take_order(c: Counterpart) -> Tracked:
    message = c.expect("D", "a NewOrderSingle")
    for tag, name in (
        (11, "ClOrdID"),
        (55, "Symbol"),
        (54, "Side"),
        (38, "OrderQty"),
        (40, "OrdType"),
        (60, "TransactTime"),
    ):
        if not message.get(tag):
            raise Failed(f"{name}({tag}) is missing")
    if c.begin_string == FIX_42 and 21 not in message:
        raise Failed("FIX 4.2 needs HandlInst(21)")
    for tag, wanted in ((55, SYMBOL), (54, "1"), (40, "2")):
        if message[tag] != wanted:
            raise Failed(f"tag {tag} is {message[tag]!r}, not {wanted!r}")
    if float(message[38]) != QTY or float(message.get(44, "0")) != float(PRICE):
        raise Failed(f"the order is for {message[38]} at {message.get(44)}, not {QTY} at {PRICE}")
    return Tracked(c.number(), message[11], QTY, PRICE)


def _new_order(c: Counterpart, kept: dict[str, Any]) -> None:
    order = kept["first"] = _take_order(c)
    c.report(order, "0")


def _partial_fill(c: Counterpart, kept: dict[str, Any]) -> None:
    order: Tracked = kept["first"]
    order.cum, order.status = 40, "1"
    c.report(order, "F", last=40)


def _cancel_race(c: Counterpart, kept: dict[str, Any]) -> None:
    order: Tracked = kept["first"]
    message = c.expect("F", "an OrderCancelRequest")
    if message.get(41) != order.cl_ord_id:
        raise Failed(f"OrigClOrdID(41) is {message.get(41)!r}, not {order.cl_ord_id!r}")
    if message.get(11) == order.cl_ord_id:
        raise Failed("the request needs a ClOrdID(11) of its own")
    order.status = "6"
    c.report(order, "6", cl_ord_id=message[11], orig=order.cl_ord_id)
    order.cum = order.qty
    c.report(order, "F", last=60)
    body = [(37, order.order_id), (11, message[11]), (41, order.cl_ord_id), (39, "2"), (434, "1"), (102, "0")]
    c.send("9", [*body, (58, "too late to cancel")])
    c.is_alive()


def _replace_chain(c: Counterpart, kept: dict[str, Any]) -> None:
    order = kept["second"] = _take_order(c)
    if order.cl_ord_id == kept["first"].cl_ord_id:
        raise Failed("the second order has the ClOrdID of the first")
    c.report(order, "0")
    for _ in range(2):
        message = c.expect("G", "an OrderCancelReplaceRequest")
        if message.get(41) != order.cl_ord_id:
            raise Failed(f"OrigClOrdID(41) is {message.get(41)!r}, not {order.cl_ord_id!r}, the last that was accepted")
        order.status = "E"
        c.report(order, "E", cl_ord_id=message[11], orig=order.cl_ord_id)
        was, order.cl_ord_id = order.cl_ord_id, message[11]
        order.qty, order.price, order.status = int(float(message[38])), message.get(44, order.price), "0"
        c.report(order, "5", orig=was)


def _gap(c: Counterpart, kept: dict[str, Any]) -> None:
    order: Tracked = kept["second"]
    before = c.resend_requests
    order.cum, order.status = 10, "1"
    c.report(order, "F", last=10, keep=True)
    order.cum = 20
    c.report(order, "F", last=10)
    message = c.expect("2", "a ResendRequest for the report that was left out")
    if c.resend_requests == before or int(message[7]) > c.next_out - 2:
        raise Failed(f"the ResendRequest begins at {message[7]}, behind the gap")
    c.is_alive()


def _resend(c: Counterpart, kept: dict[str, Any]) -> None:
    first = c.next_in - 1
    c.send("2", [(7, "1"), (16, "0")])
    covered = 0
    while covered < first:
        message = c.receive()
        if message[35] == "1":
            c.send("0", [(112, message.get(112, ""))])
            continue
        if message.get(43) != "Y":
            raise Failed("what is resent must have PossDupFlag(43)=Y")
        number = int(message[34])
        if number != covered + 1:
            raise Failed(f"the resend goes on at {number}, expected {covered + 1}")
        covered = int(message[36]) - 1 if message[35] == "4" else number
    c.next_in = max(c.next_in, covered + 1)
    c.is_alive()


def _disconnect(c: Counterpart, kept: dict[str, Any]) -> None:
    order: Tracked = kept["second"]
    c.hang_up()
    order.cum, order.status = order.qty, "2"
    c.report(order, "F", last=order.qty - 20, keep=True)
    logon = c.accept()
    if logon.get(141) == "Y":
        raise Failed("the client began its sequence numbers anew: what it missed is lost to it")
    c.expect("2", "a ResendRequest for the report that was sent meanwhile")


def _logout(c: Counterpart, kept: dict[str, Any]) -> None:
    c.expect("5", "a Logout")
    c.send("5", [])


STEPS: list[Step] = [
    ("Logon", "Connect and log on.", _logon),
    ("New order", f"Send a limit order: buy {QTY} {SYMBOL} at {PRICE}. It gets New.", _new_order),
    ("Partial fill", "Nothing to do: 40 are filled.", _partial_fill),
    (
        "Cancel race",
        "Cancel the order. Pending Cancel comes, then the fill that crossed it, then OrderCancelReject: too late. "
        "Answer the TestRequest.",
        _cancel_race,
    ),
    (
        "Replace chain",
        f"Send a second order: buy {QTY} {SYMBOL} at {PRICE}. Replace it twice, each time naming the ClOrdID that was "
        "accepted last.",
        _replace_chain,
    ),
    ("Gap", "Nothing to do: a report is left out. Ask for it with a ResendRequest.", _gap),
    (
        "Resend",
        "Nothing to do: you are asked to resend all. Resend your orders, gap fill over session messages.",
        _resend,
    ),
    (
        "Disconnect",
        "Nothing to do: the connection is dropped. Connect again, log on with the next MsgSeqNum, ask for what you "
        "missed.",
        _disconnect,
    ),
    ("Logout", "Log out.", _logout),
]


def run(counterpart: Counterpart) -> Iterator[Finding]:
    """Walk through the script. A step that fails ends it: what follows builds on it."""
    kept: dict[str, Any] = {}
    try:
        for number, (title, expected, step) in enumerate(STEPS, 1):
            counterpart.tell(f"{number}. {title}: {expected}")
            counterpart.seen = []
            try:
                step(counterpart, kept)
            except Failed as failure:
                counterpart.tell(f"  FAILED: {failure}")
                yield Finding(title, expected, counterpart.seen, str(failure))
                return
            counterpart.tell("  ok")
            yield Finding(title, expected, counterpart.seen)
    finally:
        counterpart.close()


def report(findings: list[Finding], client: str, begin_string: str) -> str:
    """The certification report, as Markdown."""
    passed = len(findings) == len(STEPS) and not any(finding.failure for finding in findings)
    told = "passed" if passed else "not passed"
    lines = [f"# Certification of {client}, {TRANSPORT_NAMES[begin_string]}: {told}", ""]
    lines += ["| step | result |", "|---|---|"]
    done = {finding.step: finding for finding in findings}
    for title, _, _ in STEPS:
        found = done.get(title)
        result = "not reached" if found is None else f"failed: {found.failure}" if found.failure else "ok"
        lines.append(f"| {title} | {result} |")
    for finding in findings:
        lines += ["", f"## {finding.step}", "", f"Expected: {finding.expected}", "", "```", *finding.seen, "```"]
        if finding.failure:
            lines += ["", f"Failed: {finding.failure}"]
    return "\n".join(lines) + "\n"
