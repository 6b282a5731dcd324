"""A desk with its console, and a browser, for each file that asks for them."""

from collections.abc import Iterator

import pytest

from tests.console.desk import Desk, Pages, chromium


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    made = Desk(tmp_path_factory.mktemp("desk"))
    try:
        made.start()
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="module")
def pages() -> Iterator[Pages]:
    """Of one file: while the browser is open, Playwright has the thread's event loop, and asyncio.run has none."""
    with chromium() as made:
        yield Pages(made)


@pytest.fixture
def browser(pages: Pages) -> Iterator[Pages]:
    """The browser, for one test: what it has opened ends with it."""
    yield pages
    pages.give_back()
