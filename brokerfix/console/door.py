"""Logging in and out, by plain forms."""

import asyncio
import secrets
from html import escape
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from brokerfix.access.people import BadPerson
from brokerfix.console.desk import Desk
from brokerfix.console.guard import cookie_name, cookies, set_cookie

AT_ONCE = 2
"""Passwords that are checked at a time: each takes a processor for a moment."""
MOST_WAITING = 20
OF_A_NAME = 4
"""So many times the failures of an address lock a name out: nobody keeps a person out by a few."""
FORM_SECONDS = 3600


class Door:
    """The routes /login, /logout and /healthz."""

    def __init__(self, app: FastAPI, desk: Desk) -> None:
        self._desk = desk
        self._section = desk.section
        self._checking = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0
        app.add_api_route("/login", self._page, methods=["GET"], include_in_schema=False)
        app.add_api_route("/login", self._login, methods=["POST"], include_in_schema=False)
        app.add_api_route("/logout", self._logout, methods=["POST"], include_in_schema=False)
        app.add_api_route("/healthz", self._health, methods=["GET"], include_in_schema=False)

    async def _page(self, request: Request) -> Response:
        return self._form(request, "", 200)

    async def _login(self, request: Request) -> Response:
        form = {name: values[0] for name, values in parse_qs((await request.body()).decode(errors="replace")).items()}
        address = request.client.host if request.client is not None else ""
        name = form.get("name", "").strip()[:64]
        sent = cookies(dict(request.headers)).get(self._form_cookie, "")
        if not sent or not secrets.compare_digest(sent.encode(), form.get("form", "").encode()):
            return self._form(request, "This form is out of date: try again.", 400)
        wait = self._desk.logins.locked_for(f"address {address}", f"name {name}")
        if wait > 0:
            return self._form(request, f"Too many logins have failed. Try again in {round(wait + 1)} s.", 429)
        if self._waiting >= MOST_WAITING:
            return self._form(request, "Too many people log in at the moment. Try again.", 429)
        self._waiting += 1
        try:
            async with self._checking:
                given = name, form.get("password", ""), form.get("code", "").replace(" ", "")
                person = await asyncio.to_thread(self._desk.people.login, *given)
        except BadPerson as error:
            return self._form(request, f"{error}", 500)
        finally:
            self._waiting -= 1
        if person is None:
            self._failed(name, address)
            return self._form(request, "Name, password or code are not right.", 401)
        token, _ = self._desk.logins.begin(person, address)
        self._desk.note_login(person.name, "login", f"from {address} as {person.role.value}")
        answer = RedirectResponse(_within(request.query_params.get("next", "")), 303)
        answer.headers.append("Set-Cookie", set_cookie(self._section, cookie_name(self._section), token))
        answer.headers.append("Set-Cookie", set_cookie(self._section, self._form_cookie, "", 0))
        return answer

    def _failed(self, name: str, address: str) -> None:
        logins = self._desk.logins
        logins.failed(f"name {name}", OF_A_NAME)
        locked = logins.failed(f"address {address}")
        told = f"; the address is locked out for {round(locked)} s" if locked else ""
        self._desk.note_login(name, "login failed", f"from {address}{told}")

    async def _logout(self, request: Request) -> Response:
        found = self._desk.logins.of(cookies(dict(request.headers)).get(cookie_name(self._section), ""))
        form = parse_qs((await request.body()).decode(errors="replace"))
        answer = RedirectResponse("/login", 303)
        if found is not None:
            if not secrets.compare_digest(found[0].csrf.encode(), form.get("csrf", [""])[0].encode()):
                return Response("this did not come from a page of the console\n", 403, media_type="text/plain")
            self._desk.logins.end(found[0], "logged out")
        answer.headers.append("Set-Cookie", set_cookie(self._section, cookie_name(self._section), "", 0))
        return answer

    async def _health(self) -> Response:
        told: dict[str, Any] = {"up": True, "behind_seconds": round(self._desk.feed.behind_seconds(), 1)}
        return JSONResponse(told)

    @property
    def _form_cookie(self) -> str:
        return f"{cookie_name(self._section)}-form"

    def _form(self, request: Request, trouble: str, status: int) -> Response:
        token, next_page = secrets.token_urlsafe(16), _within(request.query_params.get("next", ""))
        page = PAGE.format(
            desk=escape(self._desk.config.broker.name),
            action=escape(f"/login?next={quote(next_page, safe='/')}"),
            form=token,
            trouble=f'<p class="trouble" role="alert">{escape(trouble)}</p>' if trouble else "",
            code=CODE if self._section.second_factor else "",
        )
        answer = HTMLResponse(page, status)
        answer.headers.append("Set-Cookie", set_cookie(self._section, self._form_cookie, token, FORM_SECONDS))
        return answer


def _within(page: str) -> str:
    """A page of ours that was asked for before the login, or the first one: never another site's."""
    parts = urlsplit(page)
    is_ours = page.startswith("/") and not page.startswith(("//", "/\\")) and not parts.scheme and not parts.netloc
    return (
        page if is_ours and page.isprintable() and "\\" not in page and parts.path not in ("/login", "/logout") else "/"
    )


CODE = """
<label for="code">Code of your authenticator</label>
<input id="code" name="code" inputmode="numeric" autocomplete="one-time-code" maxlength="7">"""
PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><title>Log in: {desk}</title>
<link rel="icon" href="/static/icon.svg"><link rel="stylesheet" href="/static/login.css"></head>
<body><main><h1>{desk}</h1><p class="what">brokerfix console</p>
<form method="post" action="{action}">{trouble}
<input type="hidden" name="form" value="{form}">
<label for="name">Name</label>
<input id="name" name="name" autocomplete="username" autocapitalize="none" spellcheck="false" required autofocus>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required>{code}
<button type="submit">Log in</button></form></main></body></html>
"""
