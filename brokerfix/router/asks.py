"""Questions that go to several shards and get one answer. No I/O and no clock."""

from brokerfix.router.text import changed, clean, text_of, value, without

MASS_CANCEL, MASS_STATUS, STATUS, RISK_LIMITS = b"q", b"AF", b"H", b"CL"
NOT_TAKEN, OTHER = b"0", b"99"
"""MassCancelResponse(531) of a refusal; MassCancelRejectReason(532)."""


def key_of(kind: bytes, rest: bytes) -> bytes:
    """What an answer is known by: the question's type and id."""
    return b"%b %b" % (kind, value(rest, ID_OF[kind]))


ID_OF = {MASS_CANCEL: 11, MASS_STATUS: 584, STATUS: 790, RISK_LIMITS: 1666}
"""The tag of a question's id."""


class Ask:
    """One question. `waiting` are the shards whose answer has not come whole; `missing` those from which none comes."""

    ANSWER = b""
    """The type of the answer."""

    def __init__(self, kind: bytes, rest: bytes) -> None:
        self.kind, self.rest = kind, rest
        self.waiting: set[int] = set()
        self.missing: list[int] = []
        self.rejected: tuple[bytes, bytes] | None = None
        self.rejects: dict[int, str] = {}

    def part(self, shard: int, kind: bytes, rest: bytes) -> None:
        """The last of a shard's answers, which is not told by itself: of the ANSWER's type, or a Reject(3) or
        BusinessMessageReject(j) of the question, or, without a type, none, as the shard is down."""
        self.waiting.discard(shard)
        if kind == self.ANSWER:
            self._part(shard, rest)
        elif kind:
            self.rejected = self.rejected or (kind, rest)
            self.rejects[shard] = text_of(rest)
        else:
            self.missing.append(shard)

    def _part(self, shard: int, rest: bytes) -> None:
        raise NotImplementedError

    def answer(self, nothing: bytes = b"") -> tuple[bytes, bytes]:
        """The one answer, or the last: its type and rest. What every shard rejects is rejected, and so is what none
        answers. `nothing` is an answer that tells nothing, where all that is told is told already."""
        if self.has_answer:
            return self.ANSWER, self._answer(nothing)
        if self.rejected is not None:
            return self.rejected
        told = self.kind, value(self.rest, ID_OF[self.kind]) or b"NONE", clean(self.missing_text)
        return b"j", b"372=%b\x01379=%b\x01380=4\x0158=%b\x01" % told

    @property
    def has_answer(self) -> bool:
        """Whether any shard has answered the question."""
        raise NotImplementedError

    def _answer(self, nothing: bytes) -> bytes:
        raise NotImplementedError

    @property
    def missing_text(self) -> str:
        """Which shards do not answer, or reject it and why, for the client."""
        told = [f"shard {shard}: {text}" for shard, text in sorted(self.rejects.items())]
        if self.missing:
            told.append(f"SHARD_DOWN: {', '.join(f'shard {shard}' for shard in sorted(self.missing))} did not answer")
        return "; ".join(told)


class MassCancel(Ask):
    """Every shard answers with an OrderMassCancelReport(r); the client gets one, with the sum."""

    ANSWER = b"r"

    def __init__(self, kind: bytes, rest: bytes) -> None:
        super().__init__(kind, rest)
        self.affected = 0
        self.counted = False
        self.taken = b""
        self.refused = b""
        self.texts: list[bytes] = []

    def _part(self, shard: int, rest: bytes) -> None:
        if value(rest, 531) == NOT_TAKEN:
            self.refused = self.refused or rest
            self.texts.append(b"shard %d: %b" % (shard, value(rest, 58) or b"refused"))
            return
        self.taken = self.taken or rest
        if value(rest, 533):
            self.counted = True
            self.affected += int(value(rest, 533))

    @property
    def has_answer(self) -> bool:
        return bool(self.taken or self.refused)

    def _answer(self, nothing: bytes) -> bytes:
        """The one report: refused only if every shard refuses. What a shard refuses stands in its text."""
        missing = clean(self.missing_text)
        text = b"; ".join([*self.texts, *([missing] if missing else [])])
        base = self.taken or self.refused
        if self.taken and self.counted:
            base = changed(base, 533, b"%d" % self.affected)
            if not value(base, 533):
                base += b"533=%d\x01" % self.affected
        if text:
            base = without(base, 58) + b"58=%b\x01" % text
        return base


class Many(Ask):
    """Every shard answers with a number of messages, the last of which says so. All are passed on as they come, with a
    last one of all that are told; so the last of a shard is `held` until another comes. The number of all is in the
    last, because it is not known before."""

    ANSWER = b"8"
    LAST, TOTAL, ID = 912, 911, 17

    def __init__(self, kind: bytes, rest: bytes) -> None:
        super().__init__(kind, rest)
        self.told = 0
        self.held = b""
        self.held_shard = -1

    def is_empty(self, rest: bytes) -> bool:
        """Whether a shard's last message says that there is nothing."""
        return value(rest, 37) in (b"", b"NONE")

    @property
    def has_answer(self) -> bool:
        return bool(self.held or self.told)

    def _part(self, shard: int, rest: bytes) -> None:
        if not self.held or self.is_empty(self.held):
            self.held, self.held_shard = rest, shard

    def to_release(self, shard: int, rest: bytes) -> bytes:
        """A message of the shard follows, which may be about what is held: that is told before. b"" for nothing.
        `rest` is the message, if it is a last one of the question."""
        if not self.held or self.is_empty(self.held):
            return b""
        is_last = bool(rest)
        if (is_last and not self.is_empty(rest)) or (not is_last and shard == self.held_shard):
            return self.held
        return b""

    def released(self) -> None:
        """What was held has been told."""
        self.held, self.held_shard = b"", -1
        self.told += 1

    def not_last(self, rest: bytes) -> bytes:
        """A message that is followed by others: without the number of all, which is a shard's."""
        return changed(without(rest, self.TOTAL), self.LAST, b"N")

    def _answer(self, nothing: bytes) -> bytes:
        """The last message."""
        last, none = self.held or nothing, not self.held or self.is_empty(self.held)
        total = self.told + (0 if none else 1)
        text = value(last, 58)
        if none and self.told:
            text = b"all reports are told"
        last = without(last, self.TOTAL, self.LAST, 58)
        text = b"; ".join(filter(None, (text, clean(self.missing_text))))
        last += b"%d=%d\x01%d=Y\x01" % (self.TOTAL, total, self.LAST)
        return last + (b"58=%b\x01" % text if text else b"")


class RiskLimits(Many):
    """PartyRiskLimitsReport(CM): each has an account, and a number of all."""

    ANSWER = b"CM"
    LAST, TOTAL, ID = 893, 1512, 1667

    def is_empty(self, rest: bytes) -> bool:
        return value(rest, 1511) != b"0"


def ask(kind: bytes, rest: bytes) -> MassCancel | Many:
    """The question of a client's message."""
    if kind == MASS_CANCEL:
        return MassCancel(kind, rest)
    return RiskLimits(kind, rest) if kind == RISK_LIMITS else Many(kind, rest)


def question_of(kind: bytes, rest: bytes) -> bytes:
    """The key of the question that a shard's message answers, or b""."""
    if kind == b"r":
        return b"q " + value(rest, 11)
    if kind == b"8" and b"\x01912=" in rest:
        found = value(rest, 584)
        return b"AF " + found if found else b"H " + value(rest, 790)
    if kind == b"CM":
        return b"CL " + value(rest, 1666)
    return b""
