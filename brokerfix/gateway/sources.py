"""Who may connect, by source address: how many connections, how fast, and who is locked out after wrong passwords.

A source is an IPv4 address or an IPv6 /64, because that is what one owner has. Never a CompID: then anybody could lock
its owner out. No I/O and no clock.
"""

from collections import OrderedDict
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from brokerfix.gateway.budgets import Bucket
from brokerfix.settings.sections import Config, GatewaySection

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
MOST_SOURCES = 10_000
"""How many sources are remembered; the one that was not seen for longest is forgotten first."""
FORGIVEN_AFTER = 10
"""Without a failure for so many times the lockout, earlier ones count no more. A right password in between forgives
none: who has one could try others' for ever."""
LONGEST_LOCKOUT = 64
"""Each further failure doubles the lockout, up to so many times the first."""


def to_address(text: str) -> Address:
    """An IP address; an IPv4 one that came by IPv6 is an IPv4 one. Raises ValueError."""
    found = ip_address(text.partition("%")[0])
    return found.ipv4_mapped or found if isinstance(found, IPv6Address) else found


def source_of(address: Address) -> str:
    """The key that a source is known by."""
    if isinstance(address, IPv6Address):
        return str(ip_network((int(address) >> 64 << 64, 64)))
    return str(address)


class Networks:
    """A set of addresses and networks."""

    def __init__(self, texts: tuple[str, ...]) -> None:
        self._networks: list[Network] = [ip_network(text) for text in texts]

    def __contains__(self, address: Address) -> bool:
        return any(address.version == network.version and address in network for network in self._networks)

    def __bool__(self) -> bool:
        return bool(self._networks)


class Source:
    """What one source has done."""

    def __init__(self, section: GatewaySection, now: float) -> None:
        self.connections = self.half_open = self.failures = 0
        self.locked_until = self.failed_at = 0.0
        self.connects = Bucket(section.connects_per_source, now)


class Sources:
    """All sources. `admit` a connection, tell when it is `settled` (logged on) and `gone`, and when it `failed`."""

    def __init__(self, config: Config) -> None:
        assert config.gateway is not None
        self.section = config.gateway
        self.known = Networks(tuple(text for client in config.clients.values() for text in client.addresses))
        self.connections = 0
        self._sources: OrderedDict[str, Source] = OrderedDict()

    def _source(self, key: str, now: float) -> Source:
        source = self._sources.get(key)
        if source is None:
            source = self._sources[key] = Source(self.section, now)
            self._forget()
        self._sources.move_to_end(key)
        return source

    def _forget(self) -> None:
        for key in list(self._sources)[: max(0, len(self._sources) - MOST_SOURCES)]:
            if not self._sources[key].connections:
                del self._sources[key]

    def admit(self, address: Address, now: float) -> str:
        """Count a new connection of a source. Returns why it is not let in, or ''; then it must be `gone` later."""
        section = self.section
        source = self._source(source_of(address), now)
        room = section.max_connections
        if address not in self.known:
            room -= min(section.reserved_connections, room - 1) if self.known else 0
        if not source.connects.take(now):
            return "too many connections in a short time"
        if now < source.locked_until:
            return "locked out after failed logons"
        if self.connections >= room:
            return "too many connections"
        if source.connections >= section.max_connections_per_source:
            return "too many connections from this source"
        if source.half_open >= section.max_half_open_per_source:
            return "too many connections from this source that have not logged on"
        self.connections += 1
        source.connections += 1
        source.half_open += 1
        return ""

    def settled(self, address: Address, now: float) -> None:
        """A connection has logged on."""
        source = self._source(source_of(address), now)
        source.half_open -= 1

    def gone(self, address: Address, had_logged_on: bool, now: float) -> None:
        source = self._source(source_of(address), now)
        self.connections -= 1
        source.connections -= 1
        source.half_open -= 0 if had_logged_on else 1

    def failed(self, address: Address, now: float) -> float:
        """A logon failed for its credentials. Returns for how many seconds the source is locked out now, or 0."""
        section = self.section
        source = self._source(source_of(address), now)
        if now - source.failed_at > FORGIVEN_AFTER * section.lockout_seconds:
            source.failures = 0
        source.failures, source.failed_at = source.failures + 1, now
        over = source.failures - section.failures_before_lockout
        if over < 0:
            return 0.0
        seconds: float = section.lockout_seconds * min(2**over, LONGEST_LOCKOUT)
        source.locked_until = now + seconds
        return seconds

    def is_locked(self, address: Address, now: float) -> bool:
        return now < self._source(source_of(address), now).locked_until
