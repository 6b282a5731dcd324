"""CAT's order events of a trading day, by the Reporting Technical Specifications for Industry Members 4.0.0-r18: one
for each fact that is one, and a reason for each that is none."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from brokerfix import facts as f
from brokerfix.compliance.cat_fields import OF_TYPE
from brokerfix.compliance.cat_terms import CAPACITIES, child_terms, iso_of, order_terms, side_of
from brokerfix.compliance.day import Walk
from brokerfix.compliance.events import NOTHING, Asked, Child, Deal, Event, Order
from brokerfix.compliance.ledger import Ledger
from brokerfix.compliance.words import eastern, eastern_date, eastern_second, price_of, qty_of
from brokerfix.domain import ExecInst, Hold, Instructions, OrdStatus, Request, id_text
from brokerfix.settings.compliance import ComplianceSection

Found = dict[str, Any] | str
"""An event, or the reason why there is none."""
Put = Callable[[str, dict[str, Any]], None]
NEW, CORRECTED, REPAIRED, MARKS = "new", "corrected", "repaired", "marks"
PARTS = (NEW, CORRECTED, REPAIRED, MARKS)
UNKNOWN = "of an order from before the journal"
OPTION = "of an option: CAT's option events are not made"
REFUSED = "refused before it was an order"
ITSELF = "an exchange's own doing, which it reports"
BY_EXCHANGE = "executed by an exchange, which reports it"
SAME_TERMS = "its terms stay"
OTHER_SIDE = "says no more of the trade than the event of its other side"
NO_REQUEST = "answers a request that is not on record"
OWN_TIME = "ends by its own time in force"
PROPRIETARY = ("O", "P", "X")
"""Account holder types of the firm's own accounts."""


