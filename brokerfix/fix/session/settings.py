"""Our configuration -> QuickFIX's settings."""

from collections.abc import Callable, Collection, Mapping
from functools import partial
from pathlib import Path

import quickfix

from brokerfix.fix.versions.dialect import (
    dialect,
    standard_dictionary,
    write_dictionary,
    write_groups_dictionary,
    write_lenient_dictionary,
    write_transport_dictionary,
)
from brokerfix.settings.sections import Config

LATEST = "FIXT.1.1"
HEARTBEAT_SECONDS = 30
RECONNECT_SECONDS = 1

COMMON = """[DEFAULT]
NonStopSession=Y
UseDataDictionary=Y
HeartBtInt={heartbeat}
SocketNodelay=Y
ResetOnLogon=N
ResetOnLogout=N
ResetOnDisconnect=N
PersistMessages=N
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


def acceptor_settings(config: Config, ports: Mapping[int, int]) -> quickfix.SessionSettings | None:
    """One acceptor session per configured client, or None without clients. `ports`: the clients' own port, or 0 -> the
    one that QuickFIX is told."""
    spoken = _dictionaries(config, {client.fix for client in config.clients.values()}, is_venue=False)
    sessions = [
        _session(config.broker.name, name, client.fix) + spoken[client.fix] + f"SocketAcceptPort={ports[client.port]}\n"
        for name, client in config.clients.items()
    ]
    return _settings(config, ACCEPTOR.format(port=ports[0]), sessions)


def added_settings(config: Config, name: str, port: int) -> quickfix.SessionSettings:
    """An acceptor for one client that is added to a running broker, on its own port."""
    client = config.clients[name]
    spoken = _dictionaries(config, {client.fix}, is_venue=False)
    session = _session(config.broker.name, name, client.fix) + spoken[client.fix]
    settings = _settings(config, ACCEPTOR.format(port=port), [session])
    assert settings is not None
    return settings


def initiator_settings(config: Config, names: Collection[str]) -> quickfix.SessionSettings | None:
    """One initiator session for each exchange of these names, or None without exchanges."""
    venues = [config.venues[name] for name in names]
    spoken = _dictionaries(config, {venue.fix for venue in venues}, is_venue=True)
    sessions = [
        _session(venue.sender, venue.target, venue.fix)
        + spoken[venue.fix]
        + f"SocketConnectHost={venue.host}\nSocketConnectPort={venue.port}\n"
        for venue in venues
    ]
    return _settings(config, INITIATOR.format(reconnect=RECONNECT_SECONDS), sessions)


def _session(sender: str, target: str, begin_string: str) -> str:
    return f"[SESSION]\nBeginString={begin_string}\nSenderCompID={sender}\nTargetCompID={target}\n"


def groups_dictionary(config: Config) -> Path:
    """The dictionary of the repeating groups that we send: FIX 4.4's, where no client needs more."""
    if all(client.fix != LATEST and not client.rpt_seq for client in config.clients.values()):
        return standard_dictionary()
    path = store(config) / "groups.xml"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_groups_dictionary(path)
    return path


_written: set[Path] = set()
"""The dictionaries that this process has written."""


def write_dictionaries(config: Config) -> None:
    """Write what QuickFIX is given, for the configuration's sessions: a standby has it done before it takes over."""
    _dictionaries(config, {client.fix for client in config.clients.values()}, is_venue=False)
    _dictionaries(config, {venue.fix for venue in config.venues.values()}, is_venue=True)


def _written_once(path: Path, write: Callable[[], None]) -> None:
    if path not in _written or not path.exists():
        write()
        _written.add(path)


def _dictionaries(config: Config, versions: set[str], is_venue: bool) -> dict[str, str]:
    """Write the dictionaries of the versions, where this process has not. Returns BeginString -> the settings that name
    them."""
    folder = store(config)
    folder.mkdir(parents=True, exist_ok=True)
    kind = "exchanges" if is_venue else "clients"
    settings = {}
    for begin_string in versions:
        spoken = dialect(begin_string)
        dictionary, transport = (
            folder / f"{name.removesuffix('.xml')}-{kind}.xml" for name in (spoken.dictionary, spoken.transport)
        )
        if is_venue:
            _written_once(dictionary, partial(write_lenient_dictionary, spoken.dictionary, dictionary))
        else:
            _written_once(dictionary, partial(write_dictionary, dictionary, begin_string, for_gateway=True))
        if not spoken.transport:
            settings[begin_string] = f"DataDictionary={dictionary}\n"
            continue
        if is_venue:
            _written_once(transport, partial(write_lenient_dictionary, spoken.transport, transport))
        else:
            _written_once(transport, partial(write_transport_dictionary, spoken.transport, transport, for_gateway=True))
        settings[begin_string] = (
            f"DefaultApplVerID={spoken.appl_ver_id}\nTransportDataDictionary={transport}\n"
            f"AppDataDictionary={dictionary}\n"
        )
    return settings


def store(config: Config) -> Path:
    """The folder of the dictionaries that QuickFIX is given."""
    return config.data / "fix"


def _settings(config: Config, kind: str, sessions: list[str]) -> quickfix.SessionSettings | None:
    if not sessions:
        return None
    settings = quickfix.SessionSettings()
    # Sequence numbers begin anew when we say so, at the trading day's begin: its time zone may have summer time.
    common = COMMON.format(heartbeat=HEARTBEAT_SECONDS)
    settings.setFromString(common + kind + "".join(sessions))
    return settings
