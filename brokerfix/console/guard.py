"""What stands before every page: who is logged in, where a request comes from, and what a page may load.

It is an ASGI application around the console's own. A request is let in with a session's cookie alone; what changes
something, and every WebSocket, has to come from a page of ours (Origin, RFC 6454). Pages get a content security policy
whose scripts are ours or bear a nonce.
"""

import base64
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs, quote

from brokerfix.console.logins import Logins
from brokerfix.settings.console import ConsoleSection

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

OPEN = ("/login", "/logout", "/healthz", "/static/login.css", "/static/icon.svg")
"""Paths that need no session."""
SAFE = ("GET", "HEAD")
MOST_BODY = 1 << 20
SOCKET = "/_nicegui_ws/"
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}


def policy(nonce: str) -> str:
    """The content security policy (W3C CSP Level 3) of a page. NiceGUI's components are compiled in the browser, which
    takes 'unsafe-eval'; no text becomes a script that has not the nonce, and nothing comes from elsewhere."""
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src 'self' 'nonce-{nonce}' 'unsafe-eval'",
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data:",
            "font-src 'self'",
            "connect-src 'self'",
            "form-action 'self'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
            "object-src 'none'",
        )
    )


class Guard:
    """Around `app`. `owns` says whether a page (NiceGUI's client_id) is of a session (its key)."""

    def __init__(self, app: App, section: ConsoleSection, logins: Logins, owns: Callable[[str, str], bool]) -> None:
        self._app = app
        self._logins = logins
        self._owns = owns
        self._tls = bool(section.certificate)
        self.cookie = cookie_name(section)
        hosts = [section.address if ":" not in section.address else f"[{section.address}]", *section.names]
        if not self._tls or section.address.startswith("127."):
            hosts.append("localhost")
        # Behind a certificate, whoever reaches us by another name has been told so by the browser.
        self._any_host = self._tls and not section.names
        self._hosts = {f"{host}:{section.port}" for host in hosts} | (
            set(hosts) if section.port == (443 if self._tls else 80) else set()
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self._app(scope, receive, send)
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        # What a proxy would tell of itself is not believed: NiceGUI would put it into pages.
        scope["headers"] = [one for one in scope["headers"] if not one[0].startswith(b"x-forwarded-")]
        refused = self._refused(scope, headers)
        if refused is not None:
            return await _answer(scope, receive, send, *refused)
        path = scope["path"]
        if path not in OPEN:
            found = self._logins.of(self.token(headers))
            if found is None:
                is_page = scope["type"] == "http" and "text/html" in headers.get("accept", "")
                where = [("Location", f"/login?next={_quoted(scope)}")] if is_page else []
                return await _answer(scope, receive, send, 303 if is_page else 401, "log in first", where)
            login, person = found
            if path.startswith(SOCKET) and not self._owns(_client_id(scope), login.key):
                return await _answer(scope, receive, send, 403, "this page is of another session")
            if path.startswith(SOCKET) and scope["type"] == "http":
                return await _answer(scope, receive, send, 403, "only a WebSocket is taken here")
            if scope["type"] == "http" and is_by_hand(headers):
                self._logins.use(login)
            scope["login"], scope["person"] = login, person
        if scope["type"] == "websocket":
            return await self._app(scope, receive, send)
        return await self._app(scope, receive, Sealed(send, self._tls, path))

    def token(self, headers: MutableMapping[str, str]) -> str:
        """The session's token of a request's cookies, or ""."""
        return cookies(headers).get(self.cookie, "")

    def _refused(self, scope: Scope, headers: MutableMapping[str, str]) -> tuple[int, str] | None:
        """Why a request is not let in, whoever it is from."""
        host = headers.get("host", "")
        if not self._any_host and host.lower() not in self._hosts:
            return 421, "the console is not reached by this name; see console.names"
        if scope["type"] == "http" and scope["method"] in SAFE:
            return None
        if scope["type"] == "http" and not headers.get("content-length", "0").isdecimal():
            return 400, "the length is not a number"
        if scope["type"] == "http" and (
            "transfer-encoding" in headers or int(headers.get("content-length", "0")) > MOST_BODY
        ):
            return 413, f"at most {MOST_BODY} bytes are taken"
        if headers.get("origin", "").lower() != f"{'https' if self._tls else 'http'}://{host.lower()}":
            return 403, "this did not come from a page of the console"
        return None


class Sealed:
    """Sends an answer with the headers that keep a page to itself; scripts of a page get the nonce."""

    def __init__(self, send: Send, tls: bool, path: str) -> None:
        self._send = send
        self._tls = tls
        self._is_static = path.startswith(("/_nicegui/", "/static/"))
        self._nonce = base64.b64encode(secrets.token_bytes(18)).decode()
        self._head: Message | None = None
        self._body = bytearray()

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            return await self._begin(message)
        if message["type"] != "http.response.body" or self._head is None:
            return await self._send(message)
        self._body += message.get("body", b"")
        if message.get("more_body"):
            return None
        # A text of others' never has a "<" in it here: NiceGUI and our own pages escape it.
        body = bytes(self._body).replace(b"<script", f'<script nonce="{self._nonce}"'.encode())
        self._head["headers"] = [
            (name, str(len(body)).encode() if name.lower() == b"content-length" else value)
            for name, value in self._head["headers"]
        ]
        await self._send(self._head)
        await self._send({"type": "http.response.body", "body": body})

    async def _begin(self, message: Message) -> None:
        is_page = any(
            name.lower() == b"content-type" and value.startswith(b"text/html") for name, value in message["headers"]
        )
        told = {**HEADERS, "Content-Security-Policy": policy(self._nonce)}
        if self._tls:
            told["Strict-Transport-Security"] = "max-age=31536000"
        if not self._is_static:
            told["Cache-Control"] = "no-store"
        names = {name.lower().encode() for name in told}
        message["headers"] = [one for one in message["headers"] if one[0].lower() not in names] + [
            (name.lower().encode(), value.encode()) for name, value in told.items()
        ]
        if is_page:
            self._head = message
        else:
            await self._send(message)


def is_by_hand(headers: MutableMapping[str, str]) -> bool:
    """Whether a person has done something: opened a page. What pages fetch by themselves is not that."""
    return headers.get("sec-fetch-mode", "navigate") == "navigate" and "text/html" in headers.get("accept", "")


def cookie_name(section: ConsoleSection) -> str:
    """The session's cookie. Browsers keep one with __Host- to this host and to TLS; two consoles on one host do not
    share one, though they share the host."""
    return f"{'__Host-' if section.certificate else ''}brokerfix-{section.port}"


def cookies(headers: MutableMapping[str, str]) -> dict[str, str]:
    """The cookies of a request."""
    try:
        return {name: one.value for name, one in SimpleCookie(headers.get("cookie", "")).items()}
    except CookieError:
        return {}


def set_cookie(section: ConsoleSection, name: str, value: str, seconds: int | None = None) -> str:
    """A Set-Cookie header: not for scripts, not for other sites' requests."""
    age = "" if seconds is None else f"; Max-Age={seconds}"
    return f"{name}={value}; Path=/; HttpOnly; SameSite=Strict{'; Secure' if section.certificate else ''}{age}"


def _quoted(scope: Scope) -> str:
    query = scope["query_string"].decode("latin-1")
    return quote(scope["path"] + (f"?{query}" if query else ""), safe="/")


def _client_id(scope: Scope) -> str:
    query: str = scope["query_string"].decode("latin-1")
    return parse_qs(query).get("client_id", [""])[0]


async def _answer(
    scope: Scope, receive: Receive, send: Send, status: int, text: str, headers: list[tuple[str, str]] | None = None
) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 4401 if status == 401 else 4403})
        return
    told = [*HEADERS.items(), ("Content-Type", "text/plain; charset=utf-8"), ("Cache-Control", "no-store")]
    raw = [(name.lower().encode(), value.encode()) for name, value in [*told, *(headers or [])]]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": f"{text}\n".encode()})
