"""The journal as messages: from any number on, and only what can't be lost any more."""

import pytest

from brokerfix.projections.events.reading import Asked, BadQuestion
from brokerfix.projections.events.source import Source, Synced, Wanted
from brokerfix.record.journal import Place
from brokerfix.record.kept import write as write_kept
from tests.queues.flow import Flow

PAIR = 7
"""Facts of a pair of orders."""


def test_from_any_number_on(flow: Flow) -> None:
    """A trade has two numbers, one for each side: between them a stream may have ended too."""
    folder = flow.folder / "journal"
    messages = Source(folder, 0).read(1000)
    assert [message.number for message in messages] == list(range(messages[0].number, flow.last + 1))
    sides = [message.account for message in messages if message.kind == "Trade"]
    assert sides == ["ALICE", "BOB"] * 4
    for at, message in enumerate(messages):
        source = Source(folder, message.number)
        assert source.read(1000) == messages[at + 1 :]
        assert source.at_after == message.at
        assert source.last_id == flow.last


def test_it_goes_on_with_what_is_new(flow: Flow) -> None:
    source = Source(flow.folder / "journal", 0)
    assert source.read(3) + source.read(1000) == Source(flow.folder / "journal", 0).read(1000)
    assert source.read(10) == []
    flow.trade(1)
    assert len(source.read(10)) == PAIR


def test_what_is_not_confirmed_waits(flow: Flow) -> None:
    confirmed = flow.journal.place
    source = Source(flow.folder / "journal", flow.last, confirmed=lambda place: place <= confirmed)
    assert (source.read(10), source.waits) == ([], False)
    flow.trade(1)
    assert (source.read(10), source.waits) == ([], True)
    confirmed = flow.journal.place
    assert len(source.read(10)) == PAIR
    assert (source.read(10), source.waits) == ([], False)


def test_the_disk_has_what_is_told(flow: Flow) -> None:
    synced = Synced(flow.folder / "journal")
    assert synced.reach(flow.journal.place)
    flow.trade(1)
    assert synced.reach(flow.journal.place)
    with pytest.raises(FileNotFoundError):
        synced.reach(Place("99991231.journal", 20))


def test_it_begins_with_a_kept_state_that_is_not_behind(flow: Flow) -> None:
    folder = flow.folder / "journal"
    before = flow.last
    write_kept(folder, flow.state, *flow.journal.place, b"")
    flow.trade(2)
    whole = Source(folder, before - 3).read(1000)
    assert whole[0].number == before - 2, "the kept state is too far ahead: it is read from the beginning"
    source = Source(folder, before + 1)
    assert source.read(1000) == whole[4:]


def test_only_what_is_wanted(flow: Flow) -> None:
    folder = flow.folder / "journal"
    of_bob = Source(folder, 0, wanted=Wanted(accounts=frozenset({"BOB"}))).read(1000)
    assert {message.account for message in of_bob} == {"BOB"}
    trades = Source(folder, 0, wanted=Wanted(kinds=frozenset({"Trade"}))).read(1000)
    assert len(trades) == 8
    late = Source(folder, 0, wanted=Wanted(since=trades[4].at)).read(1000)
    assert {message.at for message in late} == {message.at for message in trades[4:]}


@pytest.mark.parametrize(
    ("since", "filters", "told"),
    [
        ("20261399-00-1", (), "is no fact's id, and no time"),
        ("soon", (), "is no fact's id, and no time"),
        ("", ("=x",), "is no filter"),
        ("", ("kind=",), "is no filter"),
        ("", ("price=1",), "is no filter"),
        ("", ("kind=Trade,kind=Trad",), "there is no kind Trad"),
        ("", ("kind=Checkpoint,kind=Trade",), "has a stream of its own"),
    ],
)
def test_what_can_not_be_asked_for_is_told(since: str, filters: tuple[str, ...], told: str) -> None:
    with pytest.raises(BadQuestion, match=told):
        Asked.of(since, filters)
