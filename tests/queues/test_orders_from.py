"""Orders from a queue, one suite for all kinds: a broker, `brokerfix orders-from`, and the queue's real server."""

import asyncio
import json
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from itertools import pairwise
from typing import Any, TypeVar

import pytest

from brokerfix.facts import Alerted, Fact, OrderAccepted
from brokerfix.intake.kinds import queue_of
from brokerfix.intake.messages import DeadLetter
from brokerfix.intake.queue import MOST_KEPT, Queue
from brokerfix.intake.reports import AWAY_SECONDS
from brokerfix.record.journal import read
from brokerfix.settings.load import load
from brokerfix.tools.client import Client
from tests.live import run_cli
from tests.queues.desks import Place, order
from tests.servers import KINDS

T = TypeVar("T")


NO_PLACE = {"nats": "_INBOX." + "x" * 5000, "rabbitmq": "amq.topic", "kafka": "trial.replies." + "x" * 600}


@pytest.fixture(scope="module", params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    made = Place(tmp_path_factory.mktemp(request.param), request.getfixturevalue(f"{request.param}_server"))
    yield made
    made.stop()


def until(true: Callable[[], bool]) -> None:
    """Wait for something that the journal or the queue tells, by looking."""
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.1)


def facts(place: Place) -> list[Fact]:
    return [fact for record in read(place.folder / "data" / "journal") for fact in record.facts]


def entered(place: Place, prefix: str = "") -> list[str]:
    """The ClOrdIDs of the orders in the broker's journal."""
    orders = [fact.cl_ord_id for fact in facts(place) if isinstance(fact, OrderAccepted)]
    return [name for name in orders if name.startswith(prefix)]


def dead(place: Place) -> list[DeadLetter]:
    """The dead letters."""
    return asyncio.run(asked(place, lambda queue: queue.dead()))


async def asked(place: Place, ask: Callable[[Queue], Awaitable[T]]) -> T:
    queue = queue_of(load(place.config), "desk")
    await queue.open()
    try:
        return await ask(queue)
    finally:
        await queue.close()


def dead_letters(place: Place, *options: str) -> str:
    """What `brokerfix dead-letters` says to an operator."""
    told = run_cli("dead-letters", str(place.config), *options)
    assert told.returncode == 0, told.stderr
    return told.stdout


def sell(place: Place, *names: str, qty: str = "1") -> None:
    """Another client, with FIX, sells to who buys at 145."""
    client = Client("DAVE", "BROKER", "127.0.0.1", place.port, place.folder / "dave.json")
    client.connect()
    for name in names:
        client.new_order(name, "2", qty, "AAPL", "145.00", tif="3")
        client.receive_until(lambda message, name=name: message.get(11) == name and message.get(150) == "F")  # type: ignore[misc]
    client.logout()


def test_an_order_is_entered_and_answered(place: Place) -> None:
    reply = place.desk.ask(order("A1"))
    assert (reply["action"], reply["cl_ord_id"], reply["status"]) == ("new", "A1", 201)
    assert (reply["order"]["status"], reply["order"]["account"], reply["order"]["leaves_qty"]) == ("new", "BOB", "10")
    until(lambda: [one["exec_type"] for one in place.desk.reports("BOB", "A1")] == ["0"])
    assert entered(place) == ["A1"]


def test_orders_are_replaced_canceled_and_looked_at(place: Place) -> None:
    place.desk.send(order("B1"))
    replaced = place.desk.ask({"action": "replace", "orig_cl_ord_id": "B1", "cl_ord_id": "B2", "price": "141.00"})
    assert (replaced["status"], replaced["order"]["price"]) == (200, "141.00")
    looked = place.desk.ask({"action": "status", "cl_ord_id": "B1"})
    assert (looked["status"], looked["order"]["cl_ord_id"]) == (200, "B2")
    listed = place.desk.ask({"action": "mass_status", "symbol": "AAPL", "accounts": ["BOB"]})
    assert "B2" in [one["cl_ord_id"] for one in listed["orders"]]
    canceled = place.desk.ask({"action": "cancel", "orig_cl_ord_id": "B2", "cl_ord_id": "B3"})
    assert (canceled["status"], canceled["order"]["status"]) == (200, "canceled")
    place.desk.ask(order("B4", account="CAROL"))
    every = place.desk.ask({"action": "mass_cancel"})
    assert (every["status"], "B4" in [one["cl_ord_id"] for one in every["orders"]]) == (200, True)
    assert place.desk.ask({"action": "mass_status"})["count"] == 0


