"""An order's terms in JSON's words <-> FIX's tags, and <-> the database's columns."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from brokerfix import domain
from brokerfix.doors.model import Execution, NewOrder, Order, Replace, Status
from brokerfix.doors.strategies import exact as exact_strategy
from brokerfix.doors.strategies import fix_time, is_as_asked, strategy_fields, strategy_of
from brokerfix.tools.client import Message

Fields = list[tuple[int, str]]

SIDES: dict[str, str] = {"buy": "1", "sell": "2"}
ORD_TYPES: dict[str, str] = {one.name.lower(): str(one) for one in domain.OrdType}
TIMES_IN_FORCE: dict[str, str] = {one.name.lower(): str(one) for one in domain.TimeInForce}
PAUSES = (domain.ExecInst.SUSPEND, domain.ExecInst.RELEASE)
"""They are a term of their own here: whether the order is paused."""
EXEC_INSTS: dict[str, str] = {
    **{one.name.lower(): str(one) for one in domain.ExecInst if one not in PAUSES}, "not_held": "1", "held": "5",
}  # fmt: skip
STATUS: dict[str, Status] = {str(one): one.name.lower() for one in domain.OrdStatus}  # type: ignore[misc]
WORDS = {
    names: {value: word for word, value in names_of.items()}
    for names, names_of in (("type", ORD_TYPES), ("tif", TIMES_IN_FORCE), ("inst", EXEC_INSTS))
}
UNPRICED = ("market", "stop", "market_to_limit")
"""Types of which FIX leaves a Price out of account."""
DECIMALS = ("price", "stop_px", "min_qty", "max_floor", "peg_offset", "cash_order_qty")
TAGS = {"stop_px": 99, "min_qty": 110, "max_floor": 111, "peg_offset": 211}


def new_order_fields(asked: NewOrder, account: str) -> Fields:
    """The body of a NewOrderSingle(D), but for ClOrdID and TransactTime. Raises OverflowError for an `expire_time` that
    is no time in UTC."""
    body = [(1, account), (55, asked.symbol), (54, SIDES[asked.side]), (40, ORD_TYPES[asked.type])]
    body += [(59, TIMES_IN_FORCE[asked.time_in_force])]
    for tag, value in ((38, asked.qty), (44, asked.price), (152, asked.cash_order_qty), (100, asked.ex_destination)):
        if value is not None:
            body.append((tag, value))
    return body + _instructions(asked) + ([(21, "3")] if asked.manual else [])


def replace_fields(order: Order, asked: Replace) -> Fields:
    """The body of an OrderCancelReplaceRequest(G), but for its ClOrdIDs and TransactTime: the order's terms with those
    asked for instead. Raises OverflowError like `new_order_fields`."""
    # A trailing stop goes on from where it is.
    moving = ("stop_px",) if "trailing_stop" in order.exec_inst else ()
    names = ("qty", "price", *TAGS, "exec_inst", "manual", "strategy", "paused")
    kept = {name: getattr(order, name) for name in names if name not in moving}
    asked_for = {name: getattr(asked, name) for name in (*kept, *moving, "expire_time", "expire_date")}
    terms = msgspec.structs.replace(asked, **{**kept, **{k: v for k, v in asked_for.items() if v is not None}})
    body = [(55, order.symbol), (54, SIDES[order.side]), (40, ORD_TYPES[order.type or "limit"])]
    body += [(38, terms.qty or order.qty)]
    if order.time_in_force is not None:
        body.append((59, TIMES_IN_FORCE[order.time_in_force]))
    if terms.price is not None and order.type not in UNPRICED:
        body.append((44, terms.price))
    return body + _instructions(terms) + ([(21, "3")] if terms.manual else [])


def _instructions(asked: NewOrder | Replace) -> Fields:
    body = []
    insts = {EXEC_INSTS[word] for word in asked.exec_inst or ()}
    if isinstance(asked, Replace) and asked.paused:
        insts.add(domain.ExecInst.SUSPEND)
    if insts:
        body.append((18, " ".join(sorted(insts))))
    for name, tag in TAGS.items():
        value = getattr(asked, name)
        # Nothing is what FIX says by leaving it out.
        if value is not None and (Decimal(value) or name == "stop_px"):
            body.append((tag, value))
    if asked.expire_time is not None:
        body.append((126, fix_time(asked.expire_time)))
    if asked.expire_date is not None:
        body.append((432, asked.expire_date.isoformat().replace("-", "")))
    return body + strategy_fields(asked.strategy)


def exact(asked: NewOrder) -> NewOrder:
    """The order with its numbers, times and instructions written in one way, and without its account."""
    numbers = {
        name: str(Decimal(value).normalize())
        for name in ("qty", *DECIMALS)
        if (value := getattr(asked, name)) is not None
    }
    insts = tuple(sorted(set(asked.exec_inst)))
    worked = exact_strategy(asked.strategy)
    return msgspec.structs.replace(asked, **numbers, exec_inst=insts, account=None, strategy=worked)


def is_same(order: Order, asked: NewOrder) -> bool:
    """Whether an order has the terms asked for, by what its report says; of one that was replaced or rejected, that
    says less. What moves by itself, as a trailing stop, is left out."""
    if (order.symbol, order.side) != (asked.symbol, asked.side):
        return False
    if order.cl_ord_id != asked.cl_ord_id or order.status == "rejected":
        return True
    if (order.type or asked.type, order.time_in_force or asked.time_in_force) != (asked.type, asked.time_in_force):
        return False
    names = {"price", "stop_px", "min_qty", "max_floor", "peg_offset"}
    if asked.cash_order_qty is None:
        names.add("qty")
    elif order.manual is not None:
        # It is known from the database. A report has it only beside other instructions.
        names.add("cash_order_qty")
    if "trailing_stop" in asked.exec_inst:
        names.discard("stop_px")
    if asked.type == "market_to_limit":
        names.discard("price")
    if any(_number(getattr(order, name)) != _number(getattr(asked, name)) for name in names):
        return False
    if set(order.exec_inst) != set(asked.exec_inst) or not is_as_asked(order.strategy, asked.strategy):
        return False
    if order.manual is not None and order.manual != asked.manual:
        return False
    if order.ex_destination is not None and order.ex_destination != (asked.ex_destination or ""):
        return False
    expire_time = None if asked.expire_time is None else iso(fix_time(asked.expire_time))
    expire_date = None if asked.expire_date is None else asked.expire_date.isoformat()
    return (order.expire_time, order.expire_date) == (expire_time, expire_date)


def has_terms(order: Order, asked: Replace) -> bool:
    """Whether an order is as a replace asks for, by what its report says."""
    names = ("qty", "price", *TAGS)
    named = [name for name in names if getattr(asked, name) is not None]
    if any(_number(getattr(order, name)) != _number(getattr(asked, name)) for name in named):
        return False
    return (
        (asked.exec_inst is None or set(asked.exec_inst) == set(order.exec_inst))
        and (asked.manual is None or asked.manual == order.manual)
        and (asked.strategy is None or is_as_asked(order.strategy, asked.strategy))
        and (asked.paused is None or asked.paused == order.paused)
        and (asked.expire_time is None or order.expire_time == iso(fix_time(asked.expire_time)))
        and (asked.expire_date is None or order.expire_date == asked.expire_date.isoformat())
    )


def _number(text: str | None) -> Decimal:
    return Decimal(text or 0)


def iso(stamp: str) -> str:
    """A UTCTimestamp -> ISO 8601."""
    return f"{stamp[:4]}-{stamp[4:6]}-{stamp[6:8]}T{stamp[9:]}Z"


def day(text: str) -> str:
    """YYYYMMDD -> ISO 8601."""
    return f"{text[:4]}-{text[4:6]}-{text[6:]}"


def order_of(message: Message) -> Order:
    """The order in an ExecutionReport(8)."""
    insts = message.get(18, "").split()
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
        WORDS["type"].get(message.get(40, "")),  # type: ignore[arg-type]
        WORDS["tif"].get(message.get(59, "")),  # type: ignore[arg-type]
        message.get(99),
        message.get(110),
        message.get(111),
        iso(message[126]) if 126 in message else None,
        day(message[432]) if 432 in message else None,
        message.get(211),
        message.get(839),
        tuple(WORDS["inst"][inst] for inst in insts if inst in WORDS["inst"]),  # type: ignore[misc]
        message.get(152),
        strategy=strategy_of(message),
        paused=domain.ExecInst.SUSPEND in insts,
    )


def as_asked(order: Order, asked: NewOrder) -> Order:
    """A rejected order with the terms that its report leaves out."""
    return msgspec.structs.replace(
        order,
        qty=asked.qty or order.qty,
        price=asked.price,
        type=asked.type,
        time_in_force=asked.time_in_force,
        expire_time=iso(fix_time(asked.expire_time)) if asked.expire_time else None,
        expire_date=asked.expire_date.isoformat() if asked.expire_date else None,
        exec_inst=asked.exec_inst,
        strategy=asked.strategy,
        **{name: getattr(asked, name) for name in (*TAGS, "cash_order_qty")},
    )


def order_of_row(row: Mapping[str, Any]) -> Order:
    """The order in a row of the database's `orders`."""
    is_pegged, insts = row["ord_type"] == "PEGGED", row["exec_inst"].split()
    return Order(
        row["cl_ord_id"] or "",
        row["order_id"],
        row["account"],
        row["symbol"],
        row["side"].lower(),
        row["qty"],
        row["limit_px"] if is_pegged else row["price"],
        row["status"].lower(),
        row["cum_qty"],
        row["leaves_qty"],
        row["avg_px"],
        "",
        row["ord_type"].lower(),
        row["time_in_force"].lower(),
        row["stop_px"],
        row["min_qty"],
        row["max_floor"],
        row["expire_time"] and to_ms(row["expire_time"]),
        row["expire_date"] and day(row["expire_date"]),
        row["peg_offset"],
        row["price"] if is_pegged else None,
        tuple(WORDS["inst"][inst] for inst in insts if inst in WORDS["inst"]),  # type: ignore[misc]
        row["cash_order_qty"] or None,
        row["ex_destination"],
        bool(row["manual"]),
        to_ms(row["entered"]),
        paused=domain.ExecInst.SUSPEND in insts,
    )


