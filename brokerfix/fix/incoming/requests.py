"""A client's messages about many orders, or about none: lists, crosses, mass requests, market data."""

from collections.abc import Callable, Iterator

from brokerfix.commands import (
    AskListStatus,
    AskMassStatus,
    ClientOther,
    Command,
    CrossOrder,
    MassCancel,
    RefuseMessage,
)
from brokerfix.domain import BusinessRejectReason, Inexact, OrdRejReason, Reject, Side, to_scaled
from brokerfix.fix.incoming import mass_quotes
from brokerfix.fix.incoming.orders import SIDES, Instruments, new_order
from brokerfix.fix.text import Fields, pairs, possible_duplicate, printable
from brokerfix.fix.versions.rules import RULES
from brokerfix.live.feed import MarketDataRequest, SessionStatusRequest
from brokerfix.live.limits import RiskLimitsRequest
from brokerfix.live.securities import SecurityDefinitionRequest, SecurityListRequest, SecurityStatusRequest

Asked = MarketDataRequest | SessionStatusRequest | RiskLimitsRequest
AboutSecurities = SecurityListRequest | SecurityDefinitionRequest | SecurityStatusRequest
Decoded = Command | list[Command] | Asked | AboutSecurities
"""What a client's message asks for."""


def refused(
    message_type: str, message: Fields, client: str, at: int, reason: BusinessRejectReason, text: str
) -> RefuseMessage:
    ref_id = message.get("11") or message.get("262") or message.get("131") or ""
    return RefuseMessage(at, client, int(message["34"] or 0), message_type, reason, text, ref_id)


def _market_data_request(
    text: str, message: Fields, client: str, at: int, instruments: Instruments, begin_string: str
) -> MarketDataRequest:
    every = pairs(text)
    return MarketDataRequest(
        client,
        message["262"] or "",
        message["263"] or "",
        int(message["264"] or 0),
        message["265"] or "0",
        tuple(value for tag, value in every if tag == "55"),
        tuple(value for tag, value in every if tag == "269"),
        message["266"] or "Y",
    )


def _risk_limits_request(
    text: str, message: Fields, client: str, at: int, instruments: Instruments, begin_string: str
) -> RiskLimitsRequest:
    every = pairs(text)
    return RiskLimitsRequest(
        client,
        message["1666"] or "",
        message["1760"] or "3",
        tuple(_accounts_of(every)),
        tuple(value for tag, value in every if tag == "1530"),
    )


def _security_list(
    text: str, message: Fields, client: str, at: int, instruments: Instruments, begin_string: str
) -> SecurityListRequest:
    return SecurityListRequest(client, message["320"] or "", (message["55"] or "") if message["559"] == "0" else "")


def _security_definition(
    text: str, message: Fields, client: str, at: int, instruments: Instruments, begin_string: str
) -> SecurityDefinitionRequest:
    return SecurityDefinitionRequest(client, message["320"] or "", message["55"] or "")


def _security_status(
    text: str, message: Fields, client: str, at: int, instruments: Instruments, begin_string: str
) -> SecurityStatusRequest:
    return SecurityStatusRequest(client, message["324"] or "", message["263"] or "", message["55"] or "")


def _accounts_of(every: list[list[str]]) -> Iterator[str]:
    """The parties of a message that are accounts: by their PartyRole(452), or without one."""
    party = ""
    for tag, value in [*every, ["448", ""]]:
        if tag == "448":
            if party:
                yield party
            party = value
        elif tag == "452" and value not in ACCOUNT_ROLES:
            party = ""


ACCOUNT_ROLES = ("24", "38")
"""PartyRole(452): customer account, position account."""


def _session_status_request(
    text: str, message: Fields, client: str, at: int, instruments: Instruments, begin_string: str
) -> SessionStatusRequest:
    return SessionStatusRequest(client, message["335"] or "", message["263"] or "", message["336"] or "")


def _mass_status(
    text: str, message: Fields, client: str, at: int, instruments: Instruments, begin_string: str
) -> Command:
    # A party is the account that it trades for.
    party = next((value for tag, value in pairs(text) if tag == "448"), "")
    return AskMassStatus(at, client, message["584"] or "", True, message["55"] or "", message["1"] or party)


def _mass_cancel(
    text: str, message: Fields, client: str, at: int, instruments: Instruments, begin_string: str
) -> Command:
    ids = message["11"] or "", message["530"] or ""
    return MassCancel(at, client, *ids, message["55"] or "", message["1"] or "", message["54"] or "")