@pytest.mark.parametrize(
    ("key", "message", "status"),
    [
        ("desk", order("C1", qty="5000"), 422),  # the broker's check refuses it
        ("reader", order("C2"), 403),
        ("bob", order("C3", account="CAROL"), 403),
        ("desk", order("C4", type="market"), 400),
        ("desk", {"action": "cancel", "orig_cl_ord_id": "none", "cl_ord_id": "C5"}, 404),
    ],
    ids=["risk", "scope", "account", "terms", "unknown"],
)
def test_what_is_refused_is_answered_and_no_dead_letter(
    place: Place, key: str, message: dict[str, Any], status: int
) -> None:
    reply = place.desk.ask(message, key)
    assert (reply["status"], bool(reply["detail"])) == (status, True)
    assert not dead(place)


def test_the_same_message_twice_is_one_order_and_two_answers(place: Place) -> None:
    first, second, other = (place.desk.ask(order("D1", qty=qty)) for qty in ("10", "10.0", "11"))
    assert (first["status"], second["status"], other["status"]) == (201, 200, 409)
    assert first["order"]["order_id"] == second["order"]["order_id"]
    assert entered(place, "D1") == ["D1"]


def test_above_its_budget_a_client_waits(place: Place) -> None:
    for number in range(4):
        place.desk.send(order(f"E{number}", account="CAROL"), "few", place.desk.replies_to, f"E{number}")
    assert [place.desk.reply(f"E{number}")["status"] for number in range(4)] == [201] * 4
    at = [fact.at for fact in facts(place) if isinstance(fact, OrderAccepted) and fact.cl_ord_id in ("E1", "E2", "E3")]
    assert all(later - earlier > 150_000_000 for earlier, later in pairwise(at)), "5 a second"


def test_a_header_that_can_not_be_sent_on_keeps_nothing(place: Place) -> None:
    """NATS' servers take names of headers that its client libraries refuse: a dead letter is kept without them."""
    if place.kind != "nats":
        pytest.skip("of NATS alone")
    host, port = place.desk.urls[0].rpartition("/")[2].split(":")
    headers = b"NATS/1.0\r\nwe(ird: 1\r\nplain: 2\r\n\r\n"
    with socket.create_connection((host, int(port)), 10) as wire:
        wire.sendall(b'CONNECT {"headers": true, "verbose": false}\r\nPING\r\n')
        wire.sendall(b"HPUB trial.orders %d %d\r\n%s{}\r\nPING\r\n" % (len(headers), len(headers) + 2, headers))
        until(lambda: bool(dead(place)))
    (letter,) = dead(place)
    assert letter.headers == {"plain": "2"}
    assert letter.reason.startswith("no API key")
    asyncio.run(asked(place, lambda queue: queue.drop(letter.id)))
    assert not dead(place)


def test_a_message_as_large_as_the_queue_takes_is_a_dead_letter(place: Place) -> None:
    """Its reason would make it too large: it is cut."""
    place.desk.send(b" " * (999_000 if place.kind != "nats" else (1 << 20) - 200))
    until(lambda: bool(dead(place)))
    (letter,) = dead(place)
    assert (letter.reason.split(":")[0], len(letter.body)) == ("too large", MOST_KEPT)
    assert place.desk.ask(order("after-large"))["status"] == 201
    asyncio.run(asked(place, lambda queue: queue.drop(letter.id)))
    assert not dead(place)


