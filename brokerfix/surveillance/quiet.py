"""One alert for what goes on and on: after a finding, those of the same rule, accounts and symbol are held back for a
while, and told as one when it is over."""

from datetime import UTC, datetime

import msgspec

from brokerfix.domain import Finding
from brokerfix.surveillance.tape import SECOND, Memory, Quiet

NAME = "quiet"
MOST_HELD = 50
MOST_EVIDENCE = 500
"""Numbers of facts in one finding."""
MORE_SCORE = 10
"""What each further one adds to a score."""


def told(memory: Memory, found: Finding, seconds: int) -> Finding | None:
    """The finding, or None where it is held back."""
    if not seconds:
        return found
    key = found.rule, found.symbol, " ".join(found.accounts)
    held = memory.quiet.get(key)
    if held is not None:
        held.count += 1
        if len(held.held) < MOST_HELD:
            held.held.append(found)
        return None
    memory.quiet[key] = Quiet()
    memory.wake(memory.now + seconds * SECOND, NAME, f"{found.rule}\n{found.symbol}", key[2])
    return found


def over(memory: Memory, what: str, accounts: str, seconds: int) -> Finding | None:
    """The time is over: what was held back, as one, for which a time begins anew; None where nothing was."""
    rule, symbol = what.split("\n")
    key = rule, symbol, accounts
    held = memory.quiet.pop(key, None)
    if held is None or not held.count:
        return None
    memory.quiet[key] = Quiet()
    memory.wake(memory.now + seconds * SECOND, NAME, what, accounts)
    return together(held.held, held.count)


def together(held: list[Finding], count: int) -> Finding:
    """Findings of one kind as one, with the id of the first; `count` is how many there were, of which some may not have
    been kept."""
    first, last = held[0], held[-1]
    if count == 1:
        return first
    evidence = sorted({number for one in held for number in one.evidence})[:MOST_EVIDENCE]
    until = datetime.fromtimestamp(last.ended // SECOND, UTC)
    more = f"It goes on from an alert before: {count} times in all until {until:%H:%M:%S} UTC, the first as told here."
    return msgspec.structs.replace(
        first,
        score=min(100, max(one.score for one in held) + MORE_SCORE * (count - 1)),
        sentences=(*first.sentences, more),
        evidence=tuple(evidence),
        values=(*first.values, ("times", str(count))),
        ended=last.ended,
    )
