"""What the gateway reads of a message and what it writes itself: Logons for the broker, refusals, gap fills."""

import re
import xml.etree.ElementTree as ET
from collections import Counter
from datetime import UTC, datetime
from functools import cache

from brokerfix.access.vouch import REFUSAL, REFUSED_BY, VOUCHER
from brokerfix.fix.versions.dialect import dialect, standard_dictionary
from brokerfix.gateway.framing import TRAILER, frame

SOH = b"\x01"
Pairs = list[tuple[int, bytes]]
"""The fields of a message as (tag, value), in their order, without 8, 9 and 10."""
MOST_FIELDS = 5_000
HIGHEST_TAG = 99_999
MOST_ENTRIES = 1_000
"""More than this in one repeating group is taken from nobody."""

IDS = frozenset(
    (1, 11, 17, 37, 41, 55, 66, 117, 131, 262, 278, 299, 302, 320, 335, 526, 548, 551, 568, 583, 584, 649, 790)
)
LONGEST_ID, LONGEST_VALUE = 64, 256
"""Bytes of an id, which the broker keeps for as long as it lives, and of any other value."""
TEXTS = frozenset((58, 148, 355, 553, 554, 925, 1402, 1404))
"""Free text and credentials may be as long as a message."""

REQUIRED_TAG_MISSING, INVALID_TAG, NO_VALUE, WRONG_VALUE, WRONG_FORMAT = 1, 0, 4, 5, 6
COMP_ID_PROBLEM, INVALID_MSG_TYPE, TAG_TWICE, WRONG_COUNT, NOT_IN_DATA, OTHER = 9, 11, 13, 16, 17, 99
"""SessionRejectReason(373)."""
TEXTS_OF_REASONS = {
    REQUIRED_TAG_MISSING: "Required tag missing",
    INVALID_TAG: "Invalid tag number",
    NO_VALUE: "Tag specified without a value",
    WRONG_FORMAT: "Incorrect data format for value",
    COMP_ID_PROBLEM: "CompID problem",
    INVALID_MSG_TYPE: "Invalid MsgType",
    TAG_TWICE: "Tag appears more than once",
    WRONG_COUNT: "Incorrect NumInGroup count for repeating group",
}
"""The words of the broker's own session layer, so that it makes no difference to a client who refuses."""
HEADER_ONCE = (35, 49, 56, 34, 52, 43, 97, 122, 115, 128, 50, 57)
"""Header tags that may stand once, wherever a message has them."""


NUMBER = re.compile(rb"-?(?:0|[1-9][0-9]{0,8})")
ROUTE = re.compile(rb"\x01(115|116|128|129|144|145)=([^\x01]{1,64})(?=\x01)")
"""A tag that says on whose behalf a message comes, or to whom it is to be delivered: Comp, Sub and LocationID."""


class Bad(Exception):
    """What is wrong with a message that is framed well: RefTagID or None, SessionRejectReason and a text for its
    Reject, which without one is the usual one for the reason."""

    def __init__(self, tag: int | None, reason: int, text: str = "") -> None:
        self.tag, self.reason, self.text = tag, reason, text or TEXTS_OF_REASONS[reason]
        super().__init__(self.text)


@cache
def data_tags() -> dict[int, int]:
    """Every length tag of the standard dictionaries -> the data tag that follows it."""
    found: dict[int, int] = {}
    for name in ("FIX42.xml", "FIX44.xml", "FIX50SP2.xml", "FIXT11.xml"):
        fields = ET.parse(standard_dictionary(name)).getroot().find("fields")
        assert fields is not None
        numbers = {str(field.get("name")): int(str(field.get("number"))) for field in fields}
        for field in fields:
            if field.get("type") in ("DATA", "XMLDATA"):
                data = str(field.get("name"))
                length = next((n for n in (f"{data}Len", f"{data}Length") if n in numbers), "")
                if length:
                    found[numbers[length]] = numbers[data]
    # SecureDataLen and SecureData(91), Signature and its length: the standard's names do not pair by themselves.
    return found | {90: 91, 93: 89, 95: 96, 212: 213, 348: 349, 350: 351, 352: 353, 354: 355, 356: 357, 358: 359}


@cache
def count_tags() -> frozenset[int]:
    """The tags that count the entries of a repeating group."""
    found = set()
    for name in ("FIX42.xml", "FIX44.xml", "FIX50SP2.xml", "FIXT11.xml"):
        fields = ET.parse(standard_dictionary(name)).getroot().find("fields")
        assert fields is not None
        found |= {int(str(field.get("number"))) for field in fields if field.get("type") == "NUMINGROUP"}
    return frozenset(found) | _groups_of_42()


def _groups_of_42() -> frozenset[int]:
    """FIX 4.2 gives its counts the type INT."""
    root = ET.parse(standard_dictionary("FIX42.xml")).getroot()
    numbers = {field.get("name"): int(str(field.get("number"))) for field in root.iterfind("fields/field")}
    return frozenset(numbers[group.get("name")] for group in root.iterfind("messages//group"))


