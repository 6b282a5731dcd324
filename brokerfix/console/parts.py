"""Small pieces that several pages have: a story, figures, work in slices."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import TypeVar

from nicegui import ui

from brokerfix.console.view import View
from brokerfix.domain import id_text

One = TypeVar("One")
IN_ONE_GO = 500
"""Things that are looked at before others have their turn."""
LINES = 60


class Story:
    """What happened, the newest first: (time in ns, number of the fact, text)."""

    def __init__(self, view: View, empty: str) -> None:
        self._view = view
        self._shown: list[tuple[int, int, str]] | None = None
        self._empty = ui.label(empty).classes("soft")
        self._list = ui.element("ol").classes("story")

    def show(self, lines: Iterable[tuple[int, int, str]]) -> None:
        newest = list(lines)[-LINES:][::-1]
        if newest == self._shown:
            return
        had, self._shown = self._shown or [], newest
        self._empty.set_visibility(not newest)
        if had and newest[-len(had) :] == had:
            added = newest[: len(newest) - len(had)]
        else:
            self._list.clear()
            added = newest
        for line in reversed(added):
            self._line(*line)

    def _line(self, at: int, fact: int, text: str) -> None:
        with self._list, ui.element("li") as line:
            time = ui.element("time").props(f'title="{self._view.desk.utc(at)}, fact {id_text(fact)}"')
            with time:
                ui.label(self._view.time(at))
            ui.label(text)
        line.move(target_index=0)


def only_here(view: View, text: str) -> None:
    """Where the broker is one of several shards: that something is of this one alone, with the way to all of them. `{}`
    in the text is the shard."""
    if view.desk.config.is_shard:
        with ui.element("p").classes("only-here"):
            ui.label(f"! {text.format(f'shard {view.desk.config.broker.shard}')}")
            ui.link("All shards", "/shards")


def column() -> ui.element:
    """Half of a page's width, in which panels stand below each other."""
    return ui.element("div").classes("half")


class Figures:
    """Named numbers beside each other."""

    def __init__(self, label: str) -> None:
        self._box = ui.element("div").classes("figures").props(f'role=group aria-label="{label}"')
        self._labels: dict[str, ui.label] = {}

    def show(self, name: str, text: str, kind: str = "") -> None:
        """`kind` is good, warn, bad or ""."""
        label = self._labels.get(name)
        if label is None:
            with self._box, ui.element("div").classes("figure"):
                label = self._labels[name] = ui.label("").classes("big")
                ui.label(name).classes("soft")
        if label.text != text:
            label.text = text
        label.classes(replace=f"big {kind}")


async def yielding(things: Sequence[One], in_one_go: int = IN_ONE_GO) -> AsyncIterator[One]:
    """Each of many things; others have their turn now and then."""
    for number, one in enumerate(things, 1):
        yield one
        if number % in_one_go == 0:
            await asyncio.sleep(0)
