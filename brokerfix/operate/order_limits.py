"""What an order was weighed against: each limit with its number, what was used of it before the order, and what would
be with it, by the state just before.

The live market is not on record: what is compared with it (the dynamic price band) is not told here.
"""

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import msgspec

from brokerfix import facts as f
from brokerfix.domain import (
    Evidence,
    ExecInst,
    Instructions,
    Instrument,
    Level,
    Limits,
    OrdType,
    Side,
    id_text,
    money_text,
    to_text,
)
from brokerfix.engine.entities import Account, Bound, Client
from brokerfix.engine.orders.order import Order
from brokerfix.engine.risk import checks
from brokerfix.engine.risk.bounds import bounds_of
from brokerfix.engine.risk.controls import CONTROLS, ONE, Asked, number
from brokerfix.engine.state import State
from brokerfix.record.frames import payloads
from brokerfix.record.journal import Place, read_payload, segments, told_before

ALONE = frozenset(("max_order_qty", "max_order_notional", "reduce_only", "restricted", "long_only"))
"""The limits of which nothing is used before: they are of the order alone."""


class Weighed(msgspec.Struct, frozen=True):
    """A limit: its name and where it stands, its number, how much of it was `used` before the order (None: it is of
    the order alone), and the `value` that was compared with it, all as people write them. `set_by` is the number of
    the fact that has set it (0: not in the journal). `broken`: the order would be beyond it; `note` says what else
    matters."""

    name: str
    at: str
    limit: str
    used: str | None
    value: str
    set_by: int
    broken: bool = False
    note: str = ""
    check: str = ""


class Sources:
    """Which facts have set what orders are checked with. It is shown all facts in their order."""

    def __init__(self) -> None:
        self._by: dict[tuple[str, ...], int] = {}
        self._configured: dict[Level, Limits] = {}

    def note(self, fact: f.Fact) -> None:
        if type(fact) in SETTING:
            self._note(fact)

    def _note(self, fact: f.Fact) -> None:
        if isinstance(fact, f.LimitsSet):
            level = Level(fact.kind, fact.name, fact.symbol)
            self._by["limits", *level] = fact.id
            if not fact.operator:
                self._configured[level] = fact.limits
        elif isinstance(fact, f.AccountDefined):
            level = Level("account", fact.account)
            if self._configured.get(level) != fact.limits:
                # Else what an operator has set stays.
                self._configured[level] = fact.limits
                self._by["limits", *level] = fact.id
        elif isinstance(fact, f.ClientDefined):
            self._by["client", fact.client] = fact.id
        elif isinstance(fact, f.InstrumentDefined):
            self._by["instrument", fact.instrument.symbol] = fact.id

    def note_all_before(self, folder: Path, since: Place) -> None:
        """Note what stands in a journal before a place. Records of other facts are not taken apart."""
        for record in told_before(folder) if since.segment else ():
            for fact in record.facts:
                self.note(fact)
        for segment in segments(folder):
            if not since.segment or segment.name > since.segment:
                return
            for end, payload in payloads(segment):
                if segment.name == since.segment and end > since.offset:
                    return
                if NOTED.search(payload):
                    for fact in read_payload(payload).facts:
                        self.note(fact)

    def limits(self, level: Level) -> int:
        return self._by.get(("limits", *level), 0)

    def client(self, name: str) -> int:
        return self._by.get(("client", name), 0)

    def instrument(self, symbol: str) -> int:
        return self._by.get(("instrument", symbol), 0)


SETTING = frozenset((f.LimitsSet, f.AccountDefined, f.ClientDefined, f.InstrumentDefined))
NOTED = re.compile(b"|".join(sorted(kind.__name__.encode() for kind in SETTING)))


