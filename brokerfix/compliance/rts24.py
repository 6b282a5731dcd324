"""Order records by RTS 24 (Regulation (EU) 2017/580) of our own book, as the operator of a trading venue keeps them:
one for each event of each order that came to it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from brokerfix import facts as f
from brokerfix.compliance.day import Walk, count
from brokerfix.compliance.events import NO_TAGS, NOTHING, Event, Order
from brokerfix.compliance.ledger import Ledger
from brokerfix.compliance.rts24_fields import NAMES, wrong
from brokerfix.compliance.words import price_of, qty_of, utc
from brokerfix.compliance.written import LABEL, Output, Problems, csv_lines, json_line, sidecar, write_beside
from brokerfix.domain import (
    AT_AUCTION,
    ExecInst,
    Hold,
    Instrument,
    OrdType,
    RestatementReason,
    Side,
    TimeInForce,
    id_text,
)
from brokerfix.settings.compliance import ComplianceSection

SPECIFICATION = "Commission Delegated Regulation (EU) 2017/580 (RTS 24), annex, table 2"
NOTES = (
    "Records of all orders that came to the broker, as the operator of its own book: fields 49 to 51, of the book and "
    "not of an order, are in the journal's PhaseChanged facts and auctions, and not here.",
    "What became of orders at other venues (routes, fills and cancels there) is theirs to keep; what remains of "
    "an order is less by it. An order good till a date is so until that date's last second in UTC.",
    "REME is a change by the member, REMA one by the broker's machinery, REMH one by an operator, CHMO an order that "
    "operators got or let go; TRIG a stop that was reached.",
    "Left out, because the broker does not know them: who decided on an investment and who executes it within the "
    "member (4, 5), non-executing brokers (6).",
    "A busted or corrected trade has no event here; its terms are in its transaction report (RTS 22).",
)
CAPACITIES = {"A": "AOTC", "P": "DEAL", "R": "MTCH"}
VALIDITY = {
    TimeInForce.DAY: "DAVY", TimeInForce.GTC: "GTCV", TimeInForce.IOC: "IOCV", TimeInForce.FOK: "FOKV",
    TimeInForce.OPENING: "DAVY", TimeInForce.CLOSING: "DAVY",
}  # fmt: skip
TYPES = {
    OrdType.MARKET: "market", OrdType.LIMIT: "limit", OrdType.STOP: "stop", OrdType.STOP_LIMIT: "stop limit",
    OrdType.PREVIOUSLY_QUOTED: "previously quoted", OrdType.MARKET_TO_LIMIT: "market to limit",
    OrdType.PEGGED: "pegged",
}  # fmt: skip
OWN = ("O", "P", "X")
"""Account holder types of the firm's own accounts: what is theirs is no client's, and dealing on own account."""
STOPS = (OrdType.STOP, OrdType.STOP_LIMIT)
LIMITS = (OrdType.LIMIT, OrdType.STOP_LIMIT, OrdType.PREVIOUSLY_QUOTED)
INACTIVE = (Hold.MANUAL, Hold.STOP)
EVENTS = ("NEWO", "TRIG", "REME", "REMA", "REMH", "CHMO", "CAME", "CAMO", "REMO", "EXPI")
"""Those of one order; a trade has a fill of each of two. Whatever else is said of a fact is why it is none."""
UNKNOWN = "of an order or instrument from before the journal"
ELSEWHERE = "at another venue, whose record it is"
MACHINERY = "where the broker keeps it is no event of the order"
SAME_TERMS = "its terms stay"
Rows = list[dict[str, Any]]


class Rts24:
    """Takes the events of a walk."""

    def __init__(
        self, section: ComplianceSection, walk: Walk, put: Callable[[dict[str, Any]], None] | None = None
    ) -> None:
        self.section, self.walk = section, walk
        self.ledger = Ledger()
        self.records: Rows = []
        self._put = put or self.records.append
        self._priority: dict[int, int] = {}
        self._held: Rows = []
        self._at = self._count = 0

    def finish(self) -> None:
        """Put away what is held back: records of one moment, as what rests in the book is told behind them."""
        for record in self._held:
            self._put(record)
        self._held.clear()

    def take(self, event: Event) -> None:
        if event.fact.at != self._at:
            self.finish()
            self._at = event.fact.at
        found = self._made(event)
        if isinstance(found, str):
            if event.order is not None and isinstance(event.fact, f.OrderBooked | f.OrderUnbooked):
                self._shown(event.order)
            return self.ledger.left_out(event.fact, found)
        for record in found:
            self._count += 1
            told = {"15_sequence_number": self._count, **record}
            self._held.append({name: told[name] for name in NAMES if told.get(name) not in ("", None)})
        self.ledger.made(event.fact, " and ".join(sorted(record["21_event"] for record in found)))
        return None

    def _shown(self, order: Order) -> None:
        """What of an order rests in our book is told by the facts behind the one that brought it there."""
        name = id_text(order.order_id)
        newest = next((record for record in reversed(self._held) if record["20_order_id"] == name), None)
        if newest is not None:
            newest["38_displayed_quantity"] = qty_of(order.in_book, self.walk.instruments[order.symbol])

    def _made(self, event: Event) -> Rows | str:
        fact = event.fact
        if isinstance(fact, f.OrderRejected):
            order = refused(fact)
            kind: str | None = "REMO"
        elif event.order is None:
            return UNKNOWN
        else:
            order = event.order
            handler = KINDS[type(fact)]
            if isinstance(fact, f.Trade):
                return self._fills(event) if order.symbol in self.walk.instruments else UNKNOWN
            kind = handler(event, order)
        if kind not in EVENTS:
            return kind or SAME_TERMS
        if order.symbol not in self.walk.instruments:
            return UNKNOWN
        if kind in ("NEWO", "TRIG", "REME", "REMA", "REMH") and not _keeps_place(event, order):
            self._priority[order.order_id] = fact.at
        return [self._record(kind, order, fact.at)]

    def _record(self, kind: str, order: Order, at: int) -> dict[str, Any]:
        instrument = self.walk.instruments[order.symbol]
        client, account = self.section.client(order.client), self.section.account(order.account)
        codes = self.section.instrument(order.symbol)
        is_maker = order.client in self.walk.makers
        is_ours = is_maker or account.holder in OWN
        is_quote = is_maker or order.is_quote
        gone = kind in ("CAME", "CAMO", "REMO", "EXPI")
        asked = order.instructions
        return {
            "01_submitting_entity": client.lei or self.section.lei, "02_direct_electronic_access": _flag(client.dea),
            "03_client_id": "" if is_ours else account.lei or account.person,
            "07_trading_capacity": "DEAL" if is_ours else CAPACITIES.get(order.capacity),
            "08_liquidity_provision": _flag(is_quote), "09_date_and_time": utc(at),
            **_validity(order), "13_priority_time": utc(self._priority.get(order.order_id, order.at)),
            "16_segment_mic": codes.mic or self.section.mic, "17_order_book_code": order.symbol,
            "18_instrument": codes.isin, "19_date_of_receipt": utc(order.at), "20_order_id": id_text(order.order_id),
            "21_event": kind, **_prices(order, instrument),
            "29_price_currency": instrument.currency or self.section.currency,
            "31_price_notation": "MONE", "32_buy_sell": "BUYI" if order.side is Side.BUY else "SELL",
            "33_order_status": ("INAC" if gone or _waits(order) else "ACTI") + (",FIRM" if is_quote else ""),
            "34_quantity_notation": "UNIT",
            "36_initial_quantity": qty_of(order.qty, instrument),
            "37_remaining_quantity": qty_of(0 if gone else order.leaves, instrument),
            "38_displayed_quantity": qty_of(order.in_book, instrument),
            "40_minimum_acceptable_quantity": qty_of(asked.min_qty, instrument) if asked.min_qty else None,
            "43_passive_only": _flag(ExecInst.POST_ONLY in asked.exec_inst),
            "45_self_execution_prevention": "true" if order.tags.self_match_id else None,
            "46_strategy_linked_order_id": order.tags.strategy,
        }  # fmt: skip

    def _fills(self, event: Event) -> Rows | str:
        """A record for each side. In an auction neither takes, and none says which."""
        deal, fact = event.deal, event.fact
        if deal is None:
            return UNKNOWN
        instrument = self.walk.instruments[deal.symbol]
        records = []
        for exec_id, (order, _, _) in deal.sides.items():
            record = self._record("PARF" if order.leaves else "FILL", order, fact.at)
            records.append(
                record
                | {
                    "28_transaction_price": price_of(fact.price, instrument),
                    "39_traded_quantity": qty_of(fact.qty, instrument),
                    "44_passive_or_aggressive": "AGRE" if exec_id == fact.id and not fact.auction else "PASV",
                    "48_transaction_id": id_text(fact.id),
                }
            )
        return records


def refused(fact: f.OrderRejected) -> Order:
    """The order that was not taken, as far as the refusal tells it."""
    return Order(
        order_id=fact.id, at=fact.at, client=fact.client, account=fact.account, cl_ord_id=fact.cl_ord_id,
        symbol=fact.symbol, side=fact.side, ord_type=fact.ord_type, time_in_force=fact.time_in_force, qty=fact.qty,
        price=fact.price, stop_px=0, instructions=NOTHING, tags=NO_TAGS, capacity="", operator="", ex_destination="",
        quote_id=0, is_quote=False,
    )  # fmt: skip


def _flag(value: bool) -> str:
    return "true" if value else "false"


def _waits(order: Order) -> bool:
    return order.holds in INACTIVE or (order.ord_type in STOPS and Hold.STOP not in order.released)


def _keeps_place(event: Event, order: Order) -> bool:
    """Whether it has its place in our book still: with less, or the same, at the same price, or after a split, and not
    taken out."""
    qty, price = event.had
    if not order.in_book or not isinstance(event.fact, f.OrderReplaced | f.OrderRestated):
        return False
    is_split = isinstance(event.fact, f.OrderRestated) and event.fact.reason == RestatementReason.CORPORATE_ACTION
    return is_split or (order.qty <= qty and order.price == price)


def _validity(order: Order) -> dict[str, Any]:
    if order.time_in_force is not TimeInForce.GTD:
        restricted = {"11_order_restriction": "VFAR"} if order.time_in_force in AT_AUCTION else {}
        return {"10_validity_period": VALIDITY[order.time_in_force], **restricted}
    asked = order.instructions
    if asked.expire_at:
        return {"10_validity_period": "GTTV", "12_validity_until": utc(asked.expire_at)}
    day = str(asked.expire_day)
    until = f"{day[:4]}-{day[4:6]}-{day[6:]}T23:59:59.000000Z" if asked.expire_day else None
    return {"10_validity_period": "GTDV", "12_validity_until": until}


def _prices(order: Order, instrument: Instrument) -> dict[str, Any]:
    found: dict[str, Any] = {
        "22_order_type": TYPES[order.ord_type],
        "23_order_type_classification": "STOP" if order.ord_type in STOPS else "LMTO",
    }
    if order.ord_type in LIMITS and order.price:
        found["24_limit_price"] = price_of(order.price, instrument)
    if order.stop_px:
        found["26_stop_price"] = price_of(order.stop_px, instrument)
    if order.ord_type is OrdType.PEGGED and order.instructions.limit:
        found["27_pegged_limit_price"] = price_of(order.instructions.limit, instrument)
    return found


def _restated(event: Event, order: Order) -> str | None:
    if event.had == (order.qty, order.price):
        return None
    return "REMH" if event.fact.operator else "REMA"


def _held(event: Event, order: Order) -> str:
    return "CHMO" if order.holds is Hold.MANUAL and not event.had[0] else MACHINERY


def _released(event: Event, order: Order) -> str:
    hold = event.fact.hold
    return "TRIG" if hold is Hold.STOP else "CHMO" if hold is Hold.MANUAL else MACHINERY


def _always(kind: str) -> Callable[[Event, Order], str | None]:
    return lambda event, order: kind


KINDS: dict[type[f.Fact], Callable[[Event, Order], str | None]] = {
    f.OrderAccepted: _always("NEWO"),
    f.OrderHeld: _held,
    f.OrderReleased: _released,
    f.OrderRepriced: _always("REMA"),
    f.OrderRestated: _restated,
    f.OrderReplaced: _always("REME"),
    f.QuoteMoved: _always("REME"),
    f.OrderBooked: _always(MACHINERY),
    f.OrderUnbooked: _always(MACHINERY),
    f.OrderCanceled: lambda event, order: "CAME" if event.fact.cl_ord_id else "CAMO",
    f.OrderRefused: _always("CAMO"),
    f.OrderExpired: _always("EXPI"),
    f.RequestRejected: _always("a refused request changes nothing"),
    f.StopMoved: _always("REMA"),
    f.Trade: _always("FILL"),
    f.TradeBusted: _always("a trade taken back is no event of an order"),
    f.TradeCorrected: _always("a corrected trade is no event of an order"),
    f.FillReversed: _always("a trade taken back is no event of an order"),
    **dict.fromkeys(
        (f.OrderRouted, f.ChildAccepted, f.ChildFilled, f.ChildEnded, f.ChildCancelSent, f.ChildReplaceSent,
         f.ChildReplaced, f.ChildRestated, f.ChildRequestRejected), _always(ELSEWHERE),
    ),
}  # fmt: skip


def write_rts24(
    folder: Path, journal: Path, day: int, section: ComplianceSection, form: str
) -> tuple[list[Path], dict[str, Any]]:
    """Returns the files that are written, and what is told of them. Raises JournalError."""
    problems = Problems()
    counted = count(journal, day)
    name = f"rts24-orders-{day}-{LABEL}"
    line = json_line if form == "json" else (lambda record: csv_lines([[record.get(name) for name in NAMES]]))
    head, other = ("", "csv") if form == "json" else (csv_lines([NAMES]), "json")
    output = Output(folder / f"{name}.{form}", line, head, other_form=other)

    def put(record: dict[str, Any]) -> None:
        problems.add("order record", wrong(record))
        output.put(record)

    walk = Walk(day, counted.changed)
    made = Rts24(section, walk, put)
    with output:
        for event in walk.read(journal, counted.records):
            made.take(event)
        made.finish()
    differences = made.ledger.differences(counted.facts)
    told = sidecar(
        "rts24", SPECIFICATION, day, NOTES, problems, made.ledger, differences, count=output.count,
        day_is_over=counted.is_over,
    )  # fmt: skip
    return write_beside(output.close(), folder / f"{name}.meta.json", told), told
