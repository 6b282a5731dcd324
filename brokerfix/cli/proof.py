"""The keys that sign the journal, and proofs out of it."""

import base64
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from brokerfix.cli.base import config_of, config_option, for_people, json_option, main
from brokerfix.domain import id_number
from brokerfix.record.journal import JournalError

if TYPE_CHECKING:
    from brokerfix.record.proof import Checked


@main.group()
def keys() -> None:
    """The keys that sign the journal's checkpoints."""


def _folder(config: str) -> Path:
    from brokerfix.settings.proof import ProofSection

    loaded = config_of(config)
    return (loaded.proof or ProofSection()).folder(loaded.path, loaded.data)


@keys.command("make")
@click.argument("config")
@for_people
def make_keys(config: str) -> None:
    """Make the first key for the broker of the file CONFIG, and say how its public part is called."""
    from brokerfix.record.keys import BadKeys, make

    try:
        made = make(_folder(config))
    except BadKeys as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{_folder(config)}: public key {made.public}")
    click.echo("Keep it where nobody can change it who can change the journal: verify --key takes it.")


@keys.command("rotate")
@click.argument("config")
@for_people
def rotate_keys(config: str) -> None:
    """Make the next key, signed by the one before, which is then gone; the running broker's next checkpoint has it."""
    from brokerfix.record.keys import BadKeys, rotate

    try:
        made = rotate(_folder(config))
    except BadKeys as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{_folder(config)}: public key {made.public} since {made.since}")


@keys.command("show")
@click.argument("config")
@click.option("--day", default=0, help="Its verifier key for the log of a day (YYYYMMDD), for witnesses.")
@json_option
@for_people
def show_keys(config: str, day: int, as_json: bool) -> None:
    """Show the public keys, oldest first."""
    from brokerfix.record.keys import BadKeys, public
    from brokerfix.record.notes import SIGNATURE, VKey, origin_of

    loaded = config_of(config)
    try:
        every = public(_folder(config))
    except BadKeys as error:
        raise click.ClickException(str(error)) from error
    origin = origin_of(loaded.broker.name, loaded.broker.shard, day)
    rows = [{"public": one.public, "since": one.since} for one in every]
    for row, one in zip(rows, every, strict=True) if day else ():
        row["vkey"] = str(VKey(origin, SIGNATURE, one.key))
    if as_json:
        click.echo(json.dumps(rows))
    for row in () if as_json else rows:
        click.echo(f"{row['since']}  {row.get('vkey') or row['public']}")


@main.command()
@click.argument("journal")
@click.option("--key", default="", help="The public key to trust, or a later one that it has signed (base64).")
@click.option("--keys", "key_folder", default="", help="The folder of the keys, where it is not beside the journal.")
@click.option(
    "--checkpoints", default="", help="Checkpoints that nobody here can change: a copied folder, or a file of `events`."
)
@json_option
@for_people
def verify(journal: str, key: str, key_folder: str, checkpoints: str, as_json: bool) -> None:
    """Replay the folder JOURNAL, check every invariant, print the state hash; prove that no record was changed, by the
    links between records and, where the journal is signed, by its checkpoints."""
    folder = Path(journal)
    if (folder / "journal").is_dir():
        folder = folder / "journal"
    if not any(folder.glob("*.journal")):
        raise click.ClickException(f"{journal}: there is no journal here (no *.journal file)")
    columns = (SpinnerColumn(), TextColumn("replayed {task.completed:,.0f} facts"), TimeElapsedColumn())
    from brokerfix.record.audit import verify as verify_journal

    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("replay", total=None)
        proven = _check(folder, key, key_folder, checkpoints)
        try:
            report, _ = verify_journal(folder, lambda facts: progress.update(task, completed=facts))
        except JournalError as error:
            _tell(proven)
            raise click.ClickException(str(error)) from error
    if as_json:
        told = {name: getattr(report, name) for name in report.__struct_fields__}
        click.echo(json.dumps({**told, "proof": msgspec.to_builtins(proven)}, indent=2))
    else:
        click.echo(f"{report.facts} facts in {report.records} records, {report.orders} orders, {report.fills} fills")
        click.echo(f"alerts: {report.alerts}")
        if report.torn:
            click.echo(f"torn tail: {report.torn}")
        for problem in report.problems:
            click.echo(f"BROKEN: {problem}")
        click.echo(f"state hash: {report.state_hash}")
        click.echo("every invariant holds" if not report.problems else "INVARIANTS ARE BROKEN")
        _tell(proven)
    sys.exit(1 if report.problems or proven.problems else 0)


