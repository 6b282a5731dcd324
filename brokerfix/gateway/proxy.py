"""PROXY protocol version 2 (haproxy.org, "The PROXY protocol", section 2.2): whom a load balancer speaks for."""

import struct

from brokerfix.gateway.sources import Address, to_address

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
HEAD = struct.Struct("!12sBBH")
LONGEST = 1024
IPV4, IPV6 = 0x11, 0x21
"""TCP over IPv4 and IPv6."""


class NoProxyHeader(ValueError):
    """These bytes are no PROXY protocol header of version 2."""


def length(head: bytes) -> int:
    """How many bytes follow the first HEAD.size ones. Raises NoProxyHeader."""
    signature, version, _, size = HEAD.unpack(head)
    if signature != SIGNATURE or version >> 4 != 2 or version & 15 > 1:
        raise NoProxyHeader("no PROXY protocol header of version 2")
    if size > LONGEST:
        raise NoProxyHeader(f"a PROXY protocol header of {size} bytes")
    return int(size)


def source(head: bytes, rest: bytes) -> Address | None:
    """Where the client's connection comes from; None for the load balancer's own (health checks). Raises
    NoProxyHeader."""
    _, version, family, _ = HEAD.unpack(head)
    if version & 15 == 0:
        return None
    size = {IPV4: 4, IPV6: 16}.get(family, 0)
    if not size or len(rest) < 2 * size + 4:
        raise NoProxyHeader("a PROXY protocol header without the addresses of a TCP connection")
    return to_address(".".join(map(str, rest[:4]))) if size == 4 else to_address(_ipv6(rest[:16]))


def _ipv6(raw: bytes) -> str:
    return ":".join(f"{raw[at]:02x}{raw[at + 1]:02x}" for at in range(0, 16, 2))