@cache
def message_types(begin_string: str) -> frozenset[bytes]:
    """The message types that a client may send at all: the standard's."""
    spoken = dialect(begin_string)
    names = [name for name in (spoken.dictionary, spoken.transport) if name]
    roots = [ET.parse(standard_dictionary(name)).getroot() for name in names]
    return frozenset(str(m.get("msgtype")).encode() for root in roots for m in root.iterfind("messages/message"))


def body_of(message: bytes) -> bytes:
    """A framed message from its MsgType(35) to before its CheckSum(10)."""
    return message[message.index(b"\x0135=") + 1 : -TRAILER]


def split(message: bytes) -> Pairs:
    """The fields of a framed message. A data field is as long as its length field says, whatever bytes it has.

    Raises Bad for tags that are none, empty values, false lengths, counts that can't be.
    """
    body = body_of(message)
    lengths, counts = data_tags(), count_tags()
    pairs: Pairs = []
    at, end, data_tag, data_length = 0, len(body), 0, 0
    while at < end:
        equals = body.find(b"=", at, at + 7)
        raw = body[at : max(equals, at)]
        if not raw.isdigit() or raw.startswith(b"0") or int(raw) > HIGHEST_TAG:
            raise _no_tag(raw, len(pairs) + 1)
        tag, start = int(raw), equals + 1
        if data_tag and tag != data_tag:
            raise Bad(data_tag, REQUIRED_TAG_MISSING, f"tag {data_tag} must follow its length")
        stop = start + data_length if data_tag else body.find(SOH, start)
        if stop >= end or body[stop] != 1:
            raise Bad(tag, WRONG_FORMAT, f"the length of tag {tag} is not that of its bytes")
        value = body[start:stop]
        if not value:
            raise Bad(tag, NO_VALUE) if tag != 35 else Bad(None, INVALID_MSG_TYPE)
        if data_tag and SOH in value:
            # Nothing that we take has such bytes, and whoever reads fields without lengths would take them for fields.
            raise Bad(tag, NOT_IN_DATA, f"tag {tag} holds the field separator, which is not taken here")
        if len(value) > (LONGEST_ID if tag in IDS else LONGEST_VALUE) and not data_tag and tag not in TEXTS:
            raise Bad(tag, WRONG_VALUE, f"tag {tag} is too long")
        data_tag = 0
        if tag in lengths:
            data_tag, data_length = lengths[tag], _number(tag, value, end)
        elif tag in counts and _number(tag, value, MOST_ENTRIES) > MOST_ENTRIES:
            raise Bad(tag, WRONG_COUNT, f"tag {tag} counts more than {MOST_ENTRIES} entries")
        pairs.append((tag, value))
        if len(pairs) > MOST_FIELDS:
            raise Bad(tag, OTHER, f"the message has more than {MOST_FIELDS} fields")
        at = stop + 1
    if data_tag:
        raise Bad(data_tag, REQUIRED_TAG_MISSING, f"tag {data_tag} must follow its length")
    _check_counts(pairs, counts)
    return pairs


def _no_tag(raw: bytes, position: int) -> Bad:
    """What is wrong with the field at a position whose tag is none."""
    if NUMBER.fullmatch(raw):
        return Bad(int(raw), INVALID_TAG)
    return Bad(None, INVALID_TAG, f"field {position} does not begin with a tag number and =")


def _number(tag: int, value: bytes, most: int) -> int:
    """A length or a count."""
    if not value.isdigit() or len(value) > 9:
        raise Bad(tag, WRONG_COUNT if tag in count_tags() and NUMBER.fullmatch(value) else WRONG_FORMAT)
    return min(int(value), most + 1)


def _check_counts(pairs: Pairs, counts: frozenset[int]) -> None:
    """A group of n entries has its first tag n times at least."""
    counting = [index for index, (tag, value) in enumerate(pairs) if tag in counts and int(value)]
    if not counting:
        return
    seen = Counter(tag for tag, _ in pairs)
    for index in counting:
        tag, wanted = pairs[index][0], int(pairs[index][1])
        there = seen[pairs[index + 1][0]] if index + 1 < len(pairs) else 0
        if there < wanted:
            raise Bad(tag, WRONG_COUNT)


def whole_number(value: bytes) -> int | None:
    """A sequence number or the like, or None if it is none."""
    return int(value) if value.isdigit() and len(value) <= 10 else None


def utc_now() -> bytes:
    """Now, as a FIX UTCTimestamp with milliseconds."""
    return datetime.now(UTC).strftime("%Y%m%d-%H:%M:%S.%f")[:-3].encode()


def join(pairs: Pairs) -> bytes:
    return b"".join(b"%d=%b\x01" % pair for pair in pairs)


SECRET_TAGS = frozenset((553, 554, 925, 95, 96, 1400, 1401, 1402, 1403, 1404, VOUCHER))
"""What of a client's Logon goes no further than the gateway."""


