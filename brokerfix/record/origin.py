"""What a message brings to the record with it."""

import re

from brokerfix.record.journal import Origin

HEAD = re.compile(
    "[^\x01]*\x01[^\x01]*\x01[^\x01]*\x0134=([0-9]+)\x01(?:43=[^\x01]*\x01)?49=[^\x01]*\x01(?:50=([^\x01]*)\x01)?52=([^\x01]*)\x01"
)
"""How nearly every message begins, as QuickFIX gives it."""


def origin_of(session: str, text: str, received: int) -> Origin:
    """What a session's message is on record with."""
    head = HEAD.match(text)
    if head is not None:
        seq_num, sender_sub_id, sending_time = head.groups("")
    else:
        seq_num, sender_sub_id, sending_time = (_value(text, f"\x01{tag}=") for tag in (34, 50, 52))
    return Origin(session, int(seq_num), received, sending_time, _value(text, "\x0160="), sender_sub_id)


def _value(text: str, tag: str) -> str:
    start = text.find(tag)
    return text[start + 4 : text.index("\x01", start + 4)] if start >= 0 else ""
