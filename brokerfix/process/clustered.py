"""What the primary's process looks after in its cluster, every moment, and what it tells the operator of it."""

import logging
from typing import TYPE_CHECKING

from brokerfix import commands as cmd
from brokerfix.process.member import Member
from brokerfix.record.checked import PARTS

if TYPE_CHECKING:
    from brokerfix.process.broker import Broker

log = logging.getLogger("brokerfix")

CLUSTER = "cluster"
"""Whom alerts about the cluster come from."""
UNCONFIRMED = "the cluster does not confirm records: "
ON_ONE_MACHINE = f"{UNCONFIRMED}what is written from now on is on this machine only"
SENDS = (
    f"{UNCONFIRMED}new orders are refused; cancels go to exchanges all the same, and another node that becomes the "
    "primary meanwhile will not know of them"
)
CONFIRMS = "the cluster confirms records again; orders are taken"
NO_QUORUM, QUORUM_BACK, TOOK_OVER = "NO_QUORUM", "QUORUM_BACK", "TOOK_OVER"
POSSIBLE_LOSS, STATE_DIFFERS = "POSSIBLE_LOSS", "STATE_DIFFERS"


class ClusterWatch:
    """The primary's look at its cluster."""

    def __init__(self, broker: "Broker", member: Member) -> None:
        self.broker = broker
        self.member = member
        self._had_quorum = True
        self._different: set[str] = set()
        self._looks = 0

    def look(self, now: int) -> None:
        """The agent, whether the cluster takes what is appended, and how states compare."""
        self.member.look_after()
        self._look_at_quorum(now)
        pipeline = self.broker.pipeline
        counted = pipeline.checker.look_after()
        if counted:
            pipeline.submit(cmd.StateCounted(now, counted, PARTS, pipeline.checker.hashes[counted]))
        self._looks += 1
        if self._looks % LOOKS_AT_NODES == 0:
            self._look_at_nodes(now)

    def _look_at_quorum(self, now: int) -> None:
        member = self.member
        has = member.has_quorum
        if has is self._had_quorum:
            return
        self._had_quorum = has
        self.broker.pipeline.takes_orders = member.takes
        text = self._told(member)
        log.log(logging.WARNING if has else logging.CRITICAL, "%s", text)
        self._alert(now, QUORUM_BACK if has else NO_QUORUM, text)

    @staticmethod
    def _told(member: Member) -> str:
        if member.has_quorum:
            return CONFIRMS
        if member.takes:
            return ON_ONE_MACHINE
        if member.sends_without:
            return SENDS
        return (
            f"{UNCONFIRMED}new orders are refused, and if it goes on for longer than the lease "
            f"({member.section.lease_seconds:g} s) this node closes its sessions until there is a quorum again"
        )

    def _look_at_nodes(self, now: int) -> None:
        """A standby that has another state than we is told of once."""
        nodes = self.member.told().get("nodes") or {}
        different = {name for name, node in nodes.items() if node["check"] == "different" and node["alive"]}
        for name in sorted(different - self._different):
            text = (
                f"standby {name} has another state than the primary, found at fact {nodes[name]['checked_at']}: it "
                "will not take over; keep its journal and this one's for the defect; start it with an empty data folder"
            )
            log.critical("%s", text)
            self._alert(now, STATE_DIFFERS, text)
        self._different = different

    def took_over(self) -> None:
        """Put on record that this node has taken over from another, and what may be lost."""
        told = self.member.told()
        node, before = self.member.section.node_name, told.get("before")
        if not before:
            return
        now, epoch = self.broker.clock(), told.get("epoch")
        if before == node:
            self._alert(now, TOOK_OVER, f"node {node} is the primary again, in epoch {epoch}")
        else:
            self._alert(now, TOOK_OVER, f"node {node} has taken over from node {before}, in epoch {epoch}")
        if told.get("lost"):
            lost = f"node {before} did not wait for the cluster: lost may be {told['lost']}"
            log.critical("%s", lost)
            self._alert(now, POSSIBLE_LOSS, lost)

    def _alert(self, now: int, code: str, text: str) -> None:
        self.broker.pipeline.submit(cmd.VenueOther(now, CLUSTER, code, text, ""))


LOOKS_AT_NODES = 20
"""Every so many looks the other nodes are looked at."""
