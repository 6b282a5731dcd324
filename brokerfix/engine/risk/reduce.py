"""Orders that must not increase a position (ExecInst E): they are measured again whenever it is another one."""

from brokerfix.commands import ReduceOnly
from brokerfix.domain import RestatementReason, Side
from brokerfix.engine.orders.ending import cancel, is_cancelable, waits
from brokerfix.engine.orders.order import Order
from brokerfix.engine.state import State
from brokerfix.engine.step import Step
from brokerfix.engine.tables import Decisions
from brokerfix.facts import OrderRestated

DECIDE = Decisions()
TEXT = "REDUCE_ONLY: the position is smaller than what is open to close it"


@DECIDE.on(ReduceOnly, silent="they fit")
def reduce_only(state: State, c: ReduceOnly, step: Step) -> None:
    """The older ones close first; what no longer fits of one that is with us is taken off it, and one that an exchange
    holds is canceled."""
    position = state.accounts[c.of[0]].positions.get(c.of[1])
    held = position.qty if position is not None else 0
    left = {Side.BUY: max(0, -held), Side.SELL: max(0, held)}
    for number in sorted(state.reducing.get(c.of, ())):
        order = state.orders[number]
        # One that an exchange has refused to cancel is asked for again in a while.
        if order.leaves > left[order.side] and is_cancelable(order) and number not in state.unkilled:
            _shrink(state, order, left[order.side], step)
        left[order.side] = max(0, left[order.side] - order.leaves)


def _shrink(state: State, order: Order, fits: int, step: Step) -> None:
    lot = state.instruments[order.symbol].lot
    fits = fits // lot * lot
    if not fits or order.children or waits(order):
        return cancel(order, "", step, RestatementReason.BROKER_OPTION, TEXT)
    step.emit(
        OrderRestated,
        order_id=order.order_id,
        reason=RestatementReason.PARTIAL_DECLINE,
        qty=order.cum + fits,
        price=order.price,
        text=TEXT,
    )
