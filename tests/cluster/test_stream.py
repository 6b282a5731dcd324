"""The stream on a real server: a stale writer is refused, a node finds out where it parted, and what it can't mend."""

import asyncio
import shutil
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from functools import wraps
from pathlib import Path
from typing import Any

import msgspec
import nats
import pytest

from brokerfix.cluster import segments as module
from brokerfix.cluster.follow import Follower
from brokerfix.cluster.keys import Keys, open_keys
from brokerfix.cluster.lease import Away, Held, Stale
from brokerfix.cluster.publish import Fenced, Publisher
from brokerfix.cluster.segments import Incoming, Outgoing, end_of
from brokerfix.cluster.stream import Head, Refused, Stream
from brokerfix.cluster.versions import Known, check_kinds, fingerprint, known_kinds, tell_kinds, unknown
from brokerfix.commands import RollDay
from brokerfix.facts import ClientUp
from brokerfix.record.journal import Journal
from brokerfix.tools.demo import free_port
from brokerfix.tools.nats_servers import NatsServers
from tests.cluster.test_segments import contents, written
from tests.test_older_journals import OLD, OPEN, recovered, working

SECONDS = 5.0


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServers]:
    servers = NatsServers(tmp_path_factory.mktemp("nats"), free_port)
    servers.start()
    yield servers
    servers.stop()


@pytest.fixture(autouse=True)
def _small_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a journal of some records is several messages."""
    monkeypatch.setattr(module, "MOST_BYTES", 200)


def in_a_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    @wraps(test)
    def run(*args: Any, **named: Any) -> None:
        asyncio.run(test(*args, **named))

    return run


@asynccontextmanager
async def stream_of(servers: NatsServers, name: str) -> AsyncIterator[Stream]:
    client = await nats.connect(servers.urls[0])
    stream = Stream(client, name, 0, SECONDS)
    await stream.open(1)
    yield stream
    await client.close()


def publisher(stream: Stream, folder: Path, epoch: int, node: str = "a") -> Publisher:
    return Publisher(
        stream,
        Outgoing(folder),
        Head(0, 0, 0, 0, epoch, node, epoch),
        lambda: end_of(folder),
        lambda position: None,
        lambda text: None,
    )


async def publish(stream: Stream, folder: Path, epoch: int, node: str = "a", position: int = 0) -> None:
    """Publish all that a journal has behind a position, as the primary of an epoch."""
    one = publisher(stream, folder, epoch, node)
    _, last = await stream.ends()
    one.begin(await stream.append(one.me, b"", last), position)
    running = asyncio.create_task(one.run(SECONDS))
    async with asyncio.timeout(20):
        while one.confirmed < end_of(folder):
            one.woken.set()
            await asyncio.sleep(0.005)
    running.cancel()


async def follow(stream: Stream, folder: Path) -> Follower:
    """Follow to the stream's end."""
    follower = Follower(stream, Incoming(folder, sync=False))
    await follower.join()
    while await follower.step() or not follower.caught_up:
        pass
    await stream.forget()
    follower.incoming.close()
    return follower


def append(folder: Path, *names: str) -> None:
    journal = Journal(folder)
    journal.open(0)
    for name in names:
        journal.append([ClientUp(1, 1, name * 20)])
    journal.close()


def test_what_the_servers_refuse_is_unconfirmed_since_it_was_sent_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server's disk is full: it answers at once, again and again. New orders are to be refused after a while."""
    monkeypatch.setattr("brokerfix.cluster.publish.AGAIN_SECONDS", 0.002)
    tries = []

    class Full:
        async def ends(self) -> tuple[int, int]:
            return 1, 1

        async def publish(self, head: Head, data: bytes, behind: int) -> "asyncio.Future[int]":
            tries.append(time.monotonic())
            answer = asyncio.get_running_loop().create_future()
            answer.set_exception(Away("the servers refuse it: maximum bytes exceeded"))
            return answer

    async def run() -> None:
        stream: Any = Full()
        one = publisher(stream, written(tmp_path / "a", [50]), 1)
        one.begin(1, 0)
        running = asyncio.create_task(one.run(SECONDS))
        while len(tries) < 5:
            one.woken.set()
            await asyncio.sleep(0.001)
        assert 0 < one.unconfirmed_since <= tries[0] + 0.01
        running.cancel()

    asyncio.run(run())


