"""Sessions that come and go: what is asked of an exchange that is back, and what becomes of a lost client's orders."""

from brokerfix.commands import ClientAway, SessionDown, SessionUp
from brokerfix.domain import GOOD_TILL, ExecInst, RestatementReason
from brokerfix.engine.clients import cancel, is_cancelable
from brokerfix.engine.orders import Order
from brokerfix.engine.requests import open_orders
from brokerfix.engine.state import Client, State
from brokerfix.engine.working import NewId
from brokerfix.facts import ChildStatusAsked, ClientDown, ClientGone, ClientUp, Fact, VenueDown, VenueUp


def session_up(state: State, c: SessionUp, new_id: NewId) -> list[Fact]:
    """A venue that is back is asked about every child whose fate is in doubt; a drop-copy session that wants it is told
    of the open orders."""
    if not c.venue:
        facts: list[Fact] = [ClientUp(c.at, new_id(), c.comp_id)]
        if state.clients[c.comp_id].options.drop_copy_snapshot:
            facts += open_orders(state, state.clients[c.comp_id], c.at, new_id)
        return facts
    facts = [VenueUp(c.at, new_id(), c.comp_id)]
    for child in state.open_children[c.comp_id].values():
        if child.in_doubt:
            facts.append(ChildStatusAsked(c.at, new_id(), child.child_id))
    return facts


def session_down(state: State, c: SessionDown, new_id: NewId) -> list[Fact]:
    """Without a time of grace a client's orders go at once."""
    if c.venue:
        return [VenueDown(c.at, new_id(), c.comp_id)]
    client = state.clients[c.comp_id]
    down: list[Fact] = [ClientDown(c.at, new_id(), c.comp_id)]
    return down if client.options.grace else down + _gone(client, c.at, new_id)


def is_due(client: Client, at: int) -> bool:
    """Whether a lost client has been away for as long as its options allow."""
    return bool(client.down_at) and not client.is_up and at - client.down_at >= client.options.grace


def client_away(state: State, c: ClientAway, new_id: NewId) -> list[Fact]:
    """Cancel what is not to outlive the session: by the client's options, and by what each order says of itself."""
    client = state.clients[c.client]
    if not is_due(client, c.at):
        return []
    return _gone(client, c.at, new_id)


def _gone(client: Client, at: int, new_id: NewId) -> list[Fact]:
    facts: list[Fact] = [ClientGone(at, new_id(), client.client)]
    for order in client.working.values():
        if _ends_with_session(client, order) and is_cancelable(order):
            reason = RestatementReason.SYSTEM_FAILURE
            facts += cancel(order, "", at, new_id, reason, "DISCONNECTED: the session was lost")
    return facts


def _ends_with_session(client: Client, order: Order) -> bool:
    if order.has(ExecInst.CANCEL_ON_LOSS):
        return True
    if order.has(ExecInst.KEEP):
        return False
    mode = client.options.cancel_on_disconnect
    return mode == "all" or (mode == "day" and order.time_in_force not in GOOD_TILL)
