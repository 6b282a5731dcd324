"""What a name that somebody asks about is: an order, a fill, a refused request, an account or a trading day.

An OrderID, an ExecID and an exchange's ClOrdID are numbers of facts (`20261127-00-23`): the fact says what it is. A day
is 20261127 or 2026-11-27. Whatever else is asked for is an account. An account that is called as a day or a number is
written is ambiguous, and so said.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from brokerfix import facts as f
from brokerfix.domain import day_of, id_number, id_text
from brokerfix.record.frames import payloads
from brokerfix.record.journal import START, Place, read, read_payload, segments, told_before

ORDER, EXEC, REQUEST, ACCOUNT, DAY = "order", "exec", "request", "account", "day"
KINDS = (ORDER, EXEC, ACCOUNT, DAY)
"""What may be said of a name besides the name: `request` is told by an order's or a fact's number."""
DAY_FORM = re.compile(r"(\d{4})-?(\d\d)-?(\d\d)")
ACCOUNTS = re.compile(rb"AccountDefined|AccountMovedIn")


class Ambiguous(LookupError):
    """A name of several things. The text says which, and what to do."""


class Named(NamedTuple):
    """What a name is: its `kind`, and the number of the order, fill or refused request, or the day (YYYYMMDD), or the
    account."""

    kind: str
    number: int = 0
    account: str = ""


def named(folder: Path, text: str, kind: str = "") -> Named:
    """What a name is in a journal's folder; `kind` is one of KINDS where that is said besides. Raises JournalError,
    Ambiguous, and LookupError where there is no such thing."""
    number, day = id_number(text), _day(text)
    if kind == ACCOUNT or (not kind and not number and not day):
        return Named(ACCOUNT, account=text)
    if kind == DAY:
        if not day:
            raise LookupError(f"{text!r} is no day: it is 20261127 or 2026-11-27")
        return Named(DAY, day)
    if kind and not number:
        what = "an OrderID" if kind == ORDER else "an ExecID"
        raise LookupError(f"{text!r} is no {kind}: {what} is like 20261127-00-23")
    if not kind and text in _accounts(folder):
        other = "day" if day else "number"
        use = DAY if day else f"{ORDER} (or {EXEC})"
        raise Ambiguous(f"{text} is an account, and a {other} too: say `--as account` or `--as {use}`")
    return _numbered(folder, number, kind) if number else Named(DAY, day)


def _day(text: str) -> int:
    found = DAY_FORM.fullmatch(text)
    return int("".join(found.groups())) if found is not None else 0


def _numbered(folder: Path, number: int, kind: str) -> Named:
    """What the fact with a number is about."""
    fact = fact_of(folder, number)
    found = _of_fact(folder, fact, number) if fact is not None else None
    if fact is None:
        raise LookupError(f"there is no order {id_text(number)} in {folder}, nor a fill")
    if found is None:
        told = f"{id_text(number)} is the number of a {type(fact).__name__}"
        raise LookupError(f"there is no order {id_text(number)} in {folder}, nor a fill: {told}")
    if kind and found.kind != kind:
        if kind == ORDER and found.kind == EXEC:
            raise LookupError(f"there is no order {id_text(number)} in {folder}: that is the ExecID of a fill")
        raise LookupError(f"there is no fill {id_text(number)} in {folder}: that is of an order")
    return found


def _of_fact(folder: Path, fact: Any, number: int) -> Named | None:
    if isinstance(fact, f.OrderAccepted | f.OrderRejected):
        return Named(ORDER, fact.id)
    if isinstance(fact, f.ChildFilled | f.Trade):
        return Named(EXEC, number)
    if isinstance(fact, f.TradeBusted | f.TradeCorrected | f.FillReversed):
        return Named(EXEC, fact.exec_id)
    if isinstance(fact, f.RequestRejected) and not fact.order_id:
        return Named(REQUEST, fact.id)
    if hasattr(fact, "child_id"):
        fact = fact_of(folder, fact.child_id)
    order_id = getattr(fact, "order_id", 0)
    return Named(ORDER, order_id) if order_id else None


def fact_of(folder: Path, number: int) -> f.Fact | None:
    """The fact with a number, None if the journal has none (any more). The lower number of a Trade's two is its too.
    Raises JournalError."""
    for record in read(folder, lambda torn: None, begin_of(folder, number)):
        last = record.facts[-1].id if record.facts else 0
        if last >= number:
            for fact in record.facts:
                if _has(fact, number):
                    return fact
            break
    return next((fact for record in told_before(folder) for fact in record.facts if _has(fact, number)), None)


def _has(fact: f.Fact, number: int) -> bool:
    return fact.id == number or (isinstance(fact, f.Trade) and fact.id - 1 == number)


def begin_of(folder: Path, number: int) -> Place:
    """Where the segment begins that a fact's number is in."""
    name = f"{day_of(number)}.journal"
    return next((Place(one.name, START.offset) for one in segments(folder) if one.name >= name), START)


def _accounts(folder: Path) -> set[str]:
    return set(_accounts_in(folder))


def _accounts_in(folder: Path) -> Iterator[str]:
    """The accounts that a journal has ever had. Records without one are not taken apart."""
    for segment in segments(folder):
        for _, payload in payloads(segment):
            if ACCOUNTS.search(payload):
                for fact in read_payload(payload).facts:
                    if isinstance(fact, f.AccountDefined | f.AccountMovedIn):
                        yield fact.account
