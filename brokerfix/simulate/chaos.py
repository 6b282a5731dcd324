"""Faults of a simulated exchange: a thin layer on its messages, for tests of what a broker withstands.

Each fault strikes every n-th message of its kind, counted from the seed's offset, so that a run can be repeated.
"""

import random
import re
from collections import deque
from collections.abc import Callable, Iterator

import msgspec

from brokerfix.domain import CxlRejReason, OrdStatus
from brokerfix.fix.outgoing.encode import Out
from brokerfix.fix.versions.rules import message_type_of
from brokerfix.settings.sections import ChaosSection

MILLISECOND = 10**6
UNKNOWN_TAG = "\x019999=chaos"
_EXEC_ID = re.compile("\x0117=([^\x01]*)")
_ORD_STATUS = re.compile("\x0139=[^\x01]*")
PENDING = {"F": OrdStatus.PENDING_CANCEL, "G": OrdStatus.PENDING_REPLACE}
"""The requests that are worked on, and what their order is meanwhile."""
REASONS = (CxlRejReason.TOO_LATE, CxlRejReason.BROKER_OPTION, CxlRejReason.OTHER, CxlRejReason.UNKNOWN_ORDER)


def _tag(text: str, tag: str) -> str:
    found = re.search(f"\x01{tag}=([^\x01]*)", text)
    return found[1] if found else ""


class Chaos:
    """Takes what the exchange wants to send; what is really sent, and when, goes to `send` and `disconnect`."""

    def __init__(
        self,
        section: ChaosSection,
        send: Callable[[Out], None],
        disconnect: Callable[[str], None],
        bring: Callable[[str, str], object] = lambda client, text: None,
        status: Callable[[str, str], tuple[str, str]] = lambda client, cl_ord_id: ("NONE", "8"),
    ) -> None:
        """`bring` does what a client's message asks for; `status` tells (OrderID, OrdStatus) of a client's ClOrdID."""
        self.section = section
        self._send = send
        self._disconnect = disconnect
        self._bring = bring
        self._status = status
        self._working: deque[tuple[int, str, str]] = deque()
        self._pending: dict[tuple[str, str], str] = {}
        self._refused: dict[tuple[str, str], CxlRejReason] = {}
        self._random = random.Random(section.seed)
        self._counts: dict[str, int] = {}
        self._delayed: list[tuple[int, Out]] = []
        self._last_exec_ids: dict[str, str] = {}

    def holds(self, client: str, text: str, now: int) -> bool:
        """Whether a message that came is dealt with here: a request that is worked on for a while, or refused."""
        kind = PENDING.get(message_type_of(text))
        if kind is None:
            return False
        again = (client, _tag(text, "11")) in self._refused
        if again or self._strikes("refuse", self.section.refuse_request_every):
            self._refuse(client, text)
            return True
        if not self.section.work_ms:
            return False
        due = now + self._random.randrange(self.section.work_ms) * MILLISECOND
        # One after the other, as they came.
        due = max(due, self._working[-1][0] if self._working else 0)
        self._working.append((due, client, text))
        self._pending[client, _tag(text, "41")] = kind
        return True

    def _refuse(self, client: str, text: str) -> None:
        """Refuse a request for the next of the reasons that exchanges have."""
        key = client, _tag(text, "11")
        reason = self._refused.setdefault(key, REASONS[self._random.randrange(len(REASONS))])
        orig = _tag(text, "41")
        order_id, status = self._status(client, orig)
        if reason == CxlRejReason.UNKNOWN_ORDER:
            order_id, status = "NONE", OrdStatus.REJECTED
        to = "1" if message_type_of(text) == "F" else "2"
        body = f"35=9\x0137={order_id}\x0111={_tag(text, '11')}\x0141={orig}\x0139={status}\x01434={to}\x01102={reason}"
        self._send(Out(False, client, f"8=FIX.4.4\x019=0\x01{body}\x0158=chaos\x0110=000\x01"))

    def send(self, out: Out, now: int) -> None:
        """Send, or spoil, one message. `now` is ns."""
        for message in self._spoiled(out):
            if self._is_delayed(message.text):
                self._delayed.append((now + self.section.delay_ack_ms * MILLISECOND, message))
            else:
                self._send(message)
        if self._strikes("disconnect", self.section.disconnect_every):
            self._disconnect(out.comp_id)

    def _is_delayed(self, text: str) -> bool:
        return bool(self.section.delay_ack_ms) and "\x01150=0\x01" in text

    def release(self, now: int) -> None:
        """Send the acknowledgements whose delay is over, and do what has been worked on for long enough."""
        while self._working and self._working[0][0] <= now:
            _, client, text = self._working.popleft()
            self._pending.pop((client, _tag(text, "41")), None)
            self._bring(client, text)
        due = [out for at, out in self._delayed if at <= now]
        self._delayed = [(at, out) for at, out in self._delayed if at > now]
        for out in due:
            self._send(out)

    def _spoiled(self, out: Out) -> Iterator[Out]:
        text = out.text
        if "\x0135=8\x01" not in text:
            yield out
            return
        if "\x01150=I\x01" in text and (kind := self._pending.get((out.comp_id, _tag(text, "11")))):
            text = _ORD_STATUS.sub(f"\x0139={kind}", text)
        if "\x01150=0\x01" in text and self._strikes("ack", self.section.drop_ack_every):
            return
        if "\x01150=I\x01" not in text:
            # A status report is no execution; that its ExecID came again would hide nothing.
            last = self._last_exec_ids.get(out.comp_id, "")
            if self._strikes("exec_id", self.section.repeat_exec_id_every) and last:
                yield msgspec.structs.replace(out, text=_EXEC_ID.sub(f"\x0117={last}", text))
            found = _EXEC_ID.search(text)
            if not self._is_delayed(text):
                # What has not been sent yet would not come again.
                self._last_exec_ids[out.comp_id] = found[1] if found else ""
        if self._strikes("tag", self.section.unknown_tag_every):
            text = text.replace("\x0110=000", f"{UNKNOWN_TAG}\x0110=000")
        yield msgspec.structs.replace(out, text=text)
        if "\x01150=4\x01" in text and self._strikes("cancel", self.section.fill_after_cancel_every):
            yield msgspec.structs.replace(out, text=_late_fill(text))

    def _strikes(self, kind: str, every: int) -> bool:
        if not every:
            return False
        count = self._counts.get(kind)
        if count is None:
            count = self._random.randrange(every)
        self._counts[kind] = count + 1
        return (count + 1) % every == 0


def _late_fill(canceled: str) -> str:
    """A fill of one unit that the exchange had made before it canceled, but reports after."""
    text = _EXEC_ID.sub(lambda found: f"\x0117={found[1]}-LATE", canceled)
    text = text.replace("\x01150=4", "\x01150=F")
    price = re.search("\x0144=([^\x01]*)", text)
    cum = re.search("\x0114=([^\x01]*)", text)
    last_px = price[1] if price else "1"
    text = text.replace("\x0110=000", f"\x0132=1\x0131={last_px}\x0110=000")
    return re.sub("\x0114=[^\x01]*", f"\x0114={int(float(cum[1])) + 1 if cum else 1}", text)
