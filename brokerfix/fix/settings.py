"""Our configuration -> QuickFIX's settings."""

import quickfix

from brokerfix.config import Config
from brokerfix.fix.dialect import write_dictionary

HEARTBEAT_SECONDS = 30
RECONNECT_SECONDS = 1

COMMON = """[DEFAULT]
FileStorePath={store}
StartTime=00:00:00
EndTime=00:00:00
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
    return _settings(config, ACCEPTOR.format(port=config.broker.port), sessions)


def initiator_settings(config: Config) -> quickfix.SessionSettings | None:
    """One initiator session per configured exchange, or None without exchanges."""
    sessions = [
        _session(venue.sender, venue.target, venue.fix)
        + f"SocketConnectHost={venue.host}\nSocketConnectPort={venue.port}\n"
        for venue in config.venues.values()
    ]
    return _settings(config, INITIATOR.format(reconnect=RECONNECT_SECONDS), sessions)


def _session(sender: str, target: str, begin_string: str) -> str:
    return f"[SESSION]\nBeginString={begin_string}\nSenderCompID={sender}\nTargetCompID={target}\n"


def _settings(config: Config, kind: str, sessions: list[str]) -> quickfix.SessionSettings | None:
    if not sessions:
        return None
    store = config.data / "fix"
    store.mkdir(parents=True, exist_ok=True)
    dictionary = store / "FIX44.xml"
    write_dictionary(dictionary)
    settings = quickfix.SessionSettings()
    common = COMMON.format(store=store, dictionary=dictionary, heartbeat=HEARTBEAT_SECONDS)
    settings.setFromString(common + kind + "".join(sessions))
    return settings
