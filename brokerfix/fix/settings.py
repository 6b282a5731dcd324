"""Our configuration -> QuickFIX's settings."""

from collections.abc import Callable
from pathlib import Path

import quickfix

from brokerfix.config import Config
from brokerfix.fix.dialect import write_dictionary, write_lenient_dictionary

HEARTBEAT_SECONDS = 30
RECONNECT_SECONDS = 1

COMMON = """[DEFAULT]
FileStorePath={store}
StartTime={start}
EndTime={start}
DataDictionary={dictionary}
UseDataDictionary=Y
HeartBtInt={heartbeat}
SocketNodelay=Y
ResetOnLogon=N
ResetOnLogout=N
ResetOnDisconnect=N
PersistMessages=Y
TimestampPrecision=3
"""

ACCEPTOR = """ConnectionType=acceptor
SocketAcceptPort={port}
SocketReuseAddress=Y
CheckLatency=Y
"""

# A fill must never be lost to validation, so an exchange may send what our dictionary does not know.
INITIATOR = """ConnectionType=initiator
ReconnectInterval={reconnect}
LogonTimeout=5
CheckLatency=N
ValidateUserDefinedFields=N
ValidateFieldsHaveValues=N
ValidateFieldsOutOfOrder=N
ValidateUnorderedGroupFields=N
AllowUnknownMsgFields=Y
"""


def acceptor_settings(config: Config) -> quickfix.SessionSettings | None:
    """One acceptor session per configured client, or None without clients."""
    sessions = [_session(config.broker.name, client, config.clients[client].fix) for client in config.clients]
    return _settings(config, ACCEPTOR.format(port=config.broker.port), sessions, "FIX44.xml", write_dictionary)


def initiator_settings(config: Config) -> quickfix.SessionSettings | None:
    """One initiator session per configured exchange, or None without exchanges."""
    sessions = [
        _session(venue.sender, venue.target, venue.fix)
        + f"SocketConnectHost={venue.host}\nSocketConnectPort={venue.port}\n"
        for venue in config.venues.values()
    ]
    kind = INITIATOR.format(reconnect=RECONNECT_SECONDS)
    return _settings(config, kind, sessions, "FIX44-exchanges.xml", write_lenient_dictionary)


def _session(sender: str, target: str, begin_string: str) -> str:
    return f"[SESSION]\nBeginString={begin_string}\nSenderCompID={sender}\nTargetCompID={target}\n"


def _settings(
    config: Config, kind: str, sessions: list[str], name: str, write: Callable[[Path], None]
) -> quickfix.SessionSettings | None:
    if not sessions:
        return None
    store = config.data / "fix"
    store.mkdir(parents=True, exist_ok=True)
    dictionary = store / name
    write(dictionary)
    settings = quickfix.SessionSettings()
    # Sequence numbers begin anew with the trading day.
    start = config.broker.trading_day_start
    common = COMMON.format(store=store, dictionary=dictionary, heartbeat=HEARTBEAT_SECONDS, start=start)
    settings.setFromString(common + kind + "".join(sessions))
    return settings
