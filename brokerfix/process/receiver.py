"""What the sessions bring: messages become commands, sessions that come and go are recorded."""

import logging
import re
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from brokerfix import commands as cmd
from brokerfix.domain import BusinessRejectReason, OrdStatus, id_text
from brokerfix.engine.engine import observe, one_trade_at_a_time
from brokerfix.engine.orders.order import Order
from brokerfix.fix.incoming.decode import GatewayRefusal, from_client, route_of, unreadable
from brokerfix.fix.incoming.reports import from_venue, from_venue_reject
from brokerfix.fix.incoming.requests import AboutSecurities
from brokerfix.fix.outgoing import encode
from brokerfix.fix.outgoing.limits import risk_limits
from brokerfix.fix.outgoing.securities import securities
from brokerfix.fix.outgoing.venue import ask_anew
from brokerfix.fix.text import printable
from brokerfix.live.copies import Copies
from brokerfix.live.feed import Feed, Increment, MarketDataRequest, Snapshot, Told
from brokerfix.live.limits import RiskLimitsRequest
from brokerfix.live.readers import Readers
from brokerfix.live.securities import Securities
from brokerfix.live.securities import Told as SecurityTold
from brokerfix.live.sources import Sources
from brokerfix.record.journal import Origin
from brokerfix.record.origin import origin_of
from brokerfix.record.pipeline import Pipeline
from brokerfix.settings.sections import Config
from brokerfix.simulate.chaos import Chaos

if TYPE_CHECKING:
    from brokerfix.fix.session.sessions import Sessions

log = logging.getLogger("brokerfix")

REQ_ID = re.compile("\x01262=([^\x01]*)")
"""MDReqID."""


