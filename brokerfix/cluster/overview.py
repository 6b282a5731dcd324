"""How a cluster is, read from its keys: by anybody who may connect to its servers, whether a node runs here or not."""

import asyncio
import time
from typing import Any

import msgspec

from brokerfix.cluster.keys import Keys
from brokerfix.cluster.lease import Away, Held, decode
from brokerfix.cluster.nodes import TELL_SECONDS, Node
from brokerfix.queues.nats import ServerAway, connect
from brokerfix.settings.sections import Config

LOOK_SECONDS = 3 * TELL_SECONDS
"""Within which a node that is there writes its key anew."""


class Overview(msgspec.Struct):
    """What was found: who holds the lease, the nodes, and what is wrong, for the operator."""

    primary: Held | None
    nodes: list[Node]
    problems: list[str]


async def look(config: Config) -> Overview:
    """Look at the cluster of a configuration. Raises ServerAway, ConfigError."""
    section = config.cluster
    assert section is not None
    client = await connect(config.path, "cluster", section, "brokerfix cluster")
    shard = config.broker.shard
    try:
        keys = Keys(client, section.name)
        first = await keys.below(f"node.{shard}.")
        deadline = time.monotonic() + LOOK_SECONDS
        latest = dict(first)
        while time.monotonic() < deadline and any(latest[name][0] == first[name][0] for name in first):
            await asyncio.sleep(TELL_SECONDS / 5)
            latest |= await keys.below(f"node.{shard}.")
        lease = await keys.read(f"primary.{shard}")
    except Away as away:
        raise ServerAway(f"{config.path}: cluster.servers: {', '.join(section.servers)}: {away}") from away
    finally:
        await client.close()
    nodes = []
    for name, (revision, value) in latest.items():
        node = msgspec.json.decode(value, type=Node)
        node.alive = revision != first.get(name, (0, b""))[0]
        nodes.append(node)
    held = decode(lease[1]) if lease is not None else None
    return Overview(held, nodes, problems(held, nodes))


def problems(held: Held | None, nodes: list[Node]) -> list[str]:
    """What an operator has to look after."""
    told = []
    primary = next((node for node in nodes if node.alive and node.role == "primary"), None)
    if held is None:
        told.append("there has been no primary yet: start one with `brokerfix start`")
    elif primary is None or primary.node != held.node:
        told.append(f"there is no primary now: node {held.node} was the last, in epoch {held.epoch}")
    if not any(node.is_ready for node in nodes):
        told.append("no standby could take over")
    for node in nodes:
        if not node.alive:
            told.append(f"node {node.node} is away")
        elif node.role not in ("primary", "standby"):
            told.append(f"node {node.node} is no part of it: {node.role}")
        elif node.role == "standby" and not node.is_ready and node.check != "different":
            told.append(f"node {node.node} is {node.behind} bytes behind")
        if node.check == "different":
            told.append(f"node {node.node} has another state than the primary, and will not take over")
    versions = sorted({node.version for node in nodes if node.alive})
    if len(versions) > 1:
        told.append(f"there are several versions: {', '.join(versions)}")
    return told


def rows(found: Overview) -> list[dict[str, Any]]:
    """The nodes, a row for each."""
    return [
        {
            "node": node.node,
            "role": node.role if node.alive else "away",
            "epoch": node.epoch,
            "place": node.place,
            "behind": node.behind,
            "state": node.check,
            "version": node.version,
        }
        for node in sorted(found.nodes, key=lambda node: node.node)
    ]