class Cat:
    """Takes the events of a walk. What it makes it puts away as it comes, or keeps in `kept`: NEW events as they
    happened, CORRECTED ones, which tell an earlier one anew, REPAIRED ones, whose firmROEID is in `repairs` (-> the
    errorROEID that CAT gave), and as MARKS what CAT has no field for."""

    def __init__(
        self, section: ComplianceSection, walk: Walk, repairs: Mapping[str, int] | None = None, put: Put | None = None
    ) -> None:
        self.section, self.walk = section, walk
        self.repairs = dict(repairs or {})
        self.ledger = Ledger()
        self.kept: dict[str, list[dict[str, Any]]] = {kind: [] for kind in PARTS}
        self._put: Put = put or (lambda kind, record: self.kept[kind].append(record))

    def take(self, event: Event) -> None:
        found = self._made(event)
        if isinstance(found, str):
            return self.ledger.left_out(event.fact, found)
        error = self.repairs.pop(found["firmROEID"], None)
        if error is not None:
            found |= {"actionType": "RPR", "errorROEID": error}
        known = {name: value for name, value in found.items() if value not in ("", None)}
        told = {name: known.pop(name) for name in OF_TYPE[found["type"]].names if name in known} | known
        corrects = told["actionType"] == "COR"
        self.ledger.made(event.fact, f"{told['type']} {told['actionType']}" if corrects else told["type"])
        self._put(REPAIRED if error is not None else CORRECTED if corrects else NEW, told)
        return None

    def _made(self, event: Event) -> Found:
        if isinstance(event.fact, f.OrderRejected):
            return REFUSED
        if isinstance(event.fact, f.RequestRejected) and event.fact.order_id == 0:
            return "refused: there was no such order"
        order = event.order
        if order is None:
            return UNKNOWN
        instrument = self.walk.instruments.get(order.symbol)
        if instrument is None:
            return UNKNOWN
        if instrument.option is not None:
            return OPTION
        return MAPPING[type(event.fact)](self, event, order)

    def _of(self, kind: str, order: Order, number: int, at: int) -> dict[str, Any]:
        """What every event of an order has. `number` is the fact's that it is made of."""
        return {
            "actionType": "NEW", "firmROEID": f"{eastern_date(at)}_{id_text(number)}", "type": kind,
            "CATReporterIMID": self.section.imid, "orderKeyDate": f"{eastern_date(order.at)}T000000",
            "orderID": id_text(order.order_id), "symbol": self._symbol(order.symbol),
            "eventTimestamp": eastern(at), "manualFlag": False,
        }  # fmt: skip

    def _symbol(self, symbol: str) -> str:
        return self.section.instrument(symbol).cat_symbol or symbol

    def _member(self, crd: str, imid: str) -> str:
        return f"{crd}:{imid}" if crd and imid else ""

    @property
    def _us(self) -> str:
        return self._member(self.section.crd, self.section.imid)

    def _terms(self, order: Order) -> dict[str, Any]:
        not_held = self.section.client(order.client).not_held
        return order_terms(order, self.walk.instruments[order.symbol], not_held) | {
            "tradingSession": self.section.trading_session
        }

    def _left(self, order: Order) -> Any:
        """What is left of an order; of one for an amount of money no quantity is told."""
        return 0 if order.cash else qty_of(order.leaves, self.walk.instruments[order.symbol])

    def _entered(self, at: int) -> dict[str, Any]:
        """An operator has entered it for a client: when the client said it is not on record, unless they do at once."""
        told = eastern_second(at) if self.section.entered_at_once else ""
        return {"manualFlag": True, "eventTimestamp": told, "electronicTimestamp": eastern(at)}

    def _accepted(self, event: Event, order: Order) -> Found:
        client, account = self.section.client(order.client), self.section.account(order.account)
        is_from_member = bool(client.imid)
        told = self._of("MEOA" if is_from_member else "MENO", order, order.order_id, order.at)
        told |= self._terms(order) | {"electronicDupFlag": False, "deptType": self.section.dept_type}
        told |= {"custDspIntrFlag": False, "solicitationFlag": False if self.section.unsolicited else None}
        if order.operator:
            told |= self._entered(order.at)
        self._mark(order)
        if is_from_member:
            return told | {
                "receiverIMID": self._us, "senderIMID": self._member(client.crd, client.imid),
                "senderType": client.sender_type, "routedOrderID": order.cl_ord_id, "affiliateFlag": client.affiliate,
                "isoInd": iso_of(order.instructions, order.time_in_force),
            }  # fmt: skip
        known = order.account in self.section.accounts
        return told | {
            "firmDesignatedID": account.fdid, "accountHolderType": account.holder,
            "affiliateFlag": account.affiliate if known else None,
            "negotiatedTradeFlag": bool(order.quote_id), "representativeInd": "N",
        }  # fmt: skip

    def _mark(self, order: Order) -> None:
        """What CAT has no field for: the large trader's id, a locate, the order's capacity."""
        told = {
            "order": id_text(order.order_id), "account": order.account, "side": side_of(order),
            "large_trader": self.section.account(order.account).large_trader,
            "locate": order.tags.locate, "capacity": order.capacity,
        }  # fmt: skip
        if told["large_trader"] or told["locate"] or told["capacity"] or order.tags.short_sale:
            self._put(MARKS, told)

    def _routed(self, event: Event, order: Order) -> Found:
        child = event.child
        if child is None:
            return UNKNOWN
        told = self._of("MEOR", order, child.child_id, child.at) | {"electronicDupFlag": False}
        told |= self._to(child, id_text(child.child_id)) | self._child_terms(
            child, child.qty, child.price, child.instructions
        )
        return told | {"affiliateFlag": self._affiliate(child), "routeRejectedFlag": False, "dupROIDCond": False}

    def _to(self, child: Child, routed: str) -> dict[str, Any]:
        venue = self.section.venue(child.venue)
        return {
            "senderIMID": self._us, "destination": venue.cat, "destinationType": venue.cat_type,
            "session": venue.session, "routedOrderID": routed, "multiLegInd": False,
        }  # fmt: skip

    def _child_terms(self, child: Child, qty: int, price: int, asked: Instructions) -> dict[str, Any]:
        terms = child_terms(child, self.walk.instruments[child.order.symbol], qty, price, asked)
        return terms | {"tradingSession": self.section.trading_session}

    def _affiliate(self, child: Child) -> bool | None:
        return self.section.venue(child.venue).affiliate if child.venue in self.section.venues else None

    def _child_ended(self, event: Event, order: Order) -> Found:
        child, fact = event.child, event.fact
        if child is None or fact.status is not OrdStatus.REJECTED:
            return ITSELF
        told = self._of("MEORS", order, fact.id, fact.at) | self._to(child, id_text(child.child_id))
        # It tells of the route, whose time it has.
        told |= {"eventTimestamp": eastern(child.at), "routeRejectedFlag": True}
        del told["multiLegInd"]
        return told

    def _child_replace_sent(self, event: Event, order: Order) -> Found:
        child, fact = event.child, event.fact
        if child is None:
            return UNKNOWN
        told = self._of("MEMR", order, fact.id, fact.at) | self._to(child, id_text(fact.id))
        told |= self._child_terms(child, fact.qty, fact.price, fact.instructions or NOTHING) | {
            "affiliateFlag": self._affiliate(child)
        }
        return told | {
            "priorRoutedOrderID": id_text(child.routed), "routeRejectedFlag": False, "dupROIDCond": False,
        }  # fmt: skip

    def _child_cancel_sent(self, event: Event, order: Order) -> Found:
        child, fact = event.child, event.fact
        if child is None:
            return UNKNOWN
        left = qty_of(max(0, child.qty - child.cum), self.walk.instruments[order.symbol])
        told = self._of("MECR", order, fact.id, fact.at) | self._to(child, id_text(child.routed))
        return told | {"cancelQty": left, "routeRejectedFlag": False}

    def _child_refused(self, event: Event, order: Order) -> Found:
        child, sent = event.child, event.sent
        if child is None or sent is None:
            return NO_REQUEST
        routed = id_text(child.routed if sent.is_cancel else sent.number)
        told = self._of("MECRS" if sent.is_cancel else "MEMRS", order, event.fact.id, event.fact.at)
        return told | self._to(child, routed) | {"eventTimestamp": eastern(sent.at), "routeRejectedFlag": True}

    def _changed(self, event: Event, order: Order) -> Found:
        """Its terms are others, told in full. The order's id stays, so that it has no prior one."""
        fact = event.fact
        if event.had == (order.qty, order.price) and not isinstance(fact, f.OrderReplaced):
            return SAME_TERMS
        is_quote = isinstance(fact, f.QuoteMoved) and order.is_quote
        by_client = is_quote or (isinstance(fact, f.OrderReplaced) and bool(fact.cl_ord_id))
        told = self._of("MEOM", order, fact.id, fact.at) | self._terms(order) | self._sender(order)
        if by_client and order.client not in self.walk.makers:
            told |= {"initiator": "C", "requestTimestamp": eastern(event.asked.at if event.asked else fact.at)}
        else:
            told["initiator"] = "F"
        return told | {
            "leavesQty": self._left(order), "electronicDupFlag": False,
            "isoInd": iso_of(order.instructions, order.time_in_force), "custDspIntrFlag": False,
            "representativeInd": "N",
        }  # fmt: skip

    def _sender(self, order: Order) -> dict[str, Any]:
        client = self.section.client(order.client)
        if not client.imid:
            return {}
        return {
            "receiverIMID": self._us, "senderIMID": self._member(client.crd, client.imid),
            "senderType": client.sender_type, "routedOrderID": order.cl_ord_id,
        }  # fmt: skip

    def _canceled(self, event: Event, order: Order) -> Found:
        fact = event.fact
        told = self._of("MEOC", order, fact.id, fact.at)
        told |= {"cancelQty": self._left(order), "leavesQty": 0, "initiator": "F"}
        if isinstance(fact, f.OrderCanceled) and fact.cl_ord_id:
            told |= {"initiator": "C", "requestTimestamp": eastern(event.asked.at if event.asked else fact.at)}
        return told

    def _request_rejected(self, event: Event, order: Order) -> Found:
        fact = event.fact
        if order.ended or not order.leaves:
            return "asked of an order that was over"
        asked = event.asked or Asked(fact.at, fact.response_to)
        if asked.request is Request.CANCEL:
            told = self._of("MEOCR", order, fact.id, asked.at)
            return told | {"cancelQty": self._left(order)}
        if not asked.qty:
            return "a refused replace, whose terms are not on record"
        asked_for = {
            "qty": asked.qty, "price": asked.price, "instructions": asked.instructions or NOTHING, "cash": "",
        }  # fmt: skip
        wanted = msgspec.structs.replace(order, **asked_for)
        told = self._of("MEOMR", order, fact.id, asked.at) | self._terms(wanted) | self._sender(order)
        return told | {"isoInd": iso_of(wanted.instructions, order.time_in_force), "custDspIntrFlag": False}

    def _held(self, event: Event, order: Order) -> Found:
        if order.holds is not Hold.MANUAL:
            return "kept by the broker's own machinery"
        if event.had[0]:
            return "stays with the desk that has it"
        return self._to_desk(event, order, self.section.manual_desk, "manual_desk")

    def _booked(self, event: Event, order: Order) -> Found:
        if event.had[0]:
            return "was in our book before"
        return self._to_desk(event, order, self.section.book_desk, "book_desk")

    def _to_desk(self, event: Event, order: Order, desk: str, key: str) -> Found:
        if not desk:
            return f"goes to no desk of its own (compliance.{key})"
        told = self._of("MEIR", order, event.fact.id, event.fact.at) | self._terms(order)
        told |= {"quantity": qty_of(event.fact.qty, self.walk.instruments[order.symbol]), "multiLegInd": False}
        # What a desk has of an order is an order of the same id.
        return told | {"deptType": self.section.dept_type, "receivingDeskType": desk}

    def _released(self, event: Event, order: Order) -> Found:
        fact, instrument = event.fact, self.walk.instruments[order.symbol]
        if fact.hold is not Hold.STOP:
            return "let go by what kept it"
        told = self._of("MEOE", order, fact.id, fact.at) | self._terms(order)
        del told["manualFlag"]
        told.pop("handlingInstructions", None)
        trails = ExecInst.TRAILING_STOP in order.instructions.exec_inst
        return told | ({"triggerPrice": price_of(order.stop_px, instrument)} if trails else {})

    def _traded(self, event: Event, order: Order) -> Found:
        deal = event.deal
        return self._trade(deal, deal.told) if deal is not None else UNKNOWN

    def _trade(self, deal: Deal, terms: tuple[int, int]) -> dict[str, Any]:
        instrument = self.walk.instruments[deal.symbol]
        date = eastern_date(deal.at)
        told = {
            "actionType": "NEW", "firmROEID": f"{date}_{id_text(deal.number)}", "type": "MEOT",
            "CATReporterIMID": self.section.imid, "tradeKeyDate": f"{date}T000000", "tradeID": id_text(deal.number),
            "symbol": self._symbol(deal.symbol), "eventTimestamp": eastern(deal.at), "manualFlag": False,
            "cancelFlag": False, "quantity": qty_of(terms[0], instrument), "price": price_of(terms[1], instrument),
            "capacity": self._capacity(deal), "marketCenterID": self.section.market_center, "sideDetailsInd": "NA",
            "multiLegInd": False,
        }  # fmt: skip
        sides: dict[str, list[dict[str, Any]]] = {"buyDetails": [], "sellDetails": []}
        for one in deal.orders:
            side = side_of(one)
            sides["buyDetails" if side == "B" else "sellDetails"].append(self._details(one))
        return told | {name: found for name, found in sides.items() if found}

    def _details(self, order: Order) -> dict[str, Any]:
        return {
            "orderKeyDate": f"{eastern_date(order.at)}T000000", "orderID": id_text(order.order_id),
            "side": side_of(order),
        }  # fmt: skip

    def _capacity(self, deal: Deal) -> str:
        """Principal where an account of ours is a side; else what the orders say, where they say the same."""
        holders = {self.section.account(order.account).holder for order in deal.orders}
        if holders & {*PROPRIETARY}:
            return "P"
        told = {CAPACITIES.get(order.capacity, "") for order in deal.orders}
        return told.pop() if len(told) == 1 else ""

    def _filled(self, event: Event, order: Order) -> Found:
        deal = event.deal
        if deal is None or deal.child is None:
            return UNKNOWN
        if not self.section.venue(deal.child.venue).foreign:
            return BY_EXCHANGE
        return self._fulfillment(deal, deal.told)

    def _fulfillment(self, deal: Deal, terms: tuple[int, int]) -> dict[str, Any]:
        """A fill abroad, which no exchange reports to CAT."""
        order, instrument = deal.orders[0], self.walk.instruments[deal.symbol]
        date = eastern_date(deal.at)
        return {
            "actionType": "NEW", "firmROEID": f"{date}_{id_text(deal.number)}", "type": "MEOF",
            "CATReporterIMID": self.section.imid, "fillKeyDate": f"{date}T000000",
            "fulfillmentID": id_text(deal.number), "symbol": self._symbol(deal.symbol),
            "eventTimestamp": eastern(deal.at), "manualFlag": False, "fulfillmentLinkType": "FOR", "cancelFlag": False,
            "quantity": qty_of(terms[0], instrument), "price": price_of(terms[1], instrument),
            "capacity": CAPACITIES.get(order.capacity, ""), "clientDetails": [self._details(order)],
        }  # fmt: skip

    def _deal_changed(self, event: Event, order: Order) -> Found:
        """The first event in full, with the other terms and its firmROEID; a bust leaves the terms that it had."""
        deal = event.deal
        if deal is None:
            return UNKNOWN
        if deal.child is not None and not self.section.venue(deal.child.venue).foreign:
            return BY_EXCHANGE
        if event.had == deal.told:
            return OTHER_SIDE
        is_busted = not deal.told[0]
        terms = event.had if is_busted else deal.told
        told = self._trade(deal, terms) if deal.child is None else self._fulfillment(deal, terms)
        canceled = {"cancelFlag": True, "cancelTimestamp": eastern(event.fact.at)} if is_busted else {}
        return told | {"actionType": "COR"} | canceled


