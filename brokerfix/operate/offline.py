"""What an operator does to a broker that does not run, put on record all the same."""

import os
import time

from brokerfix import commands as cmd
from brokerfix.engine.engine import decide
from brokerfix.engine.evolve import evolve
from brokerfix.facts import Fact, OperatorActed, OperatorRefused, PersonalErased, RecordsDeleted, Stopped
from brokerfix.record.journal import Journal, JournalError, Origin, Place, Torn, lock, places
from brokerfix.record.kept import begin
from brokerfix.settings.sections import Config

SAYS_NOTHING = (OperatorActed, OperatorRefused, PersonalErased, RecordsDeleted)
"""The kinds that may follow the broker's end."""


def record(config: Config, command: cmd.OperatorCommand) -> list[Fact]:
    """Put what a command decides into the journal of a broker that does not run; it is on the disk then. Raises
    JournalError where one runs, or has not ended in good order: what it sent last it would not send again."""
    if config.cluster is not None:
        raise JournalError(f"{config.data}: the journal of a cluster is written by its primary alone: start it, ask it")
    held, journal = lock(config.data), config.data / "journal"
    try:
        torn: list[Torn] = []
        state, _, place = begin(journal)
        is_over, last = False, place
        for found, end in places(journal, torn.append, place):
            for fact in found.facts:
                evolve(state, fact)
                is_over = isinstance(fact, Stopped) or (is_over and isinstance(fact, SAYS_NOTHING))
            last, place = place, end
        if torn or not is_over:
            raise JournalError(f"{config.data}: the broker did not end in good order: start it, and ask again")
        facts = decide(state, command)
        if isinstance(facts[0], OperatorRefused):
            raise JournalError(facts[0].text)
        _append(Journal(journal), state.day, last, facts, command.operator)
        return facts
    finally:
        os.close(held)


def _append(journal: Journal, day: int, last: Place, facts: list[Fact], operator: str) -> None:
    journal.open(day, None, last)
    try:
        journal.append(facts, Origin(who=operator), time.time_ns())
        descriptor = os.open(journal.folder / journal.place.segment, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    finally:
        journal.close()
