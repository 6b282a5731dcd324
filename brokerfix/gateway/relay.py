"""What a client that has logged on sends, message by message: checked, counted, and passed on, or something else in its
place. No I/O and no clock: time is an argument, in seconds.

The broker numbers what it sends, so a refusal is made there: a message of ours with the MsgSeqNum of the refused one
says how to answer. Long resends are asked for in small pieces, so that no session can hold the broker up with one.
"""

import re

from brokerfix.gateway.budgets import COUNTED_BY, Budgets, Verdict
from brokerfix.gateway.messages import (
    COMP_ID_PROBLEM,
    HEADER_ONCE,
    INVALID_MSG_TYPE,
    OTHER,
    TAG_TWICE,
    WRONG_FORMAT,
    Bad,
    Names,
    Outgoing,
    Pairs,
    message_types,
    route_of,
    split,
    whole_number,
)
from brokerfix.gateway.numbers import Numbers

PIECE = 50
"""How many messages are asked for again at once: about a millisecond of the broker's time."""
SUBSCRIBING = {b"V": 262, b"g": 335, b"e": 324}
"""The messages that subscribe to something, and the tag of the subscription's id."""
STALLED = 5.0
"""Seconds after which a piece that has not ended is taken for ended."""
TOO_BUSY = 4
"""BusinessRejectReason(380): application not available at this time."""
USUAL_TAGS = rb"(?:1(?:1|5|8|10|11|26|67)?|2(?:1|2|07|11|62)|3(?:7|8)|4(?:0|1|4|8|32)|5(?:4|5|8|9)|60|99|100)"
"""Tags of single values that most orders are made of."""


