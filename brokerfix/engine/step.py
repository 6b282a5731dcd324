"""One step of the engine: the facts that a command brings about, numbered in the order in which they are emitted."""

from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

import msgspec

from brokerfix.domain import first_of_day
from brokerfix.facts import DayRolled, Fact, Trade

P = ParamSpec("P")
F = TypeVar("F", bound=Fact)


class Step:
    """What is decided at the time `at` (ns UTC): the `facts` so far, and the number of the last one, or of what was
    before the step. A fact gets its number when it is emitted, so that numbers have no gap and no order but the facts'.
    """

    __slots__ = ("at", "facts", "last_id")

    def __init__(self, at: int, last_id: int) -> None:
        self.at = at
        self.last_id = last_id
        self.facts: list[Fact] = []

    @property
    def next_id(self) -> int:
        """The number that the next fact gets."""
        return self.last_id + 1

    def emit(self, kind: Callable[Concatenate[int, int, P], F], /, *args: P.args, **kwargs: P.kwargs) -> F:
        """Add a fact of this kind, with these fields behind its time and number. Returns it."""
        self.last_id = number = self.last_id + 1
        fact = kind(self.at, number, *args, **kwargs)
        self.facts.append(fact)
        return fact

    def trade(
        self,
        maker_order_id: int,
        taker_order_id: int,
        qty: int,
        price: int,
        auction: bool = False,
        maker_fee: str = "",
        taker_fee: str = "",
    ) -> None:
        """Add a Trade, which has two numbers: one is the maker's ExecID, its own that of the taker."""
        self.last_id += 1
        self.emit(Trade, maker_order_id, taker_order_id, qty, price, auction, maker_fee, taker_fee)

    def begin_day(self, day: int, shard: int) -> None:
        """Begin a trading day (YYYYMMDD), and its numbers."""
        self.last_id = first_of_day(day, shard) - 1
        self.emit(DayRolled, day)

    def repeat(self, fact: F, **changes: Any) -> None:
        """Add a fact that was told before, with these changes, as one of now."""
        self.last_id += 1
        self.facts.append(msgspec.structs.replace(fact, at=self.at, id=self.last_id, **changes))

    def amend(self, fact: F, **changes: Any) -> None:
        """Change fields of a fact that was emitted in this step."""
        at = next(at for at in range(len(self.facts) - 1, -1, -1) if self.facts[at] is fact)
        self.facts[at] = msgspec.structs.replace(fact, **changes)

    def fork(self) -> "Step":
        """A step that goes on from here, whose facts may be thrown away, or joined."""
        return Step(self.at, self.last_id)

    def join(self, fork: "Step") -> None:
        """Take over the facts of a fork. Nothing was emitted here since."""
        self.facts += fork.facts
        self.last_id = fork.last_id

    def has(self, *kinds: type[Fact]) -> bool:
        """Whether a fact of one of these kinds was emitted."""
        return any(isinstance(fact, kinds) for fact in self.facts)
