"""What waits in a stream of the HTTP door for a reader that is slow."""

from typing import Any

from brokerfix.doors.model import Book, Changed, Order, Quote, Report, Statistics, Trade
from brokerfix.doors.told import Moved, Stream, Told, Wants


def report(name: str) -> Report:
    made = Order(name, "20260101-1", "BOB", "A", "buy", "1", "1", "new", "0", "1", "0")
    return Report(made, name, "0")


def moved(symbol: str, price: str, is_new: bool = True) -> Moved:
    quote = Quote(Book(symbol, [], []))
    return Moved(symbol, quote if is_new else None, Quote(Book(symbol + price, [], [])))


def drained(stream: Stream) -> list[Any]:
    return list(iter(stream.take, None))


def test_what_waits_in_a_stream() -> None:
    everything = Wants(frozenset("AB"), by_exchange=True, statistics=True, trades=True)
    stream = Stream(3, everything, lambda order: order.cl_ord_id != "hidden")
    days = [Changed(Statistics("A", volume=str(number))) for number in range(2)]
    trades = [Trade("A", "1", "5"), Trade("A", "1", "5")]
    first: list[Told] = [moved("A", "1"), report("r1"), moved("B", "1"), days[0], trades[0]]
    for what in (*first, moved("A", "2", is_new=False), report("hidden"), days[1], trades[1], moved("C", "1")):
        stream.tell(what)
    # What is newer has the place of what it replaces; a trade replaces none, though it looks the same.
    assert stream.keeps
    assert drained(stream) == [
        moved("A", "2").by_exchange, report("r1"), moved("B", "1").by_exchange, days[1], *trades,
    ]  # fmt: skip
    assert not stream.keeps
    for number in range(100):
        stream.tell(moved("A", str(number)))
        stream.tell(days[number % 2])
    assert (stream.lost, len(drained(stream))) == (False, 2)
    for name in ("1", "2", "3"):
        stream.tell(report(name))
    assert not stream.lost
    stream.tell(trades[0])
    assert stream.lost, "one too many that can't be left out"
    assert [one.exec_id for one in drained(stream)] == ["1", "2", "3"]


def test_a_stream_is_told_no_more_than_it_wants() -> None:
    stream = Stream(3, Wants(frozenset("A")), lambda order: True)
    for what in (Trade("A", "1", "5"), Changed(Statistics("A")), moved("B", "1"), moved("A", "1", is_new=False)):
        stream.tell(what)
    assert drained(stream) == [], "by price the book is what it was"
    stream.tell(moved("A", "1"))
    assert drained(stream) == [moved("A", "1").by_price]