def _check(journal: Path, key: str, key_folder: str, checkpoints: str) -> "Checked":
    """What `verify` finds of links and checkpoints; without keys, of links. Raises ClickException."""
    from brokerfix.record.checkpoints import FOLDER
    from brokerfix.record.proof import check

    folder = Path(key_folder) if key_folder else journal.parent / "keys"
    notes = Path(checkpoints) if checkpoints else journal.parent / FOLDER
    trusted = _trusted(folder, key, needed=notes.exists())
    if (key or checkpoints) and not notes.exists():
        raise click.ClickException(f"{notes}: there are no checkpoints, which the key is for: they were taken away?")
    return check(journal, notes, trusted)


def _trusted(folder: Path, key: str, needed: bool = True) -> list[bytes]:
    """The keys of a folder, from the one that is trusted on (""; all of them). Raises ClickException."""
    from brokerfix.record.keys import PUBLIC, BadKeys, followed, public

    if not (folder / PUBLIC).exists() and not key:
        if needed:
            raise click.ClickException(
                f"there are checkpoints, but no keys in {folder}: name them with --keys or --key"
            )
        return []
    try:
        first = base64.b64decode(key, validate=True) if key else b""
        if first and not (folder / PUBLIC).exists():
            return [first]
        return followed(public(folder), folder / PUBLIC, first)
    except (BadKeys, ValueError) as error:
        raise click.ClickException(str(error)) from error


def _tell(checked: "Checked") -> None:
    """Print what was found."""
    click.echo(f"links: {checked.linked} of {checked.records} records have the hash of the one before")
    if checked.checkpoints:
        click.echo(f"checkpoints: {checked.checkpoints}; behind the newest are {checked.uncovered} records")
        if checked.days_without:
            click.echo(f"days without a checkpoint: {', '.join(checked.days_without)}")
    else:
        click.echo("there are no checkpoints: a record at the end could be taken away unseen ([proof] signs them)")
    for line in checked.deleted:
        click.echo(f"deleted: {line}")
    for problem in checked.problems:
        click.echo(f"TAMPERED: {problem}")
    if not checked.problems:
        but = f", but of {checked.uncovered} records that no checkpoint covers nothing but the links is proven"
        click.echo("no record was changed" + (but if checked.uncovered else ""))


@main.command()
@click.argument("what", metavar="EXEC_ID|ORDER_ID")
@click.option("--out", default="", metavar="FILE", help="Write the proofs as JSON.")
@config_option
@json_option
@for_people
def prove(what: str, out: str, config: str, as_json: bool) -> None:
    """Prove that a fill, or all that concerns an order, stands in the signed journal: each record with its place in the
    day's tree, the hashes up to the root, and the signed checkpoint. `check-proof` checks it, and so does every program
    for logs of this kind (RFC 9162, C2SP tlog-checkpoint)."""
    from brokerfix.record.proof import prove as prove_fact

    loaded, number = config_of(config), id_number(what)
    if not number:
        raise click.UsageError(f"{what!r} is neither an ExecID nor an OrderID, as 20261127-00-42")
    from brokerfix.record.checkpoints import FOLDER

    if not (loaded.data / FOLDER).exists():
        raise click.ClickException(
            f"{loaded.data}: nothing is signed here: [proof] and `brokerfix keys make` have it signed from then on"
        )
    trusted = _trusted(_folder(config), "")
    try:
        proofs = [prove_fact(loaded.data, one, trusted) for one in _numbers(loaded.data / "journal", number)]
    except LookupError as error:
        raise click.ClickException(error.args[0]) from error
    told = json.dumps(msgspec.to_builtins(proofs), indent=2)
    if out:
        Path(out).write_text(told + "\n")
    if as_json:
        click.echo(told)
        return
    for proof in proofs:
        size = proof.checkpoint.split("\n")[1]
        kinds = ", ".join(dict.fromkeys(fact["kind"] for fact in proof.what))
        click.echo(f"record {proof.index} of {size}, {len(proof.path)} hashes to the root: {kinds}")
    if out:
        click.echo(f"{out}: {len(proofs)} proofs; `brokerfix check-proof {out} --key ...` checks them")


