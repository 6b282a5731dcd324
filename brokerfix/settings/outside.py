"""What a configuration says of other machines: the cluster, queues, and the shards behind a router."""

from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from brokerfix.domain import SHARDS
from brokerfix.settings.addresses import address
from brokerfix.settings.base import ConfigError
from brokerfix.settings.servers import (
    ClusterSection,
    QueueSection,
    RouterSection,
    check_events,
    check_orders_from,
    check_servers,
)


def router_of(path: Path, read: Mapping[str, Any]) -> RouterSection | None:
    """The router: its addresses and those of its shards, one for each account's shard. Raises ConfigError."""
    router: RouterSection | None = read.get("router")
    if router is None:
        return None
    places = [("listen", router.listen), *((f"shards.{shard}", text) for shard, text in router.shards.items())]
    for key, text in places:
        for one in text.split(",") if key != "listen" else (text,):
            try:
                private = ip_address(address(one.strip())[0]).is_private
            except ValueError as error:
                raise ConfigError(f"{path}: router.{key}: {error}") from error
            if not private:
                told = "needs an address of a private network: the link is not secured"
                raise ConfigError(f"{path}: router.{key}: {told}")
    for shard in router.shards:
        if not (shard.isdecimal() and str(int(shard)) == shard and int(shard) < SHARDS):
            raise ConfigError(f"{path}: router.shards: {shard!r} is no shard: a number below {SHARDS}")
    if not router.secret and (read.get("gateway") is None or not read["gateway"].secret):
        raise ConfigError(f"{path}: router.secret: needs a file that the gateway and every shard can read too")
    for name, account in read["accounts"].items():
        if str(account.shard) not in router.shards:
            raise ConfigError(
                f"{path}: accounts.{name}: is on shard {account.shard}, which router.shards does not have"
            )
    return router


def cluster_of(path: Path, read: Mapping[str, Any]) -> ClusterSection | None:
    """The cluster, and that the accounts' shards have one. Raises ConfigError."""
    cluster: ClusterSection | None = read.get("cluster")
    durability = read["broker"].durability
    if cluster is None and "cluster" in durability:
        raise ConfigError(f"{path}: broker.durability: {durability!r} needs a [cluster]")
    if cluster is not None:
        check_servers(path, "cluster", cluster)
    placed = {name: account.shard for name, account in read["accounts"].items() if account.shard}
    if placed and (cluster is None or not cluster.shards) and read.get("router") is None:
        name = next(iter(placed))
        raise ConfigError(f"{path}: accounts.{name}.shard: needs [cluster] shards = true, or a [router]")
    return cluster


def queues_of(path: Path, read: Mapping[str, Any]) -> dict[str, QueueSection]:
    """The queues, and that who uses one names one that there is. Raises ConfigError."""
    queues: dict[str, QueueSection] = read["queues"]
    for name, queue in queues.items():
        check_servers(path, f"queues.{name}", queue)
    for table in ("events", "orders_from"):
        for name, user in read[table].items():
            if user.queue not in queues:
                raise ConfigError(f"{path}: {table}.{name}.queue: there is no [queues.{user.queue}]")
    check_events(path, read["events"], read["accounts"])
    check_orders_from(path, read)
    return queues
