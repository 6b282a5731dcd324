"""The signed checkpoints at the queues: each once, in order, and never before the facts that it covers."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Awaitable, Sequence
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from brokerfix.cli import main
from brokerfix.domain import id_number, id_text
from brokerfix.projections.events.checkpoints import EVERYWHERE, Checkpoints, number_of
from brokerfix.projections.events.destination import Has, ServerAway
from brokerfix.projections.events.form import DECODERS, Message
from brokerfix.projections.events.publisher import Publisher
from brokerfix.projections.events.queues import reader_of
from brokerfix.projections.events.reading import Asked, BadQuestion, at_queue
from brokerfix.projections.events.schema import schema
from brokerfix.projections.lag import Lag
from brokerfix.record import keys
from brokerfix.record.checkpoints import Checkpointer, notes_path, read_notes
from brokerfix.record.journal import Place, segments
from brokerfix.record.notes import Checkpoint, parse, sign
from tests.live import until
from tests.queues.flow import DAY, Flow, publishing, quietly, until_confirmed
from tests.servers import Kafka, Nats, Server

PROOF = "[proof]\nseconds = 3600\n"


class SignedFlow(Flow):
    """A journal that is signed when a test says so."""

    def __init__(self, folder: Path, server: Server, **section: Any) -> None:
        super().__init__(folder, server, **section)
        self.where = self.where._replace(is_signed=True)
        self.config.write_text(self.config.read_text() + PROOF)
        self.public = keys.make(folder / "keys").public
        self.covers: list[int] = []
        self._new_checkpointer()

    def _new_checkpointer(self) -> None:
        self.checkpointer = Checkpointer(self.folder, "BROKER", 0, self.folder / "keys", 1e9)

    def sign(self) -> None:
        self.checkpointer.follow(0.0, at_once=True)
        self.covers.append(self.last)

    def notes(self) -> list[str]:
        return [signed.note for _, signed in read_notes(self.file)]

    @property
    def file(self) -> Path:
        return notes_path(self.folder / "checkpoints", segments(self.folder / "journal")[-1])

    async def told(self) -> list[dict[str, Any]]:
        """What a reader of the queue's checkpoints is told."""
        asked = Asked.of("", ["kind=Checkpoint"])
        return [row async for row in at_queue(self.where, asked, False, asked.what)]

    async def bodies(self) -> list[bytes]:
        """All that is there, whatever came twice."""
        return [body async for body in reader_of(self.where, "checkpoints").read(0, False)]

    async def publish(self) -> None:
        """Until the queue has all facts and checkpoints."""
        async with publishing(self) as publisher, asyncio.timeout(20):
            await until_confirmed(publisher, self.last)
            while [row["note"] for row in await self.there()] != self.notes():
                await asyncio.sleep(0.02)

    async def there(self) -> list[dict[str, Any]]:
        """As `told`, also before anything was."""
        try:
            return await self.told()
        except ServerAway:
            return []


@pytest.fixture
def flow(tmp_path: Path) -> SignedFlow:
    """A journal that no queue gets."""
    server = Kafka()
    server.urls = ["127.0.0.1:1"]
    return SignedFlow(tmp_path, server)


def test_each_is_there_once_with_what_it_covers_also_after_the_publishers_end(
    tmp_path: Path, queue_server: Server
) -> None:
    flow = SignedFlow(tmp_path, queue_server, format="msgpack" if queue_server.kind == "kafka" else "json")
    for _ in range(3):
        flow.trade(20)
        flow.sign()
    asyncio.run(flow.publish())
    flow.trade(5)
    flow.sign()
    asyncio.run(flow.publish())
    rows = asyncio.run(flow.told())
    assert [row["note"] for row in rows] == flow.notes()
    assert [row["id"] for row in rows] == [id_text(number) for number in flow.covers]
    assert {(row["kind"], row["day"], row["shard"]) for row in rows} == {("Checkpoint", DAY, 0)}
    check = jsonschema_rs.validator_for(schema("Checkpoint"))
    for row in rows:
        check.validate(row)
        assert row["note"].startswith(f"{row['origin']}\n{row['size']}\n")
    decode = DECODERS[flow.where.section.format]
    times = Counter(number_of(decode(body)) for body in asyncio.run(flow.bodies()))
    assert (len(times), set(times.values())) == (4, {1})
    # The facts are there as ever, and nothing else among them.
    assert sorted(asyncio.run(flow.raw())) == [id_number(row["id"]) for row in flow.journaled()]