class Question(msgspec.Struct, frozen=True):
    """An order as it came: who wants what at which time (ns). `valued_at` 0: it is not known."""

    client: str
    account: str
    symbol: str
    side: Side
    ord_type: OrdType
    qty: int
    price: int
    valued_at: int
    at: int
    instructions: Instructions | None = None
    is_located: bool = False

    @property
    def stop_px(self) -> int:
        asked = self.instructions
        return 0 if asked is None or ExecInst.TRAILING_STOP in asked.exec_inst else asked.stop_px

    @classmethod
    def of(cls, state: State, fact: f.OrderAccepted | f.OrderRejected) -> "Question":
        """What a fact tells of it. Of a refused order it is what is on record: not its instructions."""
        account = fact.account
        if not account and fact.client in state.clients:
            account = state.clients[fact.client].accounts[0]
        if isinstance(fact, f.OrderAccepted):
            located = fact.tags is not None and fact.tags.locate == "N"
            valued_at, asked = fact.risk_price, fact.instructions
        else:
            located, asked, valued_at = False, None, fact.price
            if not valued_at and fact.ord_type is OrdType.MARKET and fact.symbol in state.instruments:
                instrument = state.instruments[fact.symbol]
                if checks.reference(state, instrument):
                    valued_at = checks.risk_price(state, instrument, fact.side, fact.ord_type, 0)
        return cls(
            fact.client, account, fact.symbol, fact.side, fact.ord_type, fact.qty, fact.price, valued_at, fact.at,
            asked, located,
        )  # fmt: skip


def weighed(state: State, sources: Sources, question: Question, replaced: Order | None = None) -> list[Weighed]:
    """All limits that an order meets, in the order in which it is checked. Empty where the client, account or
    instrument is not known. `state` is that just before the order."""
    client, account = state.clients.get(question.client), state.accounts.get(question.account)
    instrument = state.instruments.get(question.symbol)
    if client is None or account is None or instrument is None or question.qty <= 0:
        return []
    found = [*_rate(client, sources, question.at), *_form(state, instrument, sources, question)]
    terms = checks.Terms(
        question.side, question.ord_type, question.qty, question.price, question.valued_at, question.stop_px,
        is_located=question.is_located,
    )  # fmt: skip
    content = question.symbol, str(question.side), str(question.ord_type), question.qty, question.price
    same = account.same.get((*content, question.stop_px), ()) if replaced is None else None
    asked = checks.asked_of(state, account, instrument, terms, question.at, replaced, same)
    for bound in bounds_of(client, account, question.symbol):
        found += _bound(bound, asked, sources, bool(question.valued_at))
    return found + _power(state, client, account, instrument, terms, replaced, sources)


def weighed_of(state: State, sources: Sources, fact: f.RequestRejected) -> list[Weighed]:
    """The limits that a refused replace has met, without what it has asked for, which is not on record."""
    order = state.orders.get(fact.order_id)
    if order is None or fact.evidence is None:
        return []
    question = Question(
        order.client, order.account, order.symbol, order.side, order.ord_type, order.qty, order.price,
        order.risk_price, fact.at, order.instructions,
    )  # fmt: skip
    return weighed(state, sources, question, order)


def _rate(client: Client, sources: Sources, at: int) -> Iterator[Weighed]:
    if client.max_rate:
        used = sum(at - one < checks.SECOND for one in client.recent)
        yield Weighed(
            "max_rate", f"client {client.client}", f"{client.max_rate}/s", str(used), str(used + 1),
            sources.client(client.client), used + 1 > client.max_rate, check=checks.RATE,
        )  # fmt: skip


def _form(state: State, instrument: Instrument, sources: Sources, question: Question) -> Iterator[Weighed]:
    """What the instrument asks of quantity and price."""
    at, by, price = instrument.symbol, sources.instrument(instrument.symbol), question.price
    lot, qty = (to_text(value, instrument.qty_digits) for value in (instrument.lot, question.qty))
    yield Weighed("lot", at, lot, None, qty, by, bool(question.qty % instrument.lot), "a multiple of it", "LOT")
    if question.ord_type not in (OrdType.LIMIT, OrdType.STOP_LIMIT) or price <= 0:
        return
    tick, told = (to_text(value, instrument.price_digits) for value in (instrument.tick, price))
    yield Weighed("tick", at, tick, None, told, by, bool(price % instrument.tick), "a multiple of it", "TICK")
    is_limit = question.ord_type is OrdType.LIMIT
    around = checks.reference(state, instrument) if is_limit else question.stop_px
    if instrument.collar_bps and around:
        edge = around * instrument.collar_bps // checks.BASIS_POINTS
        most = around + edge if question.side is Side.BUY else around - edge
        refused = checks.check_collar(instrument, question.side, price, around)
        what = "mark" if is_limit else "stop"
        note = f"{instrument.collar_bps / 100:g} % beyond the {what} of {to_text(around, instrument.price_digits)}"
        limit = to_text(most, instrument.price_digits)
        yield Weighed("collar", at, limit, None, told, by, refused is not None, note, "COLLAR")


