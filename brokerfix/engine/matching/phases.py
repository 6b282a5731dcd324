"""Trading phases: what begins with one, and what waited for it."""

from brokerfix.commands import ChangePhase, SettlePhase
from brokerfix.domain import AT_AUCTION, CALLS, Hold, Phase, TimeInForce
from brokerfix.engine import touched
from brokerfix.engine.making import quoters
from brokerfix.engine.making.stir import stir
from brokerfix.engine.matching.auction import uncross
from brokerfix.engine.orders import booking
from brokerfix.engine.orders.ending import cancel
from brokerfix.engine.orders.instructions import waits_for_auction
from brokerfix.engine.orders.work import work
from brokerfix.engine.state import State
from brokerfix.engine.step import Step
from brokerfix.engine.tables import Decisions, Evolution
from brokerfix.engine.waiting.holds import release
from brokerfix.facts import PhaseChanged

DECIDE, EVOLVE = Decisions(), Evolution()


@DECIDE.on(ChangePhase, silent="the instrument is in this phase already")
def change_phase(state: State, c: ChangePhase, step: Step) -> None:
    """Begin a phase. Leaving a call phase, what was collected in our own book is matched at one price."""
    before = state.phases.get(c.symbol)
    if before is c.phase:
        return
    step.emit(PhaseChanged, c.symbol, c.phase)
    quoters.phase_began(state, c.symbol, c.phase, step)
    if before in CALLS and c.phase not in CALLS and not state.venues:
        uncross(state, c.symbol, step)


@EVOLVE.on(PhaseChanged, touched.the_phase)
def _phase_changed(state: State, fact: PhaseChanged) -> None:
    state.phases[fact.symbol] = fact.phase
    # Makers first: what they quote is not for an auction.
    stir(state, (fact.symbol,))
    state.agenda[booking.PHASE_CHANGED, fact.symbol] = None


@DECIDE.on(SettlePhase, silent="the phase concerns no order any more")
def settle_phase(state: State, c: SettlePhase, step: Step) -> None:
    """What the first order that the phase concerns does: those that waited for it are worked, those that were for an
    auction that is over are canceled."""
    phase = state.phase(c.symbol)
    if state.is_halted(c.symbol):
        return
    for order_id in state.watching[c.symbol]:
        order = state.orders[order_id]
        if order.pending is not None or order.queue:
            continue
        opened = phase is Phase.CONTINUOUS and order.time_in_force is TimeInForce.OPENING and order.in_book
        # What an exchange has for its auction it ends itself.
        closed = phase is Phase.CLOSED and order.time_in_force in AT_AUCTION and not order.at_venues
        if opened or closed:
            return cancel(order, "", step, "", "AUCTION: the auction is over")
        if order.hold is Hold.AUCTION and not waits_for_auction(state, order):
            return release(state, order, Hold.AUCTION, step)
        if order.hold is Hold.ICEBERG and not order.in_book and not order.at_venues:
            work(state, order, order.held, step, held=order.held)
            if step.facts:
                return