def test_a_message_that_can_not_be_answered_is_a_dead_letter(place: Place) -> None:
    """With the reason, for its sender and for the operator."""
    place.desk.send(b"{")
    place.desk.send(b"[" * 16_000)
    place.desk.send(b" " * 20_000)
    place.desk.send({"action": "buy"})
    place.desk.send(order("F1", quantity="10"))
    place.desk.send(order("F2"), None)
    place.desk.send(order("F3"), "no key of ours")
    place.desk.send(order("F4"), "desk", "trial.dead", "1")
    # What the servers, or the client, would take for no name at all.
    place.desk.send(order("F6"), "desk", NO_PLACE[place.kind], "1")
    assert "`$.side`" in place.desk.ask(order("F5", side="up") | {"side": 7})["detail"]
    until(lambda: len(dead(place)) == 10)
    letters = dead(place)
    reasons = sorted(letter.reason.split(":")[0] for letter in letters)
    reasons.remove(f"an answer can't be sent to {NO_PLACE[place.kind][:100]}")
    assert reasons == [
        "an answer can't be sent to trial.dead", "malformed", "malformed", "malformed", "malformed", "no API key",
        "no JSON", "there is no such API key for orders_from.desk", "too large",
    ]  # fmt: skip
    assert [json.loads(one.body)["cl_ord_id"] for one in letters if "no such" in one.reason] == ["F3"]
    assert not entered(place, "F")
    until(lambda: any(isinstance(fact, Alerted) and fact.code == "DEAD_LETTER" for fact in facts(place)))
    assert all(key not in place.log for key in place.keys.values())
    if place.kind == "nats":
        shown = dead_letters(place, "--json")
        assert [one["reason"] for one in json.loads(shown)] == [one.reason for one in letters]
        assert all(key not in shown for key in (*place.keys.values(), "no key of ours"))
        again = run_cli("dead-letters", str(place.config), "--drop", "none")
        assert (again.returncode, "there is no dead letter" in again.stderr) == (1, True)
        dead_letters(place, "--drop", letters.pop(0).id)
    for letter in letters:
        asyncio.run(asked(place, lambda queue, name=letter.id: queue.drop(name)))  # type: ignore[misc]
    assert not dead(place)


def test_a_dead_letter_is_put_back_once_its_reason_is_gone(place: Place) -> None:
    place.desk.send(order("G1"), "later", place.desk.replies_to, "G1")
    until(lambda: len(dead(place)) == 1)
    place.kill_door()
    place.config.write_text(place.config.read_text().replace('"few"]', '"few", "later"]'))
    place.add_key("later")
    place.start_door()
    name = dead(place)[0].id
    if place.kind == "nats":
        dead_letters(place, "--requeue", name)
    else:
        asyncio.run(asked(place, lambda queue: queue.requeue(name)))
    assert place.desk.reply("G1")["status"] == 201
    assert not dead(place)


def test_a_message_that_gets_no_answer_is_tried_again_and_then_a_dead_letter(place: Place) -> None:
    """An exchange is silent; the broker is not. Others are answered meanwhile."""
    if place.exchange is None:
        pytest.skip("all kinds do this alike")
    assert place.desk.ask(order("H1", ex_destination="XNAS", account="CAROL"))["status"] == 201
    until(lambda: place.desk.ask({"action": "status", "cl_ord_id": "H1"})["order"]["status"] == "new")
    place.exchange.pause()
    try:
        place.desk.send({"action": "cancel", "orig_cl_ord_id": "H1", "cl_ord_id": "H2"})
        assert place.desk.ask(order("H3"))["status"] == 201
        until(lambda: len(dead(place)) == 1)
    finally:
        place.exchange.go_on()
    letter = dead(place)[0]
    assert letter.reason.startswith("no answer in 2 tries")
    # What is put back is answered by what became of it.
    until(lambda: [one["exec_type"] for one in place.desk.reports("CAROL", "H2")][-1:] == ["4"])
    asyncio.run(asked(place, lambda queue: queue.requeue(letter.id)))
    assert not dead(place)
    assert place.desk.ask({"action": "status", "cl_ord_id": "H1"})["order"]["status"] == "canceled"


