"""Where QuickFIX's acceptor listens. It can be told a port only, and listens on every interface; what strangers send to
it is trusted before any callback. So it is given sockets of our own in place of its own: on one address, or a local one
that only our own user may open.
"""

import os
import socket
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from brokerfix.access.vouch import socket_path
from brokerfix.settings.addresses import addresses
from brokerfix.settings.sections import Config

BACKLOG = 128
LONGEST_PATH = 107
"""Of a local socket (unix(7))."""


class CantListen(Exception):
    """Why the broker can't listen, for the operator."""


class Listener:
    """A listening socket for QuickFIX. `port` is the one that QuickFIX is told: a free one, that it listens on for the
    moment between its first poll and `replace`."""

    def __init__(self, place: tuple[str, int] | Path) -> None:
        try:
            self._socket = _local(place) if isinstance(place, Path) else _on(place)
        except OSError as error:
            where = place if isinstance(place, Path) else f"port {place[1]} of {place[0]}"
            raise CantListen(f"can't listen on {where}: {error.strerror or error}") from error
        # Bound and not listening, it lets QuickFIX listen there, and keeps the system from giving the port to others.
        self._held = socket.socket()
        self._held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # On every interface as QuickFIX's, so that the port is none that a connection of another address has.
        self._held.bind(("", 0))
        self.port: int = self._held.getsockname()[1]

    def replace(self) -> None:
        """Put our socket in the place of QuickFIX's, and throw out who has come to that one. Ours stays open as well:
        with connections on lower descriptors than the listener's, QuickFIX sees clients come back before they are gone.
        So the descriptor of the one that held the port is kept too, as ours: a socket that is bound and nothing else
        always has something to say, and would end every rest of the loop.
        """
        replaced = False
        for descriptor in sockets():
            with socket.socket(fileno=os.dup(descriptor)) as found:
                if found.family == socket.AF_UNIX or found.getsockname()[1] != self.port:
                    continue
                if descriptor == self._held.fileno():
                    continue
                if found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                    os.dup2(self._socket.fileno(), descriptor, inheritable=False)
                    replaced = True
                else:
                    found.shutdown(socket.SHUT_RDWR)
        if not replaced:
            raise CantListen("QuickFIX's own socket can't be found, so it stays closed")
        os.dup2(self._socket.fileno(), self._held.fileno(), inheritable=False)

    def close(self) -> None:
        self._held.close()
        self._socket.close()


def place(config: Config, client: str = "", port: int = 0) -> tuple[str, int] | Path:
    """Where the acceptor listens, for the gateway or, without one, for clients: all, or one on a port of its own."""
    gateway = config.gateway
    if gateway is None:
        return config.broker.address, port or config.broker.port
    if not gateway.upstream:
        return socket_path(config, client if port else "")
    host, common = _ours(addresses(gateway.upstream))
    return host, port or common


def _ours(found: list[tuple[str, int]]) -> tuple[str, int]:
    """Of the nodes' addresses the one that is this machine's; the first, if none is."""
    for host, port in found if len(found) > 1 else ():
        with socket.socket() as probe, suppress(OSError):
            probe.bind((host, 0))
            return host, port
    return found[0]


def _on(where: tuple[str, int]) -> socket.socket:
    # QuickFIX asks for an IPv4 address of who connects.
    return socket.create_server(where, family=socket.AF_INET, backlog=BACKLOG)


def _local(path: Path) -> socket.socket:
    if len(os.fsencode(path)) > LONGEST_PATH:
        raise OSError(f"the path is longer than {LONGEST_PATH} bytes; use a data folder with a shorter one")
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        listener.bind(str(path))
    finally:
        os.umask(before)
    listener.listen(BACKLOG)
    return listener


def sockets() -> Iterator[int]:
    """The descriptors of this process that are sockets."""
    for name in os.listdir("/proc/self/fd"):
        try:
            if stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                yield int(name)
        except OSError:
            continue
