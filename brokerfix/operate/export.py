"""All that there is of one client, as files: for the client, its counsel, or an authority. Nothing of other clients."""

import csv
import hashlib
import io
import json
import os
import re
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from brokerfix import __version__
from brokerfix import facts as f
from brokerfix.domain import id_text
from brokerfix.engine.evolve import evolve, note
from brokerfix.engine.risk.levels import utilisation
from brokerfix.engine.state import State
from brokerfix.engine.touched import Touched
from brokerfix.fix.outgoing.encode import messages
from brokerfix.operate.concerns import OTHER, Concerned, sides_of
from brokerfix.operate.explain import explain_account
from brokerfix.projections.events.about import about, about_maker_side
from brokerfix.projections.events.form import Form
from brokerfix.projections.events.values import Digits, moment_text
from brokerfix.projections.rows import Rows, account_row, position_row
from brokerfix.record.before import deletions
from brokerfix.record.checkpoints import FOLDER, notes_path, read_notes
from brokerfix.record.confirmed import Confirmed
from brokerfix.record.frames import MAGIC, payloads
from brokerfix.record.journal import OURS, Record, read_payload, segments, told_before
from brokerfix.record.kept import oldest
from brokerfix.record.merkle import leaf_hash
from brokerfix.record.outbox import key_of
from brokerfix.record.place import Place, position_of
from brokerfix.settings.sections import Config

Row = dict[str, Any]
OWN_WORDS = ("cl_ord_id", "orig_cl_ord_id", "quote_req_id", "quote_resp_id", "list_id", "text")
"""What another client on a shared account has called its own."""
STORY_OF_ANOTHER = re.compile(re.escape(OTHER) + r", \S+:")
FILLS = (f.Trade, f.ChildFilled, f.TradeBusted, f.TradeCorrected, f.FillReversed)


class Placed(NamedTuple):
    """A record, and where it is: its segment's day, its number there, and its hash in the day's tree."""

    record: Record
    day: str
    number: int
    leaf: bytes


class Gathered:
    """What of the journal concerns a client: facts as the event stream has them, messages to it as FIX text, those of
    it as far as the record has them, orders and executions as the database has them, and the places of the records."""

    def __init__(self, config: Config, client: str) -> None:
        self.config, self.client, self.journal = config, client, config.data / "journal"
        section = config.clients.get(client)
        self.state, self.since = oldest(self.journal)
        known = frozenset(section.accounts if section is not None else ())
        self.concerned = Concerned(client, known, self.state)
        self.facts: list[Row] = []
        self.told: list[str] = []
        self.asked: list[Row] = []
        self.places: list[Row] = []
        self.rows = Rows()
        self.is_known, self.until = client in self.state.clients, 0
        self._form = Form(Digits(self.state.instruments))

    def gather(self) -> "Gathered":
        """Read the whole journal. Raises JournalError, and LookupError where there never was such a client."""
        for record in told_before(self.journal):
            for fact in record.facts:
                if self.concerned.sees(self.state, fact):
                    self._take(fact, record)
        for placed in self._records():
            self._of_record(placed)
        if not self.is_known and self.client not in self.config.clients:
            raise LookupError(f"there is no client {self.client!r} in {self.journal}")
        return self

    def _records(self) -> Iterator[Placed]:
        limit = Confirmed(self.config.data).limit()
        for segment in segments(self.journal):
            for index, (end, payload) in enumerate(payloads(segment, len(MAGIC))):
                place = Place(segment.name, end)
                if limit is not None and position_of(place) > limit:
                    return
                if place > self.since:
                    yield Placed(read_payload(payload), segment.stem, index, leaf_hash(payload))

    def _of_record(self, placed: Placed) -> None:
        record, touched, numbers = placed.record, Touched(), list[str]()
        for fact in record.facts:
            evolve(self.state, fact)
            self.until = fact.at
            note(self.state, fact, touched)
            self.is_known |= isinstance(fact, f.ClientDefined) and fact.client == self.client
            if not self.concerned.sees(self.state, fact):
                continue
            numbers.append(id_text(fact.id))
            self._take(fact, record)
            if isinstance(fact, FILLS):
                self.rows.note(self.state, fact)
                self._change()
            self._messages(fact)
        mine = {number: order for number, order in touched.orders.items() if self.concerned.is_of(number)}
        self.rows.touch(self.state, Touched(orders=mine))
        if record.origin.session == key_of(False, self.client):
            self.asked.append(_asked(record, numbers))
        if numbers:
            self.places.append(
                {"day": placed.day, "record": placed.number, "leaf": placed.leaf.hex(), "facts": numbers}
            )

    def _take(self, fact: f.Fact, record: Record) -> None:
        origin = record.origin if self.concerned.origin_of(record.origin) else OURS
        if not isinstance(fact, f.Trade):
            row = self._put(self._form.message(fact.id, fact, about(self.state, fact), origin).body)
            if self.concerned.is_anothers(fact):
                row["fact"].update({key: OTHER for key in row["fact"] if key in OWN_WORDS})
            return
        for number, side in sides_of(self.concerned, fact):
            whose = about_maker_side(self.state, fact) if side == "maker" else about(self.state, fact)
            self._put(self._form.message(number, fact, whose, origin).body, side)

    def _put(self, body: bytes, side: str = "") -> Row:
        row: Row = self.concerned.masked(json.loads(body))
        other = {"maker": "taker_fee", "taker": "maker_fee"}.get(side)
        if other is not None and row["fact"][other.replace("_fee", "_order_id")] == OTHER:
            row["fact"][other] = ""
        self.facts.append(row)
        return row

    def _change(self) -> None:
        """Fills that are taken back or corrected."""
        for exec_id, change in self.rows.changes.items():
            if exec_id in self.rows.tables["executions"]:
                self.rows.tables["executions"][exec_id].update(change)
        self.rows.changes.clear()

    def _messages(self, fact: f.Fact) -> None:
        for out in messages(self.state, fact):
            if not out.to_venue and out.comp_id == self.client:
                text = "|".join(self.concerned.text(field) for field in out.text.split("\x01"))
                self.told.append(f"{moment_text(fact.at)} {id_text(fact.id)} {text}")

    def executions(self) -> list[Row]:
        """The client's fills, each as it is now."""
        rows = self.rows.tables["executions"].items()
        return [self._own(row) for number, row in sorted(rows) if self.concerned.is_of(number)]

    def orders(self) -> list[Row]:
        return [self._own(row) for _, row in sorted(self.rows.tables["orders"].items())]

    def _own(self, row: Row) -> Row:
        """A row, of which another client's words are left out."""
        found: Row = self.concerned.masked(row)
        return {**found, "cl_ord_id": OTHER} if row.get("client") != self.client else found


