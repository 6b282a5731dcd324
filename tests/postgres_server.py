"""A real PostgreSQL for tests: it is started once for each of pytest's processes."""

import socket
import ssl
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from brokerfix.tools.demo import free_port
from brokerfix.tools.postgres_server import PostgresServer


@contextmanager
def postgres_server(settings: Mapping[str, str] | None = None) -> Iterator[PostgresServer]:
    """One that runs, in a folder of its own, see `PostgresServer`."""
    with tempfile.TemporaryDirectory(prefix="brokerfix-postgres-") as folder:
        server = PostgresServer(Path(folder), free_port(), settings)
        server.start()
        try:
            yield server
        finally:
            server.stop()


@contextmanager
def tls_proxy(certificate: Path, key: Path, port: int) -> Iterator[int]:
    """TLS in front of a PostgreSQL server that has none, as clients ask for it. Tells its port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(plain: socket.socket) -> None:
        with plain, suppress(OSError):
            plain.recv(SSL_REQUEST)
            plain.sendall(b"S")
            with context.wrap_socket(plain, server_side=True) as client:
                with socket.create_connection(("127.0.0.1", port)) as server:
                    back = threading.Thread(target=_pump, args=(server, client))
                    back.start()
                    _pump(client, server)
                    back.join()

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


SSL_REQUEST = 8
"""Bytes of the message by which a client asks for TLS."""


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(1 << 16):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_RDWR)
