"""What is found of a journal that is checked."""

from typing import NamedTuple

import msgspec

MOST_PROBLEMS = 20


class Problem(NamedTuple):
    """What is wrong, and where: a file with the record or line in it."""

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


class Checked(msgspec.Struct):
    """What was found. `linked` records have the link to the one before; `uncovered` are behind the newest checkpoint of
    their day, and `days_without` are days that have none. `torn`: a last record that is not whole. `deleted`: a
    line for each day that was deleted, as facts say."""

    records: int = 0
    linked: int = 0
    checkpoints: int = 0
    uncovered: int = 0
    days_without: list[str] = []
    torn: str = ""
    problems: list[Problem] = []
    deleted: list[str] = []

    def problem(self, where: object, what: str) -> None:
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(Problem(str(where), what))
