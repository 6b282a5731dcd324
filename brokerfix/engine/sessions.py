"""Sessions that come and go: what is asked of an exchange that is back, and what becomes of a lost client's orders."""

from brokerfix import facts as f
from brokerfix.commands import ClientAway, SessionDown, SessionUp
from brokerfix.domain import RestatementReason
from brokerfix.engine import touched
from brokerfix.engine.entities import Client, Job, JobKind
from brokerfix.engine.making import quoters
from brokerfix.engine.making.stir import stir
from brokerfix.engine.orders import booking
from brokerfix.engine.orders.status import report_open_orders
from brokerfix.engine.routing.statistics import failed, recovered
from brokerfix.engine.state import State
from brokerfix.engine.step import Step
from brokerfix.engine.tables import Decisions, Evolution

DECIDE, EVOLVE = Decisions(), Evolution()


@DECIDE.on(SessionUp)
def session_up(state: State, c: SessionUp, step: Step) -> None:
    """A venue that is back is asked about every child whose fate is in doubt, which is a job; a drop-copy session that
    wants it is told of the open orders."""
    if c.venue:
        step.emit(f.VenueUp, c.comp_id, c.anew)
        return
    step.emit(f.ClientUp, c.comp_id)
    if state.clients[c.comp_id].options.drop_copy_snapshot:
        report_open_orders(state, state.clients[c.comp_id], step)


@EVOLVE.on(f.VenueUp, touched.nothing)
def _venue_up(state: State, fact: f.VenueUp) -> None:
    state.market.up[fact.venue] = True
    link = state.links[fact.venue]
    link.anew += fact.anew
    link.mute = False
    recovered(state, fact.venue)
    stir(state, state.quoted)
    _drop_questions(state, fact.venue)
    booking.begin_job(state, Job(JobKind.ASK, list(reversed(state.open_children[fact.venue])), fact.venue))


@EVOLVE.on(f.ClientUp, touched.nothing)
def _client_up(state: State, fact: f.ClientUp) -> None:
    client = state.clients[fact.client]
    client.is_up, client.down_at = True, 0
    state.away.pop(fact.client, None)


@DECIDE.on(SessionDown)
def session_down(state: State, c: SessionDown, step: Step) -> None:
    """A client's quotes go at once, and without a time of grace its orders."""
    if c.venue:
        step.emit(f.VenueDown, c.comp_id)
        return
    step.emit(f.ClientDown, c.comp_id)
    quoters.lost(state, c.comp_id, step)
    if not state.clients[c.comp_id].options.grace:
        step.emit(f.ClientGone, c.comp_id, True)


@EVOLVE.on(f.VenueDown, touched.open_at_venue)
def _venue_down(state: State, fact: f.VenueDown) -> None:
    state.market.venue_down(fact.venue)
    failed(state, fact.venue, fact.at)
    stir(state, state.quoted)
    state.links[fact.venue].lost += 1
    _drop_questions(state, fact.venue)


def _drop_questions(state: State, venue: str) -> None:
    state.jobs = [job for job in state.jobs if job.kind not in (JobKind.ASK, JobKind.RECONCILE) or job.name != venue]


@EVOLVE.on(f.ClientDown, touched.nothing)
def _client_down(state: State, fact: f.ClientDown) -> None:
    client = state.clients[fact.client]
    client.is_up, client.down_at = False, fact.at
    state.away[fact.client] = None


def is_due(client: Client, at: int) -> bool:
    """Whether a lost client has been away for as long as its options allow."""
    return bool(client.down_at) and not client.is_up and at - client.down_at >= client.options.grace


@DECIDE.on(ClientAway, silent="the client is back, or nothing was left to do")
def client_away(state: State, c: ClientAway, step: Step) -> None:
    """Cancel what is not to outlive the session, by the client's options and by what each order says: a job."""
    if is_due(state.clients[c.client], c.at):
        step.emit(f.ClientGone, c.client, True)


EVOLVE.only_tells(f.ReportsResent)


@EVOLVE.on(f.ClientGone, touched.nothing)
def _client_gone(state: State, fact: f.ClientGone) -> None:
    client = state.clients[fact.client]
    client.down_at = 0
    if fact.job:
        job = Job(JobKind.END_WITH_SESSION, list(reversed(client.working)), client.client)
        job.reason, job.text = str(RestatementReason.SYSTEM_FAILURE), "DISCONNECTED: the session was lost"
        booking.begin_job(state, job)
