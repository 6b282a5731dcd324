"""Recordings and histories tell an observer what they tell."""

import gzip
import json
from collections.abc import Iterable
from pathlib import Path

import pytest

from brokerfix.calibration.estimate import Observer, Settings
from brokerfix.calibration.observe import observe_file, observe_history
from brokerfix.domain import DayTotals
from brokerfix.projections.columns import Row, Terms, files_of, table_of, write
from brokerfix.projections.history import _opened
from brokerfix.projections.recorded import NoHistory, Recorded
from brokerfix.settings.registry import market_path
from brokerfix.simulate.recording import RecordingError
from tests.calibration.markets import BEGIN, SECOND, Quote, Traded, World, take

HEADER = "ts_ns,venue,kind,side,price,qty,bid,bid_qty,ask,ask_qty"
DAY = 20251122
TERMS = Terms("AAPL", 4, 0)


def cents(event: Quote | Traded) -> Quote | Traded:
    """With prices of 4 decimals."""
    if isinstance(event, Quote):
        return Quote(event.at, round(event.bid, 4), round(event.ask, 4))
    return Traded(event.at, round(event.price, 4), event.taker)


def market(seed: int = 1, **named: float) -> list[Quote | Traded]:
    return [cents(event) for event in World(seconds=300)._replace(**named).events(seed)]


def estimate_of(events: Iterable[Quote | Traded]) -> Observer:
    observer = Observer()
    for event in events:
        take(observer, event)
    return observer


def line(event: Quote | Traded, venue: str = "XNAS") -> str:
    if isinstance(event, Quote):
        return f"{event.at},{venue},Q,,,,{event.bid},5,{event.ask},7"
    return f"{event.at},{venue},T,{event.taker},{event.price},3,,,,"


def test_a_recording_of_tops_and_trades(tmp_path: Path) -> None:
    events, path = market(), tmp_path / "day.csv.gz"
    with gzip.open(path, "wt") as file:
        file.write("\n".join([HEADER, *map(line, events)]))
    found = observe_file(path, (), Settings())
    assert list(found) == ["XNAS"]
    estimate = found["XNAS"].estimate("AAPL")
    assert estimate == estimate_of(events).estimate("AAPL")
    assert estimate.is_enough


def test_json_lines_and_one_venue_of_several(tmp_path: Path) -> None:
    path, one, other = tmp_path / "day.jsonl", market(1), market(2)
    lines = sorted([(event.at, line(event)) for event in one] + [(event.at, line(event, "XNYS")) for event in other])
    names = HEADER.split(",")
    path.write_text("\n".join(json.dumps(dict(zip(names, row.split(","), strict=True))) for _, row in lines))
    assert sorted(observe_file(path, (), Settings())) == ["XNAS", "XNYS"]
    found = observe_file(path, ["XNYS"], Settings())
    assert list(found) == ["XNYS"]
    assert found["XNYS"].estimate("B") == estimate_of(other).estimate("B")


def test_a_book_has_its_best_prices_and_a_newer_top_counts(tmp_path: Path) -> None:
    path = tmp_path / "book.csv"
    rows = [
        "0,X,S,B,99.00,1,,,,", "0,X,S,B,98.00,1,,,,", "0,X,S,S,101.00,1,,,,", "0,X,S,S,102.00,1,,,,",
        "1,X,D,B,99.50,1,,,,", "1,X,D,S,101.00,0,,,,", "1,X,D,S,150.00,0,,,,",
        "2,X,D,B,97.00,3,,,,",
        "3,X,Q,,,,100.00,1,101.00,1",
        "4,X,D,B,99.50,0,,,,",
        "5,X,T,B,104.00,1,,,,",
        "6,X,S,B,90.00,1,,,,", "6,X,S,S,91.00,1,,,,",
        "7,X,T,B,94.00,1,,,,",
    ]  # fmt: skip
    path.write_text("\n".join([HEADER, *(f"{int(row[0]) * SECOND}{row[1:]}" for row in rows)]))
    observer = observe_file(path, (), Settings())["X"]
    # From 0 s on: 100, 100.75, the same, the top's 100.5, the book's 100.5, the same, another book's 90.5.
    assert observer.volatility.samples == 6
    assert observer.volatility.realised() == pytest.approx(((0.75**2 + 0.25**2 + 10**2) / 6) ** 0.5)
    assert [rung.distance for rung in observer.rungs()] == [3.5]


