"""The engine's tables: what each command's handler is, and each fact's. A handler stands beside its entry.

Each subject has tables of its own; `engine` and `evolve` put them together.
"""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from brokerfix.commands import Command
from brokerfix.engine.state import State
from brokerfix.engine.step import Step
from brokerfix.engine.touched import Touch, nothing
from brokerfix.facts import Fact

C = TypeVar("C", bound=Command)
F = TypeVar("F", bound=Fact)
Decide = Callable[[State, Any, Step], None]
Evolve = Callable[[State, Any], None]


class Decisions:
    """Commands -> what decides them. `silent` says of those that may yield no fact, why."""

    def __init__(self) -> None:
        self.handlers: dict[type[Command], Decide] = {}
        self.silent: dict[type[Command], str] = {}

    @classmethod
    def of(cls, tables: Iterable["Decisions"]) -> "Decisions":
        """One table of all these."""
        whole = cls()
        for table in tables:
            assert not whole.handlers.keys() & table.handlers.keys(), "a command has one handler"
            whole.handlers |= table.handlers
            whole.silent |= table.silent
        return whole

    def on(self, kind: type[C], silent: str = "") -> Callable[[Callable[[State, C, Step], None]], Any]:
        """Enter the function below as the handler of a command. `silent`: why it may yield no fact."""

        def enter(handler: Callable[[State, C, Step], None]) -> Callable[[State, C, Step], None]:
            self.handlers[kind] = handler
            if silent:
                self.silent[kind] = silent
            return handler

        return enter


class Evolution:
    """Facts -> what applies them, and what each touches."""

    def __init__(self) -> None:
        self.handlers: dict[type[Fact], Evolve] = {}
        self.touches: dict[type[Fact], Touch] = {}

    @classmethod
    def of(cls, tables: Iterable["Evolution"]) -> "Evolution":
        """One table of all these."""
        whole = cls()
        for table in tables:
            assert not whole.handlers.keys() & table.handlers.keys(), "a fact has one handler"
            whole.handlers |= table.handlers
            whole.touches |= table.touches
        return whole

    def on(self, kind: type[F], touches: Touch) -> Callable[[Callable[[State, F], None]], Any]:
        """Enter the function below as the handler of a fact, which touches this."""

        def enter(handler: Callable[[State, F], None]) -> Callable[[State, F], None]:
            self.handlers[kind] = handler
            self.touches[kind] = touches
            return handler

        return enter

    def only_tells(self, *kinds: type[Fact]) -> None:
        """Facts that are their own record and change nothing."""
        for kind in kinds:
            self.handlers[kind] = _nothing
            self.touches[kind] = nothing


def _nothing(state: State, fact: Fact) -> None:
    """The fact is its own record."""
