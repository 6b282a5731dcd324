"""Attacks on the gateway, each in a process of its own: `python bench/attacker.py NAME PORT SECONDS SEED`.

Only loopback is attacked, from addresses of 127.0.0.0/8. Each attack prints what it has reached as one line of JSON.
"""

import json
import os
import random
import select
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from brokerfix.gateway.budgets import Budgets
from brokerfix.gateway.framing import Framer
from brokerfix.gateway.messages import Names
from brokerfix.gateway.relay import Relay
from brokerfix.settings.sections import Budget, BudgetsSection

sys.path.insert(0, str(Path(__file__).parent))

from wire import Wire, _now

PASSWORD, ALICES = "correct horse battery", "staple of another stable"
MALLORY, ALICE = "MALLORY", "ALICE"
CREDENTIALS = b"98=0\x01108=30\x01553=%b\x01554=%b\x01"
SENT_AT_ONCE = 1 << 16


class Attack:
    """One attack's parameters and helpers."""

    def __init__(self, port: int, seconds: float, seed: int) -> None:
        self.port, self.random = port, random.Random(seed)
        self.until = time.monotonic() + seconds
        self.sources = 0
        self.small = False

    @property
    def going(self) -> bool:
        return time.monotonic() < self.until

    def connect(self, source: str = "127.0.66.6") -> socket.socket:
        caller = socket.socket()
        if self.small:
            caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        caller.settimeout(10)
        caller.bind((source, 0))
        caller.connect(("127.0.0.1", self.port))
        return caller

    def source(self) -> str:
        """Another address each time: an attacker who has many."""
        self.sources += 1
        return f"127.{1 + self.sources // 62500 % 250}.{1 + self.sources // 250 % 250}.{1 + self.sources % 250}"

    def wire(self, name: str, source: str = "127.0.66.6") -> Wire:
        return Wire(self.connect(source), name, "BROKER")

    def log_on(self, name: str = MALLORY, password: str = PASSWORD, source: str = "127.0.66.6") -> Wire | None:
        """A session that is up, with numbers that begin anew; None where it is refused."""
        wire = self.wire(name, source)
        wire.send(b"A", CREDENTIALS % (name.encode(), password.encode()) + b"141=Y\x01")
        answer = read(wire, 5)
        return wire if b"\x0135=A\x01" in answer else None


def read(wire: Wire, seconds: float) -> bytes:
    """What comes within some time, up to the first bytes; b"" at the end of the connection or of the time."""
    try:
        wire.socket.settimeout(seconds)
        return wire.socket.recv(1 << 16)
    except OSError:
        return b""


def is_open(caller: socket.socket, seconds: float = 0.0) -> bool:
    """Whether the other side has not closed the connection."""
    poll = select.poll()
    poll.register(caller, select.POLLIN)
    if not poll.poll(seconds * 1000):
        return True
    try:
        return bool(caller.recv(1 << 16))
    except OSError:
        return False


def order(wire: Wire, number: int) -> bytes:
    return wire.pack(
        b"D",
        b"11=m%d-%d\x0121=1\x0138=1\x0140=2\x0144=100.00\x0154=1\x0155=AAPL\x0159=0\x0160=%b\x01"
        % (time.monotonic_ns(), number, wire.stamp),
    )


def pour(attack: Attack, wire: Wire, make: Callable[[int], bytes], reading: bool = True) -> int:
    """Send what is made as fast as it is taken, until the connection ends. Returns how many messages were sent."""
    sent = 0
    wire.socket.setblocking(False)
    waiting = b""
    while attack.going:
        if len(waiting) < SENT_AT_ONCE:
            wire.refresh()
            waiting += b"".join(make(sent + i) for i in range(50))
            sent += 50
        readable, writable, _ = select.select([wire.socket] if reading else [], [wire.socket], [], 0.5)
        try:
            if readable and not wire.socket.recv(1 << 18):
                break
            if writable:
                waiting = waiting[wire.socket.send(waiting) :]
        except BlockingIOError:
            continue
        except OSError:
            break
    return sent


