"""What `certify` has found of clients, out of its reports."""

import re
from pathlib import Path
from typing import NamedTuple

HEAD = re.compile(r"# Certification of (\S{1,32}), (.{1,40}): (passed|not passed)")
STEP = re.compile(r"\| .+ \| (ok|failed: .*|not reached) \|")
MOST = 200
MOST_BYTES = 1 << 20


class Certified(NamedTuple):
    """A certification: whose, over which version, when (ns UTC, when the report was written), whether it was passed,
    and what became of its steps."""

    client: str
    fix: str
    at: int
    passed: bool
    ok: int
    steps: int
    failed: str
    file: str


def certified(folder: Path) -> list[Certified]:
    """The reports (PATH.md of `certify --report PATH`) in a folder, the newest first; other files are left out."""
    found = []
    for path in sorted(folder.glob("*.md"), key=lambda one: one.stat().st_mtime_ns, reverse=True)[:MOST]:
        with path.open(encoding="utf-8", errors="replace") as file:
            text = file.read(MOST_BYTES)
        head = HEAD.match(text)
        if head is None:
            continue
        results = [one[1] for one in map(STEP.fullmatch, text.split("\n")) if one is not None]
        failed = next((one.removeprefix("failed: ") for one in results if one.startswith("failed: ")), "")
        at = path.stat().st_mtime_ns
        ok = sum(one == "ok" for one in results)
        found.append(Certified(head[1], head[2], at, head[3] == "passed", ok, len(results), failed, path.name))
    return found
