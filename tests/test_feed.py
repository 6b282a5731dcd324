"""The replay feed: recordings are read, become exchanges' books, and are told over real sessions, also to a broker."""

import gzip
import itertools
import json
import random
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest
from click import ClickException

from brokerfix.cli.feed import exchange, pace, shift, terms_of
from brokerfix.simulate.answers import entries_text, full_refresh
from brokerfix.simulate.feed import MOST_UNANSWERED, Schedule
from brokerfix.simulate.recording import COLUMNS, Event, RecordingError, events, look
from brokerfix.simulate.replay import Replica, Terms
from brokerfix.tools.client import Client, Disconnected, Message, pairs_of
from brokerfix.tools.demo import Process, free_port
from tests.live import UNSTORED, Market, Wire, connected, run_cli

TERMS = Terms("AAPL", 2, 0)
HEAD = ",".join(COLUMNS) + "\n"
Book = dict[tuple[str, str], str]
"""(MDEntryType, price) -> quantity."""


def row(at: int, kind: str, side: str = "", price: str = "", qty: str = "", venue: str = "V", top: str = ",,,") -> str:
    return f"{at},{venue},{kind},{side},{price},{qty},{top}\n"


def recording(folder: Path, *rows: str) -> Path:
    path = folder / "recording.csv"
    path.write_text(HEAD + "".join(rows))
    return path


def levels(text: str) -> list[tuple[str, Decimal, Decimal]]:
    """'B 10.5 3, S 11 2' -> levels."""
    return [(side, Decimal(price), Decimal(qty)) for side, price, qty in (one.split() for one in text.split(", "))]


def event(kind: str, text: str, at: int = 1) -> Event:
    return Event(at, "V", kind, levels(text) if text else [])


# What is read


def test_rows_that_belong_together_are_one_event(tmp_path: Path) -> None:
    path = recording(
        tmp_path,
        row(1, "S", "B", "10", "5"), row(1, "S", "S", "11", "6"),
        row(1, "D", "B", "10", "0"),
        row(2, "D", "B", "9.5", "1"), row(2, "D", "S", "11", "7"),
        row(2, "D", "S", "12", "1", venue="W"),
        row(3, "T", "", "11", "2"), row(3, "N", top="1,1,2,1", venue=""), row(3, "Q", top="9.5,1,11,0"),
    )  # fmt: skip
    assert list(events(path)) == [
        Event(1, "V", "S", levels("B 10 5, S 11 6")),
        Event(1, "V", "D", levels("B 10 0")),
        Event(2, "V", "D", levels("B 9.5 1, S 11 7")),
        Event(2, "W", "D", levels("S 12 1")),
        Event(3, "V", "T", [("", Decimal(11), Decimal(2))]),
        Event(3, "V", "Q", levels("B 9.5 1")),
    ]
    assert [one.venue for one in events(path, {"W"})] == ["W"]