def trickle(attack: Attack, wire: Wire, make: Callable[[int], bytes], rate: float) -> int:
    """Send so many a second, and read nothing, until the connection ends. Returns how many messages were sent."""
    sent = 0
    with suppress(OSError):
        while attack.going:
            wire.refresh()
            wire.socket.sendall(make(sent))
            sent += 1
            time.sleep(1 / rate)
    return sent


def reported(wire: Wire, count: int) -> None:
    """Send orders and read what comes: there is something to resend then."""
    for number in range(count):
        wire.socket.sendall(order(wire, number))
        if not read(wire, 5):
            return


def again_and_again(attack: Attack, once: Callable[[Wire], int]) -> dict[str, Any]:
    """Log on and do something until the session ends, over and over. Returns how often, and how many messages."""
    sessions = messages = 0
    while attack.going:
        wire = attack.log_on(source=attack.source())
        if wire is None:
            time.sleep(0.1)
            continue
        sessions += 1
        messages += once(wire)
        wire.socket.close()
    return {"sessions": sessions, "messages": messages, "held": sessions > 0}


def drip(attack: Attack) -> dict[str, Any]:
    """A Logon, byte by byte, on as many connections as are let in."""
    text = attack.wire(ALICE).pack(b"A", CREDENTIALS % (b"ALICE", b"x")) * 1
    callers = [(attack.connect(attack.source()), time.monotonic()) for _ in range(100)]
    lived: list[float] = []
    at = 0
    while attack.going and callers:
        time.sleep(0.1)
        for caller, since in list(callers):
            try:
                caller.send(text[at : at + 1])
                alive = is_open(caller)
            except OSError:
                alive = False
            if not alive:
                lived.append(time.monotonic() - since)
                callers.remove((caller, since))
        at += 1
    longest = max(lived, default=0.0)
    return {"longest_seconds": round(longest, 1), "left": len(callers), "held": not callers and longest < 7}


def silent(attack: Attack) -> dict[str, Any]:
    """Connections that say nothing: more than there is room for."""
    callers = []
    for _ in range(1500):
        try:
            callers.append(attack.connect(attack.source()))
        except OSError:
            break
    opened = len(callers)
    while callers and time.monotonic() < attack.until + 7:
        time.sleep(0.1)
        callers = [caller for caller in callers if is_open(caller)]
    return {"opened": opened, "left": len(callers), "held": not callers}


def endless_length(attack: Attack) -> dict[str, Any]:
    """Messages that are to be 2 GiB long, as the first of a connection and in a session."""
    most = tries = sessions = 0
    while attack.going:
        after = tries % 2 == 1
        wire = attack.log_on(source=attack.source()) if after else attack.wire(ALICE, attack.source())
        tries += 1
        if wire is None:
            time.sleep(0.1)
            continue
        sessions += after
        taken = 0
        with suppress(OSError):
            wire.socket.sendall(b"8=FIX.4.4\x019=2147483647\x0135=A\x01")
            while attack.going:
                wire.socket.sendall(b"58=" + b"x" * 65536)
                taken += 65536
        most = max(most, taken)
    return {"tries": tries, "bytes taken at most": most, "held": sessions > 0 and most < 16 << 20}


def garbage(attack: Attack) -> dict[str, Any]:
    """Bytes that never say 8=FIX."""
    connections = sent = 0
    while attack.going:
        caller = attack.connect(attack.source())
        connections += 1
        with suppress(OSError):
            for _ in range(16):
                caller.sendall(attack.random.randbytes(65536))
                sent += 65536
        caller.close()
    return {"connections": connections, "bytes": sent, "held": True}


def slow_reader_of_orders(attack: Attack) -> dict[str, Any]:
    """Orders, as many as are allowed, whose reports nobody reads."""
    attack.small = True
    return again_and_again(attack, lambda wire: trickle(attack, wire, lambda number: order(wire, number), 450))


def slow_reader_of_resends(attack: Attack) -> dict[str, Any]:
    """Resends, as many as are allowed, that nobody reads."""
    attack.small = True

    def once(wire: Wire) -> int:
        reported(wire, 300)
        return trickle(attack, wire, lambda _: wire.pack(b"2", b"7=1\x0116=0\x01"), 1.9)

    return again_and_again(attack, once)


