"""Alerts that are posted to an address: a real server, that may be away or refuse."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from brokerfix.facts import Alerted
from brokerfix.projections.webhook import Webhook
from brokerfix.record.journal import Journal

FIRST = 20261122 * 10**11


class Hook(BaseHTTPRequestHandler):
    got: ClassVar[list[dict[str, Any]]]
    answers: ClassVar[list[int]]

    def do_POST(self) -> None:
        self.got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(self.answers.pop(0) if self.answers else 204)
        self.end_headers()

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def hook() -> Iterator[tuple[type[Hook], str]]:
    class Own(Hook):
        got: ClassVar[list[dict[str, Any]]] = []
        answers: ClassVar[list[int]] = []

    server = HTTPServer(("127.0.0.1", 0), Own)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield Own, f"http://127.0.0.1:{server.server_port}/alerts"
    server.shutdown()
    server.server_close()
    thread.join()


def alert(number: int) -> Alerted:
    return Alerted(10**18, FIRST + number, "risk", "LIMIT_NEAR", f"alert {number}")


def journal_with(tmp_path: Path, *numbers: int) -> Journal:
    journal = Journal(tmp_path / "journal")
    journal.open(20261122)
    for number in numbers:
        journal.append([alert(number)])
    return journal


def test_each_alert_is_posted_once_in_order(tmp_path: Path, hook: tuple[type[Hook], str]) -> None:
    server, url = hook
    journal = journal_with(tmp_path, 1)
    webhook = Webhook(tmp_path, url, journal.place)
    assert webhook.follow()
    assert not server.got, "what was there before it was ever started is not sent"
    journal.append([alert(2), alert(3)])
    assert webhook.follow()
    assert [one["text"] for one in server.got] == ["alert 2", "alert 3"]
    assert server.got[0] == {
        "id": "20261122-00-2", "at": "2001-09-09T01:46:40.000000Z", "source": "risk", "code": "LIMIT_NEAR",
        "text": "alert 2",
    }  # fmt: skip
    journal.append([alert(4)])
    assert Webhook(tmp_path, url, journal.place).follow(), "another process goes on where this one was"
    assert [one["text"] for one in server.got] == ["alert 2", "alert 3", "alert 4"]


def test_a_server_that_fails_gets_them_when_it_is_back(tmp_path: Path, hook: tuple[type[Hook], str]) -> None:
    server, url = hook
    journal = journal_with(tmp_path, 1)
    webhook = Webhook(tmp_path, url, journal.place)
    server.answers += [500, 429, 301]
    journal.append([alert(2)])
    assert not webhook.follow()
    assert not webhook.follow()
    again = Webhook(tmp_path, url, journal.place)
    assert not again.follow(), "another process begins with what was never taken"
    assert webhook.follow()
    assert [one["text"] for one in server.got] == ["alert 2"] * 4
    server.answers.append(400)
    journal.append([alert(3)])
    assert webhook.follow(), "it says that it is the wrong thing: it does not get it again and again"


def test_nobody_listens(tmp_path: Path, hook: tuple[type[Hook], str], caplog: pytest.LogCaptureFixture) -> None:
    journal = journal_with(tmp_path, 1)
    webhook = Webhook(tmp_path, "http://127.0.0.1:1/", journal.place)
    journal.append([alert(2)])
    assert not webhook.follow()
    assert not webhook.follow()
    assert [record.message.partition(": ConnectError")[0] for record in caplog.records] == [
        "http://127.0.0.1:1/: alerts wait"
    ], "that is told once"
