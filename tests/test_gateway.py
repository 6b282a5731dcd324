"""The gateway over real sockets, with a broker behind it: who gets in, who does not, what becomes of sessions."""

import json
import os
import re
import signal
import socket
import ssl
import struct
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from urllib.request import urlopen

import pytest

from brokerfix.operate.admin import ask
from brokerfix.tools.certificates import Authority
from brokerfix.tools.client import Client, Disconnected, utc_now
from brokerfix.tools.demo import Process, free_port
from tests import starter
from tests.live import INSTRUMENT, SECRET, Wire, files_with, listening, run_cli, secret_hash

CONFIG = """
[broker]
name = "BROKER"
port = {port}
data = "data"
store = false
{instrument}
[gateway]
plain = "127.0.0.1"
tls = "127.0.0.1:{tls}"
certificate = "certificates/server.pem"
key = "certificates/server.key"
client_ca = "certificates/ca.pem"
client_certificates = "optional"
logon_seconds = 1.5
failures_before_lockout = 3
lockout_seconds = 600
max_unread_bytes = 262144
max_half_open_per_source = 5
load_balancers = ["127.0.0.99"]
operation_port = {operation}
connects_per_source = {{ rate = 0 }}
[gateway.budgets]
logons = {{ rate = 0 }}
mass_requests = {{ rate = 0 }}
orders = {{ rate = 0 }}
[accounts.ALL]
cash = "100000000"
[clients.ALICE]
accounts = ["ALL"]
[clients.BOB]
accounts = ["ALL"]
username = "bob"
password_hash = "{password}"
reset_seq_num = "refuse"
cancel_on_disconnect = "all"
[clients.CAROL]
accounts = ["ALL"]
certificates = ["{pin}"]
[clients.DAVE]
fix = "FIX.4.2"
accounts = ["ALL"]
password_hash = "{password}"
[clients.ERIN]
accounts = ["ALL"]
addresses = ["10.7.0.0/16"]
[clients.HANS]
fix = "FIXT.1.1"
accounts = ["ALL"]
username = "hans"
password_hash = "{password}"
[clients.IRIS]
accounts = ["ALL"]
password_hash = "{password}"
certificates = ["{pin}"]
[clients.JOAN]
accounts = ["ALL"]
password_hash = "{password}"
budgets = {{ logons = {{ rate = 4, burst = 1 }} }}
[clients.KATE]
accounts = ["ALL"]
password_hash = "{password}"
[clients.LENA]
accounts = ["ALL"]
password_hash = "{password}"
addresses = ["10.7.0.0/16"]
[clients.FRED]
accounts = ["ALL"]
budgets = {{ orders = {{ rate = 1, burst = 2 }} }}
"""


