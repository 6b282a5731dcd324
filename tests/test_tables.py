"""Trial 26: listings, tables that fit the terminal, tab-separated lines for programs."""

import io

import pytest
from rich.console import Console

from brokerfix.cli.tables import show
from brokerfix.cli.terminal import fitted

ROWS = [
    {"order_id": "20260101-1", "client": "ALICE", "qty": "5", "price": "150.25", "text": "", "venue": "XNAS"},
    {"order_id": "20260101-22", "client": "BOB", "qty": "1000", "price": None, "text": "", "venue": "XNYS"},
]


def shown(width: int, least: tuple[str, ...] = ()) -> tuple[list[str], list[str]]:
    """The lines of the table on a terminal of this width, and what there was no space for."""
    console = Console(width=width, file=io.StringIO(), force_terminal=True, color_system=None)
    table, left_out = fitted(ROWS, least, width)
    console.print(table)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines(), left_out


def test_numbers_are_on_the_right_and_empty_columns_are_not_shown() -> None:
    lines, left_out = shown(80)
    assert [line.rstrip() for line in lines] == [
        "order        client   qty   price  venue",
        "────────────────────────────────────────",
        "20260101-1   ALICE      5  150.25  XNAS",
        "20260101-22  BOB     1000          XNYS",
    ]
    assert left_out == []


@pytest.mark.parametrize("width", range(20, 60))
def test_a_row_is_one_line_of_the_terminal(width: int) -> None:
    lines, left_out = shown(width)
    assert len(lines) == 2 + len(ROWS)
    assert all(len(line.rstrip()) <= width for line in lines)
    assert bool(left_out) == (width < 40)


def test_what_is_least_important_goes_first() -> None:
    assert shown(35, ("client", "price"))[1] == ["client"]
    assert shown(26, ("client", "price"))[1] == ["client", "price"]
    assert shown(35)[1] == ["venue"]


def test_programs_get_a_header_and_a_line_for_each_row(capsys: pytest.CaptureFixture[str]) -> None:
    show([{"a": "x", "b": None}, {"a": "with\ttab", "b": 7}], "things", as_json=False)
    assert capsys.readouterr().out == "a\tb\nx\t\nwith tab\t7\n"
    show([], "things", as_json=False)
    assert tuple(capsys.readouterr()) == ("", "no things\n")
    show([], "things", as_json=True)
    assert capsys.readouterr().out == "[]\n"
