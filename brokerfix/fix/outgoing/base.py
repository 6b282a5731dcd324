"""What all outgoing messages are made with. A message's header and trailer are its session's: the text carries the
MsgType and the body."""

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from brokerfix.domain import (
    Instructions,
    Instrument,
    to_text,
)
from brokerfix.engine.state import State
from brokerfix.facts import Fact
from brokerfix.fix.text import timestamp

E = TypeVar("E", bound=Callable[[Any, Any], Any])


class Out(msgspec.Struct, frozen=True, gc=False):
    """A message to send: to which client or exchange, its text, and whether it carries repeating groups."""

    to_venue: bool
    comp_id: str
    text: str
    groups: bool = False


def resent(out: Out) -> Out:
    """The same message marked PossResend(97)."""
    end = out.text.index("\x01", out.text.index("\x0135=") + 1)
    return msgspec.structs.replace(out, text=f"{out.text[:end]}\x0197=Y{out.text[end:]}")


def copy_for(client: str, out: Out) -> Out:
    """The message as a copy, with CopyMsgIndicator(797)."""
    return msgspec.structs.replace(out, comp_id=client, text=out.text.replace("\x0110=000", "\x01797=Y\x0110=000"))


def instruction_tags(asked: Instructions, instrument: Instrument, stop_px: int = 0) -> str:
    """The tags of what an order asks for."""
    qty_digits, price_digits = instrument.qty_digits, instrument.price_digits
    stop_px = stop_px or asked.stop_px
    return "".join(
        f"\x01{tag}={value}"
        for tag, value in (
            (18, " ".join(asked.exec_inst)),
            (99, to_text(stop_px, price_digits) if stop_px else ""),
            (110, to_text(asked.min_qty, qty_digits) if asked.min_qty else ""),
            (111, to_text(asked.max_floor, qty_digits) if asked.max_floor else ""),
            (126, timestamp(asked.expire_at) if asked.expire_at else ""),
            (211, to_text(asked.peg_offset, price_digits) if asked.peg_offset else ""),
            (432, str(asked.expire_day) if asked.expire_day else ""),
        )
        if value
    )


class Encoders:
    """Facts -> what makes the messages that they have us send. A function stands beside its entry."""

    def __init__(self) -> None:
        self.table: dict[type[Fact], Callable[[State, Any], list[Out]]] = {}

    def on(self, *kinds: type[Fact]) -> Callable[[E], E]:
        """Enter the function below as the one for these facts."""

        def enter(encoder: E) -> E:
            for kind in kinds:
                self.table[kind] = encoder
            return encoder

        return enter
