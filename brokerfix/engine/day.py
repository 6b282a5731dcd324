"""The broker's own times: the start, the trading day, what expires."""

from itertools import count

import msgspec

from brokerfix import commands as cmd
from brokerfix.commands import ChangePhase
from brokerfix.domain import DAY, GOOD_TILL, Request, RestatementReason, TimeInForce, to_money
from brokerfix.engine.auction import change_phase
from brokerfix.engine.orders import Order
from brokerfix.engine.state import State
from brokerfix.engine.working import NewId, withdraw
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
        facts += _roll(state, c.day, c.at)
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
    for symbol, phase in c.phases:
        facts += change_phase(state, ChangePhase(c.at, symbol, phase), new_id)
    return facts


def stop(state: State, c: cmd.Stop, new_id: NewId) -> list[Fact]:
    return [Stopped(c.at, new_id())]


def roll_day(state: State, c: cmd.RollDay, new_id: NewId) -> list[Fact]:
    return _roll(state, c.day, c.at) if c.day > state.day else _expire(state, c.day, c.at, new_id)


def _roll(state: State, day: int, at: int) -> list[Fact]:
    """A new trading day: what was for the day before expires, what is good longer is restated."""
    new_id = count(day * DAY + 1).__next__
    facts: list[Fact] = [DayRolled(at, day * DAY, day), *_expire(state, day, at, new_id)]
    for client in state.clients.values():
        for order in client.working.values():
            if order.time_in_force in GOOD_TILL and not _is_over(order, day, at):
                terms = RestatementReason.GT_RENEWAL, order.qty, order.price
                facts.append(OrderRestated(at, new_id(), order.order_id, *terms))
    return facts


def _is_over(order: Order, day: int, at: int) -> bool:
    """Whether the order was good till an earlier day or time."""
    if order.time_in_force is TimeInForce.GTC:
        return False
    if order.time_in_force is not TimeInForce.GTD:
        return order.order_id // DAY < day
    asked = order.instructions
    return asked is not None and (0 < asked.expire_day < day or 0 < asked.expire_at <= at)


def _expire(state: State, day: int, at: int, new_id: NewId) -> list[Fact]:
    """Orders of earlier days expire, and those whose date is over."""
    facts: list[Fact] = []
    for client in state.clients.values():
        for order in client.working.values():
            if _is_over(order, day, at):
                facts += _expired(order, at, new_id, "end of the trading day")
    return facts


def expire_orders(state: State, c: cmd.ExpireOrders, new_id: NewId) -> list[Fact]:
    """Orders that are good till a time expire when it has come."""
    facts: list[Fact] = []
    for expire_at, order_id in state.expiries:
        if expire_at > c.at:
            break
        order = state.orders[order_id]
        # One that an exchange would not let go of is asked for again with the day's others, not at every look.
        if order.pending is None and not order.queue:
            facts += _expired(order, c.at, new_id, "its ExpireTime has come")
    return facts


def _expired(order: Order, at: int, new_id: NewId, text: str) -> list[Fact]:
    """The order expires, one that is at an exchange once that has let go of it. One that waits for an exchange's answer
    is left for the next time; one that an exchange would not let go of is asked for again."""
    children = order.open_children()
    if order.pending is not None and order.pending.request is not Request.EXPIRE:
        return []
    if not children:
        return [OrderExpired(at, new_id(), order.order_id, text)]
    if all(child.request is not None for child in children):
        return []
    return [CancelPending(at, new_id(), order.order_id, "", Request.EXPIRE), *withdraw(order, at, new_id)]
