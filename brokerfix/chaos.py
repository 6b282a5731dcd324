"""Faults of a simulated exchange: a thin layer on its outgoing messages, for tests of what a broker withstands.

Each fault strikes every n-th message of its kind, counted from the seed's offset, so that a run can be repeated.
"""

import random
import re
from collections.abc import Callable, Iterator

from brokerfix.config import ChaosSection
from brokerfix.fix.encode import Out

MILLISECOND = 10**6
UNKNOWN_TAG = "\x019999=chaos"
_EXEC_ID = re.compile("\x0117=([^\x01]*)")


class Chaos:
    """Takes what the exchange wants to send; what is really sent, and when, goes to `send` and `disconnect`."""

    def __init__(self, section: ChaosSection, send: Callable[[Out], None], disconnect: Callable[[str], None]) -> None:
        self.section = section
        self._send = send
        self._disconnect = disconnect
        self._random = random.Random(section.seed)
        self._counts: dict[str, int] = {}
        self._delayed: list[tuple[int, Out]] = []
        self._last_exec_id = ""

    def send(self, out: Out, now: int) -> None:
        """Send, or spoil, one message. `now` is ns."""
        for message in self._spoiled(out):
            if self.section.delay_ack_ms and "\x01150=0\x01" in message.text:
                self._delayed.append((now + self.section.delay_ack_ms * MILLISECOND, message))
            else:
                self._send(message)
        if self._strikes("disconnect", self.section.disconnect_every):
            self._disconnect(out.comp_id)

    def release(self, now: int) -> None:
        """Send the acknowledgements whose delay is over."""
        due = [out for at, out in self._delayed if at <= now]
        self._delayed = [(at, out) for at, out in self._delayed if at > now]
        for out in due:
            self._send(out)

    def _spoiled(self, out: Out) -> Iterator[Out]:
        text = out.text
        if "\x0135=8\x01" not in text:
            yield out
            return
        if "\x01150=0\x01" in text and self._strikes("ack", self.section.drop_ack_every):
            return
        if self._strikes("exec_id", self.section.repeat_exec_id_every) and self._last_exec_id:
            yield out._replace(text=_EXEC_ID.sub(f"\x0117={self._last_exec_id}", text))
        found = _EXEC_ID.search(text)
        self._last_exec_id = found[1] if found else ""
        if self._strikes("tag", self.section.unknown_tag_every):
            text = text.replace("\x0110=000", f"{UNKNOWN_TAG}\x0110=000")
        yield out._replace(text=text)
        if "\x01150=4\x01" in text and self._strikes("cancel", self.section.fill_after_cancel_every):
            yield out._replace(text=_late_fill(text))

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