def test_json_lines_and_gzip_say_the_same(tmp_path: Path) -> None:
    path = recording(tmp_path, row(1, "S", "B", "10.25", "5"), row(2, "T", "B", "11", "2"))
    lines = [
        {"ts_ns": 1, "venue": "V", "kind": "S", "side": "B", "price": 10.25, "qty": "5", "flags": None},
        {"ts_ns": "2", "venue": "V", "kind": "T", "side": "B", "price": "11", "qty": 2},
    ]
    other, zipped = tmp_path / "recording.jsonl", tmp_path / "recording.gz"
    other.write_text("\n".join(map(json.dumps, lines)) + "\n\n")
    zipped.write_bytes(gzip.compress(path.read_bytes()))
    assert list(events(other)) == list(events(zipped)) == list(events(path)) != []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (HEAD + row(1, "S", "B", "1", "1") + row(2, "D", "X", "1", "1"), "line 3, side: 'X' is neither B nor S"),
        (HEAD + row(1, "D", "", "1", "1"), "line 2, side: '' is neither B nor S"),
        (HEAD + row(1, "D", "B", "1e5", "1"), "line 2, price: '1e5' is no decimal number"),
        (HEAD + row(1, "D", "B", "", "1"), "line 2, price: '' is no decimal number"),
        (HEAD + row(1, "D", "B", "1", "-1"), "line 2, qty: -1 is below 0"),
        (HEAD + row(1, "Q", top="1,x,2,1"), "line 2, bid_qty: 'x' is no decimal number"),
        (HEAD + row(1, "Z"), "line 2, kind: 'Z' is none of S, D, Q, T and N"),
        (HEAD + row(1, "T", "B", "1", "1", venue=""), "line 2, venue: it is empty"),
        (HEAD + row(1, "D", "B", "1", "1", venue=""), "line 2, venue: it is empty"),
        (HEAD + row(2, "T", "B", "1", "1") + row(1, "T", "B", "1", "1"), "line 3, ts_ns: 1 is before the row above"),
        (HEAD + "1.5,V,T,B,1,1,,,,\n", "line 2, ts_ns: '1.5' is no whole number"),
        (HEAD + "1,V,T\n", "line 2, side: the row has 3 values, the header line 10"),
        (HEAD + row(1, "T", "B", "1", "1").replace("\n", ",7\n"), "line 2, behind the last column: the row has 11"),
        ("ts_ns,venue,kind,qtty\n", "line 1, 'qtty': there is no such column"),
        ("venue,kind\n", "line 1, ts_ns: the header line lacks this column"),
        ('{"ts_ns": 1, "venue": "V"}\n', "line 1, kind: it is missing"),
        ('{"ts_ns": 1, "venue": "V", "kind": "T", "price": {}}\n', "line 1, price: {} is neither text nor a number"),
        ('{"ts_ns": 1, "venue": "V", "kind": "T"}\n{"ts_ns"', "line 1, price: '' is no decimal number"),
        ('{"ts_ns": 1, "venue": "V", "kind": "N"}\n{"ts_ns"', "line 2: it is not JSON"),
        (HEAD + row(1, "N"), "there is no row of kind S, D, Q or T in it"),
        ("", "line 1, ts_ns: the header line lacks this column"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "wrong"
    path.write_text(text)
    with pytest.raises(RecordingError) as raised:
        look(path)
    assert str(raised.value).startswith(f"{path}: {told}")


def test_a_file_that_is_cut_off_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "cut.csv.gz"
    path.write_bytes(gzip.compress((HEAD + row(1, "T", "B", "1", "1") * 10_000).encode())[:-20])
    with pytest.raises(RecordingError, match="can't be read behind line"):
        look(path)


def test_bests_are_told_only_where_there_is_no_whole_book(tmp_path: Path) -> None:
    path = recording(
        tmp_path,
        row(1, "Q", top="1,1,2,1"), row(1, "Q", top="3,1,4,1", venue="TOPS"), row(2, "S", "B", "1", "9"),
        row(9, "D", "B", "1", "8", venue="LATE"), row(9, "S", "B", "1", "7", venue="LATE"),
    )  # fmt: skip
    contents = look(path)
    assert (contents.first, contents.last) == (1, 9)
    assert [(one.venue, one.kind) for one in events(path) if contents.is_told(one)] == [
        ("TOPS", "Q"), ("V", "S"), ("LATE", "D"), ("LATE", "S"),
    ]  # fmt: skip
    # A book that has changed before it was told whole is no book to begin with.
    assert {venue: one.kind for venue, one in contents.opening.items()} == {"V": "S", "TOPS": "Q"}


# The book


def test_changes_are_told_as_what_they_do_to_the_book() -> None:
    replica = Replica(TERMS)
    assert replica.apply(event("S", "B 10 5, S 11 6")) == [("0", "0", 1000, 5), ("0", "1", 1100, 6)]
    assert replica.apply(event("D", "B 10 7, B 9 1, S 11 0, S 12 0")) == [
        ("2", "1", 1100, 0), ("1", "0", 1000, 7), ("0", "0", 900, 1),
    ]  # fmt: skip
    assert replica.apply(event("D", "B 10 7, S 99 0")) == [], "nothing has changed; an unknown level is gone anyway"
    assert replica.rpt_seq == 5
    assert replica.apply(event("T", "B 12 3")) == [("0", "2", 1200, 3)]
    assert replica.rpt_seq == 6
    assert replica.snapshot() == [("0", 1000, 7), ("0", 900, 1)]


def test_a_whole_book_takes_the_place_of_the_one_before() -> None:
    replica = Replica(TERMS)
    replica.apply(event("S", "B 10 5, B 9 5, S 11 6"))
    assert replica.apply(event("S", "B 10 5, S 11 2")) == [("2", "0", 900, 0), ("1", "1", 1100, 2)]
    assert replica.apply(event("Q", "B 10 1")) == [("2", "1", 1100, 0), ("1", "0", 1000, 1)]


def test_levels_are_rounded_away_from_each_other_and_add_up() -> None:
    replica = Replica(Terms("AAPL", 2, 1, tick=5, lot=2))
    replica.apply(event("S", "B 10.04 1, B 10.0300001 1.15, S 10.06 1, S 10.1 0.1"))
    # 1 + 1.15 are 21.5 tenths: ten lots of two.
    assert replica.snapshot() == [("0", 1000, 20), ("1", 1010, 10)]
    replica.apply(event("D", "B 10.04 0"))
    assert replica.snapshot() == [("0", 1000, 10), ("1", 1010, 10)]
    assert replica.apply(event("D", "S 10.06 0, S 10.1 0.1")) == [("2", "1", 1010, 0)]


def test_an_exchange_may_have_a_share_and_other_prices() -> None:
    replica = Replica(TERMS, Decimal("-22.5"), Decimal("0.4"))
    assert replica.apply(event("S", "B 22.5 100, B 23 9, B 24 2, S 100.001 10")) == [
        ("0", "0", 50, 3), ("0", "1", 7751, 4),
    ], "nothing at a price of 0, and less than one is nothing"  # fmt: skip
    assert replica.apply(event("T", "S 100.009 10, B 100.009 10, B 100 2")) == [
        ("0", "2", 7750, 4), ("0", "2", 7751, 4),
    ]  # fmt: skip


def test_rpt_seqs_count_entries_and_a_snapshot_has_the_last() -> None:
    replica = Replica(TERMS)
    replica.open(event("S", "B 10 5"))
    assert "\x0155=AAPL\x0183=0\x01268=1\x01269=0\x01270=10.00\x01271=5\x01" in full_refresh(replica, "q")
    entries = replica.apply(event("D", "B 10 0, S 11 6"))
    assert entries_text(TERMS, entries, replica.rpt_seq - len(entries) + 1) == (
        "268=2\x01279=2\x01269=0\x0155=AAPL\x0183=1\x01270=10.00\x01"
        "279=0\x01269=1\x0155=AAPL\x0183=2\x01270=11.00\x01271=6\x01"
    )
    assert "\x0183=2\x01" in full_refresh(replica, "q")
    replica.apply(event("D", "S 11 0"))
    assert full_refresh(replica, "q").endswith("\x0183=3\x01268=1\x01269=J\x0110=000\x01")


@pytest.mark.parametrize("seed", range(20))
def test_a_subscriber_that_applies_every_entry_has_the_book(seed: int) -> None:
    """Whatever is recorded, in whatever ticks and lots: what is told leads from book to book."""
    chance = random.Random(seed)
    replica = Replica(
        Terms("AAPL", 1, 1, chance.choice([1, 5]), chance.choice([1, 3])), Decimal("0.05"), Decimal("0.7")
    )
    known: dict[tuple[str, int], int] = {}
    for _ in range(200):
        kind = chance.choice("DDDDDDSQ")
        told = [
            (
                side,
                Decimal(chance.randrange(900, 1000) + 200 * (side == "S")) / 100,
                Decimal(chance.randrange(0, 40)) / 10,
            )
            for side in "BS"
            for _ in range(chance.randrange(6))
        ]
        for action, entry_type, price, qty in replica.apply(Event(1, "V", kind, told)):
            assert (action == "0") == ((entry_type, price) not in known)
            assert (action == "2") == (qty == 0)
            known[entry_type, price] = qty
            if action == "2":
                del known[entry_type, price]
        assert known == {(entry_type, price): qty for entry_type, price, qty in replica.snapshot()}


def test_events_are_due_at_the_recordings_pace(tmp_path: Path) -> None:
    contents = look(recording(tmp_path, row(100, "T", "B", "1", "1"), row(1100, "T", "B", "1", "1")))
    assert [Schedule(contents, 10.0, 5000).due(at) for at in (100, 1100)] == [5000, 5100]
    assert Schedule(contents, 0.0, 5000).due(1100) == 0


# The command line


def test_options_are_taken_apart() -> None:
    assert exchange("BINANCE_SPOT=XNAS:9101:0.4") == ("BINANCE_SPOT", "XNAS", 9101, Decimal("0.4"))
    assert exchange("V=X:1") == ("V", "X", 1, Decimal(1))
    assert shift("V=-22.5") == ("V", Decimal("-22.5"))
    assert (pace("10"), pace("max")) == (10.0, 0.0)


def test_the_instrument_is_quoted_as_the_configuration_says(tmp_path: Path) -> None:
    config = tmp_path / "broker.toml"
    quoted = 'price_digits = 3\nqty_digits = 1\ntick = "0.005"\nlot = "0.2"\n'
    config.write_text(f'[broker]\nname = "B"\nport = 9\ndata = "d"\n[instruments.AAPL]\n{quoted}')
    assert terms_of("AAPL", str(config), None, None) == Terms("AAPL", 3, 1, tick=5, lot=2)
    with pytest.raises(ClickException, match=r"there is no \[instruments.MSFT\]; there are AAPL"):
        terms_of("MSFT", str(config), None, None)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--exchange", "V=X"], "is not like BINANCE_SPOT=XNAS:9101"),
        (["--exchange", "V=X:0"], "0 is no port"),
        (["--exchange", "V=X:9101:1.5"], "a share is above 0 and at most 1"),
        (["--exchange", "V=X Y:9101"], "is no CompID"),
        (["--exchange", "V=X:9101", "--exchange", "V=X:9102"], "the CompID X is given twice"),
        (["--exchange", "V=X:9101", "--exchange", "V=Y:9101"], "the port 9101 is given twice"),
        (["--exchange", "U=X:9101"], "there is no venue U; there are V"),
        (["--exchange", "V=X:9101", "--shift", "U=1"], "there is no venue U; there are V"),
        (["--exchange", "V=X:9101", "--shift", "V"], "is not like BINANCE_USDM=-22.5"),
        (["--exchange", "V=X:9101", "--speed", "0"], "neither a factor above 0 nor max"),
        (["--exchange", "V=X:9101", "--config", "none.toml"], "stand in the --config"),
    ],
)
def test_what_is_wrong_with_the_options_is_said(tmp_path: Path, options: list[str], told: str) -> None:
    path = recording(tmp_path, row(1, "T", "B", "1", "1"))
    more = ["--symbol", "AAPL", "--price-digits", "2", "--qty-digits", "0"]
    done = run_cli("feed", str(path), *more, *options)
    assert done.returncode != 0
    assert told in " ".join(done.stderr.replace("│", " ").split())


