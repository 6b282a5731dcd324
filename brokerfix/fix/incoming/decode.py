"""FIX text -> domain: what clients send us. One text decode per message, exact integers out."""

import msgspec

from brokerfix.access.vouch import REFUSAL, REFUSED_BY
from brokerfix.commands import RefuseMessage
from brokerfix.domain import BusinessRejectReason
from brokerfix.fix.incoming.orders import DECODERS, Instruments
from brokerfix.fix.incoming.quotes import QUOTES
from brokerfix.fix.incoming.requests import WITH_GROUPS, Decoded, refused
from brokerfix.fix.incoming.strategies import parameters_text
from brokerfix.fix.text import SOH, Reader, pairs
from brokerfix.fix.versions.recode import FIX_44
from brokerfix.fix.versions.rules import RULES, UNKNOWN_TYPE, message_type_of

GROUPED = {**WITH_GROUPS, **QUOTES}


class GatewayRefusal(msgspec.Struct, frozen=True):
    """A message that the gateway refuses on the session's behalf: how it is answered (MsgType 3, j or 5, and the reason
    of the first two), what it was, the answer's text, and the answer's tags that say to whom it goes and for whom it
    comes, as FIX text."""

    answer: str
    reason: int
    ref_seq_num: int
    ref_msg_type: str
    ref_tag: str
    ref_id: str
    text: str
    route: str = ""


def from_client(
    text: str, client: str, at: int, instruments: Instruments, begin_string: str = FIX_44
) -> Decoded | GatewayRefusal:
    """A client's application message -> its command or commands; RefuseMessage for one that gets a
    BusinessMessageReject."""
    message_type = message_type_of(text)
    rules = RULES[begin_string].get(message_type)
    if rules is None:
        if message_type == REFUSAL:
            return _gateway_refusal(text)
        message, _ = UNKNOWN_TYPE.read(text)
        reason = BusinessRejectReason.UNSUPPORTED_MESSAGE
        refusal = f"UNSUPPORTED: MsgType {message_type} is not taken"
        return refused(message_type, message, client, at, reason, refusal)
    message, unsupported = rules.read(text)
    missing = rules.missing(message)
    if missing:
        reason = BusinessRejectReason.CONDITIONALLY_REQUIRED_MISSING
        refusal = f"Conditionally required tag missing, RefTagID={missing}"
        return refused(message_type, message, client, at, reason, refusal)
    if message_type in GROUPED:
        if unsupported:
            refusal = f"UNSUPPORTED: {unsupported}"
            return refused(message_type, message, client, at, BusinessRejectReason.OTHER, refusal)
        return GROUPED[message_type](text, message, client, at, instruments, begin_string)
    if message.get("957"):
        message["848"] = parameters_text(pairs(text))
    return DECODERS[message_type](message, client, at, instruments, unsupported)


def _gateway_refusal(text: str) -> GatewayRefusal:
    message, _ = REFUSED.read(text)
    answer, _, reason = (message[str(REFUSED_BY)] or "").partition(" ")
    told = message["372"] or "", message["371"] or "", message["379"] or "", message["58"] or ""
    return GatewayRefusal(answer, int(reason or 0), int(message["34"] or 0), *told, route_of(text))


def route_of(text: str) -> str:
    """The fields that deliver the answer of a message to whom it came from."""
    message, _ = UNKNOWN_TYPE.read(text)
    return "".join(f"{theirs}={message[ours]}{SOH}" for ours, theirs in REVERSED.items() if message.get(ours))


REVERSED = {"115": "128", "116": "129", "144": "145", "128": "115", "129": "116", "145": "144"}
"""OnBehalfOf and DeliverTo, Comp, Sub and LocationID: a message's tag -> the one of its answer."""
REFUSED = Reader(REFUSAL, (58, 371, 372, 379, REFUSED_BY), ())


def unreadable(text: str, client: str, at: int) -> RefuseMessage:
    """The answer to a client's message that we could not take apart."""
    message, _ = UNKNOWN_TYPE.read(text)
    refusal = "this message can't be read; the broker's operator has been told"
    return refused(message_type_of(text), message, client, at, BusinessRejectReason.OTHER, refusal)
