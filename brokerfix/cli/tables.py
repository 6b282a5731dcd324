"""Rows for people and for programs: a table on a terminal, tab-separated lines under a header elsewhere, or JSON."""

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import click

Row = dict[str, Any]


def show(rows: Iterable[Row], title: str, as_json: bool, least: Sequence[str] = ()) -> None:
    """Print rows. `least` names the columns that a narrow terminal goes without, the first of them first."""
    found = list(rows)
    if as_json:
        click.echo(json.dumps(found, indent=2))
    elif not found:
        # Where programs read, there are lines of rows only.
        click.echo(f"no {title}", err=not sys.stdout.isatty())
    elif sys.stdout.isatty():
        from brokerfix.cli.terminal import draw

        draw(found, title, least)
    else:
        click.echo("\n".join(["\t".join(found[0]), *("\t".join(map(_for_programs, row.values())) for row in found)]))


def _for_programs(value: object) -> str:
    """A value without what would end a field or a line."""
    return "" if value is None else str(value).translate(BLANKS)


BLANKS = str.maketrans("\t\r\n", "   ")
