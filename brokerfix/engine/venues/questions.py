"""Answers that exchanges owe us. What is asked of one is asked for again with growing pauses until it has told; an
operator is told when that takes long."""

from itertools import islice

from brokerfix.commands import AskAgain
from brokerfix.domain import RestatementReason
from brokerfix.engine.entities import Link
from brokerfix.engine.orders.ending import cancel, is_cancelable
from brokerfix.engine.orders.order import Child
from brokerfix.engine.risk.halts import KILLED, killed_by
from brokerfix.engine.risk.reduce import TEXT
from brokerfix.engine.state import State
from brokerfix.engine.step import Step
from brokerfix.engine.tables import Decisions
from brokerfix.facts import Alerted, ChildStatusAsked

DECIDE = Decisions()

PATIENCE = 5 * 10**9
"""Nanoseconds for a first answer to an order or a request, before its state is asked for."""
LONG = 5
"""Questions without an answer, some 30 seconds, after which the operator is told; and again after each `LONG_AGAIN`."""
LONG_AGAIN = 60
MOST_ASKED = 50
"""Children of one exchange that are asked for at once."""


def is_owed(state: State, at: int) -> bool:
    """Whether an exchange that is up owes an answer for too long."""
    return any(at_again <= at for at_again in islice(state.unkilled.values(), 1)) or any(
        state.market.up.get(venue) and not link.mute and _first_due(link) <= at for venue, link in state.links.items()
    )


def _first_due(link: Link) -> int:
    """When the next question is due."""
    awaited = next(iter(link.awaited.values()), NEVER - PATIENCE) + PATIENCE
    return min(awaited, link.asked.keys()[0][0] if link.asked else NEVER)


NEVER = 1 << 63


@DECIDE.on(AskAgain, silent="no exchange owes an answer")
def ask_again(state: State, c: AskAgain, step: Step) -> None:
    """Ask each exchange for the state of the children that it owes an answer about, and for the cancel of what is under
    a kill and it has refused to cancel."""
    for venue, link in state.links.items():
        if state.market.up.get(venue) and not link.mute:
            for child_id in _due(link, c.at):
                _ask(state.children[child_id], step)
    for order_id, due in islice(state.unkilled.items(), MOST_ASKED):
        order = state.orders[order_id]
        if due > c.at or not is_cancelable(order):
            continue
        if killed_by(state, order) is not None:
            cancel(order, "", step, RestatementReason.TRADING_HALT, KILLED)
        else:
            cancel(order, "", step, RestatementReason.BROKER_OPTION, TEXT)


def _due(link: Link, at: int) -> list[int]:
    due: list[int] = []
    for child_id, since in link.awaited.items():
        if since + PATIENCE > at or len(due) >= MOST_ASKED:
            break
        due.append(child_id)
    for ask_at, child_id in link.asked:
        if ask_at > at or len(due) >= 2 * MOST_ASKED:
            break
        due.append(child_id)
    return due


def _ask(child: Child, step: Step) -> None:
    step.emit(ChildStatusAsked, child.child_id)
    if child.asks == LONG or (child.asks > LONG and child.asks % LONG_AGAIN == 0):
        about = f"a {child.request.name.lower()} of ours" if child.request is not None else "an order of ours"
        told = f"{child.venue} does not say what has become of {about}; it is asked again, and can be resolved by hand"
        step.emit(Alerted, child.venue, "NO_ANSWER", told, str(child.child_id))