def reset_by_a_stranger(attack: Attack) -> dict[str, Any]:
    """Logons as ALICE with 141=Y and a wrong password."""
    tries = taken = 0
    while attack.going:
        taken += attack.log_on(ALICE, "wrong", attack.source()) is not None
        tries += 1
    return {"tries": tries, "held": not taken}


def spoof(attack: Attack) -> dict[str, Any]:
    """Somebody else's CompID: in a Logon without a password, with one's own password, and in messages after the
    Logon."""
    tries = taken = inside = 0
    while attack.going:
        bare = attack.wire(ALICE, attack.source())
        bare.send(b"A", b"98=0\x01108=30\x01")
        taken += b"\x0135=A\x01" in read(bare, 5)
        borrowed = attack.wire(ALICE, attack.source())
        borrowed.send(b"A", CREDENTIALS % (MALLORY.encode(), PASSWORD.encode()))
        taken += b"\x0135=A\x01" in read(borrowed, 5)
        wire = attack.log_on(source=attack.source())
        if wire is not None:
            inside += 1
            wire.ids = wire.ids.replace(b"49=MALLORY", b"49=ALICE")
            wire.socket.sendall(order(wire, 1))
            answer = b""
            while part := read(wire, 5):
                answer += part
            taken += b"\x0135=8\x01" in answer
            wire.socket.close()
        tries += 2
    return {"tries": tries + inside, "from inside": inside, "held": not taken and inside > 0}


def resend_storm(attack: Attack) -> dict[str, Any]:
    """Everything again, and again."""

    def once(wire: Wire) -> int:
        reported(wire, 30)
        return pour(attack, wire, lambda _: wire.pack(b"2", b"7=1\x0116=0\x01"))

    return again_and_again(attack, once)


def reconnect_storm(attack: Attack) -> dict[str, Any]:
    """Connect, log on, hang up: from one address and from many."""
    tries = logons = 0
    while attack.going:
        with suppress(OSError):
            wire = attack.log_on(source=attack.source() if tries % 2 else "127.0.66.6")
            logons += wire is not None
            if wire is not None:
                wire.socket.close()
        tries += 1
    return {"tries": tries, "logons": logons, "held": True}


def guess_passwords(attack: Attack) -> dict[str, Any]:
    """Guesses of ALICE's password, from one address: and then ALICE herself logs on from another."""
    tries = 0
    while time.monotonic() < attack.until - 2:
        with suppress(OSError):
            attack.log_on(ALICE, f"guess {tries}")
        tries += 1
    wire = attack.wire(ALICE, "127.0.0.1")
    wire.number = int(os.environ["ALICE_NEXT"]) - 1
    wire.send(b"A", CREDENTIALS % (b"ALICE", ALICES.encode()))
    return {"tries": tries, "held": b"\x0135=A\x01" in read(wire, 5)}


def order_flood(attack: Attack) -> dict[str, Any]:
    return again_and_again(attack, lambda wire: pour(attack, wire, lambda number: order(wire, number)))


def subscription_flood(attack: Attack) -> dict[str, Any]:
    """Subscriptions to all there is, each with an id of its own."""
    return again_and_again(
        attack,
        lambda wire: pour(
            attack,
            wire,
            lambda number: wire.pack(
                b"V", b"262=s%d\x01263=1\x01264=0\x01265=1\x01146=1\x0155=AAPL\x01267=2\x01269=0\x01269=1\x01" % number
            ),
        ),
    )


def gap_queue(attack: Attack) -> dict[str, Any]:
    """Messages far beyond a gap that is never filled."""

    def once(wire: Wire) -> int:
        wire.number += 10
        return pour(attack, wire, lambda number: order(wire, number))

    return again_and_again(attack, once)


