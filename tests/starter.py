"""Processes of ours for the tests, forked from one that has imported already what they import.

Half of what the suite took was Python importing the same modules for hundreds of brokers. What runs is the same:
`python -m MODULE WORDS`, in a process that can be killed by itself. Tests of how programs start, of what they show on a
terminal and of what is installed start theirs in the usual way.
"""

import atexit
import gc
import importlib
import json
import os
import pkgutil
import runpy
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from typing import IO, Any

MOST_BYTES = 1 << 18
"""A request: the words, the folder and the environment."""


class Started:
    """A process, as subprocess.Popen has it."""

    def __init__(self, starter: "Starter", command: Sequence[str], output: IO[bytes], errors: IO[bytes]) -> None:
        self.args, self._starter = command, starter
        self.pid = starter.fork(command, output, errors)
        self.returncode: int | None = None
        self._ended = os.pidfd_open(self.pid)

    def poll(self) -> int | None:
        if self.returncode is None and select.select([self._ended], [], [], 0)[0]:
            self.returncode = self._starter.status(self.pid)
            os.close(self._ended)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None and not select.select([self._ended], [], [], timeout)[0]:
            raise subprocess.TimeoutExpired(self.args, timeout or 0.0)
        status = self.poll()
        assert status is not None
        return status

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class Starter:
    """The process that forks. It ends with the one that has made it."""

    def __init__(self) -> None:
        self._one_by_one = threading.Lock()
        self._ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for end in (self._ours, theirs):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, MOST_BYTES)
        with theirs:
            command = [sys.executable, "-m", "tests.starter", str(theirs.fileno())]
            self._process = subprocess.Popen(command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)
        atexit.register(self.close)

    def fork(self, command: Sequence[str], output: IO[bytes], errors: IO[bytes]) -> int:
        """Start `[sys.executable, "-m", module, word, ...]`, with what it says in files. Returns its process id."""
        python, option, *words = command
        assert (python, option) == (sys.executable, "-m"), command
        request = {"words": words, "folder": os.getcwd(), "environment": dict(os.environ)}
        return self._asked(request, [output.fileno(), errors.fileno()])

    def status(self, pid: int) -> int:
        """How a process that has ended did so: as subprocess has it, a signal as a negative number."""
        return self._asked({"ended": pid}, [])

    def _asked(self, request: dict[str, Any], files: list[int]) -> int:
        with self._one_by_one:
            socket.send_fds(self._ours, [json.dumps(request).encode()], files)
            answer = self._ours.recv(MOST_BYTES)
        assert answer, "the process that starts the tests' processes has ended"
        return int(json.loads(answer))

    def close(self) -> None:
        self._ours.close()
        self._process.wait()


_starters: dict[int, Starter] = {}


def start(command: Sequence[str], output: IO[bytes], errors: IO[bytes] | None = None) -> Started:
    """A process that runs `command`, as subprocess.Popen would start it; errors are in the output if not elsewhere."""
    ours = _starters.get(os.getpid())
    if ours is None:
        ours = _starters[os.getpid()] = Starter()
    return Started(ours, command, output, errors or output)


def serve(asked: socket.socket) -> list[str]:
    """Fork as often as asked, until nobody asks. Returns in the forked processes alone: what each is to run."""
    while True:
        data, files, _, _ = socket.recv_fds(asked, MOST_BYTES, 2)
        if not data:
            sys.exit()
        request = json.loads(data)
        if "ended" in request:
            _, status = os.waitpid(request["ended"], 0)
            asked.send(json.dumps(os.waitstatus_to_exitcode(status)).encode())
            continue
        pid = os.fork()
        if not pid:
            asked.close()
            for standard, file in zip((1, 2), files, strict=True):
                os.dup2(file, standard)
                os.close(file)
            os.chdir(request["folder"])
            os.environ.clear()
            os.environ.update(request["environment"])
            words: list[str] = request["words"]
            return words
        for file in files:
            os.close(file)
        asked.send(json.dumps(pid).encode())


def main() -> None:
    # What stops the tests from a terminal is for them to tell their processes.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    import brokerfix.cli
    import brokerfix.process.broker

    for one in pkgutil.iter_modules(brokerfix.cli.__path__, "brokerfix.cli."):
        importlib.import_module(one.name)
    from brokerfix.fix.versions.dialect import SPECS
    from brokerfix.process.warm import warm_up

    # What brokers make at first when they start, the rules of each version above all.
    warm_up(1, SPECS)
    # No fork's collections look at it again.
    gc.freeze()
    module, *words = serve(socket.socket(fileno=int(sys.argv[1])))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv = [module, *words]
    # A node that steps down runs its own command again.
    sys.orig_argv = [sys.executable, "-m", module, *words]
    sys.path[0] = os.getcwd()
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
