"""A server of others that runs as a process of ours, and what may happen to it."""

import os
import signal
import subprocess
from typing import Any


class ServerProcess:
    """`process` is the server's; None while there is none."""

    process: subprocess.Popen[Any] | None = None

    def kill(self) -> None:
        """End the server at once, as a machine that is lost."""
        assert self.process is not None
        self.process.kill()
        # It closes the pipes too, where there are some.
        self.process.communicate()
        self.process = None

    def pause(self) -> None:
        """Stop the server from running, until `go_on`."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, which: signal.Signals) -> None:
        assert self.process is not None
        os.kill(self.process.pid, which)

    def stop(self) -> None:
        """End it, paused or not; nothing, where there is none."""
        if self.process is not None:
            self.go_on()
            self.kill()
