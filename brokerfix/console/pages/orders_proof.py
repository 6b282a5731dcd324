"""The proof that a fill stands in the signed journal, for people."""

import json
from typing import Any

import msgspec
from nicegui import ui

from brokerfix.access.roles import Kind
from brokerfix.console.desk import Refused
from brokerfix.console.view import View, pill
from brokerfix.record.keys import BadKeys, public
from brokerfix.record.notes import SIGNATURE, BadNote, VKey, parse
from brokerfix.record.proof import Proof, is_proven
from brokerfix.settings.proof import ProofSection

MOST_FIELDS = 40


def check(told: Any, keys: list[bytes]) -> tuple[bool, str]:
    """Whether a proof as `prove` has told it holds by one of our public keys, and a sentence about it."""
    proof = msgspec.convert(told, Proof)
    try:
        checkpoint, _ = parse(proof.checkpoint)
        holds = any(is_proven(proof, VKey(checkpoint.origin, SIGNATURE, key)) for key in keys)
    except (BadNote, ValueError) as error:
        return False, f"it can't be checked: {error}"
    where = f"record {proof.index} of the {checkpoint.size} that the checkpoint of {checkpoint.origin} covers"
    if not holds:
        return False, f"it does not hold: {where} is not what was signed"
    return True, f"{where}; {len(proof.path)} hashes lead from it to the signed root"


async def show(view: View, exec_id: str) -> None:
    """A dialog with the proof of a fill."""
    if not await view.reads(Kind.JOURNAL, f"prove {exec_id}"):
        return
    with view.client, ui.dialog(value=True) as dialog, ui.card().classes("dialog orders-proof"):
        dialog.props('aria-label="Proof"').on("hide", dialog.delete)
        ui.label(f"Proof of {exec_id}").classes("dialog-title")
        place = ui.column().classes("full-width")
        with place:
            ui.label("Reading the journal …").classes("soft")
        with ui.row().classes("dialog-buttons"):
            ui.button("Close", on_click=dialog.close).props("flat no-caps autofocus")
    try:
        proofs, trouble = await view.desk.tell("prove", exec_id), ""
    except Refused as error:
        proofs, trouble = [], f"{error}"
    if dialog.is_deleted:
        return
    place.clear()
    with place:
        if trouble:
            ui.label(f"There is no proof: {trouble}").classes("bad").props("role=alert")
        for told in proofs:
            _proof(view, told)
        if proofs:
            file = f"{exec_id}.proof.json"
            ui.label(f"Anybody can check it who has our public key: brokerfix check-proof {file} --key KEY").classes(
                "soft"
            )
            ui.button(
                "Keep the proof", icon="download", on_click=lambda: ui.download(json.dumps(proofs).encode(), file)
            ).props("dense flat no-caps")


def _proof(view: View, told: dict[str, Any]) -> None:
    config = view.desk.config
    try:
        keys = [one.key for one in public((config.proof or ProofSection()).folder(config.path, config.data))]
    except BadKeys as error:
        keys = []
        ui.label(f"{error}").classes("bad")
    holds, sentence = check(told, keys)
    with ui.row().classes("orders-line"):
        pill("it holds" if holds else "IT DOES NOT HOLD", "good" if holds else "bad")
        ui.label(sentence)
    for fact in told["what"]:
        rest = {name: value for name, value in fact.items() if name not in ("kind", "fact")}
        with ui.expansion(f"{fact['kind']} {fact['fact']}", value=True).classes("full-width").props("dense"):
            for name, value in list(rest.items())[:MOST_FIELDS]:
                if value not in ("", None, 0, [], {}):
                    with ui.row().classes("orders-line"):
                        ui.label(name).classes("soft orders-name")
                        ui.label(f"{value}")
    with ui.expansion("Signed checkpoint and hashes").classes("full-width").props("dense"):
        ui.label(told["checkpoint"]).classes("orders-raw")
        for one in told["path"]:
            ui.label(one).classes("orders-raw")
