"""FIX text -> domain: what clients send us. One text decode per message, exact integers out."""

from brokerfix.commands import RefuseMessage
from brokerfix.domain import BusinessRejectReason
from brokerfix.fix.orders import DECODERS, Instruments
from brokerfix.fix.recode import FIX_44
from brokerfix.fix.requests import WITH_GROUPS, Decoded, refused
from brokerfix.fix.rules import RULES, UNKNOWN_TYPE, message_type_of


def from_client(text: str, client: str, at: int, instruments: Instruments, begin_string: str = FIX_44) -> Decoded:
    """A client's application message -> its command or commands; RefuseMessage for one that gets a
    BusinessMessageReject."""
    message_type = message_type_of(text)
    rules = RULES[begin_string].get(message_type)
    if rules is None:
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
    if message_type in WITH_GROUPS:
        if unsupported:
            return refused(message_type, message, client, at, BusinessRejectReason.OTHER, unsupported)
        return WITH_GROUPS[message_type](text, message, client, at, instruments, begin_string)
    return DECODERS[message_type](message, client, at, instruments, unsupported)


def unreadable(text: str, client: str, at: int) -> RefuseMessage:
    """The answer to a client's message that we could not take apart."""
    message, _ = UNKNOWN_TYPE.read(text)
    refusal = "this message can't be read; the broker's operator has been told"
    return refused(message_type_of(text), message, client, at, BusinessRejectReason.OTHER, refusal)
