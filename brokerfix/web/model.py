"""What goes in and out over HTTP: JSON with decimal numbers as text, so that they stay exact."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from brokerfix.client import Message

Id = Annotated[
    str, Meta(pattern=r"^[A-Za-z0-9._:-]{1,40}(?!\n)$", description="A ClOrdID: unique for the client for ever.")
]
Decimal = Annotated[str, Meta(pattern=r"^[0-9]{1,15}(\.[0-9]{1,12})?(?!\n)$", description="A decimal number.")]
Symbol = Annotated[str, Meta(pattern=r"^[!-~]{1,32}(?!\n)$")]
Account = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{1,32}(?!\n)$")]
Side = Literal["buy", "sell"]
OrdType = Literal["market", "limit"]
TimeInForce = Literal["day", "gtc", "ioc", "fok"]
Status = Literal[
    "new", "partially_filled", "filled", "done_for_day", "canceled", "pending_cancel", "stopped", "rejected",
    "suspended", "pending_new", "calculated", "expired", "pending_replace",
]  # fmt: skip

SIDES: dict[str, str] = {"buy": "1", "sell": "2"}
ORD_TYPES: dict[str, str] = {"market": "1", "limit": "2"}
TIMES_IN_FORCE: dict[str, str] = {"day": "0", "gtc": "1", "ioc": "3", "fok": "4"}
STATUS: dict[str, Status] = {
    "0": "new", "1": "partially_filled", "2": "filled", "3": "done_for_day", "4": "canceled", "6": "pending_cancel",
    "7": "stopped", "8": "rejected", "9": "suspended", "A": "pending_new", "B": "calculated", "C": "expired",
    "E": "pending_replace",
}  # fmt: skip
FINAL = ("filled", "canceled", "rejected", "expired")


class NewOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An order. A limit order has a price, a market order none."""

    cl_ord_id: Id
    symbol: Symbol
    side: Side
    qty: Decimal
    type: OrdType = "limit"
    price: Decimal | None = None
    time_in_force: TimeInForce = "day"
    account: Account | None = None


class Replace(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an order is to be instead, whole. `cl_ord_id` names the request, and from then on the order."""

    cl_ord_id: Id
    qty: Decimal
    price: Decimal | None = None


class Order(msgspec.Struct, frozen=True):
    """An order as the broker last reported it."""

    cl_ord_id: str
    order_id: str
    account: str
    symbol: str
    side: Side
    qty: str
    price: str | None
    status: Status
    cum_qty: str
    leaves_qty: str
    avg_px: str
    text: str = ""


class Position(msgspec.Struct, frozen=True):
    """An account's holding of a symbol."""

    account: str
    symbol: str
    qty: str
    bought: str
    sold: str
    mark: str


class Level(msgspec.Struct, frozen=True):
    price: str
    qty: str


class Book(msgspec.Struct, frozen=True):
    """The consolidated book of a symbol, best prices first."""

    symbol: str
    bids: list[Level]
    asks: list[Level]


class Problem(msgspec.Struct, frozen=True):
    """What went wrong (RFC 9457). `order` is the order's state where there is one."""

    title: str
    status: int
    detail: str
    type: str = "about:blank"
    order: Order | None = None


class Report(msgspec.Struct, frozen=True, tag="report"):
    """Something happened to an order: with what ExecType, and the last fill if it was one."""

    order: Order
    exec_id: str
    exec_type: str
    last_qty: str = ""
    last_px: str = ""


class Quote(msgspec.Struct, frozen=True, tag="quote"):
    """A symbol's book has changed."""

    book: Book


def order_of(message: Message) -> Order:
    """The order in an ExecutionReport(8)."""
    return Order(
        message.get(11, ""),
        message.get(37, ""),
        message.get(1, ""),
        message.get(55, ""),
        "buy" if message.get(54) == "1" else "sell",
        message.get(38, "0"),
        message.get(44),
        STATUS.get(message.get(39, ""), "new"),
        message.get(14, "0"),
        message.get(151, "0"),
        message.get(6, "0"),
        message.get(58, ""),
    )