class Relay:
    """One session of a client that is up. `ending` says why it is being ended; then only its Logout passes."""

    def __init__(self, names: Names, budgets: Budgets, logon_seq_num: int) -> None:
        self.names = names
        self.budgets = budgets
        self.ending = ""
        self.refused = 0
        # A Logon with which the client wants to begin its numbers anew, to be authenticated.
        self.logon = b""
        self._begins = False
        self.last_out = 0
        self._numbers = Numbers(names, logon_seq_num, budgets.beyond_gap)
        self._subscriptions: set[bytes] = set()
        self._types = message_types(names.begin_string)
        ids = re.escape(names.sender.encode()), re.escape(names.target.encode())
        # As most clients order their header, and as QuickFIX does.
        self._usual = re.compile(
            rb"8=%b\x019=[0-9]+\x0135=([DFG])\x01(?:49=%b\x0156=%b\x0134=([0-9]{1,9})\x01|34=([0-9]{1,9})\x0149=%b\x01)"
            rb"52=[0-9:.-]+\x01(?:56=%b\x01)?(?:%b=[^\x01]{1,64}\x01)*10=[0-9]{3}\x01"
            % (re.escape(names.begin_string.encode()), *ids, *ids, USUAL_TAGS)
        ).fullmatch
        self._outgoing = Outgoing()
        # The resend that is under way: its MsgSeqNum, its first and its next message, its last; what was asked
        # for meanwhile; where the piece under way ends, and since when.
        self._replay: tuple[int, int, int, int] | None = None
        self._again: tuple[int, int, int] | None = None
        self._piece_end = 0
        self._piece_since = 0.0

    @property
    def expected(self) -> int:
        """The MsgSeqNum that the broker expects of the client's next message."""
        return self._numbers.expected

    # From the client

    def message(self, message: bytes, now: float) -> bytes:
        """A well-framed message of the client -> what the broker gets, or b"" for nothing."""
        usual = self._usual(message)
        if usual is not None and (usual[2] is not None or b"\x0156=" in message):
            message_type, seq_num = usual[1], int(usual[2] or usual[3])
            if self.ending:
                return b""
            verdict = self.budgets.by_type[message_type].take(now)
            if verdict is not Verdict.WITHIN:
                return self._above(message_type, seq_num, message, verdict, False)
            return message if self._numbers.take(seq_num, len(message)) else self._beyond_gap(seq_num)
        return self._unusual(message, now)

    def _unusual(self, message: bytes, now: float) -> bytes:
        """A message that has to be read field by field."""
        message_type, seq_num, again = _outline(message)
        if seq_num is None:
            return self.end("a message without a MsgSeqNum(34) that is a number")
        try:
            pairs = split(message)
            self._check_header(pairs)
        except Bad as error:
            if self.ending:
                return b""
            if self.budgets.others.take(now) is not Verdict.WITHIN:
                return self.end("too many messages that are not well formed")
            if not self._takes_number(message_type, seq_num):
                return self._beyond_gap(seq_num)
            refusal = self._refuse(
                seq_num, message_type, error.text, tag=error.tag, reject=error.reason, route=route_of(message),
                again=again,
            )  # fmt: skip
            if error.reason == COMP_ID_PROBLEM:
                return refusal + self.end(error.text, told="")
            return refusal
        if self.ending:
            # A Logout behind messages that were dropped would count as one of them.
            return message if message_type == b"5" and seq_num == self.expected else b""
        return self._checked(message, pairs, message_type, seq_num, again, now)

    def _checked(
        self, message: bytes, pairs: Pairs, message_type: bytes, seq_num: int, again: bool, now: float
    ) -> bytes:
        tags = dict(reversed(pairs))
        if not self.is_welcome(message_type, now):
            return self.end("too many messages that are not taken")
        if message_type == b"A" and tags.get(141) == b"Y":
            self.logon = message
            return b""
        if message_type in (b"A", b"5") and not self._numbers.take(seq_num):
            return self._beyond_gap(seq_num)
        if message_type == b"A":
            return self._refuse(seq_num, b"A", "the session is logged on already", reject=OTHER, again=again)
        if message_type == b"5":
            return message
        counted_by = COUNTED_BY.get(message_type)
        cost = sum(whole_number(value) or 0 for tag, value in pairs if tag == counted_by) or 1
        allowance = self.budgets.of(message_type)
        if message_type == b"H" and 11 not in tags and 37 not in tags:
            # It asks for all working orders.
            allowance = self.budgets.mass_requests
        verdict = allowance.take(now, cost)
        if verdict is not Verdict.WITHIN:
            return self._above(message_type, seq_num, message, verdict, again)
        if message_type == b"4":
            return self._sequence_reset(message, tags, seq_num)
        if not self._numbers.take(seq_num, len(message)):
            return self._beyond_gap(seq_num)
        if message_type == b"2":
            return self._resend_request(message, tags, seq_num, again, now)
        if message_type in SUBSCRIBING and not self._subscribed(message_type, tags):
            text = f"more than {self.budgets.active_subscriptions} subscriptions; this one was not taken"
            return self._refuse(
                seq_num, message_type, text, business=TOO_BUSY, ref_id=tags.get(SUBSCRIBING[message_type], b""),
                route=route_of(message), again=again,
            )  # fmt: skip
        return message

    def _subscribed(self, message_type: bytes, tags: dict[int, bytes]) -> bool:
        """Note a subscription, or its end. Returns whether there is room for it."""
        name, kind = message_type + tags.get(SUBSCRIBING[message_type], b""), tags.get(263)
        if kind == b"2":
            self._subscriptions.discard(name)
        elif kind == b"1" and name not in self._subscriptions:
            if len(self._subscriptions) >= self.budgets.active_subscriptions:
                return False
            self._subscriptions.add(name)
        return True

    def is_welcome(self, message_type: bytes, now: float) -> bool:
        """Whether a message that is always refused may come once more."""
        return message_type != b"A" or self.budgets.others.take(now) is Verdict.WITHIN

    def _check_header(self, pairs: Pairs) -> None:
        """Raises Bad unless the type is one, it and the names stand there once, and are those of the session. Header
        tags that are missing, and numbers that are none, the broker refuses itself."""
        seen: dict[int, bytes] = {}
        for tag, value in pairs:
            if tag in HEADER_ONCE and tag in seen and tag not in (115, 128, 50, 57):
                raise Bad(tag, TAG_TWICE)
            seen.setdefault(tag, value)
        sender, target = self.names.sender.encode(), self.names.target.encode()
        if seen.get(49, sender) != sender or seen.get(56, target) != target:
            raise Bad(None, COMP_ID_PROBLEM)
        if seen[35] not in self._types:
            raise Bad(None, INVALID_MSG_TYPE)
        for tag in (7, 16, 36):
            if tag in seen and seen[tag].isdigit() and whole_number(seen[tag]) is None:
                raise Bad(tag, WRONG_FORMAT)

    def _sequence_reset(self, message: bytes, tags: dict[int, bytes], seq_num: int) -> bytes:
        new = whole_number(tags.get(36, b""))
        numbers = self._numbers
        if new is None:
            # The broker refuses it, and it has no number of its own.
            return message
        if tags.get(123) != b"Y" or seq_num == numbers.expected:
            return numbers.skip(new, message)
        return message if numbers.take(seq_num) else self._beyond_gap(seq_num)

    # Numbers that begin anew

    def take_logon(self) -> bytes:
        """The Logon that is to be authenticated, before anything else of the client passes."""
        logon, self.logon = self.logon, b""
        return logon

    def begin_anew(self) -> bytes:
        """That Logon goes to the broker now. Returns what has to go before it."""
        self._replay = self._again = None
        self._piece_end = 0
        self._begins = True
        return self._numbers.fill()

    # Refusals

    def _refuse(
        self, seq_num: int, message_type: bytes, text: str, *, tag: int | None = None, reject: int = -1,
        business: int = -1, ref_id: bytes = b"", route: bytes = b"", again: bool = False,
    ) -> bytes:  # fmt: skip
        self.refused += 1
        return self.names.refusal(
            seq_num, message_type, text, tag=tag, reject=reject, business=business, ref_id=ref_id, route=route,
            again=again,
        )  # fmt: skip

    def _above(self, message_type: bytes, seq_num: int, message: bytes, verdict: Verdict, again: bool) -> bytes:
        """A message above its budget: refused; far above it the session ends."""
        name = self.budgets.of(message_type).name.replace("_", " ")
        if verdict is Verdict.FAR_ABOVE:
            return self.end(f"far too many {name}")
        if not self._takes_number(message_type, seq_num):
            return self._beyond_gap(seq_num)
        text, route = f"too many {name}; this message was not taken", route_of(message)
        if len(message_type) == 1 and message_type in b"0123456":
            return self._refuse(seq_num, message_type, text, reject=OTHER, route=route, again=again)
        found = REF_ID.search(message)
        ref_id = found[1] if found is not None else b""
        return self._refuse(seq_num, message_type, text, business=TOO_BUSY, ref_id=ref_id, route=route, again=again)

    def _takes_number(self, message_type: bytes, seq_num: int) -> bool:
        """Note the MsgSeqNum of a message that is refused; a SequenceReset has none of its own. Returns whether there
        is room for it."""
        return message_type == b"4" or self._numbers.take(seq_num)

    def _beyond_gap(self, seq_num: int) -> bytes:
        return self.end(f"too many messages beyond a gap: {self.expected} was expected, not {seq_num}")

    def garbled(self, now: float) -> bytes:
        """Bytes that were no message, which nobody looks at: a client that sends many is not worth keeping."""
        return b"" if self.budgets.others.take(now) is Verdict.WITHIN else self.end("too much that is no FIX message")

    def end(self, text: str, told: str | None = None) -> bytes:
        """Begin to end the session: the broker sends a Logout with this text, or with what is to be `told`. What asks
        for it has the number of the client's next message, and is not counted."""
        if self.ending:
            return b""
        self.ending = text
        self.refused += 1
        return self.names.refusal(self.expected, b"0", text if told is None else told)

    # Resends

    def _resend_request(self, message: bytes, tags: dict[int, bytes], seq_num: int, again: bool, now: float) -> bytes:
        first, last = whole_number(tags.get(7, b"")), whole_number(tags.get(16, b""))
        if first is None or last is None:
            return message
        last = self.last_out if last == 0 or last > self.last_out else last
        if first > last or first < 1:
            return message
        if self._replay is None:
            self._replay = seq_num, first, first, last
            piece = self._next_piece(now)
            if piece and self._piece_end == last:
                # It is short enough to be answered at once, as it was asked.
                return message
            return piece or self.names.gap_fill(seq_num, again)
        number, begin, following, end = self._replay
        if begin <= first and last <= end:
            # It is coming already.
            return self.names.gap_fill(seq_num, again)
        if begin <= first <= end + 1:
            self._replay = number, begin, following, last
        else:
            _, other_first, other_last = self._again or (0, first, last)
            self._again = seq_num, min(first, other_first), max(last, other_last)
        return self.names.gap_fill(seq_num, again)

    def _next_piece(self, now: float) -> bytes:
        assert self._replay is not None
        seq_num, begin, following, end = self._replay
        count = min(PIECE, end - following + 1)
        if not self.budgets.replayed.take(now, count):
            return b""
        self._piece_end, self._piece_since = following + count - 1, now
        self._replay = seq_num, begin, following + count, end
        return self.names.resend_request(seq_num, following, self._piece_end)

    @property
    def replaying(self) -> bool:
        """Whether a resend is under way."""
        return self._replay is not None

    def replay(self, now: float) -> bytes:
        """What the broker is to be asked for next of a resend under way, or b""."""
        if self._replay is None or self.ending:
            return b""
        if self._piece_end and now - self._piece_since < STALLED:
            return b""
        if self._replay[2] > self._replay[3]:
            self._replay, self._piece_end = None, 0
            if self._again is None:
                return b""
            seq_num, first, last = self._again
            self._replay, self._again = (seq_num, first, first, last), None
        return self._next_piece(now)

    def replay_due(self, now: float) -> float | None:
        """In how many seconds `replay` is to be called again, or None."""
        if self._replay is None or self.ending:
            return None
        if self._piece_end:
            return max(0.001, STALLED - (now - self._piece_since))
        return max(0.001, self.budgets.replayed.wait(PIECE))

    # From the broker

    def outgoing(self, data: bytes) -> list[bytes]:
        """Follow the broker's messages. Returns the types of those that began in these bytes."""
        types = []
        for message_type, seq_num, raw in self._outgoing.feed(data):
            types.append(message_type)
            if message_type == b"A":
                if self._begins:
                    self._begins = False
                    self._numbers.begin_anew()
            elif self._piece_end and seq_num <= self.last_out:
                if seq_num >= self._piece_end or (message_type == b"4" and _new_seq_no(raw) > self._piece_end):
                    self._piece_end = 0
            elif message_type == b"2" and not self._begins:
                # One before the answer to a Logon that begins anew asks for the old numbers.
                found = BEGIN_SEQ_NO.search(raw)
                self._numbers.missing_from(int(found[1]) if found is not None else self.expected)
            elif message_type == b"Y":
                found = MD_REQ_ID.search(raw)
                self._subscriptions.discard(b"V" + found[1] if found is not None else b"")
            if message_type == b"A" or seq_num > self.last_out:
                self.last_out = seq_num
        return types


