"""Tables of the overview: exchanges and clients' sessions."""

from typing import Any

from nicegui import ui

from brokerfix.console.activity import SECOND, Exchange
from brokerfix.console.needs import lasted
from brokerfix.console.pages.overview_parts import micros
from brokerfix.console.view import View, panel, show_rows, table
from brokerfix.domain import Venue
from brokerfix.engine.routing.statistics import PRIOR, VenueScore, is_open
from brokerfix.operate.exchanges import exchanges

MOST_CLIENTS = 100
STATE_CELL = (
    "<q-td :props=\"props\"><span :class=\"'pill ' + (props.value.startsWith('up') ? 'good' : props.row.kind)\">"
    "{{ props.value }}</span></q-td>"
)
"""A state as a coloured word: it is set as text."""


class Exchanges:
    """Exchanges and how they are, and what has been learned of them."""

    def __init__(self, view: View) -> None:
        self._view = view
        with panel("Exchanges", wide=True):
            self._table = table(
                (
                    ("exchange", "Exchange"), ("state", "State"), ("#since", "Since"), ("#heard", "Last answer"),
                    ("#ack", "Ack"), ("#fill", "Fill"), ("#doubt", "In doubt"), ("#owed", "Unanswered"),
                    ("#sent", "Sent"), ("#fills", "Fills"), ("#rejects", "Rejects"), ("#fees", "Fees take/make"),
                ),
                [], "exchange", "Exchanges",
            )  # fmt: skip
            self._table.add_slot("body-cell-state", STATE_CELL)
            with ui.element("details").classes("overview-more"):
                with ui.element("summary"):
                    ui.label("Routing statistics, by class of symbols").classes("soft")
                self._scores = table(
                    (
                        ("exchange", "Exchange"), ("symbols", "Symbols"), ("#sent", "Sent"), ("#ack_us", "Ack µs"),
                        ("#fill_us", "Fill µs"), ("#filled_pct", "Filled %"), ("#rejected_pct", "Rejected %"),
                        ("#canceled_pct", "Canceled %"), ("#improvement", "Improvement"),
                        ("#markout_1s", "Markout 1 s"), ("#markout_10s", "Markout 10 s"), ("circuit", "Circuit"),
                    ),
                    [], "key", "Routing statistics",
                )  # fmt: skip

    def show(self, sessions: dict[str, dict[str, Any]], now: int) -> None:
        view = self._view
        state, activity = view.state, view.desk.activity
        rows = []
        for name, venue in state.venues.items():
            if not venue.removed:
                rows.append(self._row(venue, activity.exchanges.get(name, Exchange()), sessions.get(name), now))
        show_rows(self._table, rows)
        scores = [{**row, "key": f"{row['exchange']}/{row['symbols']}"} for row in exchanges(state, now)]
        show_rows(self._scores, scores)

    def _row(self, venue: Venue, seen: Exchange, session: dict[str, Any] | None, now: int) -> dict[str, Any]:
        state, name = self._view.state, venue.venue
        link, score = state.links.get(name), _busiest(state.scores, name)
        is_up = session["state"] == "up" if session is not None else bool(state.market.up.get(name))
        failing = is_open(state, name, now)
        halted = ("venue", name) in state.halts
        words = "up" if is_up else "down"
        if is_up and (failing or halted):
            words = "halted" if halted else "not routed to"
        terms = state.terms_of(name)
        asked = len(link.asked) if link is not None else 0
        return {
            "exchange": name, "state": words, "kind": "bad" if not is_up else "warn",
            "since": self._view.time(seen.since)[:8], "heard": _age(seen.heard, now),
            "ack": micros(score.ack) if score is not PRIOR else "-",
            "fill": micros(score.fill) if score is not PRIOR else "-",
            "doubt": asked if is_up else len(state.open_children.get(name, ())),
            "owed": asked + (len(link.awaited) if link is not None else 0),
            "sent": seen.sent, "fills": seen.fills, "rejects": seen.rejects, "fees": _fees(terms),
        }  # fmt: skip


def _busiest(scores: dict[str, VenueScore], venue: str) -> VenueScore:
    """What is known of an exchange in the class of symbols in which most is sent there."""
    of_venue = [score for key, score in scores.items() if key.partition("/")[0] == venue]
    return max(of_venue, key=lambda score: score.sent, default=PRIOR)


def _fees(venue: Venue) -> str:
    def one(unit: str, bps: str) -> str:
        return " + ".join(filter(None, (unit if unit != "0" else "", f"{bps} bp" if bps != "0" else ""))) or "0"

    return f"{one(venue.taker_fee, venue.taker_bps)} / {one(venue.maker_fee, venue.maker_bps)}"


def _age(at: int, now: int) -> str:
    return f"{lasted((now - at) // SECOND)} ago" if at else "-"


class Sessions:
    """The sessions of clients, those that are up first."""

    def __init__(self, view: View) -> None:
        self._view = view
        with panel("Clients' sessions", wide=True):
            self._table = table(
                (
                    ("name", "Client"), ("state", "State"), ("#since", "Since"), ("fix", "FIX"), ("from", "From"),
                    ("#out", "Next out"), ("#in", "Next in"), ("#working", "Working"), ("#messages_in", "Received"),
                    ("#messages_out", "Sent"), ("#refused", "Refused"), ("#unread", "Unread bytes"),
                ),
                [], "name", "Sessions of clients",
            )  # fmt: skip
            self._table.add_slot("body-cell-state", STATE_CELL)
            self._more = ui.label("").classes("soft")

    def show(self, sessions: dict[str, dict[str, Any]], gateway: dict[str, dict[str, Any]], now: int) -> None:
        state, since = self._view.state, self._view.desk.activity.sessions
        clients = [row for row in sessions.values() if row["kind"] == "client"]
        clients.sort(key=lambda row: (row["state"] != "up", row["name"]))
        rows = []
        for row in clients[:MOST_CLIENTS]:
            name, told = row["name"], gateway.get(row["name"], {})
            client = state.clients.get(name)
            rows.append(
                {
                    "name": name,
                    "state": row["state"],
                    "kind": "",
                    "since": self._view.time(since.get(name, 0))[:8] or "-",
                    "fix": row["fix"],
                    "from": told.get("from", ""),
                    "out": row["next_out"],
                    "in": row["next_in"],
                    "working": len(client.working) if client is not None else 0,
                    "messages_in": told.get("messages_in", ""),
                    "messages_out": told.get("messages_out", ""),
                    "refused": told.get("refused", ""),
                    "unread": told.get("unread_bytes", ""),
                }
            )
        show_rows(self._table, rows)
        left = len(clients) - len(rows)
        self._more.text = f"and {left:,} more: see Clients" if left > 0 else "" if clients else "No client yet."
