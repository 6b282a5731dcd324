"""Processes of ours beside the broker's."""

import logging
import os
import subprocess
import sys
import time

log = logging.getLogger("brokerfix")

HELPER_SECONDS = 10
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0


class Helper:
    """A process of ours beside the broker's: started again when it ends, until it is stopped."""

    def __init__(self, name: str, *module: str, niceness: int = 0) -> None:
        """`niceness` (setpriority(2)) keeps it from taking the processor from orders."""
        self.name = name
        self._command = [sys.executable, "-m", *module]
        self._niceness = niceness
        self._pause = FIRST_PAUSE
        self._start()

    def _start(self) -> None:
        self._process = subprocess.Popen(self._command)
        self._started = time.monotonic()
        if self._niceness:
            os.setpriority(os.PRIO_PROCESS, self._process.pid, self._niceness)

    @property
    def process(self) -> "subprocess.Popen[bytes]":
        """The one that runs now, or has ended."""
        return self._process

    def look_after(self) -> None:
        """Start it again if it has ended; later each time, if it does so at once."""
        lived = time.monotonic() - self._started
        if self._process.poll() is None:
            if lived > LONGEST_PAUSE:
                self._pause = FIRST_PAUSE
        elif lived > self._pause:
            log.error("%s ended with code %d; starting it again", self.name, self._process.returncode)
            self._start()
            self._pause = min(2 * self._pause, LONGEST_PAUSE)

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(HELPER_SECONDS)
        except subprocess.TimeoutExpired:
            log.error("%s does not end; it is killed", self.name)
            self._process.kill()
            self._process.wait()