def _none(reason: str) -> Callable[[Cat, Event, Order], Found]:
    return lambda cat, event, order: reason


MAPPING: dict[type[f.Fact], Callable[[Cat, Event, Order], Found]] = {
    f.OrderAccepted: Cat._accepted,
    f.OrderHeld: Cat._held,
    f.OrderReleased: Cat._released,
    f.OrderRepriced: _none("works at another price by its own instructions"),
    f.OrderRestated: Cat._changed,
    f.OrderReplaced: Cat._changed,
    f.QuoteMoved: Cat._changed,
    f.OrderBooked: Cat._booked,
    f.OrderUnbooked: _none("taken out of our book by the broker's own machinery"),
    f.OrderCanceled: Cat._canceled,
    f.OrderRefused: Cat._canceled,
    f.OrderExpired: _none(OWN_TIME),
    f.RequestRejected: Cat._request_rejected,
    f.StopMoved: _none("trails the market by its own instructions"),
    f.OrderRouted: Cat._routed,
    f.ChildAccepted: _none(ITSELF),
    f.ChildFilled: Cat._filled,
    f.ChildEnded: Cat._child_ended,
    f.ChildCancelSent: Cat._child_cancel_sent,
    f.ChildReplaceSent: Cat._child_replace_sent,
    f.ChildReplaced: _none(ITSELF),
    f.ChildRestated: _none(ITSELF),
    f.ChildRequestRejected: Cat._child_refused,
    f.Trade: Cat._traded,
    f.TradeBusted: Cat._deal_changed,
    f.TradeCorrected: Cat._deal_changed,
    f.FillReversed: Cat._deal_changed,
}
