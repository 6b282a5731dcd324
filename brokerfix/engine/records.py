"""What becomes of the records themselves: nothing of the state's, but a fact."""

from brokerfix.commands import DeleteRecords, ErasePersonal
from brokerfix.engine.state import State
from brokerfix.engine.step import Step
from brokerfix.engine.tables import Decisions, Evolution
from brokerfix.facts import PersonalErased, RecordsDeleted

DECIDE, EVOLVE = Decisions(), Evolution()


@DECIDE.on(DeleteRecords)
def delete_records(state: State, c: DeleteRecords, step: Step) -> None:
    for file in c.files:
        step.emit(RecordsDeleted, file, c.rule, c.operator)


@DECIDE.on(ErasePersonal)
def erase_personal(state: State, c: ErasePersonal, step: Step) -> None:
    step.emit(PersonalErased, c.name, c.operator, c.text, c.override)


EVOLVE.only_tells(RecordsDeleted, PersonalErased)
