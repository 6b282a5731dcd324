"""The reports on execution and routing as one HTML page that needs nothing else: its tables, and its pictures in it."""

import re
from base64 import b64encode
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

NUMBER = re.compile(r"-?\d+(\.\d+)?")
STYLE = """
:root { --ink: #1d2730; --soft: #5b6873; --line: #dfe4e8; --back: #f5f7f9; --accent: #2c7fb8; }
* { box-sizing: border-box; }
body { margin: 0; background: var(--back); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 1280px; margin: 0 auto; padding: 2rem 1.5rem 4rem; }
h1 { font-size: 1.7rem; margin: 0 0 .2rem; }
h2 { font-size: 1.15rem; margin: 0 0 .8rem; }
p { margin: .2rem 0; }
.scope { color: var(--soft); }
.warning { display: inline-block; margin: .8rem 0 1.2rem; padding: .35rem .8rem; border-left: 4px solid #c0392b;
  background: #fdf0ee; }
section { background: #fff; border: 1px solid var(--line); border-radius: 8px; padding: 1.1rem 1.2rem;
  margin: 0 0 1.2rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums; }
th, td { padding: .32rem .55rem; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--line); }
th { color: var(--soft); font-weight: 600; vertical-align: bottom; white-space: normal; min-width: 4.2rem; }
td.text, th.text { text-align: left; }
tr:last-child td { border-bottom: 0; }
tr.first td { border-top: 2px solid var(--line); }
td.none { color: #b6bfc7; }
figure { margin: 0 0 1rem; }
figure img { max-width: 100%; height: auto; display: block; }
ul { margin: 0; padding-left: 1.1rem; color: var(--soft); font-size: .9rem; }
@media print { body { background: #fff; } section { break-inside: avoid; border: 0; padding: 0; } }
"""


def page(
    title: str,
    warning: str,
    scope: str,
    tables: Sequence[tuple[str, Sequence[dict[str, Any]]]],
    pictures: Sequence[tuple[str, bytes]],
    notes: Iterable[str],
) -> str:
    """`scope` says which orders; `tables` are (title, rows); `pictures` are (what is to be seen, PNG)."""
    parts = [
        f"<!DOCTYPE html><html lang='en'><head><meta charset='utf-8'><title>{escape(title)}</title>",
        "<meta name='viewport' content='width=device-width, initial-scale=1'>",
        f"<style>{STYLE}</style></head><body><main><h1>{escape(title)}</h1>",
        f"<p class='scope'>{escape(scope)}</p><p class='warning'>{escape(warning)}</p>",
    ]
    if pictures:
        shown = "".join(picture(told, data) for told, data in pictures)
        parts.append(f"<section>{shown}</section>")
    parts += [f"<section><h2>{escape(name)}</h2>{table(rows)}</section>" for name, rows in tables if rows]
    if not any(rows for _, rows in tables):
        parts.append("<section><p>No orders.</p></section>")
    told = "".join(f"<li>{escape(note)}</li>" for note in notes)
    parts.append(f"<section><h2>how it is measured</h2><ul>{told}</ul></section></main></body></html>\n")
    return "\n".join(parts)


def picture(told: str, data: bytes) -> str:
    """A PNG in the page; `told` says what is to be seen."""
    return f"<figure><img alt='{escape(told)}' src='data:image/png;base64,{b64encode(data).decode()}'></figure>"


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Rows, of which there is one at least, with a head of their names. None is a dash; a column of numbers is on the
    right."""
    names = list(rows[0])
    texts = {name for name in names if not all(_is_number(row[name]) for row in rows)}
    head = "".join(f"<th{_class(name in texts)}>{escape(name.replace('_', ' '))}</th>" for name in names)
    body, before = [], ""
    for row in rows:
        # A line where what rows are by changes.
        changes = " class='first'" if before not in ("", row[names[0]]) else ""
        before = row[names[0]]
        body.append(f"<tr{changes}>{''.join(_cell(row[name], name in texts) for name in names)}</tr>")
    return f"<div class='wide'><table><tr>{head}</tr>{''.join(body)}</table></div>"


def _cell(value: object, is_text: bool) -> str:
    if value is None:
        return "<td class='none'>&ndash;</td>"
    return f"<td{_class(is_text)}>{escape(str(value))}</td>"


def _class(is_text: bool) -> str:
    return " class='text'" if is_text else ""


def _is_number(value: object) -> bool:
    return value is None or NUMBER.fullmatch(str(value)) is not None