def _bound(bound: Bound, asked: Asked, sources: Sources, is_valued: bool) -> Iterator[Weighed]:
    """The limits of one level."""
    nothing = msgspec.structs.replace(
        asked, units=0, money=0, more_units=0, more_money=0, opens=0, qty=0, more_qty=0, same=None
    )
    for name in CONTROLS:
        if name not in bound.most or (not is_valued and name in MONEY):
            continue
        control, most = CONTROLS[name], bound.most[name]
        value = control.value(asked, bound)
        used = max(0, value - ONE) if name == "duplicates" else control.value(nothing, bound)
        only_closes = not asked.opens and not control.closing_too
        note = "it only closes a position: not weighed" if only_closes else ""
        whole = bound.whole.get(name)
        if whole is not None:
            note = f"this shard's part of {number(whole)}" + (f"; {note}" if note else "")
        yield Weighed(
            name, str(bound.level), number(most), None if name in ALONE else number(used), number(value),
            sources.limits(bound.level), value > most and not only_closes, note, control.code,
        )  # fmt: skip


MONEY = frozenset(("max_order_notional", "max_window_notional", "max_gross", "max_net"))
"""The limits that need to know what an order is worth."""


def _power(
    state: State, client: Client, account: Account, instrument: Instrument, terms: checks.Terms,
    replaced: Order | None, sources: Sources,
) -> list[Weighed]:  # fmt: skip
    """The account's buying power or, of one with margin, its excess."""
    if not account.limits.buying_power or not terms.valued_at:
        return []
    needed = checks.needed_of(state, client, account, instrument, terms, replaced)
    most, note = account.buying_power, ""
    if account.credit_bps != checks.BASIS_POINTS and most > 0:
        most = most * account.credit_bps // checks.BASIS_POINTS
        note = f"{account.credit_bps / 100:g} % of it by its credit score"
    refused = checks.check_power(account, needed)
    name, check = ("buying_power", "BUYING_POWER") if account.margin == "cash" else ("margin", "MARGIN")
    by = sources.limits(Level("account", account.account))
    at = f"account {account.account}"
    return [Weighed(name, at, money_text(most), None, money_text(needed), by, refused is not None, note, check)]


def matching(found: Iterable[Weighed], evidence: Evidence) -> Weighed | None:
    """The limit among these that a refusal rests on."""
    return next(
        (one for one in found if one.check == evidence.check and (not evidence.at or evidence.at.startswith(one.at))),
        None,
    )


def limit_row(one: Weighed) -> dict[str, Any]:
    """`set_by` None: by a fact that is no longer in the journal."""
    row = msgspec.to_builtins(one)
    return {**row, "set_by": id_text(one.set_by) if one.set_by else None}


def refusal_row(evidence: Evidence | None, checks: Iterable[Weighed]) -> dict[str, Any] | None:
    """What a refusal rests on: the check, its limit, what was `used` of it, what was `asked` of it, and the `value`
    that was compared (None: not known, or the check has none)."""
    if evidence is None:
        return None
    match = matching(checks, evidence)
    used = match.used if match is not None else None
    asked: str | None = evidence.value or None
    if used is not None and asked is not None:
        with suppress(InvalidOperation):
            asked = f"{Decimal(asked.removesuffix('/s')) - Decimal(used):f}"
    return {
        "check": evidence.check, "name": match.name if match is not None else None, "at": evidence.at or None,
        "limit": evidence.limit or None, "used": used, "asked": asked, "value": evidence.value or None,
        "set_by": id_text(match.set_by) if match is not None and match.set_by else None,
    }  # fmt: skip
