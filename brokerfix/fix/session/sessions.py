"""The FIX sessions: QuickFIX's callbacks in, messages out, one poll for all. The only user of QuickFIX's engine.

QuickFIX ends the process when an exception leaves a callback, so each one is guarded; only QuickFIX's own reject
types may pass. It advances the incoming sequence number once `fromApp` has returned: what it brought must have
been recorded by then, or is taken back.
"""

import logging
import re
from collections.abc import Callable
from functools import wraps
from typing import Any, Protocol, TypeVar

import quickfix

from brokerfix.fix.incoming.decode import GatewayRefusal
from brokerfix.fix.outgoing.encode import Out
from brokerfix.fix.session.again import Again
from brokerfix.fix.session.listen import CantListen, Listener, place
from brokerfix.fix.session.logon import REFUSED, check_logon
from brokerfix.fix.session.mailbox import Mailbox
from brokerfix.fix.session.older import Sent
from brokerfix.fix.session.peer import Peer
from brokerfix.fix.session.settings import (
    acceptor_settings,
    added_settings,
    groups_dictionary,
    initiator_settings,
    write_dictionaries,
)
from brokerfix.fix.text import SOH, Reader, clean, printable
from brokerfix.fix.versions.recode import FIX_42
from brokerfix.settings.sections import Config

log = logging.getLogger("brokerfix.fix")
MESSAGE, SEND = quickfix.Message, quickfix.Session.sendToTarget


class SessionsError(Exception):
    """Why the sessions can't be opened, in QuickFIX's words."""


class Receiver(Protocol):
    """Whom the sessions bring their messages to. The message handlers return whether the message is on record."""

    def client_message(self, client: str, text: str) -> bool: ...
    def venue_message(self, venue: str, text: str) -> bool: ...
    def client_answered(self, client: str, test_req_id: str) -> None: ...
    def venue_reject(self, venue: str, text: str, sent: str) -> bool: ...
    def session_changed(self, comp_id: str, is_venue: bool, is_up: bool, anew: bool) -> None: ...
    def client_began_anew(self, client: str) -> None: ...
    def failed(self, source: str, text: str, raw: str) -> None: ...
    def flush_held(self) -> None: ...
    def note_numbers(self) -> None: ...


Callback = TypeVar("Callback", bound=Callable[..., None])


def _guarded(callback: Callback) -> Callback:
    """Let nothing but QuickFIX's own rejects leave a callback."""

    @wraps(callback)
    def guarded(self: "Sessions", *args: Any) -> None:
        try:
            callback(self, *args)
        except (quickfix.RejectLogon, quickfix.DoNotSend):
            raise
        except Exception as error:
            self._failed(callback.__name__, error)

    return guarded  # type: ignore[return-value]


def _readable(text: str) -> str:
    """A message as QuickFIX gives it, without the bytes that no text can hold (they are shown as \\x..)."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


class Boxes(Protocol):
    """Where the sessions' mailboxes are."""

    def box(self, is_venue: bool, name: str) -> Mailbox: ...


