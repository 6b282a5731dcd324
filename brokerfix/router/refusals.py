"""What the router answers itself to a message that goes to no shard."""

from brokerfix.router.text import clean, now_ms, timestamp, value

FIX_42 = "FIX.4.2"
NOT_AVAILABLE, OTHER = 4, 0
"""BusinessRejectReason(380)."""
UNKNOWN_ORDER, DUPLICATE_CL_ORD_ID = b"1", b"6"
"""CxlRejReason(102)."""
DUPLICATE_ORDER = b"6"
"""OrdRejReason(103)."""
TERMS = (1, 11, 55, 54, 38, 40, 44, 59)
REF_IDS = (11, 262, 584, 790, 335, 320, 324, 1666, 131, 66, 548, 117)
"""The tags that a BusinessRejectRefID(379) may be of."""

Answer = tuple[bytes, bytes]
"""MsgType and rest."""


def no_order(
    begin_string: str, rest: bytes, exec_id: str, text: str, exec_type: bytes = b"8", reason: bytes = b""
) -> Answer:
    """An ExecutionReport(8), OrdStatus rejected, on an order that no shard has."""
    terms = b"".join(b"%d=%b\x01" % (tag, found) for tag in TERMS if (found := value(rest, tag)))
    reason = reason or (b"0" if begin_string == FIX_42 or exec_type != b"8" else b"99")
    if begin_string == FIX_42:
        trans_type = b"20=%b\x01" % (b"3" if exec_type == b"I" else b"0")
        exec_type = b"8"
    else:
        trans_type = b""
    if exec_type == b"I":
        terms += b"".join(b"%d=%b\x01" % (tag, asked) for tag in (790, 584) if (asked := value(rest, tag)))
    if not value(rest, 54):
        terms += b"54=1\x01"
    return b"8", (
        b"37=NONE\x0117=%b\x01%b150=%b\x0139=8\x01%b151=0\x0114=0\x016=0\x01103=%b\x0160=%b\x0158=%b\x01"
        % (exec_id.encode(), trans_type, exec_type, terms, reason, timestamp(now_ms()), clean(text))
    )


def nothing(begin_string: str, kind: bytes, rest: bytes, answer_id: str) -> bytes:
    """The rest of an answer to a question about orders or limits that tells none of them."""
    if kind != b"CL":
        return no_order(begin_string, rest, answer_id, "", b"I")[1]
    ids = answer_id.encode(), value(rest, 1666), value(rest, 1760) or b"3", timestamp(now_ms())
    return b"1667=%b\x011666=%b\x011760=%b\x011511=2\x0160=%b\x01" % ids


def no_change(kind: bytes, rest: bytes, text: str, reason: bytes = UNKNOWN_ORDER) -> Answer:
    """An OrderCancelReject(9) on an order that is not known, or of a ClOrdID that is that of another."""
    response_to = b"1" if kind == b"F" else b"2"
    ids = value(rest, 11), value(rest, 41), response_to, reason, timestamp(now_ms()), clean(text)
    return b"9", b"37=NONE\x0111=%b\x0141=%b\x0139=8\x01434=%b\x01102=%b\x0160=%b\x0158=%b\x01" % ids


def business_reject(kind: bytes, rest: bytes, number: int, reason: int, text: str) -> Answer:
    """A BusinessMessageReject(j)."""
    ref_id = next((found for tag in REF_IDS if (found := value(rest, tag))), b"")
    told = b"379=%b\x01" % ref_id if ref_id else b""
    return b"j", b"45=%d\x01372=%b\x01%b380=%d\x0158=%b\x01" % (number, kind, told, reason, clean(text))


def reject(begin_string: str, number: int, kind: bytes, tag: int, reason: int, text: str) -> Answer:
    """A Reject(3)."""
    what = b"371=%d\x01" % tag if tag else b""
    why = b"373=%d\x01" % reason if begin_string != FIX_42 or reason <= HIGHEST_OF_42 else b""
    return b"3", b"45=%d\x01%b372=%b\x01%b58=%b\x01" % (number, what, kind, why, clean(text))


HIGHEST_OF_42 = 11
"""The highest SessionRejectReason(373) that FIX 4.2 has."""
