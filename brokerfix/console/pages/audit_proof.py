"""The journal's checkpoints, its verification, and proofs out of it."""

import asyncio
import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from nicegui import ui

from brokerfix.access.roles import Kind
from brokerfix.console.checkpoints import Shown, newest
from brokerfix.console.desk import Desk, Refused
from brokerfix.console.pages.orders_proof import check
from brokerfix.console.view import View, panel, pill, show_rows, table
from brokerfix.domain import id_number
from brokerfix.record.keys import PUBLIC, BadKeys, public
from brokerfix.record.notes import BadNote
from brokerfix.settings.proof import ProofSection

MOST = 8
VERIFY_SECONDS = 600.0


def checkpoints(view: View) -> None:
    """The panel with the newest checkpoints, and the button that verifies all."""
    desk = view.desk
    with panel("Checkpoints") as section:
        section.classes(replace="panel third")
        said = ui.label("").props("role=status")
        how = ui.label(
            f"The journal is not signed. `brokerfix keys make {desk.config.path}` makes a key; with [proof] in the "
            "configuration the broker signs a checkpoint every few seconds from its next start on."
        ).classes("warn")
        with ui.element("div").classes("audit-scroll").props('tabindex=0 role=region aria-label="Newest checkpoints"'):
            rows = table(
                (("time", "Signed"), ("#size", "Records"), ("root", "Root"), ("witnesses", "Witnesses")),
                [], "key", "Newest checkpoints",
            )  # fmt: skip
        go = ui.button("Verify the journal", icon="verified").props("dense flat no-caps")
        verdict = ui.element("div").classes("audit-verdict").props("role=status")
    is_signed = desk.config.proof is not None and (_keys(desk) / PUBLIC).exists()
    how.set_visibility(not is_signed)
    rows.set_visibility(is_signed)

    async def update() -> None:
        if not is_signed:
            return
        try:
            found = await asyncio.to_thread(newest, desk.config.data, MOST)
        except (BadNote, OSError) as error:
            said.text = f"The checkpoints can't be read: {error}"
            return
        said.text = standing(found, view.state.day, desk.deeds.records)
        show_rows(rows, [_checkpoint_row(view, one) for one in found])

    async def verify() -> None:
        if not await view.reads(Kind.JOURNAL, "verify"):
            return
        go.disable()
        verdict.clear()
        with verdict:
            ui.label("Replaying the whole journal …").classes("soft")
        words = ["verify", f"{desk.config.data}", "--json", *(["--keys", f"{_keys(desk)}"] if is_signed else [])]
        try:
            output = await desk.run(*words, seconds=VERIFY_SECONDS, codes=(0, 1))
            lines = list(words_of(json.loads(output)))
        except Refused as error:
            lines = [("bad", f"{error}")]
        except ValueError:
            lines = [("bad", line) for line in output.decode(errors="replace").splitlines()]
        go.enable()
        verdict.clear()
        with verdict:
            for kind, text in lines:
                ui.label(text).classes(kind)

    go.on_click(verify)
    view.every(2.0, update)


def standing(found: list[Shown], day: int, records: int) -> str:
    """How the newest checkpoint stands to the day's records, in a sentence."""
    if not found:
        return "There is no checkpoint yet."
    last = found[0]
    if last.day != f"{day}":
        return f"The newest checkpoint is of {last.day}; none of this trading day's {records:,} records is signed yet."
    behind = max(0, records - last.size)
    by = f"cosigned by {', '.join(last.witnesses)}" if last.witnesses else "no witness has cosigned it"
    return f"{last.size:,} records of {last.day} are signed, {behind:,} behind them not yet; {by}."


def _checkpoint_row(view: View, one: Shown) -> dict[str, str]:
    at = int(datetime.fromisoformat(one.at).timestamp()) * 10**9
    return {
        "key": f"{one.at} {one.size}",
        "time": view.time(at, date=True)[:19],
        "size": f"{one.size:,}",
        "root": f"{one.root[:12]}...",
        "witnesses": ", ".join(one.witnesses) or "none",
    }