class Place:
    """A broker with its gateway, and everything that tests ask of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = Authority(folder / "certificates")
        self.authority.issue("server", ["localhost"])
        self.pin = self.authority.issue("CAROL")
        self.authority.issue("EVE")
        self.port, self.tls, self.operation = free_port(), free_port(), free_port()
        text = CONFIG.format(
            port=self.port, tls=self.tls, operation=self.operation, pin=self.pin, password=secret_hash(),
            instrument=INSTRUMENT,
        )  # fmt: skip
        self.config = folder / "broker.toml"
        self.config.write_text(text)
        self.callers: list[socket.socket | Client] = []
        self.sources = 0
        self.process = Process("BROKER", self.config, folder / "log", self.port)
        self.process.start()

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    @property
    def broker_pid(self) -> int:
        assert self.process._process is not None
        return self.process._process.pid

    @property
    def gateway_pid(self) -> int:
        children = Path(f"/proc/{self.broker_pid}/task/{self.broker_pid}/children").read_text().split()
        return int(children[0])

    def connect(self, source: str = "127.0.0.1") -> socket.socket:
        caller = socket.socket()
        self.callers.append(caller)
        caller.settimeout(10)
        caller.bind((source, 0))
        caller.connect(("127.0.0.1", self.port))
        return caller

    def secured(self, certificate: str = "", **options: object) -> ssl.SSLSocket:
        context = ssl.create_default_context(cafile=str(self.folder / "certificates" / "ca.pem"))
        if certificate:
            place = self.folder / certificate
            context.load_cert_chain(f"{place}.pem", f"{place}.key")
        for name, value in options.items():
            setattr(context, name, value)
        return self.wrapped(context)

    def wrapped(self, context: ssl.SSLContext, name: str = "localhost") -> ssl.SSLSocket:
        # From another address each time: what is refused counts against its source.
        self.sources += 1
        where = f"127.0.9.{self.sources}", 0
        caller = socket.create_connection(("127.0.0.1", self.tls), 10, source_address=where)
        self.callers.append(caller)
        secured = context.wrap_socket(caller, server_hostname=name)
        self.callers.append(secured)
        return secured

    def numbers(self, name: str) -> tuple[int, int]:
        rows = ask(self.folder / "data", {"action": "sessions"})["sessions"]
        return next((row["next_out"], row["next_in"]) for row in rows if row["name"] == name)

    @property
    def up(self) -> list[str]:
        """The sessions that are up at the broker."""
        rows = ask(self.folder / "data", {"action": "sessions"})["sessions"]
        return [row["name"] for row in rows if row["state"] == "up"]

    def client(self, name: str, password: str = "", username: str = "") -> Client:
        client = Client(name, "BROKER", "127.0.0.1", self.port, password=password, username=username)
        client.next_in, client.next_out = self.numbers(name)
        self.callers.append(client)
        client.connect()
        return client

    def page(self, name: str) -> str:
        with urlopen(f"http://127.0.0.1:{self.operation}/{name}", timeout=5) as answer:
            return answer.read().decode()  # type: ignore[no-any-return]

    def has_no_session(self) -> bool:
        """Whether the gateway says so. One that has just begun may listen for clients before it does for this."""
        with suppress(OSError):
            return bool(json.loads(self.page("sessions")) == [])
        return False


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    made = Place(tmp_path_factory.mktemp("gateway"))
    yield made
    made.process.stop()


@pytest.fixture
def place(made: Place) -> Iterator[Place]:
    """The place; at the test's end all connections are closed, and the gateway has seen it."""
    yield made
    while made.callers:
        made.callers.pop().close()
    until(made.has_no_session)


def until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def report(client: Client, cl_ord_id: str, status: str) -> dict[int, str]:
    return client.receive_until(lambda message: message.get(11) == cl_ord_id and message.get(39) == status)


ORDER = ((55, "AAPL"), (54, "1"), (60, utc_now()), (38, "1"), (40, "2"), (44, "140.00"))


def test_orders_pass_and_reports_come_back(place: Place) -> None:
    alice = place.client("ALICE")
    alice.new_order("through", "1", "10", "AAPL", "140.00")
    assert report(alice, "through", "0")[151] == "10"
    alice.cancel("through-c", "through", "1", "AAPL")
    assert report(alice, "through-c", "4")
    alice.logout()


def test_a_42_client_sends_its_password_as_raw_data(place: Place) -> None:
    numbers = place.numbers("DAVE")
    wrong = Wire(place.connect("127.0.3.1"), "DAVE", "FIX.4.2")
    assert wrong.logon(numbers[1], (95, "5"), (96, "wrong")) == {}
    right = Wire(place.connect("127.0.3.1"), "DAVE", "FIX.4.2")
    assert right.logon(numbers[1], (95, str(len(SECRET))), (96, SECRET))[35] == "A"
    right.send("5", numbers[1] + 1)
    assert right.read_until("5")


# Who gets in


REFUSED = {
    "a wrong password": ("BOB", {}, ((553, "bob"), (554, "wrong"))),
    "a wrong username": ("BOB", {}, ((553, "robert"), (554, SECRET))),
    "no password": ("BOB", {}, ()),
    "an unknown client": ("EVE", {}, ((554, "x"),)),
    "another target": ("ALICE", {"target": "OTHER"}, ()),
    "another version": ("ALICE", {"version": "FIX.4.2"}, ()),
    "an encrypted password": ("BOB", {}, ((1400, "1"), (1402, "xyz"))),
    "ResetSeqNumFlag against the policy": ("BOB", {}, ((141, "Y"), (553, "bob"), (554, SECRET))),
    "ResetSeqNumFlag with a wrong password": ("BOB", {}, ((141, "Y"), (553, "bob"), (554, "wrong"))),
    "an old SendingTime": ("ALICE", {"sent": "20200101-00:00:00.000"}, ()),
    "no SendingTime": ("ALICE", {"sent": "yesterday"}, ()),
    "a foreign address": ("ERIN", {}, ()),
    "no certificate where one is pinned": ("CAROL", {}, ()),
    "a false data length": ("ALICE", {}, ((95, "99999999"), (96, "x"))),
    "a negative data length": ("ALICE", {}, ((95, "-5"), (96, "x"))),
    "a possible duplicate": ("ALICE", {}, ((43, "Y"), (122, utc_now()))),
    "a tag twice": ("ALICE", {}, ((49, "BOB"),)),
    "another first message": ("ALICE", {"kind": "0"}, ()),
}


