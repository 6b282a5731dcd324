"""The console as people have it: two exchanges, a broker and `brokerfix console` as processes, and a real browser."""

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from brokerfix.operate.admin import NotRunning, ask
from brokerfix.tools.demo import free_port
from tests import starter
from tests.console.everybody import PASSWORD, everybody
from tests.live import EXCHANGE, INSTRUMENT, NO_TLS, Processes, until

CHROMIUM = ("/usr/bin/chromium-headless-shell", "/usr/bin/chromium")
"""The first that is there: without a window's parts it takes half the time."""
BROKER = """
[broker]
name = "BROKER"
port = {port}
data = "broker"
store = true
record_interval_ms = 50
{instrument}
[approvals]
raise_above = "1.5"
[accounts.ALICE]
cash = "1000000"
limits = {{ max_order_qty = "10000" }}
[accounts.BOB]
cash = "1000000"
[clients.ALICE]
accounts = ["ALICE"]
[clients.BOB]
accounts = ["BOB"]
[venues.XNAS]
host = "127.0.0.1"
port = {xnas}
sender = "BROKER"
target = "XNAS"
[venues.XNYS]
host = "127.0.0.1"
port = {xnys}
sender = "BROKER"
target = "XNYS"
[console]
port = {console}
zone = "Europe/London"
second_factor = false
failures_before_lockout = 1000
{more}
"""


class Desk(Processes):
    """The processes. `more` is further configuration of the broker's, `console` further lines of its [console]."""

    def __init__(self, folder: Path, more: str = "", broker: str = BROKER) -> None:
        ports = {name: free_port() for name in ("XNAS", "XNYS", "BROKER")}
        self.console_port = free_port()
        exchanges = {
            name: EXCHANGE.format(port=ports[name], instrument=INSTRUMENT)
            .replace('name = "XNAS"', f'name = "{name}"')
            .replace('data = "xnas"', f'data = "{name.lower()}"')
            for name in ("XNAS", "XNYS")
        }
        text = broker.format(
            port=ports["BROKER"], xnas=ports["XNAS"], xnys=ports["XNYS"], console=self.console_port,
            instrument=INSTRUMENT, more=more,
        )  # fmt: skip
        super().__init__(folder, ports, {**exchanges, "BROKER": text})
        self.config = folder / "BROKER.toml"
        self.people = everybody(folder / "broker" / "console" / "people.json")
        self._console: starter.Started | None = None
        self._http: list[httpx.Client] = []

    def start(self) -> None:
        """All at once: each waits for nobody else's start."""
        try:
            for process in self.processes.values():
                process.begin()
            self.begin_console()
            for process in self.processes.values():
                process.wait()
            until(self._has_exchanges)
            until(self._is_up)
        except BaseException:
            self.stop()
            raise

    def start_console(self) -> None:
        self.begin_console()
        until(self._is_up)

    def begin_console(self) -> None:
        """Start it, without waiting for anything."""
        with (self.folder / "console.log").open("ab") as log:
            command = [sys.executable, "-m", "brokerfix", "console", str(self.config)]
            self._console = starter.start(command, log)

    def _has_exchanges(self) -> bool:
        with suppress(NotRunning):
            rows = ask(self.folder / "broker", {"action": "sessions"})["sessions"]
            return all(row["state"] == "up" for row in rows if row["kind"] == "exchange")
        return False

    def listens(self) -> bool:
        """Whether something is on the console's port."""
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.console_port)) == 0

    def _is_up(self) -> bool:
        assert self._console is not None
        assert self._console.poll() is None, (self.folder / "console.log").read_text()
        with suppress(httpx.TransportError):
            return httpx.get(f"{self.url}/healthz", verify=NO_TLS).status_code == 200
        return False

    def stop_console(self) -> None:
        if self._console is not None:
            self._console.terminate()
            self._console.wait(20)
            self._console = None

    def stop(self) -> None:
        for client in self._http:
            client.close()
        self.stop_console()
        super().stop()
        assert "Traceback" not in (self.folder / "console.log").read_text()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.console_port}"

    def http(self, origin: str | None = None) -> httpx.Client:
        """A browser without scripts, whose requests come from a page of `origin` (None: the console's, "": none)."""
        origin = self.url if origin is None else origin
        headers = {"Accept": "text/html", **({"Origin": origin} if origin else {})}
        client = httpx.Client(base_url=self.url, headers=headers, timeout=20, verify=NO_TLS)
        self._http.append(client)
        return client

    def login(self, name: str, password: str = PASSWORD) -> httpx.Client:
        """A session of a person's."""
        client = self.http()
        client.post("/login", data={"name": name, "password": password, "form": form_of(client)})
        return client