def vouched_logon(begin_string: str, pairs: Pairs, voucher: str) -> bytes:
    """A client's Logon without its credentials and with our voucher."""
    kept = [pair for pair in pairs if pair[0] not in SECRET_TAGS]
    return frame(begin_string, join([*kept, (VOUCHER, voucher.encode())]))


AGAIN = b"43=Y\x01122=%b\x01"
"""PossDupFlag and OrigSendingTime."""


def route_of(message: bytes) -> bytes:
    """The fields of a message that say on whose behalf it comes, and to whom it is to be delivered, each once."""
    found: dict[bytes, bytes] = {}
    for tag, value in ROUTE.findall(message):
        found.setdefault(tag, value)
    return b"".join(b"%b=%b\x01" % pair for pair in found.items())


class Names:
    """The names of a session, and the messages that stand in the place of one that its client has sent."""

    def __init__(self, begin_string: str, sender: str, target: str) -> None:
        self.begin_string, self.sender, self.target = begin_string, sender, target
        self._ids = b"\x0149=%b\x0156=%b\x01" % (sender.encode(), target.encode())

    def _message(self, message_type: bytes, seq_num: int, body: bytes) -> bytes:
        head = b"35=%b%b34=%d\x0152=%b\x01" % (message_type, self._ids, seq_num, utc_now())
        return frame(self.begin_string, head + body)

    def refusal(
        self, seq_num: int, message_type: bytes, text: str, *, tag: int | None = None, reject: int = -1,
        business: int = -1, ref_id: bytes = b"", route: bytes = b"", again: bool = False,
    ) -> bytes:  # fmt: skip
        """Has the broker answer the message with a Reject, a BusinessMessageReject or, without a reason, a Logout.
        `route` are the tags of who it came from and went to (see `route_of`); `again`: the message was a possible
        duplicate."""
        body = route + (AGAIN % utc_now() if again else b"")
        body += b"372=%b\x01" % message_type if message_type else b""
        body += b"371=%d\x01" % tag if tag is not None else b""
        body += b"379=%b\x01" % ref_id if ref_id else b""
        body += b"58=%b\x01" % text.encode("ascii", "replace") if text else b""
        answer = b"3 %d" % reject if reject >= 0 else b"j %d" % business if business >= 0 else b"5"
        return self._message(REFUSAL.encode(), seq_num, body + b"%d=%b\x01" % (REFUSED_BY, answer))

    def gap_fill(self, seq_num: int, again: bool = False, following: int = 0) -> bytes:
        """Stands for a message that the broker needs not see, or for all before the `following`."""
        body = b"123=Y\x0136=%d\x01" % (following or seq_num + 1)
        return self._message(b"4", seq_num, AGAIN % utc_now() + body if again else body)

    def heartbeat(self, seq_num: int) -> bytes:
        """Stands, at the broker, for a message that waits there beyond a gap and is not to be looked at."""
        return self._message(b"0", seq_num, AGAIN % utc_now())

    def resend_request(self, seq_num: int, first: int, last: int) -> bytes:
        return self._message(b"2", seq_num, b"7=%d\x0116=%d\x01" % (first, last))

    def goodbye(self, text: str) -> bytes:
        """A Logout to a client whom the broker has never heard of; it is ours alone, and has no number of theirs."""
        ids = b"\x0149=%b\x0156=%b\x01" % (self.target.encode(), self.sender.encode())
        body = b"35=5%b34=1\x0152=%b\x0158=%b\x01" % (ids, utc_now(), text.encode("ascii", "replace"))
        return frame(self.begin_string, body)


OUTGOING = re.compile(rb"8=FIXT?\.[0-9.]+\x019=([0-9]+)\x0135=([^\x01]+)\x01(?:[^\x01]+\x01){0,6}?34=([0-9]+)\x01")


class Outgoing:
    """Follows the broker's messages to a client without holding them: type, MsgSeqNum, and the whole of the few that
    matter. The broker frames well, so nothing is checked."""

    def __init__(self) -> None:
        self._tail = b""
        self._skip = 0

    def feed(self, data: bytes) -> list[tuple[bytes, int, bytes]]:
        """(MsgType, MsgSeqNum, what has come of the message) of each message that begins in these bytes."""
        found = []
        at = 0
        if self._tail:
            data, self._tail = self._tail + data, b""
        elif self._skip:
            at = min(self._skip, len(data))
            self._skip -= at
        size = len(data)
        while at < size:
            match = OUTGOING.match(data, at)
            if match is None:
                self._tail = data[at:]
                break
            end = match.end(1) + 1 + int(match[1]) + TRAILER
            if end > size and match[2] in WATCHED:
                # It matters whole.
                self._tail = data[at:]
                break
            found.append((match[2], int(match[3]), data[at:end]))
            self._skip = max(0, end - size)
            at = end
        return found


WATCHED = frozenset((b"A", b"2", b"4", b"Y"))