def test_what_was_answered_but_not_acknowledged_is_answered_the_same_again(place: Place) -> None:
    """The door is killed between the broker's answer and the acknowledgement: of an order that was accepted, one that
    was refused, and a cancel that came too late."""
    desk = place.desk
    assert desk.ask(order("I0", account="CAROL", price="145.00"), "few")["status"] == 201
    sell(place, "I0-sold", qty="10")
    place.broker.send_signal(signal.SIGSTOP)
    desk.send(order("I1"), "desk", desk.replies_to, "I1")
    desk.send(order("I2", account="CAROL", qty="999999999"), "desk", desk.replies_to, "I2")
    desk.send({"action": "cancel", "orig_cl_ord_id": "I0", "cl_ord_id": "I3"}, "few", desk.replies_to, "I3")
    until(lambda: all(f"{name} of" in place.log for name in ("I1", "I2", "I3")))
    place.pause_server()
    place.broker.send_signal(signal.SIGCONT)
    told = {"OrderAccepted": "I1", "OrderRejected": "I2", "RequestRejected": "I3"}.items()
    until(lambda: {(type(one).__name__, getattr(one, "cl_ord_id", "")) for one in facts(place)} >= {*told})
    place.kill_door()
    place.server_goes_on()
    # What the killed door has written to the server may come now, or any time later; it is not acknowledged.
    answered = {name: len(desk.answers(name)) for _, name in told}
    place.start_door()
    until(lambda: 200 in [reply["status"] for reply in desk.answers("I1")])
    until(lambda: all(len(desk.answers(name)) > count for name, count in answered.items()))
    replies = [desk.answers(name)[-1] for _, name in told]
    assert [reply["status"] for reply in replies] == [200, 422, 409]
    assert not any("DUPLICATE" in reply.get("detail", "") for reply in replies), replies
    assert replies[2]["detail"] == "TOO_LATE: the order is filled"
    until(lambda: {one["exec_type"] for one in desk.reports("CAROL", "I2")} == {"8"})
    assert entered(place, "I1") == ["I1"]


def test_reports_that_the_door_has_missed_come_after_its_start(place: Place) -> None:
    """What happened while it was away, and what it had while the queue was away."""
    place.desk.ask(order("J1", qty="30", price="145.00"))
    place.kill_door()
    # After a loss of power, the door's numbers may be behind what it has sent.
    numbers = place.folder / "data" / "clients" / "DESK.json"
    next_out, next_in = json.loads(numbers.read_text())
    numbers.write_text(json.dumps([next_out - 2, next_in]))
    sell(place, "J-away", qty="10")
    place.start_door()
    until(lambda: place.desk.reports("BOB", "J1")[-1]["order"]["cum_qty"] == "10")
    # What is written to a server that only stands still may be read later.
    lose, come_back = place.pause_server, place.server_goes_on
    if place.kind == "nats":
        lose, come_back = place.server.lose, place.server.come_back
    before = len(place.log)
    lose()
    sell(place, "J-unpublished", qty="10")
    until(lambda: "reports of DESK wait" in place.log[before:])
    place.kill_door()
    come_back()
    place.start_door()
    sell(place, "J-last", qty="10")
    until(lambda: place.desk.reports("BOB", "J1")[-1]["order"]["status"] == "filled")
    filled = {one["exec_id"]: one["order"]["cum_qty"] for one in place.desk.reports("BOB", "J1")}
    assert sorted(filled.values()) == ["0", "10", "20", "30"]


def test_while_the_queue_takes_no_reports_the_broker_keeps_them(place: Place) -> None:
    """The door's session ends when more wait than the broker could send again; none is lost or twice."""
    if place.kind != "nats":
        pytest.skip("all kinds do this alike")
    place.desk.ask(order("O1", qty="150", price="145.00"))
    place.pause_server()
    sell(place, *(f"O-{number}" for number in range(60)))
    time.sleep(AWAY_SECONDS)
    sell(place, *(f"O-{number}" for number in range(60, 150)))
    until(lambda: "its session ends until they are gone" in place.log)
    place.server_goes_on()
    until(lambda: place.desk.reports("BOB", "O1")[-1]["order"]["status"] == "filled")
    told = [one["order"]["cum_qty"] for one in place.desk.reports("BOB", "O1")]
    assert told == [str(number) for number in range(151)]
    assert place.desk.ask(order("O2"))["status"] == 201


