"""Parts of the overview: what needs a hand, the pulse, how the broker itself is."""

from typing import Any

from nicegui import ui

from brokerfix.cluster.nodes import ENDLESS_BYTES
from brokerfix.console.activity import FILLS, ORDERS, REJECTS, SECOND
from brokerfix.console.needs import Need, lasted, needs
from brokerfix.console.view import View, panel, pill
from brokerfix.projections.lag import lag_text

SPARK = "#3f8fd0"
"""Readable on both grounds; a canvas knows no CSS variables."""
SERIES = ((ORDERS, "Orders/s", SPARK), (FILLS, "Fills/s", "#2f9e62"), (REJECTS, "Rejects/s", "#d0544a"))
MICROSECOND = 1_000
Told = dict[str, Any]


class Hand:
    """What needs a hand, on top."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._shown: list[Need] | None = None
        self._what: list[ui.label] = []
        with panel("Needs a hand", wide=True) as part:
            self._part = part
            self._list = ui.element("ul").classes("overview-needs").props('aria-label="What needs a hand"')

    def show(self, told: Told, now: int, cluster: Told, shards: Told) -> None:
        """Of the broker's status and of what it says of its cluster and the shards, {} where it says nothing."""
        desk = self._view.desk
        feed = desk.feed
        if not feed.is_ready and not feed.trouble:
            return
        found = needs(feed.state, told, desk.activity, len(feed.open_alerts), feed.trouble, now, cluster, shards)
        if found == self._shown:
            return
        before, self._shown = self._shown, found
        if before and [one._replace(what="") for one in before] == [one._replace(what="") for one in found]:
            # A time goes on: what somebody is about to click stays where it is.
            for label, need in zip(self._what, found, strict=True):
                label.text = need.what
            return
        self._part.classes(replace=f"panel wide overview-hand {found[0].kind if found else 'good'}")
        self._list.clear()
        self._what.clear()
        with self._list:
            if not found:
                with ui.element("li"):
                    pill("✓ fine", "good")
                    ui.label("Nothing needs a hand.")
            for need in found:
                with ui.element("li"):
                    pill("! now" if need.kind == "bad" else "look", need.kind)
                    self._what.append(ui.label(need.what).classes("overview-what"))
                    if need.link:
                        ui.link(need.do, need.link).classes("overview-do")
                    else:
                        ui.label(need.do).classes("overview-do soft")


