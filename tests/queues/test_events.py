"""The event stream at NATS, RabbitMQ and Kafka: one and the same tests for all three, on real servers (of Kafka: the
mock cluster of its client library)."""

import asyncio
import shutil
import signal
import time
from collections import Counter
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from msgspec import structs
from nats.aio.client import Client

from brokerfix.domain import id_number, id_text
from brokerfix.projections.events.destination import ServerAway
from brokerfix.projections.events.publisher import BATCH, Publisher
from brokerfix.projections.events.queues import destination_of
from brokerfix.projections.events.reading import Asked, at_queue
from brokerfix.projections.events.source import Source
from brokerfix.projections.lag import lag_of
from brokerfix.record.journal import Journal, segments
from tests.live import until
from tests.queues.flow import Flow, by_account, publish, publishing, quietly, until_confirmed
from tests.servers import Nats, Server


@pytest.mark.parametrize("format", ["json", "msgpack"])
def test_every_fact_is_there_once_and_in_order(tmp_path: Path, queue_server: Server, format: str) -> None:
    flow = Flow(tmp_path, queue_server, format=format)
    flow.trade(120)
    asyncio.run(publish(flow))
    told = flow.journaled()
    assert len(told) > 2 * BATCH, "it takes several batches"
    assert asyncio.run(flow.rows()) == told
    assert sorted(asyncio.run(flow.raw())) == [id_number(row["id"]) for row in told], "each of them is there once"


def test_a_publisher_that_is_killed_is_resumed_by_another_one(tmp_path: Path, queue_server: Server) -> None:
    flow = Flow(tmp_path, queue_server)
    flow.trade(50)
    process = flow.process()
    try:
        until(lambda: has_told(flow) > 0)
        before = len(flow.journaled())
        flow.trade(100)
        # Somewhere in the middle of what is new.
        until(lambda: has_told(flow) > before)
    finally:
        quietly(process)
    flow.trade(10)
    count = len(flow.journaled())
    process = flow.process()
    try:
        until(lambda: has_told(flow) >= count)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    finally:
        quietly(process)
    assert by_account(asyncio.run(flow.rows())) == by_account(flow.journaled()), "no gap, and nothing out of order"
    times = Counter(asyncio.run(flow.raw()))
    if queue_server.kind != "kafka":
        assert set(times.values()) == {1}, "the server knows what it has got before"


def has_told(flow: Flow) -> int:
    """How many different facts the queue has."""
    time.sleep(0.1)
    try:
        return len(set(asyncio.run(flow.raw())))
    except ServerAway:
        # Nothing has been made there yet.
        return 0


def test_a_server_that_is_lost_gets_all_when_it_is_back(tmp_path: Path, queue_server: Server) -> None:
    flow = Flow(tmp_path, queue_server)
    flow.trade(20)

    async def follow(told: list[dict[str, Any]]) -> None:
        async with aclosing(at_queue(flow.where, Asked(), follow=True)) as rows:
            async for row in rows:
                told.append(row)

    async def lose_it() -> None:
        async with publishing(flow) as publisher:
            await until_confirmed(publisher, flow.last)
            told: list[dict[str, Any]] = []
            following = asyncio.create_task(follow(told))
            async with asyncio.timeout(10):
                while len(told) < 20:
                    await asyncio.sleep(0.01)
            queue_server.lose()
            try:
                flow.trade(100)
                if queue_server.kind != "kafka":
                    async with asyncio.timeout(10):
                        while (lag := lag_now(flow)) is None or not lag["trouble"]:
                            await asyncio.sleep(0.01)
                            publisher.lag.tell()
                    assert lag["facts"] > 0
                assert publisher.confirmed < flow.last
            finally:
                await asyncio.to_thread(queue_server.come_back)
            await until_confirmed(publisher, flow.last)
            everything = flow.journaled()
            async with asyncio.timeout(20):
                while len(told) < len(everything):
                    await asyncio.sleep(0.01)
            assert by_account(told) == by_account(everything), "who follows misses nothing either"
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)

    asyncio.run(lose_it())
    assert by_account(asyncio.run(flow.rows())) == by_account(flow.journaled())
    assert set(Counter(asyncio.run(flow.raw())).values()) == {1}


