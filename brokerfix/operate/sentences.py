"""Sentences of stories, each with the facts that it rests on."""

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

from brokerfix import facts as f
from brokerfix.domain import LIQUIDATION, id_text
from brokerfix.engine.risk.approvals import EXPIRY
from brokerfix.engine.risk.kill import THROTTLE
from brokerfix.engine.risk.review import LOSS_LIMIT
from brokerfix.engine.venues.breaks import RECONCILIATION
from brokerfix.record.journal import OURS, Origin

Row = dict[str, Any]


class Told(NamedTuple):
    """A sentence: when (ns UTC), the number of the fact that it rests on, and what happened. `about` is its subject in
    a word, `who` the person or part of the broker that did it by hand, `rests` the numbers of further facts that it
    rests on, `origin` what brought the fact about."""

    at: int
    fact: int
    text: str
    about: str = ""
    who: str = ""
    rests: tuple[int, ...] = ()
    origin: Origin = OURS

    def row(self) -> Row:
        numbers = (self.fact, *(one for one in self.rests if one != self.fact))
        return {
            "time": time_text(self.at)[:-3], "fact": id_text(self.fact), "what happened": self.text,
            "about": self.about, "who": self.who, "facts": [id_text(one) for one in numbers],
            "origin": origin_row(self.origin),
        }  # fmt: skip


def time_text(at: int) -> str:
    """ns UTC -> text with microseconds."""
    second, part = divmod(at, 10**9)
    return f"{_second_text(second)}.{part // 1000:06}"


@lru_cache(maxsize=4096)
def _second_text(second: int) -> str:
    return f"{datetime.fromtimestamp(second, UTC):%Y-%m-%d %H:%M:%S}"


def origin_row(origin: Origin) -> Row | None:
    """What brought a record about (None: the broker itself, or an older version's record): the session, as `client
    NAME` or `exchange NAME`, its message's MsgSeqNum(34), SendingTime(52), TransactTime(60) and when it came; of an
    operator's action, who."""
    if origin == OURS:
        return None
    return {
        "session": session_text(origin.session), "msg_seq_num": origin.seq_num or None,
        "received": time_text(origin.received) if origin.received else None,
        "sending_time": origin.sending_time or None, "transact_time": origin.transact_time or None,
        "who": origin.who or None,
    }  # fmt: skip


def session_text(key: str) -> str:
    kind, _, name = key.partition(":")
    return f"{'exchange' if kind == 'v' else 'client'} {name}" if name else key


def came_text(origin: Origin) -> str:
    """Where a client's message came from and when, "" for what is none."""
    if not origin.session.startswith("c:"):
        return ""
    told = [f"it came from {session_text(origin.session)}"]
    told += [f"as its message {origin.seq_num}"] if origin.seq_num else []
    told += [f"sent {origin.sending_time}"] if origin.sending_time else []
    told += [f"with TransactTime {origin.transact_time}"] if origin.transact_time else []
    told += [f"of {origin.who}"] if origin.who else []
    return ", ".join(told) + (f"; received {time_text(origin.received)}" if origin.received else "")


NOBODY = frozenset((LIQUIDATION, EXPIRY, RECONCILIATION, LOSS_LIMIT, THROTTLE))
"""Operators of what the broker does by itself."""


def operator_of(fact: f.Fact) -> str:
    """Who did by hand what the fact tells, "" if nobody did."""
    who = str(getattr(fact, "operator", "") or "")
    return "" if who in NOBODY else who


def by_hand(story: Iterable[Told]) -> list[Row]:
    """The sentences that tell of what somebody did by hand."""
    return [{"time": time_text(one.at), "who": one.who, "what": one.text, "fact": id_text(one.fact)}
            for one in story if one.who and not one.text.startswith(" ")]  # fmt: skip
