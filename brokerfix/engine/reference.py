"""The configuration as the state has it: instruments, accounts, clients, exchanges."""

from collections import deque

import msgspec

from brokerfix import commands as cmd
from brokerfix import facts as f
from brokerfix.domain import Level, Standing, to_money
from brokerfix.engine import touched
from brokerfix.engine.entities import Account, Client, Link
from brokerfix.engine.kept_accounts import derive
from brokerfix.engine.matching.book import Book
from brokerfix.engine.orders import booking
from brokerfix.engine.risk.bounds import arrange, count_all, give_accounts, say_again, set_level
from brokerfix.engine.risk.daily import has_less
from brokerfix.engine.risk.standing import watch_anew
from brokerfix.engine.sharing import is_elsewhere
from brokerfix.engine.state import State
from brokerfix.engine.step import Step
from brokerfix.engine.tables import Decisions, Evolution

DECIDE, EVOLVE = Decisions(), Evolution()


def define(state: State, c: cmd.Start, step: Step) -> None:
    """The configuration, as far as it differs from what the journal says."""
    for instrument in c.instruments:
        if state.instruments.get(instrument.symbol) != instrument:
            step.emit(f.InstrumentDefined, instrument)
    wanted = {instrument.symbol for instrument in c.instruments}
    for symbol, known in state.instruments.items():
        if symbol not in wanted and not known.halted:
            # Its orders and positions stay; nothing new is taken for what is no longer configured.
            step.emit(f.InstrumentDefined, msgspec.structs.replace(known, halted=True))
    if state.margin_policy != c.margin:
        step.emit(f.MarginPolicySet, c.margin)
    kinds, modes = dict(c.kinds), dict(c.modes)
    for name, cash, limits in c.accounts:
        if is_elsewhere(state, c, name):
            continue
        account = state.accounts.get(name)
        known_as = state.configured.get(Level("account", name))
        kind, mode = kinds.get(name, "cash"), modes.get(name, "")
        had = None
        if account is not None:
            had = account.paid_in, account.margin, known_as, account.route_mode
        if had != (to_money(cash), kind, limits, mode):
            step.emit(f.AccountDefined, name, cash, limits, kind, mode)
    for name, accounts, max_rate, options in c.clients:
        client = state.clients.get(name)
        if client is None or (client.accounts, client.max_rate, client.options) != (accounts, max_rate, options):
            step.emit(f.ClientDefined, name, accounts, max_rate, options)
    for venue in c.venues:
        if state.venues.get(venue.venue) != venue:
            step.emit(f.VenueDefined, venue)
    configured = {venue.venue for venue in c.venues}
    for name, venue in state.venues.items():
        if name not in configured and not venue.removed:
            # What it holds of ours can be resolved by hand.
            step.emit(f.VenueDefined, msgspec.structs.replace(venue, removed=True))


@EVOLVE.on(f.InstrumentDefined, touched.positions_in_instrument)
def _instrument_defined(state: State, fact: f.InstrumentDefined) -> None:
    symbol = fact.instrument.symbol
    state.instruments[symbol] = fact.instrument
    state.books.setdefault(symbol, Book())
    state.market.define(fact.instrument)
    state.stops.setdefault(symbol, Book())
    state.watching.setdefault(symbol, {})
    holders = list(state.holders.get(symbol, ()))
    for name in holders:
        # By the factor until now.
        count_all(state, name, -1)
    derive(state, fact.instrument)
    for name in holders:
        count_all(state, name, 1)
    for one in (symbol, *state.derived.get(symbol, ())):
        booking.value_again(state, one)


@EVOLVE.on(f.AccountDefined, touched.the_account)
def _account_defined(state: State, fact: f.AccountDefined) -> None:
    paid_in = to_money(fact.cash)
    account = state.accounts.get(fact.account)
    if account is None:
        account = state.accounts[fact.account] = Account(fact.account, fact.limits, paid_in, paid_in)
        account.opened_with = paid_in
        account.sma = paid_in if fact.margin == "reg-t" else 0
        account.clients = {client.client: None for client in state.clients.values() if fact.account in client.accounts}
    account.route_mode = fact.route_mode
    had = account.is_watched, account.most_lost
    was_paid_in = account.paid_in
    account.cash += paid_in - account.paid_in
    # What is paid in is no gain.
    account.opened_with += paid_in - account.paid_in
    if account.margin == "reg-t":
        account.sma += paid_in - account.paid_in
    account.paid_in = paid_in
    level = Level("account", fact.account)
    if state.configured.get(level) != fact.limits:
        # Else what an operator has set stays.
        state.configured[level] = fact.limits
        state.overrides.pop(level, None)
        set_level(state, level, fact.limits)
    if account.margin != fact.margin:
        account.margin = fact.margin
        arrange(state, fact.account)
        booking.reload_all(state, account)
        # Nothing follows any more from how it stood.
        account.standing, account.since, account.slice_id, account.held_by = Standing.OK, 0, 0, ""
        state.called.pop(fact.account, None)
    if paid_in < was_paid_in:
        has_less(account)
    watch_anew(account, *had)
    if account.is_watched:
        state.agenda[booking.REVIEW, fact.account] = None


@DECIDE.on(cmd.DefineClient)
def define_client(state: State, c: cmd.DefineClient, step: Step) -> None:
    """A client that is added to a running broker."""
    step.emit(f.OperatorActed, c.operator, "add client", c.client)
    step.emit(f.ClientDefined, c.client, c.accounts, c.max_rate, c.options)


@DECIDE.on(cmd.DefineVenue)
def define_venue(state: State, c: cmd.DefineVenue, step: Step) -> None:
    """An exchange that is added to a running broker."""
    step.emit(f.OperatorActed, c.operator, "add exchange", c.venue.venue)
    step.emit(f.VenueDefined, c.venue)


@EVOLVE.on(f.ClientDefined, touched.nothing)
def _client_defined(state: State, fact: f.ClientDefined) -> None:
    recent: deque[int] = deque(maxlen=fact.max_rate)
    client = state.clients.get(fact.client)
    if client is None:
        client = state.clients[fact.client] = Client(
            fact.client, fact.accounts, fact.max_rate, recent, options=fact.options
        )
        had: tuple[str, ...] = ()
    else:
        had = client.accounts
        client.accounts, client.max_rate, client.recent = fact.accounts, fact.max_rate, recent
        client.options = fact.options
    client.sort_sides()
    give_accounts(state, client, had)
    say_again(state, Level("client", fact.client))
    state.note_copies()


@EVOLVE.on(f.VenueDefined, touched.nothing)
def _venue_defined(state: State, fact: f.VenueDefined) -> None:
    venue = fact.venue.venue
    state.venues[venue] = fact.venue
    state.open_children.setdefault(venue, {})
    state.venue_execs.setdefault(venue, {})
    state.links.setdefault(venue, Link())