def lag_now(flow: Flow) -> dict[str, object] | None:
    return lag_of(flow.folder, flow.last, 0)


def test_another_machine_goes_on_where_the_first_one_was(tmp_path: Path, queue_server: Server) -> None:
    """Nothing of the publisher is on the machine that is lost: its journal's copy is enough."""
    flow = Flow(tmp_path / "first", queue_server)
    flow.trade(30)
    asyncio.run(publish(flow))
    shutil.copytree(tmp_path / "first", tmp_path / "second")
    flow.folder = tmp_path / "second"
    flow.journal = Journal(flow.folder / "journal")
    flow.journal.open(0)
    flow.trade(30)
    asyncio.run(publish(flow))
    assert by_account(asyncio.run(flow.rows())) == by_account(flow.journaled())
    assert set(Counter(asyncio.run(flow.raw())).values()) == {1}


def test_a_reader_that_is_killed_goes_on_with_the_fact_it_wants(tmp_path: Path, queue_server: Server) -> None:
    flow = Flow(tmp_path, queue_server)
    flow.trade(50)

    async def read_some(asked: Asked, most: int) -> list[str]:
        found = []
        async with aclosing(at_queue(flow.where, asked, follow=True)) as rows:
            async for row in rows:
                found.append(row["id"])
                if len(found) == most:
                    break
        return found

    async def in_two_parts() -> list[str]:
        await publish(flow)
        first = await read_some(Asked(), 100)
        rest = len(flow.journaled()) - 99
        return first[:-1] + await read_some(Asked(number=id_number(first[-1])), rest)

    assert asyncio.run(in_two_parts()) == [row["id"] for row in flow.journaled()]


def test_a_slow_reader_holds_nobody_up_and_misses_nothing(tmp_path: Path, queue_server: Server) -> None:
    flow = Flow(tmp_path, queue_server)
    flow.trade(1)

    async def read_slowly() -> list[int]:
        await publish(flow)
        found: set[int] = set()
        all_of_them: set[int] = set()
        async with publishing(flow) as publisher, aclosing(at_queue(flow.where, Asked(), follow=True)) as rows:
            async for row in rows:
                found.add(id_number(row["id"]))
                if len(found) == 5:
                    # It does not come back before all is published.
                    flow.trade(300)
                    await until_confirmed(publisher, flow.last)
                    all_of_them = {id_number(row["id"]) for row in flow.journaled()}
                if found == all_of_them:
                    break
        return sorted(found)

    assert asyncio.run(read_slowly()) == [id_number(row["id"]) for row in flow.journaled()]


def test_what_comes_twice_is_told_once(tmp_path: Path, queue_server: Server) -> None:
    """A publisher that thinks itself alone sends what another one has sent before."""
    flow = Flow(tmp_path, queue_server)
    flow.trade(10)

    async def send_twice() -> None:
        await publish(flow)
        messages = Source(flow.folder / "journal", 0).read(BATCH)
        destination = destination_of(flow.where)
        await destination.open()
        try:
            if queue_server.kind == "nats":
                with pytest.raises(ServerAway, match="does another one write there"):
                    await (await destination.send(messages))
            else:
                await (await destination.send(messages))
        finally:
            await destination.close()

    asyncio.run(send_twice())
    assert by_account(asyncio.run(flow.rows())) == by_account(flow.journaled())
    times = set(Counter(asyncio.run(flow.raw())).values())
    assert times == ({2} if queue_server.kind == "kafka" else {1}), "the same number tells it where the server does not"