def _asked(record: Record, numbers: list[str]) -> Row:
    """A message of the client, as the record has it: its facts say what it was."""
    row: Row = msgspec.structs.asdict(record.origin)
    row["received"] = moment_text(record.origin.received)
    return {**row, "facts": numbers}


def export(config: Config, client: str, output: Path, personal: dict[str, dict[str, str]], by: str) -> Row:
    """Write all of a client to a folder, or a file that ends with .zip. `personal` are the data under the client's
    names, `by` who asks. Returns the manifest. Raises JournalError, LookupError, FileExistsError."""
    if output.exists():
        raise FileExistsError(f"{output}: is there already")
    gathered = Gathered(config, client).gather()
    files = dict(_files(config, gathered, personal))
    names = sorted(gathered.concerned.accounts)
    manifest: Row = {
        "format": 1, "version": __version__, "broker": config.broker.name, "client": client, "accounts": names,
        "made": datetime.now(UTC).isoformat(timespec="seconds"), "by": by,
        "last_fact": id_text(gathered.state.last_id), "facts": len(gathered.facts),
        "days_deleted": [fact.file.name.removesuffix(".journal") for fact in deletions(gathered.journal)
                         if fact.file.what == "journal"],
        "files": [{"name": name, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
                  for name, data in files.items()],
    }  # fmt: skip
    files["manifest.json"] = _json(manifest)
    _write(output, files)
    return manifest


def _files(config: Config, gathered: Gathered, personal: dict[str, dict[str, str]]) -> Iterator[tuple[str, bytes]]:
    state, concerned = gathered.state, gathered.concerned
    # Of an account that several have, the story tells of the others too.
    known = {number for row in gathered.places for number in row["facts"]} | {row["id"] for row in gathered.facts}
    held = [name for name in sorted(concerned.accounts) if name in state.accounts]
    yield "facts.jsonl", _lines(gathered.facts)
    yield "orders.csv", _csv(gathered.orders())
    yield "executions.csv", _csv(gathered.executions())
    yield "accounts.csv", _csv([concerned.masked(account_row(state, name)) for name in held])
    positions = [position_row(state, name, one) for name in held for one in state.accounts[name].positions]
    yield "positions.csv", _csv(positions)
    yield "limits.json", _json(_limits(state, concerned, gathered.until))
    yield "messages-out.txt", "".join(f"{line}\n" for line in gathered.told).encode()
    yield "messages-in.jsonl", _lines(gathered.asked)
    yield "personal.json", _json(personal)
    for name in held:
        told = (one.row() for one in explain_account(gathered.journal, name))
        lines = [
            f"{row['time']}  {row['fact']}  {_story(concerned, row['what happened'])}\n"
            for row in told
            if row["fact"] in known
        ]
        yield f"story-{name}.txt", "".join(lines).encode()
    yield "proof.json", _json(_proof(config, gathered))


def _story(concerned: Concerned, text: str) -> str:
    return STORY_OF_ANOTHER.sub(f"{OTHER}:", concerned.text(text))


def _limits(state: State, concerned: Concerned, at: int) -> list[Row]:
    """The limits that are the client's own and its accounts', and how much of them is used."""
    names = {("client", concerned.client), *(("account", name) for name in concerned.accounts)}
    mine = {str(level) for level in state.bounds if (level.kind, level.name) in names}
    return [concerned.masked(row) for row in utilisation(state, at) if row["level"] in mine]


def _proof(config: Config, gathered: Gathered) -> Row:
    """Where each record is, and each day's newest checkpoint: `brokerfix prove` gives the hashes between."""
    days, notes = sorted({row["day"] for row in gathered.places}), {}
    for day in days:
        path = notes_path(config.data / FOLDER, Path(day))
        signed = [one for _, one in read_notes(path)] if path.exists() else []
        notes[day] = {"signed": signed[-1].at, "checkpoint": signed[-1].note} if signed else None
    return {"days": notes, "records": gathered.places}


def _json(value: object) -> bytes:
    return json.dumps(value, indent=2, ensure_ascii=False).encode() + b"\n"


def _lines(rows: list[Row]) -> bytes:
    return b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows)


def _csv(rows: list[Row]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def _write(output: Path, files: dict[str, bytes]) -> None:
    """Whole or not at all, for its owner only."""
    new = output.with_name(output.name + ".new")
    if output.suffix == ".zip":
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in files.items():
                archive.writestr(name, data)
    else:
        new.mkdir(mode=0o700, parents=True)
        for name, data in files.items():
            (new / name).write_bytes(data)
            (new / name).chmod(0o600)
    new.replace(output)
