"""The journal's tail as pages are told it."""

import asyncio
from pathlib import Path

import pytest

from brokerfix.console.feed import Feed
from brokerfix.domain import first_of_day
from brokerfix.facts import Alerted, Fact, OperatorActed, Started
from brokerfix.record.journal import Journal, JournalError
from tests.chaotic_day import ChaoticDay
from tests.scenario import DAY


def all_of(feed: Feed) -> None:
    while feed.follow():
        pass


def test_a_journal_that_is_read_anew_is_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A moment in which it could not be read doubles no sum of a page's."""
    day = ChaoticDay(tmp_path / "journal", 60)
    feed, told = Feed(tmp_path), list[int]()
    feed.on(lambda state, fact, record: told.append(fact.id))
    all_of(feed)
    once = list(told)
    assert once == sorted(set(once))
    onward = feed._onward
    assert onward is not None
    monkeypatch.setattr(onward, "take", lambda most: (_ for _ in ()).throw(JournalError("damaged")))

    async def a_while() -> None:
        following = asyncio.create_task(feed.run())
        await asyncio.sleep(0)
        assert (feed.trouble, feed.is_ready) == ("the journal can't be followed: damaged", False)
        following.cancel()

    asyncio.run(a_while())
    all_of(feed)
    assert told == once
    assert feed.state.hash() == day.state.hash()


def test_a_page_that_fails_at_a_fact_keeps_nobody_from_the_next(tmp_path: Path) -> None:
    day = ChaoticDay(tmp_path / "journal", 30)
    feed, told = Feed(tmp_path), list[int]()

    def fails(state: object, fact: Fact, record: object) -> None:
        raise KeyError(fact.id)

    feed.on(fails)
    feed.on(lambda state, fact, record: told.append(fact.id))
    all_of(feed)
    assert told
    assert feed.state.hash() == day.state.hash()


def test_an_alert_is_open_until_somebody_has_seen_it(tmp_path: Path) -> None:
    journal, first = Journal(tmp_path / "journal"), first_of_day(DAY, 0)
    journal.open(DAY)
    alerts = [Alerted(1, first + number, venue, "GAP", "a gap") for number, venue in ((2, "XNAS"), (3, "XNYS"))]
    journal.append([Started(1, first + 1), *alerts])
    feed = Feed(tmp_path)
    all_of(feed)
    assert [alert.source for alert in feed.open_alerts.values()] == ["XNAS", "XNYS"]
    journal.append([OperatorActed(2, first + 4, "ann", "acknowledge", f"{DAY}-00-2")])
    all_of(feed)
    assert [alert.source for alert in feed.open_alerts.values()] == ["XNYS"]
    journal.close()