@pytest.mark.parametrize("why", REFUSED)
def test_a_logon_that_is_refused_touches_nothing(place: Place, why: str) -> None:
    name, how, body = REFUSED[why]
    watched = "ALICE" if name == "EVE" else name
    before = place.numbers(watched)
    # Each from a source of its own: they count against their sources.
    source = f"127.0.1.{list(REFUSED).index(why) + 1}"
    wire = Wire(place.connect(source), name, how.get("version", "FIX.4.4"), how.get("target", "BROKER"))
    wire.send(how.get("kind", "A"), before[1], (98, "0"), (108, "30"), *body, sent=how.get("sent", ""))
    # Only what the client's own people have to change is told: many engines count a Logout that the broker never sent.
    told = {"an encrypted password": "EncryptedPassword", "ResetSeqNumFlag against the policy": "ResetSeqNumFlag"}
    answer = wire.read()
    assert told[why] in answer[58] if why in told else answer == {}
    assert wire.is_cut()
    assert place.numbers(watched) == before


def test_a_second_logon_is_refused_and_the_first_goes_on(place: Place) -> None:
    alice = place.client("ALICE")
    second = Wire(place.connect(), "ALICE")
    assert second.logon(alice.next_out) == {}
    assert second.is_cut()
    alice.new_order("still-here", "1", "10", "AAPL", "140.00")
    assert report(alice, "still-here", "0")
    alice.logout()


def test_nobody_can_lock_an_owner_out(place: Place) -> None:
    for _ in range(3):
        wire = Wire(place.connect("127.0.2.2"), "BOB")
        assert wire.logon(1, (553, "bob"), (554, "guess")) == {}
    assert place.connect("127.0.2.2").recv(1) == b"", "the source is turned away"
    bob = place.client("BOB", SECRET, "bob")
    bob.logout()


FAILED, KNOWN = 3, 6
"""Logons: so many that fail lock their source out; so many more."""


def is_locked_out(place: Place, source: str) -> bool:
    """Whether a source has been locked out."""
    return f"{source} is locked out for" in place.log


def test_a_logon_that_comes_twice_does_not_count_if_its_password_is_right(place: Place) -> None:
    """Trial 12."""
    source, stamp = "127.0.8.1", utc_now()[:17]
    right, wrong = ((141, "Y"), (554, SECRET)), ((141, "Y"), (554, "wrong"))
    first = Wire(place.connect(source), "DAVE", "FIX.4.2")
    assert first.logon(1, *right, sent=stamp)[35] == "A"
    first.send("5", 2)
    assert first.read_until("5")
    for _ in range(KNOWN):
        assert Wire(place.connect(source), "DAVE", "FIX.4.2").logon(1, *right, sent=stamp) == {}, "it came before"
    assert not is_locked_out(place, source)
    for _ in range(FAILED):
        assert Wire(place.connect(source), "DAVE", "FIX.4.2").logon(1, *wrong, sent=stamp) == {}
    assert is_locked_out(place, source)


BOBS = ((553, "bob"), (554, SECRET))
NOT_FAILED: dict[str, tuple[str, dict[str, str], tuple[tuple[int, str], ...]]] = {
    "another target": ("BOB", {"target": "OTHER"}, BOBS),
    "another version": ("BOB", {"version": "FIX.4.2"}, ((553, "bob"), (95, str(len(SECRET))), (96, SECRET))),
    "another username": ("BOB", {}, ((553, "robert"), (554, SECRET))),
    "a foreign address": ("LENA", {}, ((554, SECRET),)),
    "no certificate, but the password": ("IRIS", {}, ((554, SECRET),)),
    "a reset against the policy": ("BOB", {}, ((141, "Y"), *BOBS)),
    "a password that can't be": ("BOB", {}, (*BOBS, (925, "x" * 200))),
    "a low number": ("BOB", {"number": "low"}, BOBS),
    "no number": ("BOB", {"number": "0"}, BOBS),
    "another version without a secret": ("ALICE", {"version": "FIX.4.2"}, ()),
    "another target without a secret": ("ALICE", {"target": "OTHER"}, ()),
}