def test_of_two_publishers_one_is_refused(tmp_path: Path, nats_server: Server) -> None:
    """What a publisher sends that another one has come before is not there, not even what that one has not sent."""
    flow = Flow(tmp_path, nats_server)
    flow.trade(10)
    messages = Source(flow.folder / "journal", 0).read(BATCH)

    async def both() -> list[int]:
        late, first = destination_of(flow.where), destination_of(flow.where)
        try:
            await late.open()
            await first.open()
            await (await first.send(messages[:10]))
            # From the eleventh on they would have the right number.
            with pytest.raises(ServerAway, match="does another one write there"):
                await (await late.send(messages[20:60]))
            return await flow.raw()
        finally:
            await late.close()
            await first.close()

    assert asyncio.run(both()) == [message.number for message in messages[:10]]


def test_what_the_owner_of_a_stream_does_there(
    tmp_path: Path, nats_server: Nats, caplog: pytest.LogCaptureFixture
) -> None:
    """Limits stay, the last message may be deleted, and one of somebody else's is no reader's trouble."""
    flow = Flow(tmp_path, nats_server)
    subject = flow.where.section.subject
    name, subjects = f"{subject}-facts-0", f"{subject}.facts.0.>"

    async def owner() -> None:
        client = Client()
        await client.connect(nats_server.urls)
        try:
            stream = client.jetstream()
            # So that the server soon has forgotten what was deleted.
            await stream.add_stream(name=name, subjects=[subjects], max_age=3600, duplicate_window=0.1, max_bytes=9000)
            await stream.update_stream(name=name, subjects=[subjects], max_age=3600, duplicate_window=0.1,
                                       max_bytes=9000, discard="new")  # fmt: skip
            flow.trade(20)
            async with publishing(flow) as publisher, asyncio.timeout(10):
                while "maximum bytes exceeded" not in caplog.text:
                    await asyncio.sleep(0.01)
                limited = (await stream.stream_info(name)).config
                await stream.update_stream(limited.evolve(max_bytes=-1))
                await until_confirmed(publisher, flow.last)
            assert (await stream.stream_info(name)).config.max_age == 3600
            await stream.delete_msg(name, (await stream.get_last_msg(name, subjects)).seq)
            assert await flow.rows() == flow.journaled()[:-1]
            flow.trade(1)
            await publish(flow)
            assert await flow.rows() == flow.journaled()
            await stream.publish(f"{subject}.facts.0.Trade.X", b"junk")
            assert await flow.rows() == flow.journaled()
        finally:
            await client.close()

    asyncio.run(owner())
    assert "some messages there are none of ours" in caplog.text


def test_only_some_kinds_and_accounts_where_they_are_named(tmp_path: Path, queue_server: Server) -> None:
    flow = Flow(tmp_path, queue_server, kinds=("Trade",), accounts=("BOB",))
    flow.trade(3)
    asyncio.run(publish_wanted(flow, 3))
    flow.trade(2)
    asyncio.run(publish_wanted(flow, 5))
    rows = asyncio.run(flow.rows())
    assert [(row["kind"], row["account"]) for row in rows] == [("Trade", "BOB")] * 5
    assert len({row["id"] for row in rows}) == 5


async def publish_wanted(flow: Flow, most: int) -> None:
    """Until the queue has so many."""
    async with publishing(flow), asyncio.timeout(20):
        while True:
            try:
                if len(await flow.rows()) >= most:
                    return
            except ServerAway:
                await asyncio.sleep(0.05)