class Pulse:
    """What happens in a second, over the last minute, and how fast."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._rates: dict[int, ui.label] = {}
        self._charts: dict[int, ui.echart] = {}
        self._figures: dict[str, ui.label] = {}
        with panel("Pulse") as part:
            part.classes("two-thirds")
            with ui.element("div").classes("overview-pulse"):
                for what, title, colour in SERIES:
                    with ui.element("div").classes("overview-rate"):
                        ui.label(title).classes("soft")
                        self._rates[what] = ui.label("0").classes("big")
                        self._charts[what] = ui.echart(_spark(colour)).classes("overview-spark")
                        self._charts[what].props(f'role=img aria-label="{title} over the last minute"')
            with ui.element("div").classes("figures overview-figures"):
                for title in (
                    "Orders today", "Fills today", "Rejects today", "Working", "Order to record, p50", "p99", "Longest",
                    "Loop's longest pause, last minute", "since the start",
                ):  # fmt: skip
                    with ui.element("div").classes("figure"):
                        ui.label(title).classes("soft")
                        self._figures[title] = ui.label("").classes("number")
            ui.label(
                "Order to record: from a message's arrival until what came of it is on record; its first report "
                "follows at once. Of the latest 2,000 orders."
            ).classes("soft overview-note")

    def show(self, told: dict[str, Any], now: int) -> None:
        activity = self._view.desk.activity
        seconds = activity.rates.last(now)
        for what, _, _ in SERIES:
            values = [counts[what] for counts in seconds]
            mean = sum(values) / len(values)
            self._rates[what].text = f"{mean:.1f}" if mean < 100 else f"{mean:,.0f}"
            chart = self._charts[what]
            if chart.options["series"][0]["data"] != values:
                chart.options["series"][0]["data"] = values
                chart.update()
        pauses, latency = told.get("pause_ms", {}), activity.latency()
        figures = {
            "Orders today": f"{activity.orders:,}", "Fills today": f"{activity.fills:,}",
            "Rejects today": f"{activity.rejects:,}", "Working": f"{told['working']:,}" if told else "-",
            "Order to record, p50": micros(latency.get("p50")), "p99": micros(latency.get("p99")),
            "Longest": micros(latency.get("max")),
            "Loop's longest pause, last minute": f"{pauses['last_minute']:.1f} ms" if pauses else "-",
            "since the start": f"{pauses['since_start']:.1f} ms" if pauses else "-",
        }  # fmt: skip
        for title, text in figures.items():
            self._figures[title].text = text


def _spark(colour: str) -> dict[str, Any]:
    """A line over the last minute, without anything around it."""
    return {
        "animation": False,
        "grid": {"left": 0, "right": 0, "top": 3, "bottom": 1},
        "xAxis": {"type": "category", "show": False, "boundaryGap": False},
        "yAxis": {"type": "value", "show": False, "min": 0},
        "series": [
            {
                "type": "line", "data": [0] * 60, "showSymbol": False, "silent": True,
                "lineStyle": {"width": 1.5, "color": colour}, "areaStyle": {"color": colour, "opacity": 0.15},
            }
        ],
    }  # fmt: skip


def micros(nanoseconds: int | None) -> str:
    """A latency for people."""
    if nanoseconds is None:
        return "-"
    if nanoseconds < 10_000 * MICROSECOND:
        return f"{nanoseconds / MICROSECOND:,.0f} µs"
    return f"{nanoseconds / MICROSECOND / 1000:,.1f} ms"


class Health:
    """How the broker itself is: its records, its cluster, its jobs, its clock."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._labels: dict[str, ui.label] = {}
        with panel("Broker") as part:
            part.classes("third")
            self._list = ui.element("div").classes("overview-health")

    def show(self, told: Told, now: int, cluster: Told, shards: Told) -> None:
        silent = f"! is not the primary ({cluster['role']})" if cluster else "! does not answer"
        rows = [*(self._rows(told, now) if told else [("Broker", silent, "bad")]), *cluster_rows(told, cluster, shards)]
        if [title for title, _, _ in rows] != list(self._labels):
            self._list.clear()
            self._labels.clear()
            with self._list:
                for title, _, _ in rows:
                    ui.label(title).classes("soft")
                    self._labels[title] = ui.label("")
        for title, text, kind in rows:
            self._labels[title].text = text
            self._labels[title].classes(replace=f"number {kind}")

    def _rows(self, told: dict[str, Any], now: int) -> list[tuple[str, str, str]]:
        desk = self._view.desk
        jobs = ", ".join(told["jobs"][:3]) or "none"
        unanswered, breaks = told["unanswered"], told["breaks"]
        behind = desk.feed.behind_seconds()
        rows = [
            ("Day", f"{told['day']}, fact {told['facts']:,}", ""),
            ("Up since", f"{self._view.time(desk.activity.began)} ({_ago(desk.activity.began, now)})", ""),
            ("Orders in memory", f"{told['orders']:,}", ""),
            ("Jobs", jobs, "warn" if told["jobs"] else ""),
            ("Answers exchanges owe", f"{unanswered:,}", "warn" if unanswered else ""),
            ("Breaks", f"! {breaks:,}" if breaks else "none", "bad" if breaks else ""),
            ("Disk", "! full" if told["disk_full"] else "takes all", "bad" if told["disk_full"] else ""),
            ("Clock", *_clock(desk.activity.clock)),
        ]
        lags = {"Database": told["store"]} if told["store"] is not None else {}
        lags |= {f"Events {name}": lag for name, lag in told["events"].items()}
        rows += [
            (name, ("! " if lag and lag["trouble"] else "") + lag_text(lag), "bad" if lag and lag["trouble"] else "")
            for name, lag in lags.items()
        ]
        if told["store"] is None:
            rows.append(("Database", "none is configured", ""))
        rows.append(
            ("This console", "reads along" if behind < 2 else f"{behind:.0f} s behind", "warn" if behind > 5 else "")
        )
        return rows


def cluster_rows(told: Told, whole: Told, shards: Told) -> list[tuple[str, str, str]]:
    """What there is to say of the cluster: (title, text, kind)."""
    cluster = whole or told.get("cluster")
    if not cluster:
        return [("Cluster", "none: no standby", "")] if told else []
    bad = not cluster["quorum"]
    rows = [
        ("Cluster", f"{cluster['node']} is {cluster['role']}, epoch {cluster['epoch']}", ""),
        ("Quorum", "! none" if bad else "yes", "bad" if bad else ""),
        (
            "Standbys",
            f"{cluster['standbys']} could take over" if cluster["standbys"] else "! none could take over",
            "" if cluster["standbys"] else "bad",
        ),
        ("Unconfirmed", f"{_bytes(cluster['behind_bytes'])}, {cluster['behind_ms']:g} ms", ""),
    ]
    for name, node in (cluster.get("nodes") or {}).items():
        rows.append((f"Node {name}", *_node(node)))
    known = shards.get("shards", ())
    if known:
        up = sum(one["state"] == "up" for one in known)
        is_all = up == len(known)
        rows.append(("Shards", f"{'' if is_all else '! '}{up} of {len(known)} are up", "" if is_all else "bad"))
    return rows


def _node(node: Told) -> tuple[str, str]:
    if not node["alive"]:
        return f"! away; was {node['role']}", "bad"
    if node["check"] == "different":
        return f"! {node['role']}, with another state", "bad"
    return node["role"] if node["role"] == "primary" else f"{node['role']}, {_bytes(node['behind'])} behind", ""


def _bytes(count: int) -> str:
    return f"{count:,} bytes" if count < ENDLESS_BYTES else "a segment or more"


def _ago(at: int, now: int) -> str:
    return lasted((now - at) // SECOND) if at else "before today"


def _clock(check: Any) -> tuple[str, str]:
    if check is None:
        return "not looked at yet today", ""
    if not check.synchronized:
        return "! kept with no other", "warn"
    return f"{check.offset / MICROSECOND:+,.0f} µs, ± {check.max_error / MICROSECOND:,.0f} µs at most", ""