def test_a_publisher_that_is_killed_is_followed_without_a_gap(tmp_path: Path, nats_server: Nats) -> None:
    flow = SignedFlow(tmp_path, nats_server)

    def has_all() -> bool:
        time.sleep(0.05)
        return [row["note"] for row in asyncio.run(flow.there())] == flow.notes()

    for _ in range(2):
        process = flow.process()
        try:
            for _ in range(3):
                flow.trade(10)
                flow.sign()
            until(lambda: bool(asyncio.run(flow.there())))
        finally:
            quietly(process)
        flow.trade(1)
        flow.sign()
    process = flow.process()
    try:
        until(has_all)
    finally:
        quietly(process)
    assert len(asyncio.run(flow.bodies())) == len(flow.notes()) == 8


class Gathering:
    """A destination that notes what comes, and confirms batches of facts when it is told to."""

    most_bytes = 1 << 20

    def __init__(self) -> None:
        self.came: list[str] = []
        self.confirms = asyncio.Event()
        self.has = Has(0, "", 0, lambda message: True)
        self.is_away = False

    async def open(self) -> Has:
        return self.has

    async def send(self, messages: Sequence[Message]) -> Awaitable[None]:
        last = messages[-1].number

        async def confirmed() -> None:
            await self.confirms.wait()
            self.came.append(f"facts to {id_text(last)}")
            self.has = Has(last, "", last, lambda message: message.number > last)

        return confirmed()

    async def send_market(self, messages: Sequence[Message]) -> None: ...

    async def send_checkpoint(self, message: Message) -> None:
        if self.is_away:
            raise ServerAway("gone")
        self.came.append(f"checkpoint of {json.loads(message.body)['id']}")

    async def close(self) -> None: ...


async def gathered(flow: SignedFlow, destination: Gathering, count: int, confirmed: Any = lambda place: True) -> None:
    """Publish until so many things have come; none: for half a second."""
    lag = Lag(flow.folder, 1)
    publisher = Publisher(flow.where, flow.folder / "journal", destination, lag, confirmed=confirmed)
    is_over = False
    running = asyncio.create_task(publisher.run(lambda: is_over))
    for _ in range(40 if not count else 1000):
        if count and len(destination.came) >= count:
            break
        await asyncio.sleep(0.0125)
    is_over = True
    destination.confirms.set()
    await running


def test_none_is_ahead_of_the_facts_that_it_covers(flow: SignedFlow) -> None:
    flow.trade(3)
    flow.sign()
    covered = id_text(flow.last)
    flow.trade(1)

    async def trial() -> None:
        destination = Gathering()
        running = asyncio.create_task(gathered(flow, destination, 2))
        await asyncio.sleep(0.5)
        assert destination.came == [], "its facts are sent, but not confirmed"
        destination.confirms.set()
        await running
        assert destination.came == [f"facts to {id_text(flow.last)}", f"checkpoint of {covered}"]

    asyncio.run(trial())


def test_it_waits_as_its_facts_wait_for_the_cluster(flow: SignedFlow) -> None:
    flow.trade(1)
    confirmed = flow.journal.place
    flow.trade(1)
    flow.sign()

    async def trial() -> list[str]:
        destination = Gathering()
        destination.confirms.set()
        await gathered(flow, destination, 0, lambda place: place <= confirmed)
        return destination.came

    assert [one.split()[0] for one in asyncio.run(trial())] == ["facts"]


def test_where_only_checkpoints_are_wanted_they_come_without_facts(tmp_path: Path) -> None:
    server = Kafka()
    server.urls = ["127.0.0.1:1"]
    flow = SignedFlow(tmp_path, server, kinds=("Checkpoint",))
    flow.trade(2)
    flow.sign()
    destination = Gathering()
    asyncio.run(gathered(flow, destination, 1))
    assert destination.came == [f"checkpoint of {id_text(flow.last)}"]


def test_a_queue_that_goes_away_gets_it_when_it_is_back(flow: SignedFlow) -> None:
    flow.trade(1)
    flow.sign()

    async def trial() -> list[str]:
        destination = Gathering()
        destination.confirms.set()
        destination.is_away = True
        running = asyncio.create_task(gathered(flow, destination, 2))
        await asyncio.sleep(0.3)
        assert len(destination.came) == 1
        destination.is_away = False
        await running
        return destination.came

    assert asyncio.run(trial())[-1] == f"checkpoint of {id_text(flow.last)}"


