"""What needs a hand now, in words, and what to do about it: the worst first. It looks at sums only, so that it costs
the same whatever the desk holds."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from brokerfix.console.activity import SECOND, Activity
from brokerfix.engine.entities import Link
from brokerfix.engine.routing.statistics import is_open
from brokerfix.engine.state import State

BAD, WARN = "bad", "warn"
NONE: Mapping[str, Any] = MappingProxyType({})
PATIENCE_SECONDS = 10
"""For so long an exchange may owe an answer before a person looks."""
BEHIND_SECONDS = 30
PAUSE_MS = 100
MOST_NAMED = 5
"""Names that one line has."""


class Need(NamedTuple):
    """`kind` is bad where trading or a record is at stake, warn where somebody should look; `what` is so, `do` this,
    on the page `link` ("": nowhere in the console)."""

    kind: str
    what: str
    do: str
    link: str = ""


def needs(
    state: State,
    told: dict[str, Any],
    activity: Activity,
    open_alerts: int,
    trouble: str,
    now: int,
    cluster: Mapping[str, Any] = NONE,
    shards: Mapping[str, Any] = NONE,
) -> list[Need]:
    """All that needs a hand at `now` (ns UTC). `told` is the broker's status, {} where it does not answer; `trouble`
    why the journal can't be read; `cluster` what the broker says of its nodes, `shards` what the cluster's agent says
    of the shards ({}: there are none)."""
    found = [
        *_of_process(told, trouble, cluster),
        *_of_cluster(cluster or told.get("cluster") or {}),
        # Where the broker is not there, or is a standby, so is its agent.
        *(of_shards(shards) if told else ()),
        *_of_exchanges(state, activity, now),
        *_of_stops(state),
        *_of_records(told, activity),
        *_of_desk(state, open_alerts),
    ]
    return sorted(found, key=lambda need: need.kind != BAD)


def _of_process(told: dict[str, Any], trouble: str, cluster: Mapping[str, Any]) -> Iterator[Need]:
    if not told and cluster:
        yield _not_primary(cluster)
    elif not told:
        yield Need(BAD, "The broker does not answer.", "See whether it runs (`brokerfix status`), and its log; `kill` "
                   "at the command line is carried out at its next start.")  # fmt: skip
    if trouble:
        yield Need(BAD, f"The journal can't be read: {trouble}", "What this page shows of orders is old until it can.")
    if told.get("disk_full"):
        yield Need(BAD, "The broker's disk is full: it takes no orders.", "Free space where its data folder is.")
    pause = told.get("pause_ms", {}).get("last_minute", 0)
    if pause > PAUSE_MS:
        yield Need(WARN, f"The broker's loop paused for {pause:.0f} ms in the last minute.", "See what else the "
                   "machine does; docs/operation.md has what pauses it.")  # fmt: skip


def _not_primary(cluster: Mapping[str, Any]) -> Need:
    """A node that answers only how its cluster is."""
    node, primary = cluster["node"], cluster.get("primary")
    do = "Nobody is primary yet: see its log."
    if primary == node:
        do = "It was the last primary, and begins again by itself once it has the cluster's lease: see its log."
    elif primary:
        do = f"The primary is node {primary}, at {cluster.get('address')}: its console shows the desk."
    return Need(BAD, f"This node, {node}, is not the primary ({cluster['role']}): it takes no orders.", do)


def _of_cluster(cluster: Mapping[str, Any]) -> Iterator[Need]:
    """Of what the broker says in its status, or of all that it says of its cluster."""
    if not cluster:
        return
    if cluster.get("trouble"):
        yield Need(BAD, f"The cluster can't be reached: {cluster['trouble']}.", "See its servers and the network.")
    if not cluster["quorum"]:
        yield Need(BAD, "The cluster has no quorum.", "See which of its servers are down: `brokerfix cluster CONFIG`. "
                   "What has to be confirmed by it waits.")  # fmt: skip
    if not cluster["standbys"]:
        yield Need(BAD, "No standby could take over.", "Start one: `brokerfix standby`.")
    for name, node in (cluster.get("nodes") or {}).items():
        if not node["alive"]:
            yield Need(WARN, f"Node {name} of this shard is away; it was {node['role']}.", "Start it again: `brokerfix "
                       "standby`.")  # fmt: skip
        elif node["check"] == "different":
            yield Need(BAD, f"Node {name} has another state than the primary, and will not take over.",
                       "Keep its folder for who looks into it; docs/cluster.md says how it begins anew.")  # fmt: skip


def of_shards(told: Mapping[str, Any]) -> Iterator[Need]:
    """What needs a hand by what the cluster's agent says of the shards."""
    if told.get("silent"):
        what, _, do = f"{told['silent']}".partition(". ")
        yield Need(BAD, f"{what.removesuffix('.')}.", do, "/shards")
    if told.get("trouble"):
        yield Need(
            BAD, f"What the shards share can't be read: {told['trouble']}.",
            "Each goes on within its part of the limits; no account moves, no part grows. See the cluster's servers.",
            "/shards",
        )  # fmt: skip
    for one in told.get("shards", ()):
        if one["state"] != "up":
            yield _away(one, told["asked"] - one["standing"])