def false_lengths(attack: Attack) -> dict[str, Any]:
    """Data fields with false lengths, in Logons and in orders."""
    tries = 0
    lengths = (b"95=-5\x0196=x\x01", b"95=99999999\x0196=x\x01", b"354=4294967295\x01355=x\x01", b"212=0\x01213=x\x01")
    while attack.going:
        for length in lengths:
            wire = attack.wire(ALICE, attack.source())
            wire.send(b"A", CREDENTIALS % (b"ALICE", b"wrong") + length)
            read(wire, 5)
            up = attack.log_on(source=attack.source())
            if up is not None:
                up.socket.sendall(up.pack(b"D", b"11=x\x01" + length))
                read(up, 5)
                up.socket.close()
            tries += 2
    return {"tries": tries, "held": True}


def replay(attack: Attack) -> dict[str, Any]:
    """A session of MALLORY's, recorded byte by byte, sent again and again from elsewhere."""
    wire = attack.wire(MALLORY, "127.0.0.1")
    logon = wire.pack(b"A", CREDENTIALS % (MALLORY.encode(), PASSWORD.encode()) + b"141=Y\x01")
    recorded = logon + order(wire, 1) + order(wire, 2)
    wire.socket.sendall(recorded)
    first = read(wire, 5)
    wire.socket.close()
    tries = taken = 0
    while attack.going:
        time.sleep(0.05)
        again = attack.connect(attack.source())
        again.sendall(recorded)
        heard = b""
        with suppress(OSError):
            while part := again.recv(1 << 16):
                heard += part
        taken += b"\x0135=A\x01" in heard
        tries += 1
    return {"tries": tries, "held": b"\x0135=A\x01" in first and not taken}


def mutate(chance: random.Random, message: bytes) -> bytes:
    """The message with some bytes changed, taken out, doubled, or put somewhere else."""
    data = bytearray(message)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(data))
        how = chance.randrange(6)
        if how == 0:
            data[at] = chance.randrange(256)
        elif how == 1:
            del data[at : at + chance.randint(1, 20)]
        elif how == 2:
            data[at:at] = data[at : at + chance.randint(1, 40)]
        elif how == 3:
            data[at:at] = chance.choice((b"\x01", b"=", b"9=999999\x01", b"95=-5\x01", b"453=99999\x01", b"\xff" * 9))
        elif how == 4:
            data[at : at + 1] = b"%d" % chance.randrange(10**12)
        else:
            data.reverse()
        if not data:
            data = bytearray(b"\x01")
    return bytes(data)


def reframed(message: bytes) -> bytes:
    """A mutated message with the length and sum that it has now, so that it gets past the framing."""
    at = message.find(b"35=")
    body = message[at if at >= 0 else 0 :].rpartition(b"10=")[0] or b"35=0\x01"
    body = body if body.endswith(b"\x01") else body + b"\x01"
    whole = b"8=FIX.4.4\x019=%d\x01%b" % (len(body), body)
    return b"%b10=%03d\x01" % (whole, sum(whole) % 256)


def seeds(wire: Wire) -> Iterator[bytes]:
    """Messages to mutate, of every kind, without end."""
    while True:
        wire.refresh()
        stamp = _now()
        yield order(wire, 1)
        yield wire.pack(b"F", b"11=c\x0141=o\x0154=1\x0155=AAPL\x0160=%b\x01" % stamp)
        yield wire.pack(b"V", b"262=v\x01263=1\x01264=0\x01265=1\x01146=1\x0155=AAPL\x01267=1\x01269=0\x01")
        yield wire.pack(b"1", b"112=t\x01")
        yield wire.pack(b"2", b"7=1\x0116=0\x01")
        yield wire.pack(b"4", b"123=Y\x0136=%d\x01" % (wire.number + 2))
        yield wire.pack(b"D", b"11=d\x0195=3\x0196=abc\x01453=1\x01448=p\x01447=D\x01452=3\x0154=1\x0155=AAPL\x01")


