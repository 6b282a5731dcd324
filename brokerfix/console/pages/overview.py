"""The overview: what there is, how it is, and what needs a hand."""

import time

from brokerfix.console import kill
from brokerfix.console.pages.overview_alerts import Alerts
from brokerfix.console.pages.overview_parts import Hand, Health, Pulse
from brokerfix.console.pages.overview_tables import Exchanges, Sessions
from brokerfix.console.view import View

SLOW = 2
"""Tables are made anew every so many seconds."""


def build(view: View) -> None:
    """The page."""
    hand = Hand(view)
    kill.panel(view, size="third")
    pulse = Pulse(view)
    exchanges = Exchanges(view)
    alerts = Alerts(view)
    health = Health(view)
    sessions = Sessions(view)
    turns = 0

    async def update() -> None:
        nonlocal turns
        now, told = time.time_ns(), await view.ask("status", 1.0)
        cluster = await view.ask("cluster", 1.0) if view.desk.config.cluster is not None else {}
        shards = await view.ask_door("shards", 1.0) if view.desk.config.is_shard else {}
        hand.show(told, now, cluster, shards)
        pulse.show(told, now)
        health.show(told, now, cluster, shards)
        alerts.show()
        if not turns % SLOW:
            rows = {row["name"]: row for row in (await view.ask("sessions", 1.0)).get("sessions", [])}
            exchanges.show(rows, now)
            sessions.show(rows, await view.desk.gateway.sessions(), now)
        turns += 1

    view.every(1.0, update)
