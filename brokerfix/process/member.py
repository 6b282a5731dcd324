"""The broker's process as one node of a cluster: it follows until it is the primary, and stops at once when it is not.

It never speaks with the cluster's servers: the agent beside it does, see `cluster.agent`.
"""

import logging
import os
import secrets
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NoReturn

from brokerfix.cluster.files import ADDED
from brokerfix.cluster.nodes import CLOSE_BYTES, bytes_behind
from brokerfix.cluster.shared import ENDLESS, Check, Role, Shared, Slot
from brokerfix.cluster.told import read_told
from brokerfix.domain import id_text
from brokerfix.operate.admin import ActionRefused, AdminSocket, Answer, Request
from brokerfix.settings.sections import Config, StartError

if TYPE_CHECKING:
    from brokerfix.process.helpers import Helper
    from brokerfix.record.pipeline import Pipeline

log = logging.getLogger("brokerfix")

FOLLOW_SECONDS = 0.005
"""The longest rest of a standby."""
WAIT_SECONDS = 100e-6
LOOK_SECONDS = 0.05
HELPER_SECONDS = 2.0
HAND_OVER_SECONDS = 5.0
CONFIRM_SECONDS = 10.0


class Ended(Exception):
    """A standby was told to end."""


def begin_anew() -> NoReturn:
    """Run the same command again in this process, that has nothing open any more."""
    for handler in logging.getLogger().handlers:
        handler.flush()
    os.execv(sys.executable, sys.orig_argv)


