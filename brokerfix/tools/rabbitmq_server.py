"""A RabbitMQ server on this machine, as a distribution has it installed, for the tests. A desk's own runs elsewhere."""

import os
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from brokerfix.settings.base import StartError
from brokerfix.tools.certificates import Authority
from brokerfix.tools.server_process import ServerProcess

READY_SECONDS = 60.0
ROOT = Path("/usr/lib/rabbitmq/lib")
CONFIG = """\
listeners.tcp.local = 127.0.0.1:{port}
stream.listeners.tcp.local = 127.0.0.1:{stream}
stream.advertised_host = 127.0.0.1
stream.advertised_port = {stream}
loopback_users = none
log.console.level = warning
disk_free_limit.absolute = 50MB
"""
TLS = """\
listeners.ssl.local = 127.0.0.1:{port}
stream.listeners.ssl.local = 127.0.0.1:{stream}
stream.advertised_tls_host = 127.0.0.1
stream.advertised_tls_port = {stream}
ssl_options.cacertfile = {folder}/ca.pem
ssl_options.certfile = {folder}/server.pem
ssl_options.keyfile = {folder}/server.key
ssl_options.verify = verify_none
"""


def program() -> Path:
    """The server's own script. Debian's wrapper around it would run one server for the whole machine. Raises
    StartError."""
    found = sorted(ROOT.glob("rabbitmq_server-*/sbin/rabbitmq-server"))
    if not found:
        raise StartError("there is no RabbitMQ server: apt-get install rabbitmq-server")
    return found[-1]


def is_installed() -> bool:
    try:
        program()
    except StartError:
        return False
    return True


class RabbitServer(ServerProcess):
    """One server with its data in a folder, on ports that `free_port` gives. Its user is guest, the password too. It
    also takes TLS, with a certificate of its own authority, `ca`."""

    def __init__(self, folder: Path, free_port: Callable[[], int]) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        Authority(folder).issue("server", ["127.0.0.1"])
        self.ca = folder / "ca.pem"
        self._tls_port, self._tls_stream_port = free_port(), free_port()
        self.port, self.stream_port, self._dist_port, self._epmd_port = (free_port() for _ in range(4))
        tls = TLS.format(port=self._tls_port, stream=self._tls_stream_port, folder=folder)
        (folder / "rabbitmq.conf").write_text(CONFIG.format(port=self.port, stream=self.stream_port) + tls)
        (folder / "enabled_plugins").write_text("[rabbitmq_stream].\n")
        (folder / "env.conf").write_text("")
        self._program = program()

    @property
    def urls(self) -> list[str]:
        """Where clients connect."""
        return [f"amqp://127.0.0.1:{self.port}", f"rabbitmq-stream://127.0.0.1:{self.stream_port}"]

    @property
    def tls_urls(self) -> list[str]:
        """Where clients with TLS connect."""
        return [f"amqps://127.0.0.1:{self._tls_port}", f"rabbitmq-stream+tls://127.0.0.1:{self._tls_stream_port}"]

    def _environment(self) -> dict[str, str]:
        folder = self.folder
        return {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            # The cookie by which the parts of a server know each other is kept there.
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "RABBITMQ_NODENAME": f"trial{self.port}@localhost",
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_CONF_ENV_FILE": str(folder / "env.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
            "RABBITMQ_MNESIA_BASE": str(folder / "data"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_DIST_PORT": str(self._dist_port),
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            # With this its script becomes the server's process, and leaves none around it.
            "RUNNING_UNDER_SYSTEMD": "true",
            # It does not wait for work with its threads running.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +sbwt none +sbwtdcpu none +sbwtdio none",
        }

    def start(self, wait: bool = True) -> None:
        """Start the server and, with `wait`, wait until it takes connections. Raises StartError."""
        with (self.folder / "rabbitmq.log").open("ab") as log:
            self.process = subprocess.Popen(
                [str(self._program)], env=self._environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip
        if wait:
            self.wait()

    def wait(self, seconds: float = READY_SECONDS) -> None:
        """Wait until the server takes connections. Raises StartError."""
        deadline = time.monotonic() + seconds
        while not (_listens(self.port) and _listens(self.stream_port)):
            if self.process is None or self.process.poll() is not None or time.monotonic() > deadline:
                told = (self.folder / "rabbitmq.log").read_text(errors="replace")[-2000:]
                raise StartError(f"the RabbitMQ server of {self.folder} does not start: {told}")
            time.sleep(0.05)

    def end(self) -> None:
        """Have the server end in good order. One of version 3.10 that is killed within three minutes after its first
        stream was made forgets that it has streams: it writes down so seldom what they are called."""
        assert self.process is not None
        self.process.terminate()
        self.process.wait(READY_SECONDS)
        self.process = None

    def stop(self) -> None:
        """End the server, and the name server that it has started beside it."""
        super().stop()
        # It listens on a port that is this server's alone.
        epmd = ["epmd", "-port", str(self._epmd_port), "-kill"]
        subprocess.run(epmd, env=self._environment(), capture_output=True, check=False)


def _listens(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 1):
            return True
    except OSError:
        return False