# Over sockets

ROWS = [
    row(0, "S", "B", "10", "5"), row(0, "S", "B", "9.5", "8"), row(0, "S", "S", "11", "6"), row(0, "S", "S", "12", "9"),
    row(10**6, "D", "B", "10", "0"), row(10**6, "D", "B", "9.75", "4"),
    row(2 * 10**6, "T", "B", "11", "2"),
    row(2 * 10**6, "D", "S", "11", "4"),
    row(3 * 10**6, "D", "S", "99", "0"),
    row(4 * 10**6, "D", "S", "10.5", "1"),
]  # fmt: skip
AT_FIRST: Book = {("0", "10.00"): "5", ("0", "9.50"): "8", ("1", "11.00"): "6", ("1", "12.00"): "9"}
AT_LAST: Book = {("0", "9.75"): "4", ("0", "9.50"): "8", ("1", "10.50"): "1", ("1", "11.00"): "4", ("1", "12.00"): "9"}


class FeedProcess(Process):
    """The feed as a process of its own; it keeps its sessions when the recording is over."""

    def __init__(
        self, folder: Path, names: dict[str, int], *options: str, rows: list[str] = ROWS, stays: bool = True
    ) -> None:
        """`names`: COMPID or COMPID:SHARE -> port."""
        parts = {name: name.partition(":") for name in names}
        self.ports = {parts[name][0]: port for name, port in names.items()}
        path = recording(folder, *rows)
        super().__init__(next(iter(self.ports)), path, folder / "feed.log", next(iter(self.ports.values())))
        told = [f"V={parts[name][0]}:{port}:{parts[name][2] or 1}" for name, port in names.items()]
        exchanges = [one for text in told for one in ("--exchange", text)]
        digits = ["--symbol", "AAPL", "--price-digits", "2", "--qty-digits", "0", "--speed", "max"]
        self.command = [sys.executable, "-m", "brokerfix", "feed", str(path), *exchanges, *digits, *options]
        self.command += ["--stay"] if stays else []

    def ended(self) -> int:
        assert self._process is not None
        return self._process.wait(20)