@pytest.mark.parametrize("why", NOT_FAILED)
def test_who_knows_the_secret_is_not_locked_out_for_anything_else(place: Place, why: str) -> None:
    source = f"127.0.8.{list(NOT_FAILED).index(why) + 10}"
    name, how, body = NOT_FAILED[why]
    if name == "BOB":
        place.client("BOB", SECRET, "bob").logout()
    number = {"low": 1, "0": 0, "": place.numbers(name)[1]}[how.get("number", "")]
    for _ in range(KNOWN):
        wire = Wire(place.connect(source), name, how.get("version", "FIX.4.4"), how.get("target", "BROKER"))
        assert wire.logon(number, *body).get(35, "cut") in ("cut", "5")
        wire.socket.close()
    assert not is_locked_out(place, source)


def test_nor_while_the_session_is_up_elsewhere(place: Place) -> None:
    bob = place.client("BOB", SECRET, "bob")
    for _ in range(KNOWN):
        assert Wire(place.connect("127.0.8.2"), "BOB").logon(bob.next_out, *BOBS) == {}
    assert not is_locked_out(place, "127.0.8.2")
    bob.logout()


def test_nor_when_it_logs_on_too_often(place: Place) -> None:
    number = place.numbers("JOAN")[1]
    for _ in range(KNOWN):
        wire = Wire(place.connect("127.0.8.3"), "JOAN")
        if wire.logon(number, (554, SECRET)):
            number += 1
        wire.socket.close()
    assert "too many Logons of JOAN" in place.log
    assert not is_locked_out(place, "127.0.8.3")


FAILS: dict[str, tuple[str, dict[str, str], tuple[tuple[int, str], ...]]] = {
    "a wrong password": ("BOB", {}, ((553, "bob"), (554, "wrong"))),
    "a wrong password and target": ("BOB", {"target": "OTHER"}, ((553, "bob"), (554, "wrong"))),
    "no password": ("BOB", {}, ((553, "bob"),)),
    "a long password": ("BOB", {}, ((553, "bob"), (554, "x" * 200))),
    "an unknown client": ("EVE", {}, ((554, SECRET),)),
    "no certificate where nothing else is known": ("CAROL", {}, ()),
    "a foreign address where nothing else is known": ("ERIN", {}, ()),
}


@pytest.mark.parametrize("why", FAILS)
def test_who_does_not_is_locked_out(place: Place, why: str) -> None:
    source = f"127.0.8.{list(FAILS).index(why) + 100}"
    name, how, body = FAILS[why]
    for _ in range(FAILED):
        wire = Wire(place.connect(source), name, target=how.get("target", "BROKER"))
        assert wire.logon(1, *body) == {}
    assert is_locked_out(place, source)


def test_a_password_can_be_changed_and_is_kept(place: Place) -> None:
    def logon(password: str, *more: tuple[int, str]) -> str:
        number = place.numbers("DAVE")[1]
        wire = Wire(place.connect("127.0.3.9"), "DAVE", "FIX.4.2")
        kind = wire.logon(number, (554, password), *more).get(35, "cut")
        if kind == "A":
            wire.send("5", number + 1)
            wire.read_until("5")
        return kind

    assert logon(SECRET, (925, "battery staple")) == "A"
    assert logon(SECRET) == "cut"
    kept = place.folder / "data" / "passwords.json"
    assert kept.stat().st_mode & 0o777 == 0o600
    restart(place)
    assert logon("battery staple", (925, SECRET)) == "A"
    assert not list(files_with(place.folder / "data", "battery staple"))


def test_a_password_is_not_changed_by_a_logon_that_is_refused(place: Place) -> None:
    bob = place.client("BOB", SECRET, "bob")
    second = Wire(place.connect("127.0.3.2"), "BOB")
    assert second.logon(bob.next_out, (553, "bob"), (554, SECRET), (925, "another one")) == {}, "he is logged on"
    bob.logout()
    bob.connect()
    bob.logout()


def test_what_comes_before_the_brokers_answer_is_bounded(place: Place) -> None:
    """The broker is stopped: a client that goes on sending behind its Logon is not read."""
    wire = Wire(place.connect(), "ALICE")
    wire.socket.settimeout(0.5)
    os.kill(place.broker_pid, signal.SIGSTOP)
    try:
        wire.send("A", 1, (98, "0"), (108, "30"), (141, "Y"))
        sent = 0
        with suppress(TimeoutError):
            while sent < 64 << 20:
                sent += wire.socket.send(b"x" * 65_536)
    finally:
        os.kill(place.broker_pid, signal.SIGCONT)
    assert sent < 16 << 20, "what the kernel takes, and no more"


