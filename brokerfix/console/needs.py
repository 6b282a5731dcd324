"""What needs a hand now, in words, and what to do about it: the worst first. It looks at sums only, so that it costs
the same whatever the desk holds."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from brokerfix.console.activity import SECOND, Activity
from brokerfix.engine.entities import Link
from brokerfix.engine.routing.statistics import is_open
from brokerfix.engine.state import State

BAD, WARN = "bad", "warn"
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
    state: State, told: dict[str, Any], activity: Activity, open_alerts: int, trouble: str, now: int
) -> list[Need]:
    """All that needs a hand at `now` (ns UTC). `told` is the broker's status, {} where it does not answer; `trouble`
    why the journal can't be read."""
    found = [
        *_of_process(told, trouble),
        *_of_exchanges(state, activity, now),
        *_of_stops(state),
        *_of_records(told, activity),
        *_of_desk(state, open_alerts),
    ]
    return sorted(found, key=lambda need: need.kind != BAD)


def _of_process(told: dict[str, Any], trouble: str) -> Iterator[Need]:
    if not told:
        yield Need(BAD, "The broker does not answer.", "See whether it runs (`brokerfix status`), and its log; `kill` "
                   "at the command line is carried out at its next start.")  # fmt: skip
    if trouble:
        yield Need(BAD, f"The journal can't be read: {trouble}", "What this page shows of orders is old until it can.")
    if told.get("disk_full"):
        yield Need(BAD, "The broker's disk is full: it takes no orders.", "Free space where its data folder is.")
    cluster = told.get("cluster") or {}
    if cluster and not cluster["quorum"]:
        yield Need(BAD, "The cluster has no quorum.", "See which nodes are down, with `brokerfix cluster`.")
    if cluster and not cluster["standbys"]:
        yield Need(BAD, "No standby could take over.", "Start one: `brokerfix standby`.")
    pause = told.get("pause_ms", {}).get("last_minute", 0)
    if pause > PAUSE_MS:
        yield Need(WARN, f"The broker's loop paused for {pause:.0f} ms in the last minute.", "See what else the "
                   "machine does; docs/operation.md has what pauses it.")  # fmt: skip


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