def form_of(client: httpx.Client) -> str:
    """What a login has to bring, out of its page."""
    return client.get("/login").text.partition('name="form" value="')[2].partition('"')[0]


def browser_path() -> str:
    """The browser that is installed, or ""."""
    return next((path for path in CHROMIUM if Path(path).exists()), "")


needs_browser = pytest.mark.skipif(
    not browser_path() and "BROKERFIX_REQUIRE_CHROMIUM" not in os.environ,
    reason="there is no headless Chromium: apt-get install chromium-headless-shell",
)


@contextmanager
def chromium() -> Iterator[Any]:
    """A headless browser."""
    from playwright.sync_api import sync_playwright

    flags = "--no-sandbox --disable-gpu --no-first-run --disable-background-networking --disable-component-update"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=browser_path() or CHROMIUM[0], args=[*flags.split(), "--disable-sync"]
        )
        try:
            yield browser
        finally:
            browser.close()


class Troubles(list[str]):
    """What a page has complained of: errors of its scripts, dialogs, and what its policy has kept from it."""


def serious(page: Any, *rules: str) -> list[str]:
    """What keeps people from using a page, as axe-core finds it by some of its rules (all)."""
    from axe_playwright_python.sync_playwright import Axe

    only = {"runOnly": list(rules)} if rules else {}
    found = Axe().run(page, options={"resultTypes": ["violations"], **only})
    return [
        f"{one['id']}: {one['help']}: {[node['html'][:160] for node in one['nodes'][:3]]}"
        for one in found.response["violations"]
        if one["impact"] in ("serious", "critical")
    ]


class Pages:
    """Pages of a browser, each in a session of its own. They are used again: a new one compiles the console's scripts
    anew, which takes five times as long as all else."""

    def __init__(self, browser: Any) -> None:
        self._browser = browser
        self._free: list[Any] = []
        self._taken: list[Any] = []

    def take(self, width: int, height: int) -> Any:
        """A page in which nobody has logged in. Its `troubles` are listed."""
        page = self._free.pop() if self._free else self._made()
        self._taken.append(page)
        page.set_viewport_size({"width": width, "height": height})
        page.troubles = Troubles()
        return page

    def _made(self) -> Any:
        page = self._browser.new_context().new_page()
        page.on("pageerror", lambda error: page.troubles.append(f"{error}"))
        page.on("console", lambda said: page.troubles.append(said.text) if said.type == "error" else None)
        page.on("dialog", lambda dialog: page.troubles.append(f"a dialog: {dialog.message}") or dialog.dismiss())
        return page

    def give_back(self) -> None:
        """All that are taken: what they show goes on no more, and nobody is logged in. Those of a console that has
        gone are closed."""
        from playwright.sync_api import Error

        for page in self._taken:
            try:
                page.goto("/".join([*page.url.split("/")[:3], "login"]))
                page.context.clear_cookies()
                self._free.append(page)
            except Error:
                page.context.close()
        self._taken.clear()


def open_page(browser: Pages, desk: Desk, name: str, path: str = "/", width: int = 1366, height: int = 768) -> Any:
    """A page of a person who has logged in, in a session of its own, once it speaks with the console: what somebody
    does before may be undone by what it shows first. Its `troubles` are listed."""
    page = browser.take(width, height)
    page.goto(f"{desk.url}/login?next={path}")
    page.fill("#name", name)
    page.fill("#password", PASSWORD)
    page.click("button[type=submit]")
    page.wait_for_selector("#main")
    speaks(page)
    return page


def speaks(page: Any) -> None:
    """Wait until a page speaks with the console: it may load itself once more before."""
    page.wait_for_function("window.did_handshake")