class Sessions(quickfix.Application):  # type: ignore[misc]
    """All sessions of one process: an acceptor for clients, initiators for exchanges. `activity` counts what has come,
    `changes` the sessions that have begun or ended."""

    def __init__(self, config: Config, receiver: Receiver, boxes: Boxes, clock: Callable[[], int]) -> None:
        """`clock` gives ns UTC."""
        super().__init__()
        self.receiver = receiver
        self.clock = clock
        self._boxes = boxes
        self._active: dict[Peer, None] = {}
        self._spare: Any = None
        self.config = config
        self.activity = self.changes = 0
        self.clients: dict[str, Peer] = {}
        self.venues: dict[str, Peer] = {}
        self._by_id: dict[str, Peer] = {}
        name = config.broker.name
        for client, section in config.clients.items():
            self._add(client, False, section.fix, name, client)
        for venue, exchange in config.venues.items():
            self._add(venue, True, exchange.fix, exchange.sender, exchange.target)
        self._engines: list[Any] = []
        self._polls: list[Callable[[], Any]] = []
        self._dictionary: Any = None
        self._again = Again(None)
        self._rejected: list[tuple[str, str]] = []
        self._listeners: dict[int, Listener] = {}
        self.secret = b""
        self._logged_out: list[Peer] = []

    def _add(self, name: str, is_venue: bool, begin_string: str, sender: str, target: str) -> Peer:
        peer = Peer(name, is_venue, begin_string, sender, target, self._boxes.box(is_venue, name))
        (self.venues if is_venue else self.clients)[name] = peer
        self._by_id[peer.session_id.toString()] = peer
        return peer

    def prepare(self) -> None:
        """Do what of a start needs no socket and no numbers: a standby has it done before it takes over."""
        write_dictionaries(self.config)
        self._use_groups()

    def start(self, anew: bool = False) -> None:
        """Listen to clients and begin to connect to exchanges, with sequence numbers that begin `anew` where a trading
        day has begun meanwhile. Raises SessionsError, e.g. when the port is taken."""
        failure = ""
        try:
            self._build(anew)
        except (RuntimeError, quickfix.FIXException, CantListen) as error:
            failure = str(error)
        if failure:
            # Outside of the handler, so that no traceback keeps QuickFIX's objects beyond `close`.
            self.close()
            raise SessionsError(failure)

    def _build(self, anew: bool) -> None:
        config = self.config
        own_ports = {client.port: name for name, client in config.clients.items()}
        self._listeners = {
            port: Listener(place(config, own_ports.get(port, ""), port))
            for port in ({0: "", **own_ports} if own_ports else ())
        }
        told = {port: listener.port for port, listener in self._listeners.items()}
        for settings, engine in (
            (acceptor_settings(config, told), quickfix.SocketAcceptor),
            (initiator_settings(config, config.venues), quickfix.SocketInitiator),
        ):
            if settings is None:
                continue
            self._open(engine, settings)
        if self._dictionary is None:
            self._use_groups()
        for peer in (*self.clients.values(), *self.venues.values()):
            self._go_on(peer)
        if anew:
            self.reset_all()
        self.poll()
        for listener in self._listeners.values():
            listener.replace()

    def _open(self, engine: Any, settings: Any) -> Any:
        """Build an acceptor or initiators. QuickFIX holds the sessions' numbers in memory and none of their messages:
        both are in the mailboxes."""
        store = quickfix.MemoryStoreFactory()
        built = engine(self, store, settings)
        # QuickFIX keeps references to what it was built with, so these must live as long.
        self._engines.append((built, store, settings))
        self._polls.append(built.poll)
        return built

    @staticmethod
    def _go_on(peer: Peer) -> None:
        """A session goes on with the numbers that its mailbox has."""
        session = peer.session = quickfix.Session.lookupSession(peer.session_id)
        session.setNextSenderMsgSeqNum(peer.box.sent)
        session.setNextTargetMsgSeqNum(peer.box.next_in)

    def _use_groups(self) -> None:
        """Know the repeating groups of what clients are sent."""
        self._dictionary = quickfix.DataDictionary(str(groups_dictionary(self.config)))
        self._again.dictionary = self._dictionary

    def add_client(self, name: str) -> None:
        """Open a session for a client that has been added to the configuration. Raises SessionsError."""
        section = self.config.clients[name]
        peer = self._add(name, False, section.fix, self.config.broker.name, name)
        try:
            listener = self._listeners[section.port] = Listener(place(self.config, name, section.port))
            built = self._open(quickfix.SocketAcceptor, added_settings(self.config, name, listener.port))
            self._go_on(peer)
            self._use_groups()
            built.poll()
            listener.replace()
        except (RuntimeError, quickfix.FIXException, CantListen) as error:
            self._forget(peer)
            raise SessionsError(str(error)) from error

    def add_venue(self, name: str) -> None:
        """Begin to connect to an exchange that has been added to the configuration. Raises SessionsError."""
        section = self.config.venues[name]
        peer = self._add(name, True, section.fix, section.sender, section.target)
        try:
            self._open(quickfix.SocketInitiator, initiator_settings(self.config, (name,)))
            self._go_on(peer)
        except (RuntimeError, quickfix.FIXException) as error:
            self._forget(peer)
            raise SessionsError(str(error)) from error

    def _forget(self, peer: Peer) -> None:
        """Its session could not be opened."""
        del (self.venues if peer.is_venue else self.clients)[peer.name]
        del self._by_id[peer.session_id.toString()]

    def file_names(self) -> dict[str, str]:
        """How QuickFIX's files of a session are called -> the key of its mailbox."""
        peers = (*self.clients.values(), *self.venues.values())
        return {f"{peer.begin_string}-{peer.sender}-{peer.target}": peer.box.key for peer in peers}

    def numbers(self, name: str) -> tuple[int, int]:
        """The next MsgSeqNums of a session: of ours, and of its peer."""
        peer = self.clients.get(name) or self.venues[name]
        return peer.session.getExpectedSenderNum(), peer.session.getExpectedTargetNum()

    def poll(self) -> None:
        """Read and write what there is; callbacks run in here."""
        for poll in self._polls:
            poll()
        if self._active:
            for peer in self._active:
                peer.box.came(peer.session.getExpectedTargetNum())
            self._active.clear()
        if self._logged_out:
            self._reopen()
        while self._rejected:
            venue, raw = self._rejected.pop()
            self.receiver.failed(venue, "QuickFIX refused a message of the exchange; what it told is not applied", raw)

    def _reopen(self) -> None:
        """Let sessions log on again that we have logged out. Only now: before, it would take the logout back."""
        for peer in [peer for peer in self._logged_out if not peer.is_up]:
            peer.session.logon()
            self._logged_out.remove(peer)

    def send(self, out: Out) -> None:
        """Hand a message that is posted to its session, which numbers it and sends it now or, if it is logged out, has
        it asked for by the peer. A peer without a session is told nothing."""
        peer = (self.venues if out.to_venue else self.clients).get(out.comp_id)
        if peer is None:
            return
        box, text = peer.box, out.text
        number = box.sent
        # A failing session calls back, and may have us send another message meanwhile.
        message, self._spare = self._spare, None
        try:
            if peer.recode is not None:
                text = peer.recode(text)
            if peer.routes:
                text = self._routed(peer, text)
            if out.groups:
                message = MESSAGE(text, self._dictionary, False)
            elif message is None:
                message = MESSAGE(text, False)
            else:
                message.setString(text, False)
            box.went()
            peer.session.send(message)
        except Exception:
            # The number is used up, whatever became of its message: the next one has the next.
            if box.sent == number:
                box.went()
            peer.session.setNextSenderMsgSeqNum(number + 1)
            raise
        finally:
            self._spare = message

    def _flush(self, peer: Peer) -> None:
        """What waits for the disk goes before another message of its session: its number is the one before."""
        if peer.box.next_out != peer.box.sent:
            self.receiver.flush_held()

    def tell(self, out: Out) -> None:
        """Send a message that no record stands behind: market data, refusals of what can't be recorded."""
        peer = (self.venues if out.to_venue else self.clients).get(out.comp_id)
        if peer is not None:
            self._flush(peer)
            peer.box.post(self.clock(), out.text, out.groups)
            peer.box.note_later()
            if peer.box.must_note:
                self.receiver.note_numbers()
            self.send(out)

    def disconnect(self, name: str, text: str = "disconnected by the broker's operator") -> None:
        """Log a session out; it may log on again at once."""
        peer = self.clients.get(name) or self.venues[name]
        peer.session.logout(text)
        self._logged_out.append(peer)

    def reject(self, client: str, refusal: GatewayRefusal) -> None:
        """Answer a message of the client, that the gateway has refused, with a Reject(3)."""
        reason = refusal.reason if self.config.clients[client].fix != FIX_42 or refusal.reason <= HIGHEST_OF_42 else -1
        head = f"8=FIX.4.4{SOH}9=0{SOH}35=3{SOH}{refusal.route}45={refusal.ref_seq_num}{SOH}"
        tag = f"371={refusal.ref_tag}{SOH}" if refusal.ref_tag else ""
        kind = f"372={refusal.ref_msg_type}{SOH}" if refusal.ref_msg_type else ""
        why = f"373={reason}{SOH}" if reason >= 0 else ""
        text = f"{head}{tag}{kind}{why}58={clean(refusal.text)}{SOH}10=000{SOH}"
        SEND(MESSAGE(text, False), self.clients[client].session_id)

    def test_request(self, client: str, test_req_id: str) -> None:
        """Ask a client for a Heartbeat: it comes when it has read all before."""
        text = f"8=FIX.4.4{SOH}9=0{SOH}35=1{SOH}112={test_req_id}{SOH}10=000{SOH}"
        SEND(MESSAGE(text, False), self.clients[client].session_id)

    def route(self, client: str, ref_seq_num: int, route: str) -> None:
        """A BusinessMessageReject for the client follows: it goes to whom the message came from that it is about."""
        if route:
            self.clients[client].routes[str(ref_seq_num)] = route

    @staticmethod
    def _routed(peer: Peer, text: str) -> str:
        """A message of ours with the route of the message that it answers, if that had one."""
        found = BUSINESS_REJECT.match(text)
        route = peer.routes.pop(found[2], "") if found is not None else ""
        return f"{found[1]}{route}{text[found.end(1) :]}" if found is not None else text

    def reset(self, name: str) -> None:
        """Begin a session's sequence numbers anew. A session that is up is logged out; it may log on again at once."""
        peer = self.clients.get(name) or self.venues[name]
        session = peer.session
        peer.anew = True
        if peer.is_venue:
            # The exchange may not have begun anew at this moment: the Logon tells it to.
            session.setResetOnLogon(True)
        session.reset()
        peer.box.begin_anew()

    def reset_all(self) -> None:
        """Begin all sequence numbers anew, as at a trading day's begin."""
        for name in (*self.clients, *self.venues):
            self.reset(name)

    def logout(self) -> bool:
        """Ask every session to log out. Returns whether any is still logged on; poll and call again until none is."""
        up = [peer for peer in (*self.clients.values(), *self.venues.values()) if peer.is_up]
        for peer in up:
            peer.session.logout("the broker stops")
        return bool(up)

    def close(self) -> None:
        """Close all sockets at once."""
        self._polls.clear()
        for listener in self._listeners.values():
            listener.close()
        while self._engines:
            engine, files, settings = self._engines.pop()
            engine.stop(True)
            # QuickFIX's engine uses the others until it is gone; at the process's end the order would be anyone's.
            del engine
            del files
            del settings

    @_guarded
    def onCreate(self, session_id: Any) -> None:
        """QuickFIX has made a session."""

    @_guarded
    def onLogon(self, session_id: Any) -> None:
        self._changed(session_id, True)

    @_guarded
    def onLogout(self, session_id: Any) -> None:
        # QuickFIX also calls this at every failed try to connect.
        self._changed(session_id, False)

    def _changed(self, session_id: Any, is_up: bool) -> None:
        self.activity += 1
        self.changes += 1
        peer = self._by_id[session_id.toString()]
        if is_up:
            peer.first_number = peer.session.getExpectedSenderNum()
        if is_up and peer.is_up and peer.anew and peer.is_venue:
            # An exchange's session that is up has begun anew.
            peer.anew = False
            self.receiver.session_changed(peer.name, True, False, False)
            self.receiver.session_changed(peer.name, True, True, True)
        elif is_up and peer.is_up and peer.anew:
            peer.anew = False
            self.receiver.client_began_anew(peer.name)
        elif peer.is_up != is_up:
            peer.is_up = is_up
            anew, peer.anew = peer.anew and is_up, peer.anew and not is_up
            if is_up and peer.is_venue:
                peer.session.setResetOnLogon(False)
            peer.routes.clear()
            self.receiver.session_changed(peer.name, peer.is_venue, is_up, anew)

    @_guarded
    def toAdmin(self, message: Any, session_id: Any) -> None:
        header = message.getHeader()
        kind = header.getField(35)
        peer = self._by_id[session_id.toString()]
        if self._again.current is not None:
            self._again.mark(header, self._again.current, 0)
            return
        if kind == "4":
            self._again.answer(peer, message, header)
            return
        number = int(header.getField(34))
        if number < peer.box.sent:
            peer.box.begin_anew()
        self._flush(peer)
        told = peer.box.use()
        if told != number:
            header.setField(34, str(told))
        if peer.box.must_note:
            self.receiver.note_numbers()
        if peer.is_venue and kind == "3":
            self._rejected.append((peer.name, printable(_readable(message.toString()))))

    def toApp(self, message: Any, session_id: Any) -> None:
        current = self._again.current
        if isinstance(current, Sent):
            self._again.mark(message.getHeader(), current, current.at)

    @_guarded
    def fromAdmin(self, message: Any, session_id: Any) -> None:
        text = _readable(message.toString())
        self.activity += 1
        peer = self._by_id[session_id.toString()]
        self._active[peer] = None
        if "\x0135=A\x01" in text and not peer.is_venue:
            try:
                check_logon(peer.name, self.config.clients[peer.name], self.secret, text)
            except quickfix.RejectLogon:
                raise
            except Exception as error:
                # What we can't check is not let in.
                log.warning("logon of %s refused: it can't be checked (%s)", peer.name, type(error).__name__)
                raise quickfix.RejectLogon(REFUSED) from None
        if "\x0135=A\x01" in text and "\x01141=Y\x01" in text:
            peer.anew = True
            if peer.session.getExpectedSenderNum() < peer.box.sent:
                peer.box.begin_anew()
        elif "\x0135=0\x01" in text:
            if not peer.is_venue and (answer := HEARTBEAT.search(text)) is not None:
                self.receiver.client_answered(peer.name, answer[1])
        elif "\x0135=3\x01" in text:
            if peer.is_venue:
                self.receiver.venue_reject(peer.name, text, self._sent(peer, text))
            else:
                log.warning("client %s rejected a message of ours: %s", peer.name, printable(text))

    @staticmethod
    def _sent(peer: Peer, reject: str) -> str:
        """The message of ours that a Reject(3) is about, or ''."""
        found = peer.box.find(int(REJECT.read(reject)[0]["45"] or 0))
        return found.text if found is not None else ""

    def fromApp(self, message: Any, session_id: Any) -> None:
        # The hot path: guarded by hand.
        text = ""
        try:
            self.activity += 1
            text = message.toString()
            if not text.isascii():
                text = _readable(text)
            peer = self._by_id[session_id.toStringFrozen()]
            self._active[peer] = None
            if peer.is_venue:
                recorded = self.receiver.venue_message(peer.name, text)
            else:
                recorded = self.receiver.client_message(peer.name, text)
            if not recorded:
                self._take_back(peer, int(REJECT.read(text)[0]["34"] or 0))
        except Exception as error:
            self._failed("fromApp", error, text)

    def _failed(self, callback: str, error: Exception, text: str = "") -> None:
        log.exception("a FIX callback failed")
        self.receiver.failed(callback, f"{type(error).__name__}: {error}", printable(text))

    def _take_back(self, peer: Peer, seq_num: int) -> None:
        """Leave the message unread: QuickFIX will add one to this, find a gap at the peer's next message and ask for
        it again."""
        peer.session.setNextTargetMsgSeqNum(seq_num - 1)


HEARTBEAT = re.compile("\x01112=([^\x01]*)\x01")
"""The TestReqID that a Heartbeat answers."""
REJECT = Reader("3", (45,), (58, 371, 372, 373))
BUSINESS_REJECT = re.compile(r"([^\x01]*\x01[^\x01]*\x0135=j\x01)(?:[^\x01]*\x01)*?45=([0-9]+)\x01")
HIGHEST_OF_42 = 11
"""The highest SessionRejectReason(373) that FIX 4.2 has."""