def test_orders_wait_while_the_broker_is_away(place: Place) -> None:
    """More than the door takes in hand. Nothing is lost, and each account's come in order."""
    place.broker.stop()
    desk = place.desk
    for number in range(5):
        desk.send(order(f"P{number}"), "desk", desk.replies_to, f"P{number}")
        replace = {"action": "replace", "orig_cl_ord_id": f"P{number}", "cl_ord_id": f"Q{number}", "qty": "20"}
        desk.send(replace, "desk", desk.replies_to, f"Q{number}")
        cancel = {"action": "cancel", "orig_cl_ord_id": f"Q{number}", "cl_ord_id": f"R{number}"}
        desk.send(cancel, "desk", desk.replies_to, f"R{number}")
    for number in range(150):
        desk.send(order(f"K{number}", account=("BOB", "CAROL")[number % 2]))
    place.broker.start()
    until(lambda: len(entered(place, "K")) == 150)
    numbers = [int(name[1:]) for name in entered(place, "K")]
    for odd in (0, 1):
        assert [number for number in numbers if number % 2 == odd] == list(range(odd, 150, 2))
    # Each step of a chain comes after the one before.
    replies = [[desk.reply(f"{step}{number}") for step in "PQR"] for number in range(5)]
    assert [[reply["status"] for reply in chain] for chain in replies] == [[201, 200, 200]] * 5
    assert {chain[2]["order"]["status"] for chain in replies} == {"canceled"}
    assert not dead(place)


def test_orders_go_on_after_a_restart_of_the_server(place: Place) -> None:
    for number in range(40):
        place.desk.send(order(f"L{number}"))
    place.server.lose()
    place.server.come_back()
    for number in range(40, 60):
        place.desk.send(order(f"L{number}"))
    until(lambda: len(entered(place, "L")) == 60)
    assert entered(place, "L") == [f"L{number}" for number in range(60)]
    until(lambda: {f"L{n}" for n in range(60)} <= {one["order"]["cl_ord_id"] for one in place.desk.reports("BOB")})
    assert place.desk.ask({"action": "status", "cl_ord_id": "L59"})["status"] == 200


def test_a_publisher_that_is_killed_begins_again_and_doubles_nothing(place: Place) -> None:
    command = [sys.executable, "-m", "tests.queues.desks", place.kind, ",".join(place.server.urls), place.keys["desk"]]
    with subprocess.Popen([*command, "M", "100000"], stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout is not None
        sent = [int(first.stdout.readline()) for _ in range(20)][-1]
        first.kill()
    for number in range(sent + 10):
        place.desk.send(order(f"M{number}"))
    until(lambda: len(entered(place, "M")) >= sent + 10)
    assert place.desk.ask({"action": "status", "cl_ord_id": f"M{sent}"})["status"] == 200
    assert set(Counter(entered(place, "M")).values()) == {1}


def test_nothing_is_acknowledged_that_is_not_in_the_journal(place: Place) -> None:
    """The door is killed again and again, under load."""
    names = [f"N{number}" for number in range(80)]
    for number, name in enumerate(names):
        place.desk.send(order(name, account=("BOB", "CAROL")[number % 2]))
        if number % 40 == 30:
            place.kill_door()
            # Nobody takes any: what does not come back to the queue was acknowledged.
            until(lambda sent=number + 1: place.desk.waiting() >= sent - len(entered(place, "N")))
            place.start_door()
    until(lambda: set(entered(place, "N")) == set(names))
    assert set(Counter(entered(place, "N")).values()) == {1}
    for odd in (0, 1):
        assert [name for name in entered(place, "N") if int(name[1:]) % 2 == odd] == names[odd::2]
    assert not dead(place)


def test_what_waits_is_not_entered_once_its_key_is_revoked(place: Place) -> None:
    """It has passed the check of its key, and waits for its client's budget."""
    if place.kind != "nats":
        pytest.skip("the same for all")
    for number in range(6):
        place.desk.send(order(f"Z{number}", account="CAROL"), "few")
    until(lambda: bool(entered(place, "Z")))
    revoked = run_cli("key", "few", "--revoke", "--config", str(place.config))
    assert revoked.returncode == 0, revoked.stderr
    count = len(entered(place, "Z"))
    until(lambda: place.desk.waiting() == 0)
    assert len(entered(place, "Z")) <= count + 1 < 6
    assert {letter.reason for letter in dead(place)} == {"its API key was revoked while it waited"}