def test_they_go_on_behind_the_last_one_and_a_witness_makes_another_one(flow: SignedFlow) -> None:
    for _ in range(2):
        flow.trade(1)
        flow.sign()
    found = Checkpoints(flow.folder, 0)
    numbers = []
    while (one := found.next(EVERYWHERE)) is not None:
        numbers.append(one[1].number)
        found.sent()
    assert len(numbers) == 2
    assert found.next(EVERYWHERE) is None
    *_, last = flow.file.read_bytes().splitlines()
    row = json.loads(last)
    signature = row["note"].splitlines()[-1]
    cosigned = json.dumps({"at": row["at"], "note": f"{row['note']}{signature}\n"}, separators=(",", ":"))
    with flow.file.open("ab") as file:
        # It is being written.
        file.write(cosigned[:40].encode())
    found.begin(numbers[0])
    assert found.next(Place(f"{DAY}.journal", 20)) is None
    assert found.next(EVERYWHERE)[1].number == numbers[1]  # type: ignore[index]
    found.sent()
    with flow.file.open("ab") as file:
        file.write(cosigned[40:].encode() + b"\nnonsense\n")
    found.begin(numbers[1])
    covered, message = found.next(EVERYWHERE)  # type: ignore[misc]
    assert (covered, message.number) == (flow.last, numbers[1] + 1)


def test_what_was_signed_of_records_that_are_gone_is_told_once_the_day_is_over(flow: SignedFlow) -> None:
    flow.trade(2)
    flow.sign()
    segment = segments(flow.folder / "journal")[0]
    segment.write_bytes(segment.read_bytes()[:-60])
    found = Checkpoints(flow.folder, 0)
    assert found.next(Place(segment.name, 1 << 38)) is None
    assert found.next(Place("20261128.journal", 20)) is not None


def test_the_commands_read_them_and_a_subscriber_checks_them(flow: SignedFlow, tmp_path: Path) -> None:
    flow.trade(1)
    flow.sign()
    flow.trade(1)
    keys.rotate(flow.folder / "keys")
    flow.sign()
    run, config = CliRunner().invoke, ["--config", str(flow.config)]
    printed = run(main, ["events", "--from", "journal", "--filter", "kind=Checkpoint", "--json", *config])
    rows = [json.loads(line) for line in printed.output.splitlines()]
    assert [row["note"] for row in rows] == flow.notes()
    for_people = run(main, ["events", "--from", "journal", "--filter", "kind=Checkpoint", *config]).output
    assert f"Checkpoint                        size={rows[0]['size']} root=" in for_people
    with pytest.raises(BadQuestion, match="stream of its own"):
        Asked.of("", ["kind=Checkpoint,kind=Trade"])

    key, folder = ["--key", flow.public], ["--keys", str(flow.folder / "keys")]
    good = run(main, ["check-proof", "-", *key, *folder], input=printed.output)
    assert f"2 checkpoints are signed by the key; the newest has {rows[1]['size']} records" in good.output
    (tmp_path / "note").write_text(rows[0]["note"])
    assert "1 checkpoints are signed" in run(main, ["check-proof", str(tmp_path / "note"), *key]).output
    forged = {**rows[0], "note": sign(_other(rows[0]["note"]), Ed25519PrivateKey.generate())}
    bad = run(main, ["check-proof", "-", *key], input=json.dumps(forged))
    assert (bad.exit_code, "Error: -: line 1 of " in bad.output and "the key has not signed this" in bad.output) == (
        1,
        True,
    )

    # What a subscriber has kept tells of a journal whose own checkpoints were rewritten with it.
    kept = tmp_path / "kept.jsonl"
    kept.write_text(printed.output)
    verify = ["verify", str(flow.folder), *key, "--checkpoints", str(kept)]
    assert "checkpoints: 2; behind the newest are 0 records" in run(main, verify).output
    segment = segments(flow.folder / "journal")[0]
    segment.write_bytes(segment.read_bytes()[:-60])
    found = run(main, verify)
    assert found.exit_code == 1
    assert "TAMPERED: kept.jsonl: line 2" in found.output


def _other(note: str) -> Checkpoint:
    return parse(note)[0]._replace(size=5)
