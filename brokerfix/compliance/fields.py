"""Fields of a record as its specification describes them, and what of a record is not so."""

import re
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

Check = Callable[[Any], bool]


class Fields(NamedTuple):
    """A record's fields: the names in their order, what each has to be, and which every record has."""

    names: tuple[str, ...]
    checks: dict[str, tuple[Check, str]]
    required: tuple[str, ...]


def text(most: int, pattern: str = r"[ -~]*", without: str = '|,"@') -> Check:
    """Printable text of so many characters, without some."""
    ahead = f"(?!.*[{re.escape(without)}])" if without else ""
    fits = re.compile(f"{ahead}(?:{pattern})").fullmatch
    return lambda value: isinstance(value, str) and 0 < len(value) <= most and fits(value) is not None


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


def described(names: str, checks: Mapping[str, tuple[Check, str]]) -> Fields:
    """The fields of a record, in their order; a name with ! is that of one which has to be there."""
    every = names.split()
    bare = tuple(name.rstrip("!") for name in every)
    required = tuple(name.rstrip("!") for name in every if name.endswith("!"))
    return Fields(bare, {name: checks[name] for name in bare}, required)


def problems(record: Mapping[str, Any], fields: Fields) -> Iterator[tuple[str, str]]:
    """(field, what is wrong with it) of a record."""
    for name, value in record.items():
        if name not in fields.checks:
            yield name, "is no field of this record"
        elif value is not None:
            check, told = fields.checks[name]
            if not check(value):
                yield name, f"is not {told}"
    for name in fields.required:
        if record.get(name) is None:
            yield name, "is missing"
