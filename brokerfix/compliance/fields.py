"""Fields of a record as its specification describes them, and what of a record is not so."""

import re
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

Check = Callable[[Any], bool]


class Field(NamedTuple):
    """A field's name, whether every record has it, and what its value has to be."""

    name: str
    required: bool
    check: Check
    told: str


def text(most: int, pattern: str = r"[ -~]*", without: str = '|,"@') -> Check:
    """Printable text of so many characters, without some."""
    compiled = re.compile(pattern)
    return lambda value: (
        isinstance(value, str)
        and 0 < len(value) <= most
        and compiled.fullmatch(value) is not None
        and not any(mark in value for mark in without)
    )


def matching(pattern: str) -> Check:
    return text(1 << 20, pattern, "")


def one_of(words: str) -> Check:
    known = set(words.split())
    return lambda value: value in known


def number(whole: int, part: int, negative: bool = False) -> Check:
    """A number of so many digits before and behind the point."""
    behind = rf"(\.\d{{1,{part}}})?" if part else ""
    compiled = re.compile(rf"{'-?' if negative else ''}\d{{1,{whole}}}{behind}")
    return lambda value: (
        isinstance(value, int | Decimal)
        and not isinstance(value, bool)
        and compiled.fullmatch(str(value) if isinstance(value, int) else format(value, "f")) is not None
    )


def is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def described(names: str, checks: Mapping[str, tuple[Check, str]]) -> tuple[Field, ...]:
    """The fields of a record, in their order; a name with ! is that of one which has to be there."""
    return tuple(Field(name.rstrip("!"), name.endswith("!"), *checks[name.rstrip("!")]) for name in names.split())


def problems(record: Mapping[str, Any], fields: tuple[Field, ...]) -> Iterator[tuple[str, str]]:
    """(field, what is wrong with it) of a record."""
    known = {field.name for field in fields}
    for name in record:
        if name not in known:
            yield name, "is no field of this record"
    for field in fields:
        value = record.get(field.name)
        if value is None:
            if field.required:
                yield field.name, "is missing"
        elif not field.check(value):
            yield field.name, f"is not {field.told}"