@in_a_loop
async def test_a_stale_writer_is_refused_for_good(servers: NatsServers, tmp_path: Path) -> None:
    folder = written(tmp_path / "a", [50] * 5)
    async with stream_of(servers, "fence") as stream:
        one = publisher(stream, folder, 1)
        one.begin(await stream.append(one.me, b"", 0), 0)
        running = asyncio.create_task(one.run(SECONDS))
        async with asyncio.timeout(20):
            while one.confirmed < end_of(folder):
                one.woken.set()
                await asyncio.sleep(0.005)
        _, last = await stream.ends()
        await stream.append(Head(0, 0, 0, 0, 2, "b", 2), b"", last)
        confirmed = one.confirmed
        append(folder, "TOO LATE")
        one.woken.set()
        with pytest.raises(Fenced, match="node b has written to fence-0-journal in epoch 2"):
            await asyncio.wait_for(running, 20)
        assert one.confirmed == confirmed
        # What it had under way met the sequence that it expected: it is there, and void.
        late = await stream.get(last + 2)
        assert late is not None
        assert late.head.epoch == 1
        await follow(stream, tmp_path / "b")
        assert contents(tmp_path / "b") != contents(folder)
        assert end_of(tmp_path / "b") == confirmed
        parted = await follow(stream, folder)
        assert parted.position == confirmed, "its writer does not take it for the stream's either"
        with pytest.raises(Stale):
            await stream.append(one.me, b"", last)


@in_a_loop
async def test_what_was_under_way_when_the_connection_was_lost_is_found(servers: NatsServers, tmp_path: Path) -> None:
    folder = written(tmp_path / "a", [50] * 5)
    async with stream_of(servers, "found") as stream:
        await publish(stream, folder, 1)
        one = publisher(stream, folder, 1)
        _, last = await stream.ends()
        # It has not heard of the last two messages, which are there.
        before = await stream.get(last - 2)
        assert before is not None
        one.begin(last - 2, before.head.end)
        running = asyncio.create_task(one.run(SECONDS))
        async with asyncio.timeout(20):
            while one.confirmed < end_of(folder):
                one.woken.set()
                await asyncio.sleep(0.005)
        running.cancel()
        assert (await stream.ends())[1] == last, "nothing is there twice"


@in_a_loop
async def test_a_node_follows_from_nothing_and_from_where_it_was(servers: NatsServers, tmp_path: Path) -> None:
    folder = written(tmp_path / "a", [50] * 9, 2)
    async with stream_of(servers, "follow") as stream:
        await publish(stream, folder, 1)
        await follow(stream, tmp_path / "b")
        assert contents(tmp_path / "b") == contents(folder)
        end = end_of(folder)
        append(folder, "MORE", "AND MORE")
        await publish(stream, folder, 2, position=end)
        follower = await follow(stream, tmp_path / "b")
        assert contents(tmp_path / "b") == contents(folder)
        assert follower.took <= 4, "only what it did not have"


@in_a_loop
async def test_a_node_that_parted_goes_back_to_where_that_was(servers: NatsServers, tmp_path: Path) -> None:
    folder = written(tmp_path / "a", [50] * 9)
    async with stream_of(servers, "parted") as stream:
        await publish(stream, folder, 1)
        await follow(stream, tmp_path / "b")
        end = end_of(folder)
        append(tmp_path / "b", *"ONES OWN")
        append(folder, *"WHAT THE OTHERS HAVE WRITTEN")
        await publish(stream, folder, 2, "c", position=end)
        await follow(stream, tmp_path / "b")
        assert contents(tmp_path / "b") == contents(folder)
        assert len(list((tmp_path / "b" / "aside").iterdir())) == 1


