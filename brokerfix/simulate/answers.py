"""What a feed says, as FIX text: books, what changes of them, and refusals of all that is no market data."""

from collections.abc import Sequence

from brokerfix.domain import BusinessRejectReason, to_text
from brokerfix.fix.text import SOH, clean, pairs
from brokerfix.simulate.replay import DELETED, Entry, Replica, Terms

EMPTY_BOOK = f"268=1{SOH}269=J{SOH}"
"""The one entry of a snapshot that has none: MDEntryType(269) Empty Book."""
IS_A_FEED = "this is a feed of recorded market data: it takes no orders"
SNAPSHOT, SUBSCRIBE, UNSUBSCRIBE = "0", "1", "2"
ALL_TYPES = frozenset("012")
"""RptSeqs count bids, offers and trades together, so they are told together."""


def message(body: str) -> str:
    """A body that ends with an end mark -> the whole text, whose head and trailer the session sets."""
    return f"8=FIX.4.4{SOH}9=0{SOH}{body}10=000{SOH}"


def full_refresh(replica: Replica, md_req_id: str) -> str:
    """MarketDataSnapshotFullRefresh(W) of a book. RptSeq(83) is that of the last entry that is in it."""
    terms = replica.terms
    entries = replica.snapshot()
    told = "".join(f"269={kind}{SOH}{_numbers(terms, price, qty)}" for kind, price, qty in entries)
    group = f"268={len(entries)}{SOH}{told}" if entries else EMPTY_BOOK
    head = f"35=W{SOH}262={md_req_id}{SOH}55={terms.symbol}{SOH}83={replica.rpt_seq}{SOH}"
    return message(head + group)


def entries_text(terms: Terms, entries: Sequence[Entry], first: int) -> str:
    """The entries of a MarketDataIncrementalRefresh(X), each with its RptSeq(83), from `first` on."""
    told = [
        f"279={action}{SOH}269={kind}{SOH}55={terms.symbol}{SOH}83={number}{SOH}{_numbers(terms, price, qty, action)}"
        for number, (action, kind, price, qty) in enumerate(entries, first)
    ]
    return f"268={len(entries)}{SOH}{''.join(told)}"


def incremental_refresh(md_req_id: str, entries: str) -> str:
    """MarketDataIncrementalRefresh(X) of a subscription; `entries` are of `entries_text`."""
    return message(f"35=X{SOH}262={md_req_id}{SOH}{entries}")


def _numbers(terms: Terms, price: int, qty: int, action: str = "") -> str:
    size = "" if action == DELETED else f"271={to_text(qty, terms.qty_digits)}{SOH}"
    return f"270={to_text(price, terms.price_digits)}{SOH}{size}"


class Wish:
    """A MarketDataRequest(V), taken apart."""

    def __init__(self, text: str) -> None:
        every = pairs(text)
        first = dict(reversed(every))
        self.md_req_id = first.get("262", "")
        self.kind = first.get("263", "")
        self.symbols = [value for tag, value in every if tag == "55"]
        self.types = frozenset(value for tag, value in every if tag == "269")
        self.depth, self.update_type = first.get("264", "0"), first.get("265", "1")
        self.aggregated = first.get("266", "Y")

    def refusal(self, symbol: str, standing: frozenset[str]) -> str:
        """Why it is refused, with the MDReqIDs that the subscriber has `standing`: a MarketDataRequestReject(Y), or
        ''."""
        if self.kind == UNSUBSCRIBE:
            return "" if self.md_req_id in standing else self._refused("", f"UNKNOWN_SUBSCRIPTION: {self.md_req_id}")
        if self.md_req_id in standing:
            return self._refused("1", f"DUPLICATE: MDReqID={self.md_req_id}")
        if symbol not in self.symbols:
            return self._refused("0", f"UNKNOWN_SYMBOL: there is {symbol}")
        if self.kind not in (SNAPSHOT, SUBSCRIBE):
            return self._refused("4", f"UNSUPPORTED: SubscriptionRequestType={self.kind}")
        if self.depth != "0":
            return self._refused("5", f"UNSUPPORTED: MarketDepth={self.depth}; whole books (0) are told")
        if self.update_type != "1":
            return self._refused("6", f"UNSUPPORTED: MDUpdateType={self.update_type}; increments (1) are told")
        if self.aggregated != "Y":
            return self._refused("7", f"UNSUPPORTED: AggregatedBook={self.aggregated}")
        if self.types != ALL_TYPES:
            return self._refused("8", "UNSUPPORTED: MDEntryType: 0, 1 and 2 are told together")
        return ""

    def _refused(self, reason: str, text: str) -> str:
        why = f"281={reason}{SOH}" if reason else ""
        return message(f"35=Y{SOH}262={self.md_req_id}{SOH}{why}58={clean(text)}{SOH}")


def refused(text: str, number: int) -> str:
    """The answer to any other application message: an ExecutionReport, an OrderCancelReject or a
    BusinessMessageReject. `number` is one that no other answer has."""
    asked = dict(reversed(pairs(text)))
    kind, told = asked["35"], f"58={IS_A_FEED}{SOH}"
    if kind == "D":
        echoed = "".join(f"{tag}={asked[tag]}{SOH}" for tag in ("11", "55", "54", "38", "40", "44") if tag in asked)
        ids = f"37=NONE{SOH}17=FEED-{number}{SOH}150=8{SOH}39=8{SOH}103=0{SOH}"
        return message(f"35=8{SOH}{ids}{echoed}151=0{SOH}14=0{SOH}6=0{SOH}{told}")
    if kind in ("F", "G"):
        ids = "".join(f"{tag}={asked[tag]}{SOH}" for tag in ("11", "41") if tag in asked)
        to = "1" if kind == "F" else "2"
        return message(f"35=9{SOH}37=NONE{SOH}{ids}39=8{SOH}434={to}{SOH}102=1{SOH}{told}")
    reason = BusinessRejectReason.UNSUPPORTED_MESSAGE
    return message(f"35=j{SOH}{_about(asked)}380={reason}{SOH}58=UNSUPPORTED: MsgType {kind}: {IS_A_FEED}{SOH}")


def incomplete(text: str) -> str:
    """The answer to a MarketDataRequest without an MDReqID: a BusinessMessageReject."""
    reason = BusinessRejectReason.CONDITIONALLY_REQUIRED_MISSING
    about = _about(dict(reversed(pairs(text))))
    return message(f"35=j{SOH}{about}380={reason}{SOH}58=Conditionally required tag missing, RefTagID=262{SOH}")


def _about(asked: dict[str, str]) -> str:
    ref_id = f"379={asked['11']}{SOH}" if "11" in asked else ""
    return f"45={asked['34']}{SOH}372={asked['35']}{SOH}{ref_id}"
