"""sqlite-utils without pandas. It loads pandas where that is installed, to know the types of columns, and that takes
longer than all else of a projection's start; we give it none of pandas' values.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def _without(name: str) -> Iterator[None]:
    """For the time being there is no module of that name, unless it is loaded already."""
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[name]


with _without("pandas"), _without("numpy"):
    from sqlite_utils import Database

__all__ = ["Database"]