@in_a_loop
async def test_a_stream_whose_beginning_is_gone_needs_a_backup(servers: NatsServers, tmp_path: Path) -> None:
    folder = written(tmp_path / "a", [50] * 9)
    async with stream_of(servers, "purged") as stream:
        await publish(stream, folder, 1)
        await follow(stream, tmp_path / "backup")
        _, last = await stream.ends()
        await stream.js.purge_stream(stream.name, seq=last - 2)
        append(folder, "MORE")
        await publish(stream, folder, 2, position=end_of(tmp_path / "backup"))
        with pytest.raises(Refused, match=r"is empty, and the stream purged-0-journal begins at .*: restore"):
            await follow(stream, tmp_path / "b")
        await follow(stream, tmp_path / "backup")
        assert contents(tmp_path / "backup") == contents(folder)


@in_a_loop
async def test_another_brokers_journal_is_refused(servers: NatsServers, tmp_path: Path) -> None:
    async with stream_of(servers, "other") as stream:
        await publish(stream, written(tmp_path / "a", [50] * 9), 1)
        with pytest.raises(Refused, match="is the journal of another broker or cluster"):
            await follow(stream, written(tmp_path / "b", [60] * 9))


@in_a_loop
async def test_servers_whose_disk_is_full_confirm_nothing_and_say_so(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    small = NatsServers(tmp_path_factory.mktemp("small"), free_port, space="100K")
    small.start()
    try:
        async with stream_of(small, "full") as stream:
            folder = written(tmp_path / "a", [150] * 1000)
            told: list[str] = []
            one = Publisher(
                stream,
                Outgoing(folder),
                Head(0, 0, 0, 0, 1, "a", 1),
                lambda: end_of(folder),
                lambda at: None,
                told.append,
            )
            one.begin(await stream.append(one.me, b"", 0), 0)
            running = asyncio.create_task(one.run(SECONDS))
            async with asyncio.timeout(20):
                while not told:
                    one.woken.set()
                    await asyncio.sleep(0.005)
            assert told[0].startswith("the servers refuse it: "), told
            assert 0 < one.confirmed < end_of(folder)
            running.cancel()
    finally:
        small.stop()


@in_a_loop
async def test_a_standby_follows_a_journal_that_an_older_version_wrote(servers: NatsServers, tmp_path: Path) -> None:
    """The primary was upgraded and goes on with it; the standby has nothing yet."""
    folder = tmp_path / "a"
    shutil.copytree(OLD, folder)
    async with stream_of(servers, "upgraded") as stream:
        await publish(stream, folder, 1)
        await follow(stream, tmp_path / "b")
        assert contents(tmp_path / "b") == contents(OLD)
        end = end_of(folder)
        primary = recovered(folder)
        assert primary.submit(RollDay(1_700_000_100_000_000_000, 20261123))
        primary.close()
        await publish(stream, folder, 2, position=end)
        await follow(stream, tmp_path / "b")
    assert contents(tmp_path / "b") == contents(folder)
    assert len(contents(folder)) == len(contents(OLD)) + 1
    standby = recovered(tmp_path / "b")
    assert standby.state.hash() == primary.state.hash()
    assert working(standby.state) == OPEN
    standby.close()


@in_a_loop
async def test_a_standby_that_is_older_than_its_primary_is_told_so(servers: NatsServers) -> None:
    client = await nats.connect(servers.urls[0])
    await open_keys(client.jetstream(), "versions", 1)
    keys = Keys(client, "versions", SECONDS)
    await tell_kinds(keys, 0)
    same = Held("a", 1, 1, version="1", kinds=fingerprint())
    await check_kinds(keys, 0, same)

    newer = Known("9.9", "another", {**known_kinds(), "OrderForgotten": 3})
    await keys.write("kinds.0", msgspec.json.encode(newer))
    with pytest.raises(Refused, match=r"node a, is version 9\.9 .* know: OrderForgotten; upgrade this one first"):
        await check_kinds(keys, 0, Held("a", 1, 1, version="9.9", kinds="another"))
    older = Known("0.0", "older", dict(list(known_kinds().items())[1:]))
    await keys.write("kinds.0", msgspec.json.encode(older))
    await check_kinds(keys, 0, Held("a", 1, 1, version="0.0", kinds="older"))
    await client.close()


def test_a_fact_that_got_a_field_more_is_another_one() -> None:
    ours = known_kinds()
    assert unknown(ours, ours) == []
    assert unknown({**ours, "OrderAccepted": ours["OrderAccepted"] + 1}, ours) == ["OrderAccepted"]