def mutations(attack: Attack) -> dict[str, Any]:
    """Mutated messages: all of them through the gateway's own code here; those that it lets pass over the wire too, in
    sessions that are up, with some that it does not; and mutated Logons as the first message of a connection."""
    wanted = int(os.environ.get("MUTATIONS", "20000"))
    looked_at = passed = logons = sessions = 0
    while looked_at < wanted:
        wire = attack.log_on(source=attack.source())
        if wire is None:
            return {"looked at": looked_at, "held": False, "why": "no session"}
        sessions += 1
        made, gate = seeds(wire), Gate()
        with suppress(OSError):
            for count in range(5000):
                number = wire.number
                message = mutated(attack.random, next(made))
                looked_at += 1
                if not gate.passes(message) and count < 4999:
                    # It would end the session: not this time, and its number is for the next.
                    wire.number = number
                    continue
                wire.socket.sendall(message)
                passed += 1
                if passed % 50 == 0:
                    # An attack on what the broker makes of them, not a flood.
                    drain(wire.socket)
        wire.socket.close()
        for _ in range(20):
            stranger = attack.wire(ALICE, attack.source())
            logon = stranger.pack(b"A", CREDENTIALS % (b"ALICE", b"wrong"))
            send_and_drain(stranger.socket, [mutate(attack.random, logon)])
            looked_at, logons = looked_at + 1, logons + 1
    told = {"looked at": looked_at, "passed on to the broker": passed, "sessions": sessions, "as Logons": logons}
    return {**told, "held": passed > wanted // 100}


def mutated(chance: random.Random, message: bytes) -> bytes:
    """A message that is mutated behind its header or, more rarely, anywhere; most with the length and sum that it has
    then."""
    how = chance.random()
    if how < 0.05:
        return mutate(chance, message)
    if how < 0.1:
        return reframed(mutate(chance, message))
    at = message.index(b"\x0152=") + len("\x0152=20260101-10:00:00.000\x01")
    return reframed(message[:at] + mutate(chance, message[at:]))


class Gate:
    """The gateway's code, to tell what it would let pass."""

    def __init__(self) -> None:
        self.relay = Relay(Names("FIX.4.4", MALLORY, "BROKER"), Budgets(UNLIMITED, 0.0), 1)

    def passes(self, message: bytes) -> bool:
        framer = Framer(65_536)
        framer.feed(message)
        framed = framer.next()
        if framed is None or b"\x0134=" not in framed:
            return False
        # Its number is of no matter here.
        self.relay.ending, self.relay._numbers.expected = "", 1
        return self.relay.message(framed, 0.0) == framed and b"\x0135=5\x01" not in framed


UNLIMITED = BudgetsSection(
    **{name: Budget(0) for name in ("orders", "cancels", "requests", "mass_requests", "mass_cancels", "subscriptions",
                                    "test_requests", "resend_requests", "others")},
    active_subscriptions=1_000_000, beyond_gap=100_000,
)  # fmt: skip


def drain(caller: socket.socket) -> None:
    """Read what has come."""
    caller.settimeout(0.01)
    with suppress(OSError):
        while caller.recv(1 << 18):
            pass


def send_and_drain(caller: socket.socket, batch: list[bytes]) -> int:
    """Send messages one after the other, and hang up once there is nothing more to hear. Returns how many went out."""
    caller.settimeout(0.02)
    sent = 0
    with suppress(OSError):
        for message in batch:
            caller.sendall(message)
            sent += 1
        caller.shutdown(socket.SHUT_WR)
        while caller.recv(1 << 18):
            pass
    caller.close()
    return max(1, sent)


ATTACKS: dict[str, Callable[[Attack], dict[str, Any]]] = {
    "drip": drip,
    "silent connections": silent,
    "endless length": endless_length,
    "garbage": garbage,
    "slow reader, orders": slow_reader_of_orders,
    "slow reader, resends": slow_reader_of_resends,
    "141=Y with a wrong password": reset_by_a_stranger,
    "CompID spoof, three ways": spoof,
    "resend storm": resend_storm,
    "reconnect storm": reconnect_storm,
    "password guessing": guess_passwords,
    "order flood": order_flood,
    "mutated messages": mutations,
    "replay of a recorded session": replay,
    "subscription flood": subscription_flood,
    "gap queue": gap_queue,
    "false data lengths": false_lengths,
}


def main() -> None:
    # Attackers have machines of their own: here they take what the others leave of the processors.
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    name, port, seconds, seed = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
    print(json.dumps(ATTACKS[name](Attack(port, seconds, seed))), flush=True)


if __name__ == "__main__":
    main()
