"""The story of a refused cancel or replace of no order that is known."""

from pathlib import Path

from brokerfix import facts as f
from brokerfix.domain import id_text
from brokerfix.engine.state import State
from brokerfix.operate.explain_replay import replay
from brokerfix.operate.order_limits import Sources
from brokerfix.operate.order_told import request_row
from brokerfix.operate.sentences import Row, Told, came_text, origin_row
from brokerfix.operate.told_clients import Message, messages
from brokerfix.record.journal import OURS, Origin, Record


class RequestTold:
    """Watches a replay for a refusal by its number."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.fact: f.RequestRejected | None = None
        self.origin: Origin = OURS
        self.messages: list[Message] = []

    def begin(self, state: State, sources: Sources) -> None:
        """Nothing of what was before matters."""

    def recall(self, fact: f.Fact, record: Record) -> None:
        """What days that were deleted have left tells nothing here."""

    def wants(self, fact: f.Fact) -> bool:
        return fact.id == self.number and isinstance(fact, f.RequestRejected)

    def before(self, state: State, fact: f.Fact, record: Record) -> None:
        """The refusal says all."""

    def after(self, state: State, fact: f.Fact, record: Record) -> None:
        assert isinstance(fact, f.RequestRejected)
        self.fact, self.origin, self.messages = fact, record.origin, messages(state, fact)


def request_told(folder: Path, number: int) -> Row:
    """A refused request by its fact's number: `request` is what was asked and why it was refused. Raises JournalError,
    and LookupError where there is none."""
    watcher = RequestTold(number)
    replay(folder, watcher, number)
    fact = watcher.fact
    if fact is None:
        raise LookupError(f"there is no refused request {id_text(number)} in {folder}")
    what = f"{fact.response_to.name.lower()} {fact.cl_ord_id} of {fact.client} for {fact.orig_cl_ord_id}"
    texts = [came_text(watcher.origin), f"{what} is refused: {fact.text}", *(one.text for one in watcher.messages)]
    about = ("received", "request", *("report" for _ in watcher.messages))
    story = [
        Told(fact.at, fact.id, text, subject, origin=watcher.origin)
        for subject, text in zip(about, texts, strict=True)
        if text
    ]
    return {
        "kind": "request",
        "request": request_row(fact, ()),
        "received": origin_row(watcher.origin),
        "reports": [message.row() for message in watcher.messages],
        "story": [one.row() for one in story],
    }
