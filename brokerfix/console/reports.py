"""Reports of a trading day as files, made by commands in processes of their own."""

import asyncio
import io
import re
import tempfile
import zipfile
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from brokerfix.console.kept_told import KeptTold
from brokerfix.console.refused import Refused

SECONDS = 300.0
KEPT_SECONDS = 60.0
MOST_KEPT = 4
MOST_BYTES = 1 << 28
DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
NOTE = "{name} of {day}, as brokerfix makes it. None of these files is a certified filing.\n"


class Report(NamedTuple):
    """A report of `brokerfix report`: what people call it, and the formats that it comes in; without any it is some
    files, in a ZIP."""

    title: str
    forms: tuple[str, ...] = ()


REPORTS: Mapping[str, Report] = {
    "cat": Report("CAT order events"),
    "606": Report("Rule 606(a)(1): order routing of the quarter"),
    "605": Report("Rule 605: execution quality of the month"),
    "rts24": Report("RTS 24: order records of our own book"),
    "rts22": Report("RTS 22: transaction reports"),
    "rts25": Report("RTS 25: evidence of the clock"),
    "execution-quality": Report("Execution quality", ("csv", "json", "html")),
    "order-routing": Report("Order routing", ("csv", "json", "html")),
}


def is_known(name: str, day: str, form: str) -> bool:
    """Whether there is such a report of a day, 2026-11-27, in a format ("": as files in a ZIP)."""
    known = REPORTS.get(name)
    return known is not None and DAY.fullmatch(day) is not None and form in (known.forms or ("",))


class Reports:
    """Makes reports by `run`, which carries out a command of `brokerfix`; `config` is the broker's configuration. One
    that was just made is not made again."""

    def __init__(self, run: Callable[..., Awaitable[bytes]], config: Path) -> None:
        self._run, self._config = run, f"{config}"
        self._kept = KeptTold(self._make, MOST_KEPT)

    async def get(self, name: str, day: str, form: str) -> bytes:
        """A report that `is_known`. Raises Refused where it can't be made."""
        return (await self._kept.ask(name, day, form, seconds=KEPT_SECONDS)).output

    async def _make(self, name: str, day: str, form: str) -> bytes:
        words = ("report", name, "--day", day, "--config", self._config)
        if form:
            return await self._run(*words, "--format", form, seconds=SECONDS)
        with tempfile.TemporaryDirectory(prefix="brokerfix-report-") as folder:
            await self._run(*words, "--output", folder, seconds=SECONDS)
            return await asyncio.to_thread(_zipped, Path(folder), NOTE.format(name=name, day=day))


def _zipped(folder: Path, note: str) -> bytes:
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    if sum(path.stat().st_size for path in paths) > MOST_BYTES:
        raise Refused("the report is too large for a browser; make it with `brokerfix report`")
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("NOT-CERTIFIED.txt", note)
        for path in paths:
            archive.write(path, path.relative_to(folder))
    return made.getvalue()