Start = Callable[..., FeedProcess]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts feeds, and stops them at the end."""
    started: list[FeedProcess] = []

    def begin(*options: str, names: tuple[str, ...] = ("XNAS",), stays: bool = True) -> FeedProcess:
        feed = FeedProcess(tmp_path, {name: free_port() for name in names}, *options, stays=stays)
        started.append(feed)
        feed.start()
        return feed

    yield begin
    for feed in started:
        feed.stop()


@pytest.fixture
def clients() -> Iterator[Callable[[FeedProcess], Client]]:
    made: list[Client] = []

    def connect(feed: FeedProcess) -> Client:
        client = Client("BROKER", feed.name, "127.0.0.1", feed.port)
        made.append(client)
        client.connect(reset=True)
        return client

    yield connect
    for client in made:
        client.close()


def apply(book: Book, client: Client, message: Message) -> list[int]:
    """Take a W or X into the book. Returns the RptSeqs of its entries."""
    snapshot = message[35] == "W"
    if snapshot:
        book.clear()
    told = pairs_of(client.last, 269 if snapshot else 279)
    for entry in told:
        if entry[269] in ("0", "1"):
            book[entry[269], entry[270]] = entry.get(271, "0")
            if entry.get(279) == "2":
                del book[entry[269], entry[270]]
    return [int(message[83])] if snapshot else [int(entry[83]) for entry in told]


def test_a_subscriber_is_told_the_book_and_what_changes(start: Start, clients: Callable[[FeedProcess], Client]) -> None:
    client = clients(start())
    client.subscribe("q", ["AAPL"])
    book: Book = {}
    message = client.receive()
    assert (message[35], message[55], message[262]) == ("W", "AAPL", "q")
    assert apply(book, client, message) == [0]
    assert book == AT_FIRST
    seqs, types = [], []
    while book != AT_LAST:
        message = client.receive()
        assert (message[35], message[262]) == ("X", "q")
        seqs.append(apply(book, client, message))
        types.append([entry[269] for entry in pairs_of(client.last, 279)])
    assert seqs == [[1, 2], [3], [4], [5]], "rows of one time are one message"
    assert types == [["0", "0"], ["2"], ["1"], ["1"]]
    client.subscribe("late", ["AAPL"])
    assert apply(book, client, client.receive()) == [5]
    assert book == AT_LAST


def test_a_lost_message_is_a_gap_that_a_new_subscription_closes(
    start: Start, clients: Callable[[FeedProcess], Client]
) -> None:
    client = clients(start("--lose", "2"))
    client.subscribe("q", ["AAPL"])
    book: Book = {}
    assert apply(book, client, client.receive()) == [0]
    assert apply(book, client, client.receive()) == [1, 2]
    assert apply(book, client, client.receive()) == [4], "the trade, which is entry 3, has not come"
    # The last change is lost too, and may not have been made yet.
    asked, told = "q", [4]
    for number in itertools.count():
        client.send("V", [(262, asked), (263, "2"), (264, "0"), (146, "1"), (55, "AAPL")])
        asked = f"again-{number}"
        client.subscribe(asked, ["AAPL"])
        told = apply(book, client, client.receive())
        if told != [4]:
            break
    assert told == [5]
    assert book == AT_LAST
    assert client.next_in == 6 + number, "FIX's own numbers have no gap"


def test_all_that_is_no_market_data_is_refused(start: Start, clients: Callable[[FeedProcess], Client]) -> None:
    client = clients(start())
    client.new_order("1", "1", "5", "AAPL", "10.00")
    message = client.receive()
    assert {tag: message[tag] for tag in (35, 150, 39, 103, 11, 55, 151, 14)} == {
        35: "8", 150: "8", 39: "8", 103: "0", 11: "1", 55: "AAPL", 151: "0", 14: "0",
    }  # fmt: skip
    assert "feed" in message[58]
    client.cancel("2", "1", "1", "AAPL")
    message = client.receive()
    assert (message[35], message[11], message[41], message[434]) == ("9", "2", "1", "1")
    client.replace("3", "1", "1", "5", "AAPL", "10.00")
    message = client.receive()
    assert (message[35], message[11], message[41], message[434]) == ("9", "3", "1", "2")
    number = client.status("1", "1", "AAPL")
    message = client.receive()
    assert (message[35], message[372], message[45], message[380]) == ("j", "H", str(number), "3")


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({55: "MSFT"}, "0"), ({263: "3"}, "4"), ({264: "1"}, "5"), ({265: "0"}, "6"), ({266: "N"}, "7"),
        ({269: "4"}, "8"),
    ],
)  # fmt: skip
def test_requests_that_no_feed_answers_are_refused(
    start: Start, clients: Callable[[FeedProcess], Client], changed: dict[int, str], reason: str
) -> None:
    client = clients(start())
    body = [(262, "q"), (263, "1"), (264, "0"), (265, "1"), (266, "Y"), (146, "1"), (55, "AAPL")]
    body += [(267, "3"), (269, "0"), (269, "1"), (269, "2")]
    client.send("V", [(tag, changed.get(tag, value)) for tag, value in body])
    message = client.receive()
    assert (message[35], message[262], message[281]) == ("Y", "q", reason)
    client.subscribe("q", ["AAPL"])
    assert client.receive()[35] == "W"
    client.subscribe("q", ["AAPL"])
    assert client.receive_until(lambda one: one[35] == "Y")[281] == "1"


def test_it_is_a_fix_acceptor(start: Start) -> None:
    feed = start()
    with connected(feed.port) as connection:
        wire = Wire(connection, "BROKER", target="XNAS")
        assert wire.logon()[35] == "A"
        wire.send("1", 2, (112, "are you there"))
        assert wire.read()[112] == "are you there"
        wire.send("D", 3, (11, "1"), (55, "AAPL"), (54, "1"), (38, "1"), (40, "1"))
        assert wire.read()[34] == "3"
        wire.send("2", 4, (7, "1"), (16, "0"))
        fill = wire.read()
        assert {tag: fill[tag] for tag in (35, 34, 43, 123, 36)} == {35: "4", 34: "1", 43: "Y", 123: "Y", 36: "4"}
        wire.send("0", 7)
        asked = wire.read_until("2")
        assert asked[7] == "5"
        wire.send("4", 5, (43, "Y"), (122, "20240101-00:00:00"), (123, "Y"), (36, "8"))
        wire.send("5", 8)
        assert wire.read_until("5")[35] == "5"
    with connected(feed.port) as connection:
        wire = Wire(connection, "BROKER", target="XNAS")
        answer = wire.logon(1, (141, "Y"))
        assert (answer[35], answer[34], answer[141]) == ("A", "1", "Y")


def test_who_has_other_numbers_is_let_in_at_the_next_try(start: Start) -> None:
    feed = start()
    with connected(feed.port) as connection:
        assert Wire(connection, "BROKER", target="XNAS").logon(40)[35] == "A", "what was before is not asked for"
    with connected(feed.port) as connection:
        wire = Wire(connection, "BROKER", target="XNAS")
        assert wire.logon(41)[34] == "2"
        wire.send("5", 42, (58, "MsgSeqNum too low, expecting 90 but received 2"))
        assert wire.read()[35] == "5"
    with connected(feed.port) as connection:
        assert Wire(connection, "BROKER", target="XNAS").logon(43)[34] == "90"
    with connected(feed.port) as connection:
        assert "too low" in Wire(connection, "BROKER", target="XNAS").logon(1)[58]
    with connected(feed.port) as connection:
        answer = Wire(connection, "BROKER", target="XNAS").logon(1)
        assert (answer[35], answer[34]) == ("A", "1")


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_with_a_logout(start: Start, clients: Callable[[FeedProcess], Client], how: signal.Signals) -> None:
    feed = start()
    client = clients(feed)
    feed.send_signal(how)
    with pytest.raises(Disconnected, match="the feed ends"):
        client.receive()
    assert feed.ended() == 0
    assert "sent 0 messages" in feed.log.read_text()


@pytest.mark.parametrize("options", [("--loop", "--duration", "0.2"), ()])
def test_it_ends_when_it_is_over(
    start: Start, clients: Callable[[FeedProcess], Client], options: tuple[str, ...]
) -> None:
    feed = start(*options, stays=False)
    client = clients(feed)
    client.subscribe("q", ["AAPL"])
    with pytest.raises(Disconnected, match="the feed ends"):
        client.receive_until(lambda message: False)
    assert feed.ended() == 0


def test_one_recorded_venue_may_be_several_exchanges(start: Start, clients: Callable[[FeedProcess], Client]) -> None:
    feed = start(names=("XNAS:0.5", "XNYS:1"))
    books: dict[str, Book] = {}
    ours = clients(feed), Client("BROKER", "XNYS", "127.0.0.1", feed.ports["XNYS"])
    with closing(ours[1]):
        ours[1].connect()
        for client in ours:
            client.subscribe("q", ["AAPL"])
        wanted: dict[str, Book] = {"XNAS": {**dict(AT_LAST), ("0", "9.75"): "2", ("0", "9.50"): "4"}, "XNYS": AT_LAST}
        wanted["XNAS"] |= {("1", "11.00"): "2", ("1", "12.00"): "4"}
        del wanted["XNAS"]["1", "10.50"]
        for client in ours:
            book = books.setdefault(client.target, {})
            while book != wanted[client.target]:
                apply(book, client, client.receive())


def test_it_goes_on_over_and_over(start: Start, clients: Callable[[FeedProcess], Client]) -> None:
    client = clients(start("--loop", "--speed", "100"))
    client.subscribe("q", ["AAPL"])
    book: Book = {}
    last = 0
    for wanted in (AT_FIRST, AT_LAST, AT_FIRST, AT_LAST):
        while book != wanted:
            seqs = apply(book, client, client.receive())
            assert seqs[0] in (0, last + 1)
            last = seqs[-1]


def test_a_subscriber_is_told_no_more_than_it_can_take(start: Start, clients: Callable[[FeedProcess], Client]) -> None:
    feed = start("--loop")
    body = [
        (263, "1"),
        (264, "0"),
        (265, "1"),
        (146, "1"),
        (55, "AAPL"),
        (267, "3"),
        (269, "0"),
        (269, "1"),
        (269, "2"),
    ]
    with connected(feed.port) as connection:
        wire = Wire(connection, "BROKER", target="XNAS")
        wire.logon()
        wire.send("V", 2, (262, "q"), *body)
        entries, answer = 0, ""
        while answer != "all":
            message = wire.read()
            assert message[35] in ("W", "X", "0", "1"), "the feed's TestRequests stay without an answer"
            answer = message.get(112, "")
            before, entries = entries, entries + sum(tag == 279 for tag, _ in wire.last)
            if before < MOST_UNANSWERED <= entries:
                wire.send("1", 3, (112, "all"))
        assert MOST_UNANSWERED <= entries <= MOST_UNANSWERED + len(ROWS)
    client = clients(feed)
    client.subscribe("q", ["AAPL"])
    entries = 0
    while entries < 3 * MOST_UNANSWERED:
        client.receive()
        entries += sum(tag == 279 for tag, _ in client.last)


def test_a_broker_shows_what_the_feed_tells(tmp_path: Path) -> None:
    market = Market(tmp_path, broker=UNSTORED)
    feed = FeedProcess(tmp_path, {"XNAS": market.exchange.port})
    market.processes["XNAS"] = feed
    try:
        for process in market.processes.values():
            process.start()
        alice = market.client("ALICE")
        alice.subscribe("q", ["AAPL"])
        book: Book = {}
        while book != AT_LAST:
            message = alice.receive()
            if message[35] in "WX":
                _take(book, alice, message)
    finally:
        market.stop()
    assert "error" not in (tmp_path / "BROKER.log").read_text().lower()


def _take(book: Book, client: Client, message: Message) -> None:
    """A broker's own W or X, which has no RptSeqs."""
    if message[35] == "W":
        book.clear()
    for entry in pairs_of(client.last, 269 if message[35] == "W" else 279):
        if entry[269] in ("0", "1"):
            book[entry[269], entry[270]] = entry[271]
            if entry.get(279) == "2":
                del book[entry[269], entry[270]]