def test_a_recorded_session_is_worth_nothing(place: Place) -> None:
    alice = Wire(place.connect(), "ALICE")
    recorded = alice.pack("A", 1, (98, "0"), (108, "30"), (141, "Y")) + alice.pack("0", 2)
    alice.socket.sendall(recorded)
    assert alice.read()[35] == "A"
    alice.send("5", 3)
    assert alice.read_until("5")
    alice.socket.close()
    until(lambda: place.numbers("ALICE")[1] == 4)
    before = place.numbers("ALICE")
    again = Wire(place.connect("127.0.4.1"), "ALICE")
    again.socket.sendall(recorded)
    assert again.is_cut()
    assert place.numbers("ALICE") == before


# Before the Logon


def test_what_can_be_no_fix_is_cut_at_once(place: Place) -> None:
    for data in (b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00", b"8=FIX.4.4\x019=2147483647\x01", b"x" * 10_000):
        wire = Wire(place.connect(), "ALICE")
        wire.socket.sendall(data)
        started = time.monotonic()
        assert wire.is_cut()
        assert time.monotonic() - started < 1.0


def test_a_first_message_longer_than_a_logon_is_cut(place: Place) -> None:
    wire = Wire(place.connect(), "ALICE")
    wire.send("A", 1, (98, "0"), (108, "30"), (58, "x" * 5000))
    assert wire.is_cut()


@pytest.mark.parametrize("port", ["port", "tls"])
def test_who_says_nothing_or_too_slowly_is_cut(place: Place, port: str) -> None:
    caller = socket.create_connection(("127.0.0.1", getattr(place, port)), 10)
    place.callers.append(caller)
    caller.sendall(b"8=FI" if port == "port" else b"\x16\x03")
    started = time.monotonic()
    with suppress(ConnectionResetError):
        assert caller.recv(1) == b""
    assert 1.0 < time.monotonic() - started < 3.0, "within gateway.logon_seconds"


def test_only_so_many_may_wait_at_the_door(place: Place) -> None:
    callers = [place.connect("127.0.5.1") for _ in range(5)]
    sixth = place.connect("127.0.5.1")
    assert sixth.recv(1) == b""
    other = Wire(place.connect("127.0.5.2"), "ALICE")
    assert other.logon(1, (141, "Y"))[35] == "A", "others are not concerned"
    other.send("5", 2)
    other.read_until("5")
    for caller in callers:
        caller.close()


def proxied(source: str) -> bytes:
    body = socket.inet_aton(source) + socket.inet_aton("10.0.0.1") + struct.pack("!HH", 4000, 443)
    return b"\r\n\r\n\x00\r\nQUIT\n" + struct.pack("!BBH", 0x21, 0x11, len(body)) + body


def test_a_load_balancer_says_whom_it_speaks_for(place: Place) -> None:
    balanced = Wire(place.connect("127.0.0.99"), "ERIN")
    balanced.socket.sendall(proxied("10.7.1.1"))
    assert balanced.logon(place.numbers("ERIN")[1])[35] == "A"
    balanced.send("5", place.numbers("ERIN")[1])
    balanced.read_until("5")
    elsewhere = Wire(place.connect("127.0.0.99"), "ERIN")
    elsewhere.socket.sendall(proxied("10.8.1.1"))
    assert elsewhere.logon(place.numbers("ERIN")[1]) == {}
    liar = Wire(place.connect("127.0.6.1"), "ERIN")
    liar.socket.sendall(proxied("10.7.1.1"))
    assert liar.is_cut(), "nobody else may say so"


# TLS


def test_a_pinned_certificate_opens_its_own_session_and_no_other(place: Place) -> None:
    carol = Wire(place.secured("certificates/CAROL"), "CAROL")
    assert carol.socket.version() == "TLSv1.3"  # type: ignore[attr-defined]
    assert carol.logon(place.numbers("CAROL")[1])[35] == "A"
    carol.send("5", place.numbers("CAROL")[1])
    assert carol.read_until("5")
    alice = Wire(place.secured("certificates/CAROL"), "ALICE")
    assert alice.logon(place.numbers("ALICE")[1]) == {}


def test_an_unpinned_certificate_opens_nothing_that_is_pinned(place: Place) -> None:
    eve = Wire(place.secured("certificates/EVE"), "CAROL")
    assert eve.logon(place.numbers("CAROL")[1]) == {}
    bare = Wire(place.secured(), "CAROL")
    assert bare.logon(place.numbers("CAROL")[1]) == {}


def test_expired_and_foreign_certificates_fail_in_the_handshake(place: Place) -> None:
    place.authority.issue("OLD", expired=True)
    Authority(place.folder / "elsewhere").issue("CAROL")
    for certificate in ("certificates/OLD", "elsewhere/CAROL"):
        wire = Wire(place.secured(certificate), "CAROL")
        assert wire.logon(1) == {}, certificate


def test_old_tls_and_weak_ciphers_are_not_spoken(place: Place) -> None:
    for version, ciphers in ((ssl.TLSVersion.TLSv1_1, "ALL"), (ssl.TLSVersion.TLSv1_2, "AES128-SHA")):
        context = ssl.create_default_context(cafile=str(place.folder / "certificates" / "ca.pem"))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = context.maximum_version = version
        context.set_ciphers(f"{ciphers}:@SECLEVEL=0")
        with pytest.raises((ssl.SSLError, ConnectionError)):
            place.wrapped(context)


def test_a_client_knows_a_foreign_server(place: Place) -> None:
    context = ssl.create_default_context(cafile=str(place.folder / "certificates" / "ca.pem"))
    with pytest.raises(ssl.SSLCertVerificationError):
        place.wrapped(context, "elsewhere.example")


def test_certificates_are_replaced_while_sessions_are_up(place: Place) -> None:
    wire = Wire(place.secured(), "ALICE")
    assert wire.logon(1, (141, "Y"))[35] == "A"
    first = place.secured().getpeercert(binary_form=True)
    place.authority.issue("server", ["localhost"])
    os.kill(place.gateway_pid, signal.SIGHUP)
    until(lambda: place.secured().getpeercert(binary_form=True) != first)
    wire.send("1", 2, (112, "still here"))
    assert wire.read_until("0")[112] == "still here"
    wire.send("5", 3)
    wire.read_until("5")


# After the Logon


def test_messages_above_the_budget_are_refused_and_far_above_it_the_session_ends(place: Place) -> None:
    fred = Wire(place.connect(), "FRED")
    assert fred.logon(1, (141, "Y"))[35] == "A"
    for number in range(2, 5):
        fred.send("D", number, (115, "FUND"), (144, "CHI"), (11, f"o{number}"), *ORDER)
    assert [fred.read()[35] for _ in range(2)] == ["8", "8"]
    refused = fred.read()
    assert (refused[35], refused[380], refused[379], refused[45]) == ("j", "4", "o4", "4")
    assert (refused[128], refused[145], 115 in refused) == ("FUND", "CHI", False), "it goes back where it came from"
    for number in range(5, 8):
        fred.send("D", number, (11, f"o{number}"), *ORDER)
    assert "far too many orders" in fred.read_until("5")[58]
    assert fred.is_cut()
    assert place.numbers("FRED")[1] == 6, "what was dropped can be sent again"
    again = Wire(place.connect(), "FRED")
    assert again.logon(6)[35] == "A"


def test_what_the_broker_refuses_goes_back_where_it_came_from_too(place: Place) -> None:
    alice = Wire(place.connect(), "ALICE")
    assert alice.logon(1, (141, "Y"))[35] == "A"
    alice.send("B", 2, (115, "ME"), (128, "YOU"), (148, "news"), (33, "1"), (58, "line"))
    refused = alice.read_until("j")
    assert (refused[45], refused[128], refused[115]) == ("2", "ME", "YOU")
    alice.send("5", 3)
    assert alice.read_until("5")


def test_a_false_data_length_gets_a_reject(place: Place) -> None:
    alice = Wire(place.connect(), "ALICE")
    assert alice.logon(1, (141, "Y"))[35] == "A"
    alice.send("D", 2, (11, "false"), *ORDER, (95, "-5"), (96, "x"))
    refused = alice.read()
    assert (refused[35], refused[45], refused[371], refused[372], refused[373]) == ("3", "2", "95", "D", "6")
    alice.send("D", 3, (11, "right"), *ORDER)
    assert alice.read()[11] == "right"
    alice.send("D", 4, (11, "spoof"), *ORDER, sender="BOB")
    assert alice.read_until("3")[373] == "9"
    assert alice.read_until("5")


def test_what_is_garbled_is_left_out_within_a_budget(place: Place) -> None:
    alice = Wire(place.connect(), "ALICE")
    assert alice.logon(1, (141, "Y"))[35] == "A"
    garbled = alice.pack("1", 2, (112, "garbled"))[:-4] + b"xyz\x01"
    alice.socket.sendall(garbled + b"no FIX at all" + alice.pack("1", 2, (112, "right")))
    assert alice.read()[112] == "right"
    alice.socket.sendall(garbled * 150)
    assert "too much that is no FIX message" in alice.read_until("5")[58]
    assert alice.is_cut()


def test_bytes_that_are_no_fix_end_the_session(place: Place) -> None:
    alice = Wire(place.connect(), "ALICE")
    assert alice.logon(1, (141, "Y"))[35] == "A"
    alice.socket.sendall(b"8=FIX.4.4\x019=999999999\x01")
    assert "longer than is taken" in alice.read_until("5")[58]
    assert alice.is_cut()


def test_a_resend_of_many_messages_is_whole(place: Place) -> None:
    alice = Wire(place.connect(), "ALICE")
    assert alice.logon(1, (141, "Y"))[35] == "A"
    for number in range(2, 42):
        alice.send("D", number, (11, f"r{number}-{utc_now()}"), *ORDER)
    for _ in range(40):
        assert alice.read()[35] == "8"
    for number in range(42, 112):
        alice.send("H", number, (790, f"s{number}"), (11, "unknown"), (55, "AAPL"), (54, "1"))
        assert alice.read()[35] in "8j"
    alice.send("2", 112, (7, "1"), (16, "0"))
    seen: list[int] = []
    while not seen or seen[-1] < 111:
        message = alice.read()
        assert message[43] == "Y"
        first = int(message[34])
        seen += range(first, int(message[36])) if message[35] == "4" else [first]
    assert seen == sorted(set(seen)) == list(range(1, seen[-1] + 1)), "every message once, in order"
    alice.send("5", 113)
    alice.read_until("5")


def test_who_does_not_read_is_cut_and_nobody_else_waits(place: Place) -> None:
    sleeper = Wire(place.connect(), "ALICE")
    sleeper.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    assert sleeper.logon(1, (141, "Y"))[35] == "A"
    bob = place.client("BOB", SECRET, "bob")
    # All at once: the kernel takes no acknowledgements any more once its buffer for them is full.
    asked = [sleeper.pack("AF", number, (584, f"m{number}"), (585, "7")) for number in range(2, 200)]
    sleeper.socket.sendall(b"".join(asked))
    number = 0
    while "does not read" not in place.log:
        number += 1
        bob.new_order(f"b{number}", "1", "1", "AAPL", "140.00")
        started = time.monotonic()
        assert report(bob, f"b{number}", "0")
        assert time.monotonic() - started < 2.0
        assert number < 5000
    until(lambda: "ALICE is gone: does not read" in place.log)
    bob.logout()
    # The broker reads what had come for it, to its end.
    until(lambda: "ALICE" not in place.up)


# Operation


def test_only_the_gateway_listens(place: Place) -> None:
    """The broker has no port at all, and the gateway has those that are configured, on their addresses."""
    assert listening(place.broker_pid) == []
    wanted = sorted(f"127.0.0.1:{port}" for port in (place.port, place.tls, place.operation))
    assert listening(place.gateway_pid) == wanted
    assert (place.folder / "data" / "fix.sock").stat().st_mode & 0o777 == 0o600


def test_metrics_health_and_sessions(place: Place) -> None:
    alice = place.client("ALICE")
    metrics = place.page("metrics")
    assert re.search(r"^brokerfix_gateway_logons_total [1-9]", metrics, re.M)
    assert 'brokerfix_gateway_session_messages_in_total{client="ALICE"}' in metrics
    assert json.loads(place.page("healthz"))["state"] == "up"
    assert [row["from"] for row in json.loads(place.page("sessions")) if row["name"] == "ALICE"] == ["127.0.0.1"]
    rows = json.loads(run_cli("sessions", "--config", str(place.config), "--json").stdout)
    assert {row["name"]: row["from"] for row in rows}["ALICE"] == "127.0.0.1"
    alice.logout()


def restart(place: Place, how: signal.Signals = signal.SIGKILL) -> None:
    """End the gateway alone; the broker starts another."""
    before = place.gateway_pid
    os.kill(before, how)

    def is_back() -> bool:
        try:
            return place.gateway_pid != before and place.connect().recv is not None
        except (OSError, IndexError):
            return False

    until(is_back)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_the_gateway_alone_can_be_restarted(place: Place, how: signal.Signals) -> None:
    alice = place.client("ALICE")
    bob = place.client("BOB", SECRET, "bob")
    bob.new_order(f"lost-{how}", "1", "10", "AAPL", "140.00")
    assert report(bob, f"lost-{how}", "0")
    restart(place, how)
    for client in (alice, bob):
        with pytest.raises(Disconnected):
            client.receive(10)
    alice.connect()
    alice.new_order(f"after-{how}", "1", "10", "AAPL", "140.00")
    assert report(alice, f"after-{how}", "0"), "its numbers go on"
    bob.connect()
    assert report(bob, f"lost-{how}", "4"), "cancel on disconnect sees through the gateway"
    alice.logout()
    bob.logout()


def test_a_client_that_is_added_comes_to_the_same_door(place: Place) -> None:
    added = run_cli("clients", "add", "GINA", "--account", "ALL", "--config", str(place.config))
    assert added.stdout == f"GINA: may log on to port {place.port}\n", added.stderr
    gina = place.client("GINA")
    gina.new_order("first", "1", "10", "AAPL", "140.00")
    assert report(gina, "first", "0")
    gina.logout()


def test_passwords_are_nowhere(place: Place) -> None:
    assert not list(files_with(place.folder, SECRET))


def test_at_the_end_sessions_are_logged_out(place: Place) -> None:
    alice = place.client("ALICE")
    place.process.stop()
    with pytest.raises(Disconnected, match="stops"):
        alice.receive(10)
    assert "Traceback" not in place.log
    place.process.start()


APART = """
[broker]
name = "BROKER"
port = {port}
data = "data"
store = false
{instrument}
[gateway]
plain = "127.0.0.1"
upstream = "127.0.0.1:{upstream}"
secret = "secret"
[accounts.ALL]
cash = "100000000"
[clients.ALICE]
accounts = ["ALL"]
"""


def test_a_gateway_can_run_apart_from_its_broker(tmp_path: Path) -> None:
    port, upstream = free_port(), free_port()
    (tmp_path / "secret").write_bytes(os.urandom(32))
    config = tmp_path / "broker.toml"
    config.write_text(APART.format(port=port, upstream=upstream, instrument=INSTRUMENT))
    broker = Process("BROKER", config, tmp_path / "log", upstream)
    broker.start()
    with (tmp_path / "gateway.log").open("wb") as log:
        command = [sys.executable, "-m", "brokerfix", "gateway", str(config)]
        gateway = starter.start(command, log)
    try:
        until(lambda: listening(gateway.pid) == [f"127.0.0.1:{port}"])
        alice = Client("ALICE", "BROKER", "127.0.0.1", port)
        alice.connect()
        alice.new_order("apart", "1", "10", "AAPL", "140.00")
        assert report(alice, "apart", "0")
        alice.logout()
        with Wire(socket.create_connection(("127.0.0.1", upstream), 10), "ALICE").socket as bare:
            wire = Wire(bare, "ALICE")
            assert wire.logon(alice.next_out).get(35) != "A", "without the gateway's word nobody gets in"
        refused = run_cli("clients", "add", "GINA", "--account", "ALL", "--config", str(config))
        assert "gateway.upstream" in refused.stderr
    finally:
        gateway.terminate()
        assert gateway.wait(10) == 0
        broker.stop()


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ('plain = ""', "listens nowhere"),
        ('plain = "here"', "gateway.plain"),
        ('tls = "127.0.0.1:1"', "needs certificate and key"),
        ('tls = "127.0.0.1"\ncertificate = "a"\nkey = "b"', "is no HOST:PORT"),
        ('tls = "127.0.0.1:1"\ncertificate = "missing.pem"\nkey = "missing.key"', "brokerfix certificates"),
        ('plain = "127.0.0.1"\nclient_certificates = "required"', "needs client_ca"),
        ('plain = "127.0.0.1"\nupstream = "127.0.0.1:1"', "needs a secret"),
        ('plain = "127.0.0.1"\nupstream = "8.8.8.8:1"\nsecret = "s"', "private network"),
        ('plain = "127.0.0.1"\nload_balancers = ["x"]', "gateway.load_balancers"),
    ],
)
def test_a_configuration_that_can_not_be_is_told(tmp_path: Path, keys: str, told: str) -> None:
    config = tmp_path / "broker.toml"
    text = APART.format(port=free_port(), upstream=1, instrument=INSTRUMENT)
    before, rest = text.split("[gateway]")
    config.write_text(f"{before}[gateway]\n{keys}\n[accounts{rest.split('[accounts', 1)[1]}")
    said = run_cli("gateway", str(config))
    assert said.returncode == 1
    assert told in said.stderr
    assert str(config) in said.stderr