def execution_of(message: Message, order: Order) -> Execution:
    """The fill in an ExecutionReport(8)."""
    return Execution(
        message.get(17, ""), iso(message.get(60, "")), order.order_id, order.cl_ord_id, order.account, order.symbol,
        order.side, message.get(32, ""), message.get(31, ""), message.get(30, ""),
    )  # fmt: skip


def changed(fill: Execution, message: Message) -> Execution:
    """The fill as it is after an ExecutionReport(8) that takes it back or corrects it."""
    exec_id = message.get(17, "")
    if message.get(150) == "H":
        # 0, with as many digits as its quantities have.
        nothing = f"{0 * Decimal(fill.last_qty):f}"
        return msgspec.structs.replace(fill, last_qty=nothing, state="busted", changed_by=exec_id)
    qty, price = message.get(32, ""), message.get(31, "")
    return msgspec.structs.replace(fill, last_qty=qty, last_px=price, state="corrected", changed_by=exec_id)


def execution_of_row(row: Mapping[str, Any]) -> Execution:
    """The fill in a row of the database's `executions`."""
    return Execution(
        row["exec_id"], to_ms(row["at"]), row["order_id"], row["cl_ord_id"], row["account"], row["symbol"],
        row["side"].lower(), row["last_qty"], row["last_px"], row["venue"], row["state"], row["changed_by"],
    )  # fmt: skip


def to_ms(moment: str) -> str:
    """ISO 8601 with microseconds -> with milliseconds, as FIX has it."""
    return f"{moment[:23]}Z"
