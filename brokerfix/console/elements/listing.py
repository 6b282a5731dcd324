"""A table of some hundred rows with pills and bars in it, whose rows can be picked, by mouse or keyboard."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from nicegui import ui
from nicegui.events import GenericEventArguments

Row = Mapping[str, Any]


class Column(NamedTuple):
    """A column: the field of the rows, its title, whether it is a number, and what more there is to know of it. A cell
    is text, or {"text", "kind"}: a pill ("pill": True), a bar (`percent` of 100) or coloured text."""

    field: str
    title: str
    is_number: bool = False
    tip: str = ""


def columns(*titles: str) -> list[Column]:
    """Columns from "field Title"; a field that begins with "#" is a number, to the right."""
    parts = [title.partition(" ") for title in titles]
    return [Column(field.lstrip("#"), title, field.startswith("#")) for field, _, title in parts]


class Listing(ui.element, component="listing.js"):
    """The table. `key` is the field that names a row; `on_pick` is called with the key of a row that is picked. Only
    rows that are others than before are sent."""

    def __init__(
        self,
        columns: Sequence[Column],
        key: str,
        label: str,
        empty: str,
        on_pick: Callable[[str], Any] | None = None,
    ) -> None:
        super().__init__()
        self._props["columns"] = [column._asdict() for column in columns]
        self._props["rowKey"] = key
        self._props["label"] = label
        self._props["empty"] = empty
        self._props["picks"] = on_pick is not None
        self._props["picked"] = ""
        self._props["rows"] = []
        self._key = key
        if on_pick is not None:
            pick = on_pick

            def picked(event: GenericEventArguments) -> Any:
                key = event.args
                if isinstance(key, str) and any(row.get(self._key) == key for row in self.rows):
                    return pick(key)
                return None

            self.on("pick", picked)

    @property
    def rows(self) -> list[Row]:
        """Those that are shown."""
        found: list[Row] = self._props["rows"]
        return found

    def show(self, rows: Sequence[Row]) -> None:
        """Other rows, where they are others."""
        if self.rows != rows:
            self._props["rows"] = list(rows)
            self.update()

    def pick(self, key: str) -> None:
        """Mark a row as picked ("": none)."""
        if self._props["picked"] != key:
            self._props["picked"] = key
            self.update()


def pill(text: str, kind: str = "") -> dict[str, Any]:
    """A cell: a word in a coloured field; `kind` is good, warn, bad or "" (neither)."""
    return {"text": text, "kind": kind, "pill": True}


def bar(percent: float, text: str, kind: str = "") -> dict[str, Any]:
    """A cell: a bar of so many percent with text on it."""
    return {"text": text, "kind": kind, "percent": round(max(0.0, min(100.0, percent)), 1)}


def coloured(text: str, kind: str) -> dict[str, Any]:
    """A cell: text in a colour, which has a sign besides."""
    return {"text": text, "kind": kind}
