"""Simulated exchanges' ends of FIX 4.4 sessions that are no broker's: QuickFIX's acceptors, one port for each exchange.

Sequence numbers are kept as long as the process. As nothing of before a connection is worth asking for, both sides find
together again where one has lost its numbers: what a Logon is ahead of us is taken as it is; who begins at 1 without
saying so (141=Y) finds us at 1 when it tries again; and where our number is too low for the other side, we have the one
that its Logout says at the next try. Nothing is sent twice: who asks for messages again gets a SequenceReset over them.
"""

import logging
import re
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from pathlib import Path
from typing import Any, Protocol, TypeVar

import quickfix

from brokerfix.fix.session.listen import Listener
from brokerfix.fix.session.settings import COMMON, HEARTBEAT_SECONDS
from brokerfix.fix.text import SOH, pairs
from brokerfix.fix.versions.dialect import write_lenient_dictionary
from brokerfix.fix.versions.recode import FIX_44

log = logging.getLogger("brokerfix.fix")

ACCEPTOR = """ConnectionType=acceptor
SocketReuseAddress=Y
CheckLatency=N
ValidateUserDefinedFields=N
ValidateFieldsHaveValues=N
ValidateFieldsOutOfOrder=N
ValidateUnorderedGroupFields=N
AllowUnknownMsgFields=Y
DataDictionary={dictionary}
"""
TOO_LOW = re.compile("MsgSeqNum too low, expecting ([0-9]+)")

Line = tuple[str, str]
"""A session: the exchange's CompID and the subscriber's."""


class Receiver(Protocol):
    """Whom sessions bring what they get."""

    def came(self, line: Line, text: str) -> None: ...
    def changed(self, line: Line, is_up: bool) -> None: ...
    def answered(self, line: Line, reference: str) -> None: ...


Callback = TypeVar("Callback", bound=Callable[..., None])


def _guarded(callback: Callback) -> Callback:
    """QuickFIX ends the process when an exception leaves a callback: it is kept for `poll`, which raises it."""

    @wraps(callback)
    def guarded(self: "Acceptors", *args: Any) -> None:
        try:
            callback(self, *args)
        except Exception as error:
            log.exception("a FIX callback failed")
            self.failure = error

    return guarded  # type: ignore[return-value]


class Acceptors(quickfix.Application):  # type: ignore[misc]
    """The sessions of these exchanges with these subscribers. `activity` counts what has come."""

    def __init__(self, ports: Mapping[str, int], subscribers: Iterable[str], receiver: Receiver, folder: Path) -> None:
        """`ports` are by the exchanges' CompIDs; the dictionary is written into the folder."""
        super().__init__()
        self.ports = ports
        self.receiver = receiver
        self.activity = 0
        self.failure: Exception | None = None
        self.lines = {(name, other): quickfix.SessionID(FIX_44, name, other) for name in ports for other in subscribers}
        self._by_id = {session_id.toString(): line for line, session_id in self.lines.items()}
        self._anew: set[Line] = set()
        self._ahead: dict[Line, int] = {}
        self._listeners: list[Listener] = []
        self._built: tuple[Any, ...] = ()
        path = folder / "feed.xml"
        write_lenient_dictionary("FIX44.xml", path)
        self._path, self._dictionary = path, quickfix.DataDictionary(str(path))

    def start(self, address: str) -> None:
        """Listen on this address. Raises CantListen."""
        told = {}
        for name, port in self.ports.items():
            listener = Listener((address, port))
            self._listeners.append(listener)
            told[name] = listener.port
        settings = quickfix.SessionSettings()
        sessions = "".join(
            f"[SESSION]\nBeginString={FIX_44}\nSenderCompID={name}\nTargetCompID={other}\nSocketAcceptPort={told[name]}\n"
            for name, other in self.lines
        )
        settings.setFromString(
            COMMON.format(heartbeat=HEARTBEAT_SECONDS) + ACCEPTOR.format(dictionary=self._path) + sessions
        )
        store = quickfix.MemoryStoreFactory()
        acceptor = quickfix.SocketAcceptor(self, store, settings)
        # QuickFIX keeps references to what it was built with, so these must live as long.
        self._built = acceptor, store, settings
        acceptor.poll()
        for listener in self._listeners:
            listener.replace()

    def poll(self) -> None:
        """Read and write what there is; callbacks run in here."""
        self._built[0].poll()
        if self._anew or self._ahead:
            self._find_together()
        if self.failure is not None:
            raise self.failure

    def _find_together(self) -> None:
        """Have the numbers that were missed, for the next try of the subscribers; their connections are closed."""
        for line, number in self._ahead.items():
            self._session(line).setNextSenderMsgSeqNum(number)
        for line in self._anew:
            self._session(line).setNextSenderMsgSeqNum(1)
            self._session(line).setNextTargetMsgSeqNum(1)
        self._ahead.clear()
        self._anew.clear()

    def send(self, line: Line, text: str) -> None:
        """Send an application message; the session sets its head."""
        self._session(line).send(quickfix.Message(text, self._dictionary, False))

    def ask(self, line: Line, reference: str) -> None:
        """Send a TestRequest: its answer tells that all before it has been dealt with."""
        text = f"8={FIX_44}{SOH}9=0{SOH}35=1{SOH}112={reference}{SOH}10=000{SOH}"
        self._session(line).send(quickfix.Message(text, False))

    def logout(self, why: str) -> None:
        """Ask every session to log out; poll until they have."""
        for line in self.lines:
            self._session(line).logout(why)

    def close(self) -> None:
        """Close all sockets at once."""
        for listener in self._listeners:
            listener.close()
        if self._built:
            self._built[0].stop(True)
            # The acceptor uses the others until it is gone.
            acceptor, store, settings = self._built
            self._built = ()
            del acceptor
            del store, settings

    def _session(self, line: Line) -> Any:
        return quickfix.Session.lookupSession(self.lines[line])

    @_guarded
    def onCreate(self, session_id: Any) -> None:
        """QuickFIX has made a session."""

    @_guarded
    def onLogon(self, session_id: Any) -> None:
        self.activity += 1
        self.receiver.changed(self._by_id[session_id.toString()], True)

    @_guarded
    def onLogout(self, session_id: Any) -> None:
        self.activity += 1
        self.receiver.changed(self._by_id[session_id.toString()], False)

    @_guarded
    def toAdmin(self, message: Any, session_id: Any) -> None:
        if message.getHeader().getField(35) == "5" and message.isSetField(58) and TOO_LOW.match(message.getField(58)):
            self._anew.add(self._by_id[session_id.toString()])

    @_guarded
    def toApp(self, message: Any, session_id: Any) -> None:
        """An application message goes out."""

    @_guarded
    def fromAdmin(self, message: Any, session_id: Any) -> None:
        self.activity += 1
        told = dict(reversed(pairs(message.toString())))
        line = self._by_id[session_id.toString()]
        if told["35"] == "0" and "112" in told:
            self.receiver.answered(line, told["112"])
        elif told["35"] == "A" and told.get("141") != "Y":
            session = self._session(line)
            session.setNextTargetMsgSeqNum(max(session.getExpectedTargetNum(), int(told["34"])))
        elif told["35"] == "5" and (found := TOO_LOW.match(told.get("58", ""))) is not None:
            self._ahead[line] = int(found[1])

    @_guarded
    def fromApp(self, message: Any, session_id: Any) -> None:
        self.activity += 1
        self.receiver.came(self._by_id[session_id.toString()], message.toString())