def words_of(told: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What `verify --json` says, as (good, warn, bad or soft; sentence)."""
    proof = told["proof"] or {}
    problems = [*told["problems"], *proof.get("problems", ())]
    if problems:
        yield "bad", f"TAMPERED OR BROKEN: {len(problems)} {'problem' if len(problems) == 1 else 'problems'}"
        yield from (("bad", one) for one in problems)
    else:
        yield "good", "Every invariant holds, and no record was changed."
    yield (
        "soft",
        f"{told['facts']:,} facts in {told['records']:,} records were replayed; state {told['state_hash'][:16]}…",
    )
    if proof.get("checkpoints"):
        yield "soft", f"{proof['linked']:,} records are linked; {proof['checkpoints']:,} checkpoints hold"
        if proof["uncovered"]:
            yield "warn", f"{proof['uncovered']:,} records are newer than every checkpoint: only their links are proven"
    else:
        yield "warn", "There are no checkpoints: a record at the end could be taken away unseen."
    if proof.get("days_without"):
        yield "warn", f"Days without a checkpoint: {', '.join(proof['days_without'])}"
    if told["torn"]:
        yield "warn", f"Torn tail: {told['torn']}"
    yield from (("soft", f"Deleted: {one}") for one in proof.get("deleted", ()))


def _keys(desk: Desk) -> Any:
    return (desk.config.proof or ProofSection()).folder(desk.config.path, desk.config.data)


class Prove:
    """The panel that proves that a fill, or all about an order, stands in the signed journal."""

    def __init__(self, view: View, asked: str) -> None:
        self._view = view
        self._proofs: list[Any] = []
        with panel("Prove") as section:
            section.classes(replace="panel third")
            with ui.row().classes("audit-line"):
                self._field = ui.input("ExecID or OrderID", value=asked).props("dense outlined")
                self._field.on("keydown.enter", self._ask)
                self._go = ui.button("Prove", icon="verified", on_click=self._ask).props("dense outline no-caps")
                self._keep = ui.button("Proof", icon="download", on_click=self._download).props(
                    'dense flat no-caps aria-label="Download the proof"'
                )
                self._keep.set_visibility(False)
            self._said = (
                ui.label("The proof that it stands in the signed journal will be here.")
                .classes("soft")
                .props("role=status")
            )
            self._shown = ui.element("div").classes("audit-proofs").props('tabindex=0 role=region aria-label="Proofs"')
        if asked:
            ui.timer(0.1, self._ask, once=True)

    async def _ask(self) -> None:
        what = f"{self._field.value or ''}".strip()
        if not id_number(what):
            self._said.text = "An ExecID or OrderID is like 20261127-00-42."
            return
        if not await self._view.reads(Kind.JOURNAL, f"prove {what}"):
            return
        self._go.disable()
        self._said.text = "Reading the journal …"
        try:
            self._proofs = await self._view.desk.tell("prove", what)
        except Refused as error:
            self._proofs = []
            self._said.text = f"There is no proof: {error}"
        finally:
            self._go.enable()
        self._show()

    def _show(self) -> None:
        self._keep.set_visibility(bool(self._proofs))
        self._shown.clear()
        if not self._proofs:
            return
        try:
            keys = [one.key for one in public(_keys(self._view.desk))]
        except BadKeys:
            keys = []
        held = [check(told, keys) for told in self._proofs]
        are_good = all(holds for holds, _ in held)
        self._said.text = (
            f"{len(held)} {'record' if len(held) == 1 else 'records'}. Whoever has the public key checks the file with "
            "brokerfix check-proof, without this journal."
        )
        with self._shown:
            pill("proven" if are_good else "NOT PROVEN", "good" if are_good else "bad")
            for told, (_, sentence) in zip(self._proofs, held, strict=True):
                kinds = ", ".join(dict.fromkeys(fact["kind"] for fact in told["what"]))
                ui.label(f"{kinds}: {sentence}")
                ui.label("\n".join((told["checkpoint"], *told["path"]))).classes("audit-raw")

    def _download(self) -> None:
        data = json.dumps(self._proofs, indent=2).encode() + b"\n"
        ui.download.content(data, f"{self._field.value}.proof.json", "application/json")


def build(view: View, asked: str) -> None:
    """The panel; what is `asked` for in the page's address is proven at once."""
    Prove(view, asked[:64])