class Member:
    """This process's part in the cluster. It is the journal's replica: see `record.journal.Replica`."""

    def __init__(self, config: Config, may_begin: bool) -> None:
        """With `may_begin` it may be the first primary of all."""
        assert config.cluster is not None
        self.config = config
        self.section = config.cluster
        self.may_begin = may_begin
        self.sends_without = self.section.cancels_without_quorum == "send" and "cluster" in config.broker.durability
        self.stopping = False
        self.helpers: list[Helper] = []
        self._agent: subprocess.Popen[bytes] | None = None
        self._look_at = 0.0
        self.is_to_end = False

    def start(self) -> None:
        """Begin to take part. The data folder must be ours."""
        with suppress(ChildProcessError):
            # Of the program that this process ran before.
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        self.shared = Shared(self.config.data)
        self.shared.clear()
        self.shared[Slot.WAITS] = int("cluster" in self.config.broker.durability)
        self.shared[Slot.INSTANCE] = secrets.randbits(52)
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._start_agent()

    def _start_agent(self) -> None:
        told = str(self.config.path), str(os.getpid()), str(self._wake), "yes" if self.may_begin else "no"
        command = [sys.executable, "-m", "brokerfix.cluster.agent", *told]
        environment = {**os.environ, "BROKERFIX_NODE": self.section.node_name}
        self._agent = subprocess.Popen(command, pass_fds=[self._wake], env=environment)

    def look_after(self) -> None:
        """Have an agent that has ended started again."""
        now = time.monotonic()
        if now < self._look_at:
            return
        self._look_at = now + LOOK_SECONDS
        if self._agent is not None and self._agent.poll() is not None and self.shared.role is not Role.REFUSED:
            log.error("the cluster's agent ended with code %d; starting it again", self._agent.returncode)
            # Not again at once, if it does not even begin.
            self._look_at = now + 4 * LOOK_SECONDS
            self._start_agent()

    def told(self) -> dict[str, Any]:
        """What the agent tells of the cluster."""
        return read_told(self.config.data)

    # A standby

    def follow(self, pipeline: "Pipeline") -> None:
        """Be a standby until this node is the primary. Raises Ended, StartError, JournalError. Who is told to end from
        then on, before its loop begins, is `is_to_end`."""
        before = {number: signal.signal(number, self._on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
        admin = AdminSocket(self.config.data, self._answer, operators=self.config.login_names)
        told, added = False, self._read_at_start()
        pipeline.follows = True

        def breathe() -> None:
            self.shared[Slot.TURNED] += 1
            self.shared[Slot.APPLIED] = max(self.shared[Slot.APPLIED], pipeline.position)
            self._check_standby()
            admin.poll()

        pipeline.breathe = breathe
        try:
            while self.shared.role is not Role.PRIMARY:
                told = told or self._say(self.told())
                self.shared[Slot.TURNED] += 1
                self._check_standby()
                if self._read_at_start() != added:
                    log.info("clients or exchanges were added at the primary: this node begins anew with them")
                    self._begin_anew()
                count = self._apply(pipeline)
                admin.poll()
                self.look_after()
                if not count:
                    select.select([number for number, _ in admin.descriptors()], [], [], FOLLOW_SECONDS)
        except BaseException as error:
            for number, handler in before.items():
                signal.signal(number, handler)
            if isinstance(error, Ended):
                self.close()
            raise
        finally:
            pipeline.follows = False
            pipeline.breathe = lambda: None
            admin.close()
        # It is in no loop until it serves: a takeover is not a loop that hangs.
        self.shared[Slot.TURNED] = 0
        if not self.shared[Slot.WENT_ON]:
            # Its numbers are older than those that the other node has used.
            (self.config.data / "sessions").unlink(missing_ok=True)
        log.info("node %s takes over, in epoch %d", self.section.node_name, self.shared[Slot.EPOCH])

    def _apply(self, pipeline: "Pipeline") -> int:
        """Apply what has come. Returns how many records that were."""
        if self.shared.role is not Role.STANDBY:
            return 0
        followed = self.shared[Slot.FOLLOWED]
        count = pipeline.follow(followed)
        self.shared[Slot.APPLIED] = max(pipeline.position, followed if not count else 0)
        self._compare(pipeline)
        pipeline.keep_followed()
        return count

    def _compare(self, pipeline: "Pipeline") -> None:
        """Whether this node's state is the primary's, as far as it is known."""
        found = pipeline.comparison.result()
        if found is None:
            return
        at, is_same = found
        self.shared[Slot.CHECKED_AT] = at
        if is_same and self.shared[Slot.CHECKED] != Check.DIFFERENT:
            self.shared[Slot.CHECKED] = Check.SAME
        elif not is_same:
            log.critical(
                "the state of this node is another one than the primary's at fact %s: it will not take over; keep its "
                "journal and the primary's for the defect, then start it again with an empty data folder",
                id_text(at),
            )
            self.shared[Slot.CHECKED] = Check.DIFFERENT

    def _say(self, told: dict[str, Any]) -> bool:
        """Say once who the primary is."""
        primary = told.get("primary")
        if self.shared.role is not Role.STANDBY or not primary or told.get("released"):
            return False
        node = self.section.node_name
        log.info("node %s follows as a standby: the primary is node %s, at %s", node, primary, told["address"])
        return True

    def _read_at_start(self) -> list[int]:
        """The files that are read at a start only, as their times tell them apart."""
        paths = [self.config.data / name for name in ADDED]
        return [path.stat().st_mtime_ns if path.exists() else 0 for path in paths]

    def _begin_anew(self) -> NoReturn:
        os.closerange(3, max(map(int, os.listdir("/proc/self/fd"))) + 1)
        self._end_helpers()
        begin_anew()

    def _check_standby(self) -> None:
        if self.is_to_end:
            raise Ended
        if self.shared.role is Role.REFUSED:
            self.close()
            raise StartError(f"{self.config.path}: {self.told().get('refused')}")
        if self.shared.role is Role.LOST:
            self.step_down(str(self.told().get("stopped")))

    def _on_signal(self, number: int, frame: object) -> None:
        log.info("stopping on %s", signal.Signals(number).name)
        self.is_to_end = True

    def _answer(self, operator: str, request: Request) -> Answer:
        told = self.told()
        if request.get("action") == "cluster":
            return self.status()
        primary = told.get("primary")
        where = f"the primary is node {primary}, at {told.get('address')}: ask there" if primary else "nobody is yet"
        if primary == self.section.node_name:
            where = "it was the last primary, and nobody is now"
        raise ActionRefused(f"node {self.section.node_name} is a standby; {where}")

    def status(self) -> dict[str, Any]:
        """How this node sees the cluster."""
        shared = self.shared
        end = shared[Slot.TAIL] if shared.role is Role.PRIMARY else shared[Slot.STREAM_END]
        has = shared[Slot.CONFIRMED] if shared.role is Role.PRIMARY else shared[Slot.APPLIED]
        since = shared[Slot.UNCONFIRMED_SINCE]
        return {
            "node": self.section.node_name,
            "role": shared.role.name.lower(),
            "epoch": shared[Slot.EPOCH],
            "quorum": bool(shared[Slot.QUORUM]),
            "standbys": shared[Slot.STANDBYS],
            "behind_bytes": bytes_behind(end, has),
            "behind_ms": round((time.monotonic_ns() - since) / 1e6, 3) if since else 0.0,
            **self.told(),
        }

    # The primary: what the journal and the loop ask

    def appended(self, position: int) -> None:
        """The journal is written up to there: the agent has something to publish."""
        self.shared[Slot.TAIL] = position
        with suppress(BlockingIOError):
            os.eventfd_write(self._wake, 1)

    def confirmed(self) -> int:
        """Up to where the stream has the journal. Where the lease is over the process does not come back from here, but
        where cancels are to go out all the same."""
        return self.shared[Slot.CONFIRMED] if self.check() else ENDLESS

    def turn(self) -> None:
        """The loop turns: the agent sees that it does. As `check`."""
        self.shared[Slot.TURNED] += not self.stopping
        self.check()

    def check(self) -> bool:
        """Whether this process has the lease. Where not it steps down, or, where cancels are to go out all the same,
        goes on without."""
        if self.shared.role is Role.PRIMARY and not self.shared.is_over:
            return True
        if self.shared.role is Role.LOST:
            self.step_down(str(self.told().get("stopped")))
        if not self.sends_without:
            self.step_down("the lease could not be renewed: the cluster has no quorum, or can't be reached from here")
        return False

    @property
    def has_quorum(self) -> bool:
        """Whether what is appended is confirmed in time."""
        return bool(self.shared[Slot.QUORUM])

    @property
    def takes(self) -> bool:
        """Whether new orders are taken: not where they have to be confirmed and are not."""
        return "cluster" not in self.config.broker.durability or self.has_quorum

    def wait(self, position: int) -> None:
        """Block until the stream has the journal up to there, no longer than the lease lasts."""
        while self.confirmed() < position:
            self.look_after()
            time.sleep(WAIT_SECONDS)

    def step_down(self, why: str) -> NoReturn:
        """Stop at once: close every socket, and begin anew as a standby, in the same process."""
        # Before anything else: what is not sent yet never is.
        os.closerange(3, max(map(int, os.listdir("/proc/self/fd"))) + 1)
        log.critical("%s: node %s stops at once, and begins anew as a standby", why, self.section.node_name)
        self._end_helpers()
        if self.stopping:
            log.error("it was stopping: not all of its last records are in the cluster's stream")
            os._exit(1)
        begin_anew()

    def _end_helpers(self) -> None:
        """No process of ours may outlive this one's image: it would not notice."""
        if self._agent is not None:
            self._agent.kill()
            self._agent.wait()
        running = [helper.process for helper in self.helpers]
        for process in running:
            process.terminate()
        deadline = time.monotonic() + HELPER_SECONDS
        for process in running:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    # The end

    def begin_stop(self) -> None:
        """The loop ends: what follows takes its time."""
        self.stopping = True
        self.shared[Slot.TURNED] = 0

    def successor(self, to: str) -> str:
        """The standby that could take over at once: `to` or, for "", the one that is closest. Raises ActionRefused."""
        nodes = self.told().get("nodes") or {}
        ready = {
            name: node["behind"] for name, node in nodes.items()
            if node["alive"] and node["role"] == "standby" and node["check"] != "different"
            and node["behind"] <= CLOSE_BYTES
        }  # fmt: skip
        if to and to not in nodes:
            raise ActionRefused(f"there is no node {to!r}: known are {', '.join(sorted(nodes))}")
        if (to and to not in ready) or not ready:
            why = f"node {to} is no standby that has caught up" if to else "there is no standby that has caught up"
            raise ActionRefused(f"{why}: `brokerfix cluster` shows how they are")
        return to or min(ready, key=lambda name: ready[name])

    def settle(self, position: int) -> None:
        """All is done at the stop: wait, for a while, until the stream has the journal up to there."""
        deadline = time.monotonic() + CONFIRM_SECONDS
        while self.shared[Slot.CONFIRMED] < position and self.check() and time.monotonic() < deadline:
            self.look_after()
            time.sleep(WAIT_SECONDS)
        if self.shared[Slot.CONFIRMED] < position:
            log.error("not all of the journal is in the cluster's stream")

    def hand_over(self, to: str = "") -> bool:
        """Give up the lease in favour of a node ("": any), when no socket is open any more. Returns whether it was."""
        self.shared.name = to
        self.shared[Slot.SWITCH] = 1
        deadline = time.monotonic() + HAND_OVER_SECONDS
        while not self.shared[Slot.SWITCHED] and time.monotonic() < deadline:
            time.sleep(FOLLOW_SECONDS)
        return bool(self.shared[Slot.SWITCHED])

    def close(self) -> None:
        """End the agent."""
        if self._agent is not None:
            self._agent.kill()
            self._agent.wait()
            self._agent = None
        os.close(self._wake)
        self.shared.close()
