"""The broker's own times: the start, the trading day, what expires."""

from itertools import count, islice

import msgspec

from brokerfix import commands as cmd
from brokerfix.commands import ChangePhase
from brokerfix.domain import DAY, GOOD_TILL, Request, RestatementReason, to_money
from brokerfix.engine.matching.auction import change_phase
from brokerfix.engine.orders.order import Order, is_over
from brokerfix.engine.orders.working import NewId, withdraw
from brokerfix.engine.state import State
from brokerfix.facts import (
    AccountDefined,
    CancelPending,
    ClientDefined,
    DayRolled,
    Fact,
    InstrumentDefined,
    OrderExpired,
    OrderRestated,
    Started,
    Stopped,
    VenueDefined,
)


def start(state: State, c: cmd.Start, new_id: NewId) -> list[Fact]:
    """The configuration, as far as it differs from what the journal says."""
    facts: list[Fact] = []
    if c.day > state.day:
        facts += _roll(c.day, c.at)
        new_id = count(facts[-1].id + 1).__next__
    facts.append(Started(c.at, new_id()))
    for instrument in c.instruments:
        if state.instruments.get(instrument.symbol) != instrument:
            facts.append(InstrumentDefined(c.at, new_id(), instrument))
    wanted = {instrument.symbol for instrument in c.instruments}
    for symbol, known in state.instruments.items():
        if symbol not in wanted and not known.halted:
            # Its orders and positions stay; nothing new is taken for what is no longer configured.
            facts.append(InstrumentDefined(c.at, new_id(), msgspec.structs.replace(known, halted=True)))
    for name, cash, limits in c.accounts:
        account = state.accounts.get(name)
        if account is None or (account.paid_in, account.limits) != (to_money(cash), limits):
            facts.append(AccountDefined(c.at, new_id(), name, cash, limits))
    for name, accounts, max_rate, options in c.clients:
        client = state.clients.get(name)
        if client is None or (client.accounts, client.max_rate, client.options) != (accounts, max_rate, options):
            facts.append(ClientDefined(c.at, new_id(), name, accounts, max_rate, options))
    for venue in c.venues:
        if state.venues.get(venue.venue) != venue:
            facts.append(VenueDefined(c.at, new_id(), venue))
    facts += _removed(state, c, new_id)
    for symbol, phase in c.phases:
        facts += change_phase(state, ChangePhase(c.at, symbol, phase), new_id)
    return facts


def _removed(state: State, c: cmd.Start, new_id: NewId) -> list[Fact]:
    """Exchanges that are no longer configured; what they hold of ours can be resolved by hand."""
    facts: list[Fact] = []
    wanted = {venue.venue for venue in c.venues}
    for name, venue in state.venues.items():
        if name in wanted or venue.removed:
            continue
        facts.append(VenueDefined(c.at, new_id(), msgspec.structs.replace(venue, removed=True)))
    return facts


def stop(state: State, c: cmd.Stop, new_id: NewId) -> list[Fact]:
    return [Stopped(c.at, new_id())]


def roll_day(state: State, c: cmd.RollDay, new_id: NewId) -> list[Fact]:
    """A new trading day begins; what that means for the orders is a job. On the same day, those that an exchange would
    not let go of are asked for again."""
    if c.day > state.day:
        return _roll(c.day, c.at)
    facts: list[Fact] = []
    expired = 0
    for order_id in islice(state.overdue, MOST_SEEN):
        more = _expired(state.orders[order_id], c.at, new_id, "end of the trading day")
        facts += more
        expired += bool(more)
        if expired >= MOST_EXPIRED:
            break
    return facts


def _roll(day: int, at: int) -> list[Fact]:
    return [DayRolled(at, day * DAY, day)]


MOST_SEEN = 20_000
MOST_EXPIRED = 50
"""Orders that expire at once; the others do at the next look."""


def at_day_begin(state: State, order: Order, at: int, new_id: NewId, overdue: list[int]) -> list[Fact]:
    """What a new trading day means for an order: what was for the day before expires, what is good longer is restated.
    One that waits for an exchange's answer is put among the `overdue`."""
    if order.done:
        return []
    if is_over(order, state.day, at):
        facts = _expired(order, at, new_id, "end of the trading day")
        if not facts:
            overdue.append(order.order_id)
        return facts
    told = order.restated_on == state.day_began
    if order.time_in_force in GOOD_TILL and order.order_id < state.day_began and not told:
        terms = RestatementReason.GT_RENEWAL, order.qty, order.price
        return [OrderRestated(at, new_id(), order.order_id, *terms)]
    return []


def expire_orders(state: State, c: cmd.ExpireOrders, new_id: NewId) -> list[Fact]:
    """Orders that are good till a time expire when it has come."""
    facts: list[Fact] = []
    expired = 0
    for expire_at, order_id in state.expiries:
        if expire_at > c.at or expired >= MOST_EXPIRED:
            break
        order = state.orders[order_id]
        if order.pending is None and not order.queue:
            facts += _expired(order, c.at, new_id, "its ExpireTime has come")
            expired += 1
    return facts


def _expired(order: Order, at: int, new_id: NewId, text: str) -> list[Fact]:
    """The order expires, one that is at an exchange once that has let go of it. One that waits for an exchange's answer
    is left for the next time; one that an exchange would not let go of is asked for again."""
    children = order.children
    if order.pending is not None and order.pending.request is not Request.EXPIRE:
        return []
    if not children:
        return [OrderExpired(at, new_id(), order.order_id, text)]
    if all(child.request is not None for child in children):
        return []
    return [CancelPending(at, new_id(), order.order_id, "", Request.EXPIRE), *withdraw(order, at, new_id)]