REF_ID = re.compile(rb"\x01(?:11|262|584|335|320|324|1666)=([^\x01]+)\x01")
BEGIN_SEQ_NO = re.compile(rb"\x017=([0-9]{1,10})\x01")
NEW_SEQ_NO = re.compile(rb"\x0136=([0-9]{1,10})\x01")
MD_REQ_ID = re.compile(rb"\x01262=([^\x01]+)\x01")
OUTLINE = re.compile(rb"8=[^\x01]*\x019=[^\x01]*\x0135=([^\x01]*)\x01(?:[^\x01]*\x01){0,30}?34=([0-9]{1,9})\x01")
"""MsgSeqNum is one of the first fields. Anchored at the message's begin: a search would take the square of its size."""
NOT_PRINTABLE = re.compile(rb"[^!-~]")


def _new_seq_no(raw: bytes) -> int:
    found = NEW_SEQ_NO.search(raw)
    return int(found[1]) if found is not None else 0


def _outline(message: bytes) -> tuple[bytes, int | None, bool]:
    """(MsgType, MsgSeqNum or None, whether PossDupFlag is set) of a message, however bad the rest of it is."""
    found = OUTLINE.match(message)
    if found is None:
        return b"", None, False
    return NOT_PRINTABLE.sub(b"?", found[1][:32]), int(found[2]), b"\x0143=Y\x01" in message
