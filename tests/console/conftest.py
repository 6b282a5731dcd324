"""A desk with its console, and a browser, for each file that asks for them."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.console.desk import Desk, chromium


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    made = Desk(tmp_path_factory.mktemp("desk"))
    try:
        made.start()
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="module")
def open_browser() -> Iterator[Any]:
    """Of one file: while it is open, Playwright has the thread's event loop, and asyncio.run has none."""
    with chromium() as made:
        yield made


@pytest.fixture
def browser(open_browser: Any) -> Iterator[Any]:
    """The browser, for one test: its pages, which go on to be told what is new, are closed behind it."""
    yield open_browser
    for context in open_browser.contexts:
        context.close()
