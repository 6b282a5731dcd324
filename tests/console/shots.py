"""`python -m tests.console.shots FOLDER`: pictures of every page of the console, of a desk that has traded for a while:
light, dark, and as a telephone has the overview; and the page of shards, of two of which one goes away."""

import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

from brokerfix.console.frame import PAGES
from brokerfix.tools.demo_console import ConsoleDesk
from tests.console.desk import Pages, chromium, open_page
from tests.console.shards_desk import ShardsDesk

SECONDS = 20
SETTLED_MS = 2500
FILLED = """async () => {
  const told = await (await fetch('/data/orders')).json();
  const [status, client] = ['status', 'client'].map((field) => told.fields.indexOf(field));
  return told.rows.filter((row) => row[status] === 'FILLED' && row[client] !== 'MM').at(-1)[0];
}"""
"""The OrderID of a client's order that was filled."""


def main(folder: Path, seconds: int = SECONDS) -> None:
    """Write the pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="console-") as place:
        desk = ConsoleDesk(Path(place) / "demo")
        try:
            desk.start()
            done = threading.Event()
            trading = threading.Thread(target=desk.trade, args=(done.is_set,))
            trading.start()
            try:
                done.wait(seconds)
                with chromium() as browser:
                    take(desk, browser, folder)
            finally:
                done.set()
                trading.join()
        finally:
            desk.stop()
    with tempfile.TemporaryDirectory(prefix="console-") as place, chromium() as browser:
        shards = ShardsDesk(Path(place))
        shards.start()
        try:
            take_shards(shards, browser, folder)
        finally:
            shards.stop()


def take_shards(desk: ShardsDesk, browser: Any, folder: Path) -> None:
    """The page of shards: both up in the light, one away in the dark; and the overview then."""
    for number in range(4):
        desk.order("NORTH", f"N{number}", "1", 10 + number, "149.00")
        desk.order("SOUTH", f"S{number}", "2", 5 + number, "151.00")
    desk.order("NORTH", "N-10", "1", 40, "150.00")
    desk.order("EAST", "E-1", "2", 40, "150.00")
    page = open_page(Pages(browser), desk, "ada", "/shards")
    _shoot(page, f"{desk.url}/shards", folder, "shards", False)
    desk.lose(2)
    page.get_by_label("Dark or light").click()
    page.get_by_text("is away: nothing was heard of it").wait_for()
    _shoot(page, f"{desk.url}/shards", folder, "shards", True)
    _shoot(page, desk.url, folder, "overview-of-a-shard", True)


def take(desk: ConsoleDesk, browser: Any, folder: Path) -> None:
    """Each page light and dark, a story, and a telephone's overview."""
    page = browser.new_context(viewport={"width": 1366, "height": 768}).new_page()
    page.goto(f"{desk.url}")
    page.screenshot(path=folder / "login.png")
    _log_in(page, desk)
    for dark in (False, True):
        if dark:
            page.get_by_label("Dark or light").click()
            page.wait_for_selector("body.body--dark")
        for entry in PAGES:
            _shoot(page, f"{desk.url}{entry.path.lstrip('/')}", folder, entry.path.strip("/") or "overview", dark)
        order = page.evaluate(FILLED)
        _shoot(page, f"{desk.url}orders/{order}", folder, "order", dark)
    phone = browser.new_context(viewport={"width": 390, "height": 844}, device_scale_factor=2).new_page()
    phone.goto(desk.url)
    _log_in(phone, desk)
    _shoot(phone, desk.url, folder, "telephone", False)


def _log_in(page: Any, desk: ConsoleDesk) -> None:
    page.fill("#name", "demo")
    page.fill("#password", desk.password)
    page.click("button[type=submit]")
    page.wait_for_selector("#main")


def _shoot(page: Any, url: str, folder: Path, name: str, dark: bool) -> None:
    page.goto(url)
    page.wait_for_selector("#main")
    # Charts and grids draw themselves over some frames.
    page.wait_for_timeout(SETTLED_MS)
    path = folder / f"{name}{'-dark' if dark else ''}.png"
    page.screenshot(path=path)
    print(path)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(f"{__doc__}")
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else SECONDS)
