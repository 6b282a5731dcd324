"""The page "Audit": who did what, the journal's checkpoints, its facts, their stories and proofs, and the records."""

import time

from nicegui import ui

from brokerfix.access.roles import READS, Kind, who_may
from brokerfix.console.pages import audit_deeds, audit_explain, audit_proof, audit_records, audit_reports, audit_search
from brokerfix.console.pages.audit_surveillance import Surveillance
from brokerfix.console.view import View, panel


def build(view: View) -> None:
    """The page. `?explain=X` and `?prove=X` in its address ask at once."""
    if not view.may_read(Kind.JOURNAL):
        with panel("Audit", wide=True):
            ui.label(f"The journal is read by {who_may(READS['journal'])}.")
        return
    asked = view.client.request.query_params
    day = view.state.day or int(time.strftime("%Y%m%d", time.gmtime()))
    today = f"{day // 10_000}-{day // 100 % 100:02}-{day % 100:02}"
    audit_deeds.build(view)
    audit_proof.checkpoints(view)
    audit_search.build(view, today)
    audit_explain.build(view, asked.get("explain", ""))
    audit_proof.build(view, asked.get("prove", ""))
    if view.may_read(Kind.REPORTS):
        audit_reports.build(view, today)
    audit_records.build(view)
    if view.may_read(Kind.SURVEILLANCE):
        Surveillance(view)
