"""Sessions that come and go: what is asked of an exchange that is back, and what becomes of a lost client's orders."""

from brokerfix.commands import ClientAway, SessionDown, SessionUp
from brokerfix.engine.orders.many import open_orders
from brokerfix.engine.orders.working import NewId
from brokerfix.engine.state import Client, State
from brokerfix.facts import ClientDown, ClientGone, ClientUp, Fact, VenueDown, VenueUp


def session_up(state: State, c: SessionUp, new_id: NewId) -> list[Fact]:
    """A venue that is back is asked about every child whose fate is in doubt, which is a job; a drop-copy session that
    wants it is told of the open orders."""
    if c.venue:
        return [VenueUp(c.at, new_id(), c.comp_id, c.anew)]
    facts: list[Fact] = [ClientUp(c.at, new_id(), c.comp_id)]
    if state.clients[c.comp_id].options.drop_copy_snapshot:
        facts += open_orders(state, state.clients[c.comp_id], c.at, new_id)
    return facts


def session_down(state: State, c: SessionDown, new_id: NewId) -> list[Fact]:
    """Without a time of grace a client's orders go at once."""
    if c.venue:
        return [VenueDown(c.at, new_id(), c.comp_id)]
    client = state.clients[c.comp_id]
    down: list[Fact] = [ClientDown(c.at, new_id(), c.comp_id)]
    return down if client.options.grace else [*down, ClientGone(c.at, new_id(), c.comp_id, True)]


def is_due(client: Client, at: int) -> bool:
    """Whether a lost client has been away for as long as its options allow."""
    return bool(client.down_at) and not client.is_up and at - client.down_at >= client.options.grace


def client_away(state: State, c: ClientAway, new_id: NewId) -> list[Fact]:
    """Cancel what is not to outlive the session, by the client's options and by what each order says: a job."""
    client = state.clients[c.client]
    return [ClientGone(c.at, new_id(), c.client, True)] if is_due(client, c.at) else []
