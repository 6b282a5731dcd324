"""How far a standby is behind: what counts is what its state has, against what the primary has."""

import asyncio
from pathlib import Path

import msgspec

from brokerfix.cluster.nodes import CLOSE_BYTES, Node, Nodes
from brokerfix.cluster.shared import Role, Shared, Slot
from brokerfix.cluster.told import Told
from tests.cluster.test_moves import Effects, KeysAtHand, Servers

DAY = 20261127 << 39
FAR = DAY + 10 * CLOSE_BYTES


class Machine:
    """One node, as its agent tells of it."""

    def __init__(self, name: str, role: Role, servers: Servers, folder: Path) -> None:
        data = folder / name
        data.mkdir()
        self.name, self.told = name, Told(data)
        self.shared = Shared(data)
        self.shared[Slot.ROLE] = role
        self.nodes = Nodes(KeysAtHand(servers, Effects()), 0, name)
        self.servers = servers

    def tell(self) -> Node:
        """Tell, know the others, and tell again."""
        for _ in range(2):
            asyncio.run(self.nodes.tell(self.shared, self.shared.role is Role.PRIMARY, self.told))
        return msgspec.json.decode(self.servers.values[f"node.0.{self.name}"][1], type=Node)


def test_a_standby_that_has_not_read_or_not_applied_it_all_is_not_ready(tmp_path: Path) -> None:
    servers = Servers()
    primary = Machine("a", Role.PRIMARY, servers, tmp_path)
    standby = Machine("b", Role.STANDBY, servers, tmp_path)
    primary.shared[Slot.TAIL] = primary.shared[Slot.CONFIRMED] = FAR
    primary.tell()

    def reads_and_applies(read: int, applied: int) -> Node:
        standby.shared[Slot.STREAM_END] = standby.shared[Slot.FOLLOWED] = read
        standby.shared[Slot.APPLIED] = applied
        return standby.tell()

    told = reads_and_applies(DAY + 100, DAY + 100)
    assert (told.behind, told.is_ready) == (FAR - DAY - 100, False), "it has applied what it has read, and not read all"
    told = reads_and_applies(FAR, DAY + 100)
    assert (told.behind, told.is_ready) == (FAR - DAY - 100, False), "it has read all, and not applied it"
    primary.tell()
    assert primary.shared[Slot.STANDBYS] == 0
    told = reads_and_applies(FAR, FAR)
    assert (told.behind, told.is_ready) == (0, True)
    primary.tell()
    assert primary.shared[Slot.STANDBYS] == 1


def test_a_primary_that_is_away_is_no_measure(tmp_path: Path) -> None:
    servers = Servers()
    primary = Machine("a", Role.PRIMARY, servers, tmp_path)
    standby = Machine("b", Role.STANDBY, servers, tmp_path)
    primary.shared[Slot.TAIL] = FAR
    primary.tell()
    primary.shared[Slot.ROLE] = Role.LOST
    primary.tell()
    standby.shared[Slot.STREAM_END] = standby.shared[Slot.APPLIED] = DAY + 100
    told = standby.tell()
    assert (told.behind, told.is_ready) == (0, True)
