"""A fact of the stream in words."""

import re
from typing import Any

import msgspec

ABOUT = ("kind", "account", "symbol")
EMPTY: tuple[Any, ...] = (None, "", [], {}, False)
MOST_VALUE = 100
"""Characters of a value; JSON has all."""
CAPITAL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def spaced(name: str) -> str:
    """`OrderAccepted`, `cl_ord_id` -> order accepted, cl ord id."""
    return CAPITAL.sub(" ", name).replace("_", " ").lower()


def in_words(row: dict[str, Any]) -> str:
    """A row as the stream has it, as a sentence: what happened, to whom, and what it says besides."""
    about = ", ".join(filter(None, (row.get("account", ""), row.get("symbol", ""))))
    fact = row["fact"] or {}
    said = ", ".join(
        f"{spaced(name)} {_text(value)}"
        for name, value in fact.items()
        if value not in EMPTY and not (name in ABOUT and value == row.get(name))
    )
    head = spaced(row["kind"]).capitalize()
    return f"{head}{f' ({about})' if about else ''}{f': {said}' if said else ''}"


def _text(value: Any) -> str:
    if value is True:
        return "yes"
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return text if len(text) <= MOST_VALUE else f"{text[:MOST_VALUE]}..."