class Receiver:
    """Takes what the sessions bring. `sessions`, `pipeline` and, of a simulated exchange, `chaos` are set once they are
    made: each needs the others."""

    sessions: "Sessions"
    pipeline: Pipeline
    chaos: Chaos | None = None

    def __init__(self, config: Config, clock: Callable[[], int]) -> None:
        self.config = config
        self.clock = clock
        self.feed = Feed()
        self.copies = Copies()
        self.securities = Securities()
        self.sources = Sources()
        self.readers = Readers()
        self._unrecorded: deque[cmd.Command] = deque()

    def client_message(self, client: str, text: str) -> bool:
        if self.chaos is not None and self.chaos.holds(client, text, self.clock()):
            return True
        return self.bring(client, text)

    def status_of(self, client: str, cl_ord_id: str) -> tuple[str, str]:
        known = self.pipeline.state.clients[client].requests.get(cl_ord_id)
        return (id_text(known.order_id), known.status) if isinstance(known, Order) else ("NONE", OrdStatus.REJECTED)

    def bring(self, client: str, text: str) -> bool:
        at = self.clock()
        origin = origin_of("c:" + client, text, at)
        try:
            version = self.config.clients[client].fix
            command = from_client(text, client, at, self.pipeline.state.instruments, version)
        except Exception as error:
            log.exception("a message of %s can't be read", client)
            self.failed(client, f"a message can't be read: {type(error).__name__}: {error}", printable(text))
            return self.pipeline.submit(unreadable(text, client, at), origin)
        if isinstance(command, cmd.Command):
            if isinstance(command, cmd.RefuseMessage):
                self.sessions.route(client, command.ref_seq_num, route_of(text))
            return self.pipeline.submit(command, origin)
        if isinstance(command, GatewayRefusal):
            return self._gateway_refuses(client, text, command, origin)
        if isinstance(command, list):
            # Of a list that comes again, what was taken is known by its ClOrdIDs; it is done with the last.
            *others, last = command
            not_done = msgspec.structs.replace(origin, seq_num=0)
            taken = [self.pipeline.submit(one, not_done) for one in others]
            return all([*taken, self.pipeline.submit(last, origin if all(taken) else not_done)])
        if isinstance(command, RiskLimitsRequest):
            for out in risk_limits(self.pipeline.state, command, at):
                self.sessions.tell(out)
        elif isinstance(command, AboutSecurities):
            self._tell_securities(self.securities.answer(self.pipeline.state, command), at)
        elif isinstance(command, MarketDataRequest):
            self.tell(self.feed.request(self.pipeline.state, command))
        else:
            self.tell(self.feed.request_session_status(self.pipeline.state, command))
        return True

    def _gateway_refuses(self, client: str, text: str, refusal: GatewayRefusal, origin: Origin) -> bool:
        """The gateway has us answer a message of the client."""
        if self.config.gateway is None:
            return self.pipeline.submit(unreadable(text, client, self.clock()), origin)
        if refusal.answer == "5":
            self.sessions.disconnect(client, refusal.text)
            # It stands in no message's place: its number is the client's next.
            return False
        if refusal.answer == "3":
            self.sessions.reject(client, refusal)
            # A SequenceReset that is refused has no number of its own.
            return refusal.ref_msg_type != "4"
        else:
            self.sessions.route(client, refusal.ref_seq_num, refusal.route)
            told = refusal.ref_seq_num, refusal.ref_msg_type, BusinessRejectReason(str(refusal.reason)), refusal.text
            return self.pipeline.submit(cmd.RefuseMessage(self.clock(), client, *told, refusal.ref_id), origin)
        return True

    def venue_message(self, venue: str, text: str) -> bool:
        at = self.clock()
        try:
            told = from_venue(text, venue, at, self.pipeline.state.instruments, self.config.venues[venue].fix)
        except Exception as error:
            log.exception("a message of %s can't be read", venue)
            what = f"{venue} sent a message that can't be read: {type(error).__name__}: {error}"
            told = cmd.VenueOther(at, venue, "UNREADABLE", what, printable(text))
        if self.config.venues[venue].drop_copy and isinstance(told, cmd.VenueReport):
            self.copies.take(self.pipeline.state, told, at)
            return True
        if isinstance(told, cmd.Command):
            return self.pipeline.submit(told, origin_of("v:" + venue, text, at))
        if isinstance(told, cmd.MarketStatus):
            self.sources.status(self.pipeline.state, told)
            self._alert_of_quotes(at)
            return True
        for one in told:
            update = self.sources.take(self.pipeline.state, one, at)
            if update is None:
                continue
            for step in one_trade_at_a_time(update):
                observe(self.pipeline.state, step)
                self.pipeline.follow_up(at)
        if self.pipeline.state.market.news:
            found = REQ_ID.search(text)
            self.sources.req_ids[venue] = found[1] if found is not None else ""
            self.look_at_sources(at)
        return True

    def look_at_sources(self, at: int) -> None:
        """Leave out quotes that are too old, and ask anew for those that have a gap."""
        state = self.pipeline.state
        self.sources.check(state, at)
        for venue, before, req_id in self.sources.to_ask_anew(state, at):
            for out in ask_anew(state, venue, before, req_id):
                self.sessions.tell(out)
        self._alert_of_quotes(at)

    def _alert_of_quotes(self, at: int) -> None:
        for alert in self.sources.alerts(self.pipeline.state, at):
            self.pipeline.submit(alert)

    def venue_reject(self, venue: str, text: str, sent: str) -> bool:
        return self.pipeline.submit(from_venue_reject(text, sent, venue, self.clock()))

    def session_changed(self, comp_id: str, is_venue: bool, is_up: bool, anew: bool) -> None:
        if is_venue:
            self.sources.forget(comp_id)
        else:
            self.feed.forget(comp_id)
            self.readers.forget(comp_id)
            self.securities.forget(comp_id)
        now = self.clock()
        change = cmd.SessionUp(now, comp_id, is_venue, anew) if is_up else cmd.SessionDown(now, comp_id, is_venue)
        self._unrecorded.append(change)
        self.record_sessions()
        if is_up and not is_venue:
            self.pipeline.client_is_back(comp_id, now, anew)

    def client_began_anew(self, client: str) -> None:
        self.pipeline.client_is_back(client, self.clock(), True)

    def flush_held(self) -> None:
        if self.pipeline.holds:
            self.pipeline.flush()

    def note_numbers(self) -> None:
        self.pipeline.note_numbers()

    def record_sessions(self) -> None:
        """What could not be recorded on a full disk is tried again every second, in its order."""
        while self._unrecorded and self.pipeline.submit(self._unrecorded[0]):
            self._unrecorded.popleft()

    def failed(self, source: str, text: str, raw: str) -> None:
        """A callback of ours failed outside of the engine: on record and in the log, and the broker goes on."""
        self.pipeline.submit(cmd.VenueOther(self.clock(), source, "BUG", text, raw))

    def flush_securities(self, at: int) -> None:
        """Tell subscribers of instruments that stand otherwise now."""
        self._tell_securities(self.securities.flush(self.pipeline.state), at)

    def _tell_securities(self, told: list[SecurityTold], at: int) -> None:
        for one in told:
            self.sessions.tell(securities(self.pipeline.state, one, at))

    @property
    def has_watchers(self) -> bool:
        """Whether somebody has to be told how instruments stand: that is looked for by the clock."""
        return bool(self.securities.watchers or self.feed.session_watchers)

    def publish(self, now: int) -> None:
        """Tell subscribers how the market has changed, but those who have not read yet what they were told before."""
        self.tell(self.feed.flush(self.pipeline.state, now, self.readers.behind))
        for client, test_req_id in self.readers.to_probe():
            self.sessions.test_request(client, test_req_id)

    def client_answered(self, client: str, test_req_id: str) -> None:
        """A client has answered a TestRequest."""
        self.readers.answered(client, test_req_id)

    def tell(self, told: list[Told]) -> None:
        for one in told:
            if isinstance(one, Snapshot | Increment):
                self.readers.told(one.client)
            self.sessions.tell(encode.market_data(self.pipeline.state, one))