def _order_list(
    text: str, message: Fields, client: str, at: int, instruments: Instruments, begin_string: str
) -> list[Command] | Command:
    """NewOrderList(E): its orders, each as if it had come alone, and the wish to hear of the list."""
    rules, of_list = RULES[begin_string]["D"], LIST_TAGS | RULES[begin_string]["E"].tags
    orders = entries_of(text, "11")
    if message["68"] != str(len(orders)):
        told = f"LIST: TotNoOrders is {message['68']}, the message has {len(orders)}; send a list in one message"
        return refused("E", message, client, at, BusinessRejectReason.OTHER, told)
    header = {tag: message[tag] for tag in ("34", "43", "97")}
    commands: list[Command] = []
    for order in orders:
        single: Fields = dict.fromkeys(rules.reader.tags) | header | order
        unknown = min(order.keys() - rules.tags - of_list, key=int, default="")
        if rules.to_ours is not None:
            rules.to_ours(single)
        missing = rules.missing(single) or ("" if single["40"] else "40")
        if missing:
            told = f"Conditionally required tag missing, RefTagID={missing}"
            reason = BusinessRejectReason.CONDITIONALLY_REQUIRED_MISSING
            commands.append(refused("E", single, client, at, reason, told))
        else:
            commands.append(new_order(single, client, at, instruments, rules.unsupported(single, unknown)))
    ids = tuple(order["11"] or "" for order in orders)
    return [*commands, AskListStatus(at, client, message["66"] or "", ids)]


LIST_TAGS = frozenset(("10", "67"))
"""What an order of a list has besides: the trailer behind the last one, ListSeqNo; behind the last one also what is of
the list and has a higher tag than the group."""


def _cross(text: str, message: Fields, client: str, at: int, instruments: Instruments, begin_string: str) -> Command:
    """NewOrderCross(s)."""
    instrument = instruments.get(message["55"] or "")
    defect: Reject | None = None
    price = 0
    sides: list[tuple[Side, str, str, int]] = []
    for side in entries_of(text, "54"):
        qty = 0
        if instrument is not None:
            try:
                qty = to_scaled(side.get("38") or "", instrument.qty_digits)
                price = to_scaled(message["44"] or "", instrument.price_digits)
            except Inexact as error:
                defect = Reject(OrdRejReason.OTHER, "CROSS", str(error))
        sides.append((SIDES[side["54"] == "1"], side.get("11") or "", side.get("1") or "", qty))
    if len(sides) != 2:
        told = f"CROSS: a cross has 2 sides, not {len(sides)}"
        return refused("s", message, client, at, BusinessRejectReason.OTHER, told)
    return CrossOrder(
        at, client, message["548"] or "", message["55"] or "", price, tuple(sides), defect, possible_duplicate(message)
    )


def entries_of(text: str, delimiter: str) -> list[Fields]:
    """The entries of a message's last repeating group: each begins with the delimiter tag."""
    entries: list[Fields] = []
    for tag, value in pairs(text):
        if tag == delimiter:
            entries.append({})
        if not entries:
            continue
        if tag == "960":
            # Each strategy parameter counts, as in a message of one order.
            named = f"{entries[-1].pop('958', '')}={value}"
            entries[-1]["848"] = ";".join(filter(None, (entries[-1].get("848"), named)))
        entries[-1].setdefault(tag, value)
    return entries


def _dont_know_trade(
    text: str, message: Fields, client: str, at: int, instruments: Instruments, begin_string: str
) -> Command:
    told = (
        f"{client} does not know the trade of ExecID {message['17']} (DKReason {message['127']}) {message['58'] or ''}"
    )
    return ClientOther(at, client, "DONT_KNOW_TRADE", told.strip(), printable(text))


WITH_GROUPS: dict[str, Callable[[str, Fields, str, int, Instruments, str], Decoded]] = {
    "V": _market_data_request,
    "g": _session_status_request,
    "CL": _risk_limits_request,
    "x": _security_list,
    "c": _security_definition,
    "e": _security_status,
    "AF": _mass_status,
    "q": _mass_cancel,
    "E": _order_list,
    "s": _cross,
    "Q": _dont_know_trade,
    **mass_quotes.DECODERS,
}
"""Messages that are about several things, or about none of ours: what we do not support in them refuses them whole."""
