"""CAT's files of a day: new events, corrections and repairs, as JSON lines or as CSV, and what is told of them."""

import csv
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from brokerfix.compliance.cat import CORRECTED, MARKS, NEW, REPAIRED, Cat
from brokerfix.compliance.cat_fields import DETAIL_FIELDS, OF_TYPE, wrong
from brokerfix.compliance.day import Walk, count
from brokerfix.compliance.written import LABEL, Output, Problems, csv_lines, json_line, sidecar, write_beside
from brokerfix.settings.compliance import ComplianceSection

SPECIFICATION = "CAT Reporting Technical Specifications for Industry Members 4.0.0-r18, equities' order events"
NOTES = (
    "New orders are MENO, or MEOA where the client is a broker-dealer with an IMID of its own (compliance.clients); "
    "together they are the orders accepted on the day.",
    "Left out, because the broker does not know them: tapeTradeID of trades in our book (it reports to no tape), best "
    "bids and offers, info barriers, the time at which a client spoke to an operator (compliance.entered_at_once).",
    "Corrections have the firmROEID of the event that they tell anew. A busted trade has its cancelFlag; where its "
    "report to a TRF was taken back, the specification wants that said there.",
    "Not made: events of options, of quotes to and from other reporters, of allocations, changes of what a desk has "
    "(MEIM, MEIC), and ATS's fields.",
    "The large trader's id, locates and OrderCapacity have no field in these events; they are in a file of marks.",
)


MARK_NAMES = ("order", "account", "side", "large_trader", "locate", "capacity")


class BadRepairs(ValueError):
    """A file of repairs is not as it should be."""


def read_repairs(file: Path) -> dict[str, int]:
    """firmROEID -> errorROEID of a CSV file with these two columns, as CAT's feedback has them. Raises BadRepairs."""
    try:
        reader = csv.DictReader(file.read_text(encoding="utf-8-sig").splitlines())
        if not {"errorROEID", "firmROEID"} <= {*(reader.fieldnames or ())}:
            raise KeyError("one is not there")
        return {row["firmROEID"]: int(row["errorROEID"]) for row in reader}
    except (OSError, UnicodeDecodeError, KeyError, TypeError, ValueError) as error:
        raise BadRepairs(f"{file}: needs the columns errorROEID (a number) and firmROEID: {error}") from error


def csv_row(record: Mapping[str, Any]) -> list[Any]:
    """A record's values in the order of its type's fields."""
    values = {name: _positional(value) for name, value in record.items()}
    return [values.get(name) for name in OF_TYPE[record["type"]].names]


def _positional(value: Any) -> Any:
    if not isinstance(value, list):
        return value
    return [[one.get(name) for name in DETAIL_FIELDS.names] for one in value]


def _name(section: ComplianceSection, day: int, number: int, form: str) -> str:
    """A file's; the fourth part is its group, which says that it is not certified."""
    parts = section.submitter or "SUBMITTER", section.imid or "IMID", str(day), LABEL, "OrderEvents"
    return f"{'_'.join(parts)}_{number:06}.{form}"


def _outputs(folder: Path, section: ComplianceSection, day: int, form: str) -> dict[str, Output]:
    """A file of each part."""
    line = json_line if form == "json" else (lambda record: csv_lines([csv_row(record)]))
    found = {}
    for number, part in enumerate((NEW, CORRECTED, REPAIRED), 1):
        path, other = folder / _name(section, day, number, form), "csv" if form == "json" else "json"
        found[part] = Output(path, line, always=part == NEW, other_form=other)
    names = csv_lines([MARK_NAMES])
    row = lambda record: csv_lines([[record[name] for name in MARK_NAMES]])  # noqa: E731
    found[MARKS] = Output(folder / f"cat-marks-{day}-{LABEL}.csv", row, names, always=False)
    return found


def write_cat(
    folder: Path, journal: Path, day: int, section: ComplianceSection, form: str, repairs: Mapping[str, int]
) -> tuple[list[Path], dict[str, Any]]:
    """Returns the files that are written, and what is told of them. Raises JournalError."""
    problems = Problems()
    counted = count(journal, day)
    outputs = _outputs(folder, section, day, form)

    def put(part: str, record: dict[str, Any]) -> None:
        if part != MARKS:
            problems.add(record["type"], wrong(record))
        outputs[part].put(record)

    walk = Walk(day, counted.changed)
    cat = Cat(section, walk, repairs, put)
    with ExitStack() as files_of_it:
        for output in outputs.values():
            files_of_it.enter_context(output)
        for event in walk.read(journal, counted.records):
            cat.take(event)
    for name in cat.repairs:
        problems.add("repairs", [("firmROEID", f"{name} is no event of the day")])
    files = [path for output in outputs.values() for path in output.close()]
    told = sidecar(
        "cat", SPECIFICATION, day, NOTES, problems, cat.ledger, cat.ledger.differences(counted.facts),
        day_is_over=counted.is_over,
        **{part: output.count for part, output in outputs.items()},
    )  # fmt: skip
    return write_beside(files, folder / f"cat-{day}-{LABEL}.meta.json", told), told
