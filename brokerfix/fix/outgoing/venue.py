"""What exchanges are asked: orders, cancels, replaces, statuses, market data."""

from brokerfix import facts as f
from brokerfix.domain import (
    Instructions,
    OrdType,
    Side,
    id_text,
    to_text,
)
from brokerfix.engine.orders.order import Child
from brokerfix.engine.state import State
from brokerfix.fix.outgoing.base import Encoders, Out, instruction_tags
from brokerfix.fix.text import timestamp

ENCODE = Encoders()


@ENCODE.on(f.OrderRouted)
def _routed(state: State, fact: f.OrderRouted) -> list[Out]:
    child = state.children[fact.id]
    terms = _child_terms(state, child, fact.qty, fact.price, fact.instructions)
    side = _side(state, child)
    # What is sold short here is located before: by the client, or out of what the broker has.
    located = "" if side in (Side.BUY, Side.SELL) else "\x01114=N"
    return [
        Out(
            True,
            fact.venue,
            f"8=FIX.4.4\x019=0\x0135=D\x0111={id_text(fact.id)}\x0121=1\x0155={child.symbol}\x0154={side}{located}"
            f"{terms}\x0160={timestamp(fact.at)}\x0110=000\x01",
        )
    ]


def _side(state: State, child: Child) -> str:
    """Side(54) of a child: a short sale is marked as one."""
    order = state.order_of(child)
    return child.side if order.tags is None else order.side_told


def _child_terms(state: State, child: Child, qty: int, price: int, asked: Instructions | None) -> str:
    instrument = state.instruments[child.symbol]
    terms = f"\x0138={to_text(qty, instrument.qty_digits)}\x0140={child.ord_type}"
    if price and child.ord_type is not OrdType.MARKET:
        terms += f"\x0144={to_text(price, instrument.price_digits)}"
    terms += f"\x0159={child.time_in_force}"
    return terms if asked is None else terms + instruction_tags(asked, instrument)


@ENCODE.on(f.ChildCancelSent)
def _child_cancel(state: State, fact: f.ChildCancelSent) -> list[Out]:
    child = state.children[fact.child_id]
    qty = to_text(child.qty, state.instruments[child.symbol].qty_digits)
    return [
        Out(
            True,
            child.venue,
            f"8=FIX.4.4\x019=0\x0135=F\x0111={id_text(fact.id)}\x0141={id_text(child.cl_ord_id)}\x0138={qty}"
            f"\x0155={child.symbol}\x0154={_side(state, child)}\x0160={timestamp(fact.at)}\x0110=000\x01",
        )
    ]


@ENCODE.on(f.ChildReplaceSent)
def _child_replace(state: State, fact: f.ChildReplaceSent) -> list[Out]:
    child = state.children[fact.child_id]
    terms = _child_terms(state, child, fact.qty, fact.price, fact.instructions)
    return [
        Out(
            True,
            child.venue,
            f"8=FIX.4.4\x019=0\x0135=G\x0111={id_text(fact.id)}\x0141={id_text(child.cl_ord_id)}\x0121=1"
            f"\x0155={child.symbol}\x0154={_side(state, child)}{terms}\x0160={timestamp(fact.at)}\x0110=000\x01",
        )
    ]


@ENCODE.on(f.ChildStatusAsked)
def _child_status(state: State, fact: f.ChildStatusAsked) -> list[Out]:
    child: Child = state.children[fact.child_id]
    return [
        Out(
            True,
            child.venue,
            f"8=FIX.4.4\x019=0\x0135=H\x0111={id_text(child.cl_ord_id)}\x0155={child.symbol}"
            f"\x0154={_side(state, child)}\x0110=000\x01",
        )
    ]


@ENCODE.on(f.VenueUp)
def _subscribe(state: State, fact: f.VenueUp) -> list[Out]:
    """An exchange that is up is asked for the books of all it trades, and for their status where it is to be."""
    request = _request(state, fact.venue, id_text(fact.id), "1")
    if request and state.venues[fact.venue].asks_status:
        request += [_status_request(fact, symbol) for symbol in _traded(state, fact.venue)]
    return request


def ask_anew(state: State, venue: str, before: str, req_id: str) -> list[Out]:
    """An exchange whose market data have a gap: end the subscription with the MDReqID `before`, and begin another."""
    return [*_request(state, venue, before, "2"), *_request(state, venue, req_id, "1")]


def _traded(state: State, venue: str) -> list[str]:
    of_venue = state.venues[venue]
    return [
        symbol for symbol in state.instruments if not of_venue.drop_copy and symbol in (of_venue.symbols or (symbol,))
    ]


def _request(state: State, venue: str, req_id: str, kind: str) -> list[Out]:
    """MarketDataRequest(V) for all that the exchange trades."""
    symbols = _traded(state, venue)
    if not symbols or not state.venues[venue].market_data:
        return []
    related = "".join(f"\x0155={symbol}" for symbol in symbols)
    return [
        Out(
            True,
            venue,
            f"8=FIX.4.4\x019=0\x0135=V\x01262={req_id}\x01263={kind}\x01264=0\x01265=1"
            f"\x01267=3\x01269=0\x01269=1\x01269=2\x01146={len(symbols)}{related}\x0110=000\x01",
            True,
        )
    ]


def _status_request(fact: f.VenueUp, symbol: str) -> Out:
    """SecurityStatusRequest(e) with a subscription."""
    req_id = f"{id_text(fact.id)}-{symbol}"
    return Out(True, fact.venue, f"8=FIX.4.4\x019=0\x0135=e\x01324={req_id}\x0155={symbol}\x01263=1\x0110=000\x01")