def _numbers(journal: Path, number: int) -> list[int]:
    """The facts that are to be proven: of an order all that concern it, else the one. Each record is proven once."""
    from brokerfix.operate.order_facts import OrderFacts, facts_of
    from brokerfix.record.journal import read

    try:
        wanted = {fact.id for fact in facts_of(journal, OrderFacts(number))}
    except LookupError:
        return [number]
    return [
        next(fact.id for fact in record.facts if fact.id in wanted)
        for record in read(journal)
        if any(fact.id in wanted for fact in record.facts)
    ]


@main.command("check-proof")
@click.argument("file")
@click.option("--key", required=True, help="The public key (base64), from whom you trust.")
@click.option("--keys", "key_folder", default="", help="A folder with public.json, for later keys that it has signed.")
@for_people
def check_a_proof(file: str, key: str, key_folder: str) -> None:
    """Check the proofs in FILE (-: from the standard input), or the signed checkpoints in it, a note or what `events
    --filter kind=Checkpoint --json` prints: no journal is needed, only the broker's public key."""
    from brokerfix.record.notes import BadNote

    try:
        trusted = _trusted(Path(key_folder), key) if key_folder else [base64.b64decode(key, validate=True)]
        data = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        if data.lstrip().startswith(b"["):
            told = _check_proofs(data, trusted)
        else:
            told = _check_notes(data, trusted)
    except (BadNote, ValueError) as error:
        raise click.ClickException(f"{file}: {error}") from error
    click.echo(told)


def _check_proofs(data: bytes, trusted: list[bytes]) -> str:
    """What is found of proofs. Raises BadNote, ValueError."""
    from brokerfix.record.notes import SIGNATURE, BadNote, VKey, parse
    from brokerfix.record.proof import Proof, is_proven

    proofs = msgspec.json.decode(data, type=list[Proof])
    for proof in proofs:
        origin = parse(proof.checkpoint)[0].origin
        if not any(is_proven(proof, VKey(origin, SIGNATURE, one)) for one in trusted):
            raise BadNote(f"the proof of record {proof.index} does not hold")
    return f"{len(proofs)} proofs hold: these records stand in the log that the key has signed"


def _check_notes(data: bytes, trusted: list[bytes]) -> str:
    """What is found of signed checkpoints. Raises BadNote."""
    from brokerfix.record.kept_notes import notes_in
    from brokerfix.record.notes import SIGNATURE, BadNote, VKey, is_signed_by, parse

    roots: dict[tuple[str, int], bytes] = {}
    for where, note in notes_in(data):
        checkpoint, _ = parse(note)
        if not any(is_signed_by(note, VKey(checkpoint.origin, SIGNATURE, one)) for one in trusted):
            raise BadNote(f"{where}: the key has not signed this checkpoint")
        if roots.setdefault((checkpoint.origin, checkpoint.size), checkpoint.root) != checkpoint.root:
            raise BadNote(
                f"{where}: the key has signed two roots of {checkpoint.origin} with {checkpoint.size} records"
            )
    newest = max(roots, default=("", 0))
    return f"{len(roots)} checkpoints are signed by the key; the newest has {newest[1]} records of {newest[0]}"
