"""Quotes that a client asks for, as they go in and out over HTTP."""

from typing import Literal

import msgspec

from brokerfix.doors.model import Account, Decimal, Id, Order, Side, Symbol

QuoteState = Literal["firm", "traded", "canceled", "passed", "replaced", "expired"]


class AskQuote(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A quote is wanted: of a `side` (what the client would do; null: of both), for so much (null: for as much as the
    market maker likes)."""

    symbol: Symbol
    side: Side | None = None
    qty: Decimal | None = None
    account: Account | None = None


class AcceptQuote(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What of a quote is taken: on a `side`, which a quote of one side needs not say, and so much (null: all that is
    left). It becomes the order `cl_ord_id`."""

    cl_ord_id: Id
    side: Side | None = None
    qty: Decimal | None = None


class CounterQuote(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Another price for a quote, for so much of it (null: all that is left). If it is agreed to, it becomes the order
    `cl_ord_id` (null: one of the door's)."""

    price: Decimal
    side: Side | None = None
    qty: Decimal | None = None
    cl_ord_id: Id | None = None


class FirmQuote(msgspec.Struct, frozen=True):
    """A quote that the client was given, and what of it is left: the client sells at `bid_px` and buys at `offer_px`
    (null: that side is not quoted), until `valid_until`. `state`: it is firm, or why it is over."""

    quote_id: str
    symbol: str
    account: str
    side: Side | None
    bid_px: str | None
    bid_qty: str
    offer_px: str | None
    offer_qty: str
    valid_until: str
    state: QuoteState = "firm"

    def has(self, side: Side) -> bool:
        """Whether the client can do this."""
        return (self.offer_px if side == "buy" else self.bid_px) is not None

    def left(self, side: Side) -> str:
        """What the client can still buy or sell."""
        return self.offer_qty if side == "buy" else self.bid_qty


class Countered(msgspec.Struct, frozen=True):
    """What became of a counter: an order that has traded, or else another quote in the place of the first."""

    order: Order | None = None
    quote: FirmQuote | None = None


class Quoted(msgspec.Struct, frozen=True, tag="firm_quote"):
    """A quote was given to the client, or stands otherwise now."""

    quote: FirmQuote
