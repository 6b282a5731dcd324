"""Files of regulatory records: the records, and beside them what they are, what is missing, and how they add up."""

import csv
import io
import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, TextIO
from xml.etree import ElementTree as Xml

import msgspec

from brokerfix.compliance.ledger import Ledger
from brokerfix.compliance.words import NOT_CERTIFIED
from brokerfix.settings.whole import write_whole

LABEL = "notcertified"
"""What every file's name has."""
# Prices are exact numbers, and not floats.
_encode = msgspec.json.Encoder(decimal_format="number").encode


class Problems:
    """What of records is missing or not as the specification has it, counted."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str, str]] = Counter()

    def add(self, record: str, found: Iterable[tuple[str, str]]) -> None:
        for name, why in found:
            self._counts[record, name, why] += 1

    @property
    def rows(self) -> list[dict[str, Any]]:
        return [
            {"record": record, "field": name, "problem": why, "records": count}
            for (record, name, why), count in sorted(self._counts.items())
        ]


def json_line(record: Mapping[str, Any]) -> str:
    return _encode(record).decode() + "\n"


def cell(value: Any) -> str:
    """A value of a CSV file: pairs are name=value with | between, elements of a list have | between, their parts @."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "|".join(name if one is True else f"{name}={cell(one)}" for name, one in value.items())
    if isinstance(value, list):
        return "|".join("@".join(map(cell, one)) if isinstance(one, list) else cell(one) for one in value)
    return format(value, "f") if isinstance(value, Decimal) else str(value)


def csv_lines(rows: Iterable[Sequence[Any]]) -> str:
    written = io.StringIO()
    quoting = csv.writer(written, lineterminator="\n"), csv.writer(written, lineterminator="\n", quoting=csv.QUOTE_ALL)
    for row in rows:
        values = [cell(value) for value in row]
        # A bare carriage return ends a row for most readers.
        quoting["\r" in "".join(values)].writerow(values)
    return written.getvalue()


def table(names: Sequence[str], records: Iterable[Mapping[str, Any]]) -> str:
    """A CSV file with a head."""
    return csv_lines([names, *([record.get(name) for name in names] for record in records)])


XML_HEAD = f'<?xml version="1.0" encoding="UTF-8"?>\n<!-- {NOT_CERTIFIED} -->\n'


_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def xml_able(text: str) -> str:
    """Text with a replacement character for each that a document may not have."""
    return _NOT_XML.sub("\ufffd", text)


def xml_text(root: Xml.Element) -> str:
    """With what it is in a comment before all."""
    Xml.indent(root)
    return XML_HEAD + Xml.tostring(root, encoding="unicode") + "\n"


def element(parent: Xml.Element, name: str, text: str | None = None, **attributes: str) -> Xml.Element:
    """A new element of a parent."""
    found = Xml.SubElement(parent, name, attributes)
    found.text = xml_able(text) if text is not None else None
    return found


def sidecar(
    report: str, specification: str, day: int, notes: Sequence[str], problems: Problems,
    ledger: Ledger | None = None, differences: Sequence[str] = (), **more: Any,
) -> dict[str, Any]:  # fmt: skip
    """What goes beside a file of records."""
    told: dict[str, Any] = {
        "report": report, "status": NOT_CERTIFIED, "specification": specification, "trading_day": day,
        "notes": [*notes], "problems": problems.rows, "differences": [*differences],
    }  # fmt: skip
    if ledger is not None:
        told["records"] = dict(sorted(ledger.records.items()))
        told["reconciliation"] = [row._asdict() for row in ledger.rows]
    return told | more


RIGHTS = 0o600
"""Of files that say who clients are: others can't read them."""


def make(folder: Path) -> None:
    """A folder for files that say who clients are: others can't read it."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def write(folder: Path, files: Mapping[str, str], beside: str, told: Mapping[str, Any]) -> list[Path]:
    """Write files and, as `beside`, what is told of them. Returns the paths."""
    make(folder)
    for name, text in files.items():
        write_whole(folder / name, text.encode(), RIGHTS)
    return write_beside([folder / name for name in files], folder / beside, told)


def write_beside(files: Sequence[Path], beside: Path, told: Mapping[str, Any]) -> list[Path]:
    """Write what is told of files. Returns all paths."""
    told = {**told, "files": sorted(file.name for file in files)}
    write_whole(beside, f"{json.dumps(told, indent=2, default=str)}\n".encode(), RIGHTS)
    return [*files, beside]


class Output:
    """A file that is written record by record, as a day may have millions, and takes its place at the end. One that
    gets none is not there, unless it is `always`. An earlier one of its name, or in the `other_form`, is gone then: it
    would be taken for this one."""

    def __init__(
        self, path: Path, line: Callable[[Any], str], head: str = "", foot: str = "", always: bool = True,
        other_form: str = "",
    ) -> None:  # fmt: skip
        self.path, self._line, self._head, self._foot = path, line, head, foot
        self._part = path.with_name(f"{path.name}.part")
        self._other = path.with_suffix(f".{other_form}") if other_form else None
        self._file: TextIO | None = None
        self.count = 0
        make(path.parent)
        if always:
            self._begin()

    def __enter__(self) -> "Output":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Where making the records has failed nothing has changed."""
        if kind is not None and self._file is not None:
            self._file.close()
            self._part.unlink()

    def _begin(self) -> TextIO:
        part = os.open(self._part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, RIGHTS)
        self._file = os.fdopen(part, "w", encoding="utf-8")
        self._file.write(self._head)
        return self._file

    def put(self, record: Any) -> None:
        file = self._file or self._begin()
        file.write(self._line(record))
        self.count += 1

    def close(self) -> list[Path]:
        """Returns the path, if there is a file."""
        if self._other is not None:
            self._other.unlink(missing_ok=True)
        if self._file is None:
            self.path.unlink(missing_ok=True)
            return []
        self._file.write(self._foot)
        self._file.close()
        self._part.replace(self.path)
        return [self.path]
