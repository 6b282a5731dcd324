"""The only code that changes state: each fact's handler, from the subjects' tables. None rejects or knows a rule.

Recovery is `for fact in journal: evolve(state, fact)` and nothing else.
"""

from brokerfix.engine import (
    currencies,
    days,
    fees,
    jobs,
    marks,
    operator,
    records,
    reference,
    sessions,
    split,
    surveillance,
)
from brokerfix.engine.making import applied as makers
from brokerfix.engine.making import quoters_applied as quoters
from brokerfix.engine.making import rfq_applied as quotes
from brokerfix.engine.matching import applied as trades
from brokerfix.engine.matching import phases
from brokerfix.engine.orders import applied as orders
from brokerfix.engine.risk import approvals, credit, daily, kill, levels, moves, review, shards
from brokerfix.engine.state import State
from brokerfix.engine.tables import Evolution
from brokerfix.engine.touched import Touched
from brokerfix.engine.venues import applied as children
from brokerfix.engine.venues import breaks
from brokerfix.facts import Fact

SUBJECTS = (
    days,
    jobs,
    marks,
    operator,
    reference,
    sessions,
    split,
    trades,
    phases,
    orders,
    children,
    levels,
    kill,
    review,
    credit,
    approvals,
    fees,
    breaks,
    daily,
    currencies,
    makers,
    quotes,
    quoters,
    shards,
    moves,
    records,
    surveillance,
)
TABLE = Evolution.of(subject.EVOLVE for subject in SUBJECTS)
HANDLERS, TOUCHES = TABLE.handlers, TABLE.touches


def evolve(state: State, fact: Fact) -> None:
    """Apply one fact."""
    state.last_id = fact.id
    HANDLERS[type(fact)](state, fact)


def note(state: State, fact: Fact, touched: Touched) -> None:
    """Add to `touched` what the fact, which was just applied, has touched."""
    TOUCHES[type(fact)](state, fact, touched)