def test_a_queue_with_other_facts_gets_none(
    tmp_path: Path, queue_server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    """The journal has lost its end, as after a power loss, and has gone on: numbers mean other facts now."""
    flow = Flow(tmp_path / "first", queue_server)
    end = flow.journal.place
    flow.trade(20)
    asyncio.run(publish(flow))
    before = asyncio.run(flow.raw())
    other = Flow(tmp_path / "second", queue_server)
    other.where = flow.where
    other.orders = 1000
    assert other.journal.place == end

    async def refused(words: str) -> None:
        async with publishing(other), asyncio.timeout(10):
            while words not in caplog.text:
                await asyncio.sleep(0.01)

    asyncio.run(refused("is it another broker's, or an older copy?"))
    other.trade(30)
    if queue_server.kind != "kafka":
        asyncio.run(refused("has lost its end since, or is another broker's"))
    assert asyncio.run(flow.raw()) == before, "nothing was added"


def test_what_can_not_be_used_is_told_until_it_can(tmp_path: Path, nats_server: Server) -> None:
    """A certificate that is missing, and a journal that is damaged."""
    flow = Flow(tmp_path, nats_server)
    flow.trade(5)
    usable = flow.where
    (segment,) = segments(flow.folder / "journal")
    whole = segment.read_bytes()

    async def trouble(publisher: Publisher, words: str) -> None:
        async with asyncio.timeout(10):
            while True:
                publisher.lag.tell()
                found = lag_now(flow)
                if found is not None and words in str(found["trouble"]):
                    return
                await asyncio.sleep(0.01)

    async def mend() -> None:
        flow.where = usable._replace(queue=structs.replace(usable.queue, ca="missing.pem"))
        async with publishing(flow) as publisher:
            await trouble(publisher, "its certificates can't be used")
        flow.where = usable
        segment.write_bytes(whole[:200] + b"x" + whole[201:])
        async with publishing(flow) as publisher:
            await trouble(publisher, "is damaged")
            segment.write_bytes(whole)
            await until_confirmed(publisher, flow.last)

    asyncio.run(mend())
    assert asyncio.run(flow.rows()) == flow.journaled()


def test_the_last_market_data_of_a_symbol(tmp_path: Path, queue_server: Server) -> None:
    flow = Flow(tmp_path, queue_server, market_data_ms=1)

    async def latest() -> list[dict[str, Any]]:
        async with publishing(flow) as publisher:
            for price in (15010, 15020, 15030):
                flow.quote(price)
                await until_confirmed(publisher, flow.last)
            rows: list[dict[str, Any]] = []
            async with asyncio.timeout(20):
                while not rows or rows[-1]["id"] != id_text(flow.last):
                    rows = [row async for row in at_queue(flow.where, Asked(), False, "market")]
        return rows

    rows = asyncio.run(latest())
    assert len(rows) <= 3 if queue_server.kind != "nats" else len(rows) == 1
    assert (rows[-1]["symbol"], rows[-1]["asks"]) == ("AAPL", [["150.30", "10", "XNAS"]])


def test_of_each_partition_exactly_what_it_lacks(tmp_path: Path, kafka_server: Server) -> None:
    """A publisher is lost when one partition has got all of a batch and the others have nothing of it."""
    flow = Flow(tmp_path, kafka_server)
    flow.trade(5)
    first = flow.last

    async def lose_parts() -> None:
        await publish(flow)
        flow.trade(20)
        source = Source(flow.folder / "journal", first)
        new = source.read(1000)
        destination = destination_of(flow.where)
        await destination.open()
        await (await destination.send([message for message in new if message.account == "BOB"]))
        await destination.close()
        assert len(set(await flow.raw())) < len(flow.journaled())
        await publish(flow)

    asyncio.run(lose_parts())
    assert by_account(asyncio.run(flow.rows())) == by_account(flow.journaled())
    assert set(Counter(asyncio.run(flow.raw())).values()) == {1}


def test_messages_of_others_in_a_topic_are_left_out(tmp_path: Path, kafka_server: Server) -> None:
    flow = Flow(tmp_path, kafka_server)
    flow.trade(3)
    asyncio.run(publish(flow))
    other = Producer({"bootstrap.servers": ",".join(kafka_server.urls)})
    for key, headers in ((b"ALICE", []), (b"BOB", [("id", b"\xff")]), (b"BOB", [("id", None)])):
        other.produce(f"{flow.where.section.subject}.facts.0", b"junk", key, headers=headers)
    assert other.flush(10) == 0
    flow.trade(2)
    asyncio.run(publish(flow))
    assert by_account(asyncio.run(flow.rows())) == by_account(flow.journaled())
