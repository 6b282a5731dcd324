"""What clients were told: the messages that follow from a fact, in the words of their tags."""

from typing import Any, NamedTuple

from brokerfix import facts as f
from brokerfix.domain import CxlRejReason, ExecType, OrdStatus, Request, id_text
from brokerfix.engine.state import State
from brokerfix.fix.outgoing import encode
from brokerfix.fix.text import pairs
from brokerfix.operate.sentences import Row, time_text

KINDS = {"8": "ExecutionReport", "9": "OrderCancelReject", "AI": "QuoteStatusReport", "r": "OrderMassCancelReport"}


class Message(NamedTuple):
    """A message to a client: when, the fact that it follows from, whom it is for, and its tags."""

    at: int
    fact: int
    client: str
    tags: dict[str, str]

    def is_about(self, order_id: int) -> bool:
        return self.tags.get("37") == id_text(order_id)

    @property
    def kind(self) -> str:
        return KINDS.get(self.tags["35"], self.tags["35"])

    @property
    def text(self) -> str:
        """As a sentence."""
        tags = self.tags
        if tags["35"] == "9":
            what = "cancel" if tags.get("434") == Request.CANCEL else "replace"
            why = _word(CxlRejReason, tags.get("102", ""))
            told = f"its {what} {tags.get('11', '')} is rejected ({why}), OrdStatus {_word(OrdStatus, tags['39'])}"
        elif tags["35"] != "8":
            told = f"of it by {self.kind}"
        else:
            ids = f", ExecID {tags['17']}" + (f" in place of {tags['19']}" if "19" in tags else "")
            last = f", LastQty {tags['32']} at LastPx {tags['31']}" if tags.get("32", "0") != "0" else ""
            told = (
                f"{_word(ExecType, tags['150'])}: OrdStatus {_word(OrdStatus, tags['39'])}, CumQty {tags['14']}, "
                f"LeavesQty {tags['151']}{last}{ids}"
            )
        return f"{self.client} is told {told}" + (f" ({tags['58']})" if "58" in tags else "")

    def row(self) -> Row:
        """None: the message has no such tag."""
        tags, row = self.tags, {"time": time_text(self.at), "fact": id_text(self.fact), "client": self.client}
        told: Row = dict(row) | {"message": self.kind, "exec_type": None, "ord_status": None}
        for name, tag, words in (("exec_type", "150", ExecType), ("ord_status", "39", OrdStatus)):
            if tag in tags:
                told[name] = _word(words, tags[tag])
        return told | {name: tags.get(tag) for name, tag in TAGS}


TAGS = (
    ("exec_id", "17"), ("exec_ref_id", "19"), ("cl_ord_id", "11"), ("orig_cl_ord_id", "41"), ("order_qty", "38"),
    ("price", "44"), ("last_qty", "32"), ("last_px", "31"), ("cum_qty", "14"), ("leaves_qty", "151"),
    ("avg_px", "6"), ("text", "58"),
)  # fmt: skip


def _word(kind: Any, value: str) -> str:
    try:
        return str(kind(value).name)
    except ValueError:
        return value


def messages(state: State, fact: f.Fact) -> list[Message]:
    """Those to clients; `state` is the state just after the fact."""
    return [
        Message(fact.at, fact.id, out.comp_id, dict(reversed([(tag, value) for tag, value in pairs(out.text)])))
        for out in encode.messages(state, fact)
        if not out.to_venue
    ]