def test_what_is_no_recording_says_so(tmp_path: Path) -> None:
    path = tmp_path / "day.csv"
    for text, why in (
        (HEADER, "there is no row of kind S, D, Q or T in it"),
        (f"{HEADER}\n5,X,Q,,,,1,1,2,1\n4,X,Q,,,,1,1,2,1", "line 3, ts_ns: 4 is before the row above it"),
        (f"{HEADER}\n5,X,T,B,much,1,,,,", "line 2, price: 'much' is no decimal number"),
    ):
        path.write_text(text)
        with pytest.raises(RecordingError, match=why):
            observe_file(path, (), Settings())
    path.write_text(f"{HEADER}\n5,X,Q,,,,1,1,2,1")
    with pytest.raises(RecordingError, match="there is no venue Y; there are X"):
        observe_file(path, ["X", "Y"], Settings())


def write_history(data: Path, days: dict[int, list[Quote | Traded]]) -> None:
    """The history as its process writes it: a row for each quote, with what has traded before it."""
    data.mkdir(exist_ok=True)
    database = _opened(market_path(data))
    database.table("terms").insert(TERMS._asdict())
    database.close()
    number = 0
    for day, events in days.items():
        rows, last, volume = [], None, 0
        for event in events:
            if isinstance(event, Traded):
                last, volume = (round(event.price * 10**4), 3), volume + 3
                continue
            number += 1
            bid, ask = (round(price * 10**4) for price in (event.bid, event.ask))
            totals = DayTotals(volume=volume)
            rows.append(Row(number, event.at, ((bid, 5, "XNAS"),), ((ask, 5, "XNYS"),), last, 0, totals))
        write(files_of(data, day, "AAPL").whole, [table_of(rows, TERMS)], TERMS)


def test_a_history_gives_what_its_quotes_and_trades_do(tmp_path: Path) -> None:
    events = market(seconds=1500)
    write_history(tmp_path, {DAY: events})
    recorded = Recorded(tmp_path)
    found = observe_history(recorded, "AAPL", 5, Settings()).estimate("AAPL")
    recorded.db.close()
    told = estimate_of(events).estimate("AAPL")
    assert (found.samples, found.sigma) == (told.samples, pytest.approx(told.sigma))
    # A trade's time is that of the row after it, and of two in one row only the last is known.
    assert found.k == pytest.approx(told.k, rel=0.1)
    assert found.a == pytest.approx(told.a, rel=0.1)
    assert found.is_enough


def test_only_the_last_days_of_a_history_count(tmp_path: Path) -> None:
    first, second = market(1), [event._replace(at=event.at + 86_400 * SECOND) for event in market(2)]
    write_history(tmp_path, {DAY: first, DAY + 1: second})
    recorded = Recorded(tmp_path)
    last = observe_history(recorded, "AAPL", 1, Settings()).estimate("AAPL")
    both = observe_history(recorded, "AAPL", 2, Settings()).estimate("AAPL")
    with pytest.raises(NoHistory, match="there is no history of MSFT; there is of AAPL"):
        observe_history(recorded, "MSFT", 1, Settings())
    recorded.db.close()
    assert last.samples <= 300 < both.samples
    # From the last mid of one day to the first of the next there is no change.
    assert both.realised == pytest.approx(0.02, rel=0.15)
    assert both.seconds == pytest.approx(600, abs=2)


def test_a_side_without_a_price_is_no_mid(tmp_path: Path) -> None:
    write_history(tmp_path, {})
    rows = [
        Row(1, BEGIN, ((990_000, 1, "X"),), ((1_010_000, 1, "X"),), None, 0, DayTotals()),
        Row(2, BEGIN + 2 * SECOND, (), ((1_010_000, 1, "X"),), None, 0, DayTotals()),
        Row(3, BEGIN + 9 * SECOND, (), (), (1_020_000, 1), 0, DayTotals(volume=1)),
    ]
    write(files_of(tmp_path, DAY, "AAPL").whole, [table_of(rows, TERMS)], TERMS)
    recorded = Recorded(tmp_path)
    found = observe_history(recorded, "AAPL", 1, Settings()).estimate("AAPL")
    recorded.db.close()
    assert (found.seconds, found.fills) == (2, 0)
