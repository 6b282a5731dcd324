"""What stands before every page, asked as a stranger's browser would ask."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from brokerfix.console.guard import MOST_BODY, Guard, cookie_name
from brokerfix.console.logins import Logins
from brokerfix.settings.console import ConsoleSection
from tests.console.everybody import everybody

SECTION = ConsoleSection(port=8443, names=("desk.example",))
TLS = ConsoleSection(port=443, address="10.0.0.1", certificate="c.pem", key="k.pem", names=("desk.example",))
PAGE = b'<html><script>1</script><script src="/x.js"></script><p>&lt;script&gt;</p></html>'


class Asked:
    """A guard around a page, its sessions, and what comes of a request."""

    def __init__(self, folder: Path, section: ConsoleSection = SECTION) -> None:
        self.section = section
        people = everybody(folder / "people.json")
        self.logins = Logins(section, people)
        person = people.get("rita")
        assert person is not None
        self.token, self.login = self.logins.begin(person, "127.0.0.1")
        self.seen: list[dict[str, Any]] = []
        self.guard = Guard(self._page, section, self.logins, lambda client, key: client == "mine")

    async def _page(self, scope: Any, receive: Any, send: Any) -> None:
        self.seen.append(scope)
        if scope["type"] == "websocket":
            await send({"type": "websocket.accept"})
            return
        headers = [(b"content-type", b"text/html; charset=utf-8"), (b"content-length", str(len(PAGE)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": PAGE[:20], "more_body": True})
        await send({"type": "http.response.body", "body": PAGE[20:]})

    def ask(self, path: str = "/", method: str = "GET", kind: str = "http", cookie: bool = True, **headers: str) -> Any:
        """(status, headers, body) of the answer; for a WebSocket what it was sent."""
        given = {"host": f"desk.example:{self.section.port}", "accept": "text/html", **headers}
        if cookie:
            given["cookie"] = f"{cookie_name(self.section)}={self.token}"
        raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in given.items() if value]
        path, _, query = path.partition("?")
        scope = {"type": kind, "path": path, "query_string": query.encode(), "headers": raw, "method": method}
        sent: list[dict[str, Any]] = []

        async def send(message: Any) -> None:
            sent.append(message)

        async def receive() -> Any:
            return {"type": "websocket.connect"}

        asyncio.run(self.guard(scope, receive, send))  # type: ignore[arg-type]
        if kind == "websocket":
            return sent
        body = b"".join(one.get("body", b"") for one in sent[1:])
        return sent[0]["status"], {name.decode(): value.decode() for name, value in sent[0]["headers"]}, body


@pytest.fixture
def asked(tmp_path: Path) -> Asked:
    return Asked(tmp_path)


def test_nobody_is_let_in_without_a_session(asked: Asked) -> None:
    status, headers, _ = asked.ask("/orders?a=b", cookie=False)
    assert (status, headers["location"]) == (303, "/login?next=/orders%3Fa%3Db")
    assert asked.ask("/data/orders", cookie=False, accept="application/json")[0] == 401
    assert asked.ask("/orders", cookie=False, cookie_="x")[0] == 303
    assert asked.seen == []


def test_who_has_one_is_known_to_the_page(asked: Asked) -> None:
    assert asked.ask()[0] == 200
    assert asked.seen[0]["login"] is asked.login
    assert asked.seen[0]["person"].name == "rita"


@pytest.mark.parametrize("path", ["/login/../orders", "//login", "/login/", "/LOGIN", "/static/console.css"])
def test_only_the_login_is_open(asked: Asked, path: str) -> None:
    assert asked.ask(path, cookie=False)[0] == 303


@pytest.mark.parametrize(
    "origin", ["", "null", "http://evil.example", "https://desk.example:8443", "http://desk.example"]
)
def test_a_change_has_to_come_from_a_page_of_ours(asked: Asked, origin: str) -> None:
    assert asked.ask("/logout", "POST", origin=origin)[0] == 403
    assert asked.ask("/logout", "POST", origin="http://desk.example:8443")[0] == 200


@pytest.mark.parametrize("origin", ["", "null", "http://evil.example"])
def test_so_has_a_websocket(asked: Asked, origin: str) -> None:
    path = "/_nicegui_ws/socket.io/?client_id=mine"
    assert asked.ask(path, kind="websocket", origin=origin) == [{"type": "websocket.close", "code": 4403}]
    assert asked.ask(path, kind="websocket", origin="http://desk.example:8443") == [{"type": "websocket.accept"}]


def test_a_websocket_is_for_a_page_of_the_same_session(asked: Asked) -> None:
    path, ours = "/_nicegui_ws/socket.io/?client_id=", "http://desk.example:8443"
    assert asked.ask(f"{path}other", kind="websocket", origin=ours) == [{"type": "websocket.close", "code": 4403}]
    assert asked.ask(path, kind="websocket", origin=ours) == [{"type": "websocket.close", "code": 4403}]
    assert asked.ask(f"{path}mine", kind="websocket", origin=ours, cookie=False) == [
        {"type": "websocket.close", "code": 4401}
    ]
    assert asked.ask(f"{path}mine")[0] == 403


@pytest.mark.parametrize("host", ["evil.example", "desk.example", "desk.example:80", ""])
def test_a_name_that_is_not_the_consoles_is_refused(asked: Asked, host: str) -> None:
    """As a page of another site would have it, whose name leads to this address (DNS rebinding)."""
    assert asked.ask(host=host)[0] == 421
    for good in ("127.0.0.1:8443", "localhost:8443", "desk.example:8443"):
        assert asked.ask(host=good)[0] == 200


@pytest.mark.parametrize("length", [str(MOST_BODY + 1), "-1", "x"])
def test_a_body_is_bounded(asked: Asked, length: str) -> None:
    assert asked.ask("/login", "POST", origin="http://desk.example:8443", content_length=length)[0] in (400, 413)
    assert asked.ask("/login", "POST", origin="http://desk.example:8443", transfer_encoding="chunked")[0] == 413
    assert asked.seen == []


def test_scripts_of_a_page_have_the_nonce_and_nothing_else_runs(asked: Asked) -> None:
    _, headers, body = asked.ask()
    nonce = headers["content-security-policy"].partition("'nonce-")[2].partition("'")[0]
    assert len(nonce) == 24
    assert body == PAGE.replace(b"<script", f'<script nonce="{nonce}"'.encode())
    assert int(headers["content-length"]) == len(body)
    assert "'unsafe-inline'" not in headers["content-security-policy"].partition("style-src")[0]
    assert nonce not in asked.ask()[1]["content-security-policy"]
    assert headers["x-frame-options"] == "DENY"
    assert headers["cache-control"] == "no-store"


def test_what_a_proxy_would_say_is_not_believed(asked: Asked) -> None:
    asked.ask(**{"x-forwarded-prefix": "/evil", "x-forwarded-for": "1.2.3.4"})
    assert not any(name.startswith(b"x-forwarded") for name, _ in asked.seen[0]["headers"])


def test_with_tls_the_cookie_is_of_this_host_alone(tmp_path: Path) -> None:
    asked = Asked(tmp_path, TLS)
    assert cookie_name(TLS) == "__Host-brokerfix-443"
    status, headers, _ = asked.ask(host="desk.example")
    assert status == 200
    assert headers["strict-transport-security"]
    assert asked.ask("/logout", "POST", host="desk.example", origin="http://desk.example")[0] == 403
    assert asked.ask("/logout", "POST", host="desk.example", origin="https://desk.example")[0] == 200


def test_what_pages_fetch_by_themselves_is_not_a_persons_doing(asked: Asked) -> None:
    used = asked.login.used
    asked.ask("/data/orders", accept="application/json", **{"sec-fetch-mode": "cors"})
    assert asked.login.used == used
    asked.ask("/")
    assert asked.login.used > used
