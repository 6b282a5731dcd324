"""The baselines: QuickFIX in one polled thread, text in and text out, dictionary and latency check on, and no engine.

`python bench/echo.py PORT FOLDER` answers each order with a report: the least a QuickFIX server in Python can do.
`python bench/echo.py PORT FOLDER VENUE_PORT` acknowledges each order, passes it on to an exchange, and passes the
exchange's fill back: the least a QuickFIX router can do.
"""

import re
import sys
from pathlib import Path
from typing import Any

import quickfix

from brokerfix.fix.versions.dialect import write_dictionary

ORDER = re.compile("\x0111=([^\x01]*)\x01.*?38=([^\x01]*)\x01")
SEND, MESSAGE = quickfix.Session.sendToTarget, quickfix.Message


class Echo(quickfix.Application):  # type: ignore[misc]
    def __init__(self, venue: bool) -> None:
        super().__init__()
        self.count = 0
        self.client = quickfix.SessionID("FIX.4.4", "BROKER", "LOAD")
        self.venue = quickfix.SessionID("FIX.4.4", "BROKER", "XNAS") if venue else None

    def onCreate(self, session_id: Any) -> None: ...
    def onLogout(self, session_id: Any) -> None: ...
    def toAdmin(self, message: Any, session_id: Any) -> None: ...
    def toApp(self, message: Any, session_id: Any) -> None: ...
    def fromAdmin(self, message: Any, session_id: Any) -> None: ...

    def onLogon(self, session_id: Any) -> None:
        if session_id.getTargetCompID().getValue() == "XNAS":
            SEND(MESSAGE("8=FIX.4.4\x019=0\x0135=V\x01262=1\x01263=1\x01264=0\x0110=0\x01", False), self.venue)

    def fromApp(self, message: Any, session_id: Any) -> None:
        text = message.toString()
        if "\x0135=8\x01" in text:
            if "\x01150=F\x01" in text:
                SEND(MESSAGE(f"8=FIX.4.4\x019=0\x0135=8{text[text.index(chr(1) + '6=') :]}", False), self.client)
            return
        if "\x0135=D\x01" not in text:
            return
        found = ORDER.search(text)
        assert found is not None
        if self.venue is not None:
            SEND(MESSAGE(f"8=FIX.4.4\x019=0\x0135=D{text[text.index(chr(1) + '11=') :]}", False), self.venue)
        self.count += 1
        report = (
            f"8=FIX.4.4\x019=0\x0135=8\x0137={self.count}\x0117={self.count}\x01150=0\x0139=0\x0111={found[1]}"
            f"\x0155=AAPL\x0154=1\x0138={found[2]}\x01151={found[2]}\x0114=0\x016=0\x0110=000\x01"
        )
        SEND(MESSAGE(report, False), self.client)


def settings_of(folder: Path, dictionary: Path, kind: str, target: str) -> quickfix.SessionSettings:
    settings = quickfix.SessionSettings()
    settings.setFromString(
        f"[DEFAULT]\n{kind}SocketNodelay=Y\nFileStorePath={folder}\nStartTime=00:00:00\nEndTime=00:00:00\n"
        f"DataDictionary={dictionary}\nUseDataDictionary=Y\nCheckLatency=Y\nHeartBtInt=30\n"
        f"[SESSION]\nBeginString=FIX.4.4\nSenderCompID=BROKER\nTargetCompID={target}\n"
    )
    return settings


def main() -> None:
    port, folder, venue_port = int(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 0
    dictionary = folder / "FIX44.xml"
    write_dictionary(dictionary)
    application, alive, polls = Echo(bool(venue_port)), [], []
    kinds = [
        (quickfix.SocketAcceptor, f"ConnectionType=acceptor\nSocketAcceptPort={port}\nSocketReuseAddress=Y\n", "LOAD")
    ]
    if venue_port:
        host = f"SocketConnectHost=127.0.0.1\nSocketConnectPort={venue_port}\nReconnectInterval=1\n"
        kinds.append((quickfix.SocketInitiator, "ConnectionType=initiator\n" + host, "XNAS"))
    for engine, kind, target in kinds:
        settings = settings_of(folder, dictionary, kind, target)
        store = quickfix.FileStoreFactory(settings)
        built = engine(application, store, settings)
        alive.append((built, store, settings))
        polls.append(built.poll)
    while True:
        for poll in polls:
            poll()


if __name__ == "__main__":
    main()