def _away(one: Mapping[str, Any], missed: int) -> Need:
    """A shard that is not there, and has missed so many requests to all."""
    count, since = one["accounts"], lasted(int(one["heard_s"]))
    holds = f"{count:,} {_plural('account', count)}" if count else "no account"
    what = f"Shard {one['shard']} (node {one['node']}) is away: nothing was heard of it for {since}. It has {holds}."
    if missed > 0:
        what += f" {missed:,} {_plural('request', missed)} to all shards {'waits' if missed == 1 else 'wait'} for it."
    do = "Start it, or its standby. Its accounts trade nowhere else, and its parts of limits count as used."
    return Need(BAD if count else WARN, what, do, "/shards")


def _of_exchanges(state: State, activity: Activity, now: int) -> Iterator[Need]:
    for name, venue in state.venues.items():
        if venue.removed:
            continue
        link = state.links.get(name)
        if not state.market.up.get(name):
            since = activity.exchanges[name].since if name in activity.exchanges else 0
            held = len(state.open_children.get(name, ()))
            doubt = f" {held:,} orders of ours there are in doubt." if held else ""
            yield Need(
                BAD, f"The session with {name} is down{_for(since, now)}.{doubt}",
                "Ask the exchange. It is connected to again and again, and asked for what it holds once it is back.",
            )  # fmt: skip
        elif link is not None:
            yield from _of_link(name, link, now)
        failing = is_open(state, name, now)
        if failing:
            yield Need(WARN, f"Nothing is routed to {name}: {failing}.", "Look at its rejects; it is tried by itself.")


def _of_link(name: str, link: Link, now: int) -> Iterator[Need]:
    oldest = next(iter(link.awaited.values()), 0)
    if oldest and now - oldest > PATIENCE_SECONDS * SECOND:
        yield Need(
            BAD, f"{name} has not answered {len(link.awaited):,} orders{_for(oldest, now)}.",
            "Ask the exchange by telephone, and enter what it says: Orders, resolve.", "/orders",
        )  # fmt: skip
    if link.mute and link.asked:
        yield Need(
            BAD, f"{name} answers no status request; {len(link.asked):,} orders there are in doubt.",
            "Ask the exchange by telephone, and enter what it says: Orders, resolve.", "/orders",
        )  # fmt: skip


def _of_stops(state: State) -> Iterator[Need]:
    killed = [f"{kind} {name}".strip() for kind, name in state.killed]
    halted = [f"{kind} {name}".strip() for kind, name in state.halts if (kind, name) not in state.killed]
    for names, what in ((killed, "killed"), (halted, "halted")):
        if names:
            yield Need(WARN, f"{_named(names)} {'is' if len(names) == 1 else 'are'} {what}.", "Resume it once it may "
                       "trade again: Kill switch.")  # fmt: skip
    if state.unkilled:
        yield Need(
            BAD, f"Exchanges would not cancel {len(state.unkilled):,} orders that are killed.",
            "They are asked again every 5 s. Ask the exchange by telephone.", "/orders",
        )  # fmt: skip
    if state.overdue:
        yield Need(
            WARN, f"{len(state.overdue):,} orders whose time is over wait for exchanges.", "Look at them.", "/orders"
        )


def _of_records(told: dict[str, Any], activity: Activity) -> Iterator[Need]:
    lags = {"the database": told.get("store")}
    lags |= {f"the event stream {name}": lag for name, lag in told.get("events", {}).items()}
    for what, lag in lags.items():
        if lag is None:
            continue
        if lag["trouble"]:
            yield Need(BAD, f"{what[0].upper()}{what[1:]} does not take what happens: {lag['trouble']}.", "Orders go "
                       "on; see its log, and `brokerfix status`.")  # fmt: skip
        elif lag["seconds"] > BEHIND_SECONDS:
            yield Need(WARN, f"{what[0].upper()}{what[1:]} is {lag['seconds']:g} s behind.", "Reports miss the latest "
                       "until it has caught up.")  # fmt: skip
    if activity.clock is not None and not activity.clock.synchronized:
        yield Need(WARN, "The machine's clock is not kept with another.", "Have it kept by NTP or PTP: times on record "
                   "are evidence.")  # fmt: skip


def _of_desk(state: State, open_alerts: int) -> Iterator[Need]:
    if state.breaks:
        yield Need(
            BAD, f"{len(state.breaks):,} {_plural('difference', len(state.breaks))} with exchanges "
            f"{'is' if len(state.breaks) == 1 else 'are'} open.",
            "Look into each, and close it with what it was: `brokerfix breaks resolve`.",
        )  # fmt: skip
    if state.called:
        yield Need(
            WARN, f"In a margin call or liquidation: {_named(list(state.called))}.", "See the accounts.", "/risk"
        )
    if state.proposals:
        yield Need(WARN, f"{len(state.proposals):,} {_plural('change', len(state.proposals))} of limits "
                   "for a second person.", "Approve or refuse.", "/risk")  # fmt: skip
    if open_alerts:
        yield Need(WARN, f"{open_alerts:,} {_plural('alert', open_alerts)} that nobody has acknowledged.", "See below.",
                   "/#alerts")  # fmt: skip


def _plural(word: str, count: int) -> str:
    return word if count == 1 else f"{word}s"


def _named(names: list[str]) -> str:
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _for(since: int, now: int) -> str:
    return f" for {lasted((now - since) // SECOND)}" if since else ""


def lasted(seconds: int) -> str:
    """A time span for people: "12 s", "3 min", "2 h 5 min", "3 d"."""
    if seconds < 100:
        return f"{max(0, seconds)} s"
    minutes = seconds // 60
    if minutes < 100:
        return f"{minutes} min"
    hours = minutes // 60
    return f"{hours} h {minutes % 60} min" if hours < 48 else f"{hours // 24} d"
