"""Whether days that a journal does not have any more were deleted as it says: what stands for them, the link of the
first record that is left, and their checkpoints, which stay."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from brokerfix.engine.state import State
from brokerfix.facts import RecordsDeleted
from brokerfix.record.before import deletions, file_hash
from brokerfix.record.checkpoints import SUFFIX
from brokerfix.record.frames import MAGIC, payloads
from brokerfix.record.journal import JournalError, before_path, read_payload, segments
from brokerfix.record.kept import BASE, BadState, read
from brokerfix.record.notes import Checkpoint
from brokerfix.record.problems import Checked


def check_gone(checked: Checked, journal: Path, signed: Mapping[str, Sequence[tuple[str, Checkpoint]]]) -> None:
    """Add to what was found the days that were deleted, and what contradicts that. `signed` are, by the days before the
    first one that is left, the checkpoints that there are of them, each with where it stands."""
    every = segments(journal)
    if not every:
        return
    first = every[0]
    try:
        told = {fact.file.name: fact for fact in deletions(journal) if fact.file.what == "journal"}
    except JournalError as error:
        # It is told with the segments, but for what stands for those that are gone.
        return checked.problem(before_path(first), str(error)) if before_path(first).exists() else None
    gone = {name: fact for name, fact in told.items() if name < first.name}
    checked.deleted = [_told(fact) for _, fact in sorted(gone.items())]
    if gone:
        _check_link(checked, first, gone[max(gone)])
        _check_stand_in(checked, first, gone[max(gone)])
    elif first.with_suffix(BASE).exists() or before_path(first).exists():
        checked.problem(first.with_suffix(BASE), "it stands for days that were deleted, and no fact says so")
    for day, checkpoints in signed.items():
        _check_signed(checked, day, checkpoints, gone.get(f"{day}.journal"))


def _told(fact: RecordsDeleted) -> str:
    day = fact.file.name.removesuffix(".journal")
    return f"{day}: {fact.file.records} records, deleted by {fact.operator} under {fact.rule}"


def _check_link(checked: Checked, first: Path, last: RecordsDeleted) -> None:
    """The first record has the link to the last one that was deleted."""
    _, payload = next(payloads(first, len(MAGIC)), (0, None))
    if payload is None:
        return
    before = read_payload(payload).before.hex()
    if before != last.file.link:
        checked.problem(
            f"{first.name}: record 0",
            f"its link is not to the last record of {last.file.name}, as that was when it was deleted: one was "
            "changed, or days between are gone",
        )


def _check_stand_in(checked: Checked, first: Path, last: RecordsDeleted) -> None:
    """What stands for the days is what the deletion's fact says."""
    if not last.file.state:
        return checked.problem(
            first,
            f"{last.file.name} was not deleted alone: `brokerfix retention --delete` ends what was begun",
        )
    base, before = first.with_suffix(BASE), before_path(first)
    if not before.exists() or file_hash(before) != last.file.before:
        checked.problem(before, "it is gone, or not what it was when the days before it were deleted")
    try:
        state = State()
        head, _ = read(base, state)
    except (BadState, OSError) as error:
        return checked.problem(base, f"{error}")
    found = state.hash() if head.covers_the_same() else head.state_hash
    if (head.last_id, found) != (last.file.last, last.file.state):
        checked.problem(base, "it is not the state that the days had which it stands for")


def _check_signed(
    checked: Checked, day: str, checkpoints: Sequence[tuple[str, Checkpoint]], fact: RecordsDeleted | None
) -> None:
    """A day's checkpoints, that stay, say what its deletion does."""
    if fact is None:
        told = f"there are checkpoints of {day}: its journal is gone, and no fact says why"
        return checked.problem(f"{day}{SUFFIX}", told)
    if not checkpoints:
        told = "none of the trusted keys has signed a checkpoint of this day, which was deleted"
        return checked.problem(f"{day}{SUFFIX}", told)
    where, newest = checkpoints[-1]
    if (newest.size, newest.root.hex()) != (fact.file.records, fact.file.root):
        checked.problem(where, f"the day was deleted with other records than its newest checkpoint has ({newest.size})")
    return None
