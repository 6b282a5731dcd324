"""The sessions of older versions, which had QuickFIX's files for numbers and messages: read once, at the first start of
this one.

A session's files are `<BeginString>-<SenderCompID>-<TargetCompID>` with the endings `.seqnums` (the next numbers of
both sides), `.header` (`number,offset,size` of each message) and `.body`.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

from brokerfix.fix.session.older import Sent
from brokerfix.fix.text import SOH, at_of, pairs

OF_THE_SESSION = frozenset(["8", "9", "34", "43", "49", "52", "56", "97", "122", "10"])
"""The tags of a stored message that its session puts there."""
ADMIN = frozenset(["0", "1", "2", "3", "4", "5", "A"])


def old_sessions(store: Path, names: Mapping[str, str], most: int) -> Iterator[tuple[str, int, int, list[Sent]]]:
    """(key, next_out, next_in, the last `most` messages) of each session of which `store` has files; `names` are
    the keys by file name."""
    for name, key in names.items():
        numbers = store / f"{name}.seqnums"
        if numbers.is_file():
            next_out, _, next_in = numbers.read_text().partition(":")
            yield key, int(next_out), int(next_in), _messages(store / name, most)


def _messages(path: Path, most: int) -> list[Sent]:
    index, body = (path.with_name(f"{path.name}.{ending}") for ending in ("header", "body"))
    if not (index.is_file() and body.is_file()):
        return []
    # A number that stands twice was begun anew: the last is meant.
    entries = {int(entry.partition(",")[0]): entry for entry in index.read_text().split()}
    found = []
    with body.open("rb") as file:
        for number in sorted(entries)[-most:]:
            offset, size = map(int, entries[number].split(",")[1:])
            file.seek(offset)
            fields = pairs(file.read(size).decode("utf-8", "backslashreplace"))
            told = dict(fields)
            if told.get("35") in ADMIN or "52" not in told:
                continue
            rest = SOH.join(f"{tag}={value}" for tag, value in fields if tag not in OF_THE_SESSION)
            text = f"8=FIX.4.4{SOH}9=0{SOH}{rest}{SOH}10=000{SOH}"
            found.append(Sent(number, at_of(told["52"]), text, True))
    return found
