"""CAT's files of a day: new events, corrections and repairs, as JSON lines or as CSV, and what is told of them."""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from brokerfix.compliance.cat import Cat
from brokerfix.compliance.cat_fields import DETAIL_FIELDS, OF_TYPE, wrong
from brokerfix.compliance.day import Walk, facts_of
from brokerfix.compliance.written import LABEL, Problems, csv_lines, json_lines, sidecar, write
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
    "The large trader's id, locates and OrderCapacity have no field in these events; they are in 'marks'.",
)


class BadRepairs(ValueError):
    """A file of repairs is not as it should be."""


def read_repairs(file: Path) -> dict[str, int]:
    """firmROEID -> errorROEID of a CSV file with these two columns, as CAT's feedback has them. Raises BadRepairs."""
    try:
        reader = csv.DictReader(file.read_text(encoding="utf-8").splitlines())
        if not {"errorROEID", "firmROEID"} <= {*(reader.fieldnames or ())}:
            raise KeyError("one is not there")
        return {row["firmROEID"]: int(row["errorROEID"]) for row in reader}
    except (OSError, UnicodeDecodeError, KeyError, TypeError, ValueError) as error:
        raise BadRepairs(f"{file}: needs the columns errorROEID (a number) and firmROEID: {error}") from error


def day_events(
    journal: Path, day: int, section: ComplianceSection, repairs: Mapping[str, int] | None = None
) -> tuple[Cat, list[str]]:
    """A day's events, and where they do not add up with the facts. Raises JournalError."""
    walk = Walk(day)
    cat = Cat(section, walk, repairs)
    for event in walk.read(journal):
        cat.take(event)
    return cat, cat.ledger.differences(facts_of(journal, day))


def csv_row(record: Mapping[str, Any]) -> list[Any]:
    """A record's values in the order of its type's fields."""
    values = {name: _positional(value) for name, value in record.items()}
    return [values.get(field.name) for field in OF_TYPE[record["type"]]]


def _positional(value: Any) -> Any:
    if not isinstance(value, list):
        return value
    return [[one.get(field.name) for field in DETAIL_FIELDS] for one in value]


def files_of(cat: Cat, day: int, form: str) -> dict[str, str]:
    """File name -> text. The third part of a name is the group, which says that it is not certified."""
    found = {}
    for number, records in enumerate((cat.new, cat.corrected, cat.repaired), 1):
        if records or number == 1:
            text = json_lines(records) if form == "json" else csv_lines(map(csv_row, records))
            found[_name(cat.section, day, number, form)] = text
    return found


def _name(section: ComplianceSection, day: int, number: int, form: str) -> str:
    parts = section.submitter or "SUBMITTER", section.imid or "IMID", str(day), LABEL, "OrderEvents"
    return f"{'_'.join(parts)}_{number:06}.{form}"


def problems_of(cat: Cat) -> Problems:
    problems = Problems()
    for record in (*cat.new, *cat.corrected, *cat.repaired):
        problems.add(record["type"], wrong(record))
    for name in cat.repairs:
        problems.add("repairs", [("firmROEID", f"{name} is no event of the day")])
    return problems


def write_cat(folder: Path, cat: Cat, day: int, form: str, differences: list[str]) -> tuple[list[Path], dict[str, Any]]:
    """Returns the files that are written, and what is told of them."""
    told = sidecar(
        "cat", SPECIFICATION, day, NOTES, problems_of(cat), cat.ledger, differences,
        marks=cat.marks, corrections=len(cat.corrected), repairs=len(cat.repaired),
    )  # fmt: skip
    for number, other in ((number, other) for number in (1, 2, 3) for other in ("json", "csv")):
        # Those of an earlier run would be taken for this one's.
        (folder / _name(cat.section, day, number, other)).unlink(missing_ok=True)
    return write(folder, files_of(cat, day, form), f"cat-{day}-{LABEL}.meta.json", told), told
