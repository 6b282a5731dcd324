"""The baseline: a QuickFIX acceptor in one polled thread that answers each order with a report, and nothing else.

Text in, text out, one regular expression, dictionary and latency check on: the least that a QuickFIX server in Python
can do. `python bench/echo.py PORT FOLDER`
"""

import re
import sys
from pathlib import Path
from typing import Any

import quickfix

from brokerfix.fix.dialect import write_dictionary

ORDER = re.compile("\x0111=([^\x01]*)\x01.*?38=([^\x01]*)\x01")


class Echo(quickfix.Application):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def onCreate(self, session_id: Any) -> None:
        self.session_id = quickfix.SessionID("FIX.4.4", "BROKER", "LOAD")

    def onLogon(self, session_id: Any) -> None: ...
    def onLogout(self, session_id: Any) -> None: ...
    def toAdmin(self, message: Any, session_id: Any) -> None: ...
    def toApp(self, message: Any, session_id: Any) -> None: ...
    def fromAdmin(self, message: Any, session_id: Any) -> None: ...

    def fromApp(self, message: Any, session_id: Any) -> None:
        found = ORDER.search(message.toString())
        assert found is not None
        self.count += 1
        text = (
            f"8=FIX.4.4\x019=0\x0135=8\x0137={self.count}\x0117={self.count}\x01150=0\x0139=0\x0111={found[1]}"
            f"\x0155=AAPL\x0154=1\x0138={found[2]}\x01151={found[2]}\x0114=0\x016=0\x0110=000\x01"
        )
        quickfix.Session.sendToTarget(quickfix.Message(text, False), self.session_id)


def main() -> None:
    port, folder = int(sys.argv[1]), Path(sys.argv[2])
    dictionary = folder / "FIX44.xml"
    write_dictionary(dictionary)
    settings = quickfix.SessionSettings()
    settings.setFromString(
        f"[DEFAULT]\nConnectionType=acceptor\nSocketAcceptPort={port}\nSocketReuseAddress=Y\nSocketNodelay=Y\n"
        f"FileStorePath={folder}\nStartTime=00:00:00\nEndTime=00:00:00\nDataDictionary={dictionary}\n"
        "UseDataDictionary=Y\nCheckLatency=Y\nHeartBtInt=30\n[SESSION]\nBeginString=FIX.4.4\nSenderCompID=BROKER\n"
        "TargetCompID=LOAD\n"
    )
    application, store = Echo(), quickfix.FileStoreFactory(settings)
    acceptor = quickfix.SocketAcceptor(application, store, settings)
    while True:
        acceptor.poll()


if __name__ == "__main__":
    main()
