"""What comes from a queue and goes to it: JSON, in the words of the HTTP door, with an `action`."""

from collections.abc import Mapping
from typing import Annotated

import msgspec
from msgspec import Meta

from brokerfix.access.redact import redacted
from brokerfix.doors.model import Account, Id, NewOrder, Order, Replace, Side, Symbol

MOST_BYTES = 16_384
"""Of a message."""
MOST_ORDERS = 500
"""In one reply."""
AUTHORIZATION = "authorization"
REASON, WHO, AT, SOURCE = "brokerfix-reason", "brokerfix-key", "brokerfix-at", "brokerfix-source"
"""Headers of a dead letter: why it is one, the name of its API key if that was known, when it became one, and which
message of the queue it was."""
Accounts = Annotated[list[Account], Meta(max_length=1000)]


class New(NewOrder, frozen=True, forbid_unknown_fields=True, tag_field="action", tag="new"):
    """Enter an order."""


class ReplaceOrder(
    Replace, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="action", tag="replace"
):  # fmt: skip
    """Give an order other terms: the one that has, or had, this `orig_cl_ord_id`."""

    orig_cl_ord_id: Id


class Cancel(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="action", tag="cancel"):
    """Cancel an order. `cl_ord_id` names the request."""

    cl_ord_id: Id
    orig_cl_ord_id: Id


class Status(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="action", tag="status"):
    """Say how an order is."""

    cl_ord_id: Id


class MassCancel(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="action", tag="mass_cancel"):
    """Cancel what is open: all, or of a symbol, a side, some accounts."""

    symbol: Symbol = ""
    side: Side | None = None
    accounts: Accounts | None = None


class MassStatus(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="action", tag="mass_status"):
    """Say what is open: all, or of a symbol, a side, some accounts."""

    symbol: Symbol = ""
    side: Side | None = None
    accounts: Accounts | None = None


Asked = New | ReplaceOrder | Cancel | Status | MassCancel | MassStatus
_DECODER: msgspec.json.Decoder[Asked] = msgspec.json.Decoder(Asked)


class Poison(Exception):
    """Why a message can't be answered, now or ever."""


class Reply(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is answered: `status` is what HTTP's would be (200 and above: done; 400 and above: refused, and `detail`
    says why), `order` the order's state; `orders` are up to 500 of the `count` that a mass request was about."""

    action: str
    status: int
    cl_ord_id: str = ""
    detail: str = ""
    order: Order | None = None
    count: int | None = None
    orders: list[Order] | None = None


class DeadLetter(msgspec.Struct, frozen=True):
    """A message that could not be answered. `id` is what an operator names it by."""

    id: str
    reason: str
    at: str
    key: str
    source: str
    body: bytes
    headers: dict[str, str]

    @property
    def text(self) -> str:
        """The message as people read it, without secrets."""
        return redacted(self.body.decode("utf-8", "replace"))


def decode(body: bytes) -> Asked:
    """What a message asks for. Raises Poison."""
    if len(body) > MOST_BYTES:
        raise Poison(f"too large: {len(body)} bytes, and {MOST_BYTES} is the most")
    try:
        return _DECODER.decode(body)
    except msgspec.ValidationError as error:
        raise Poison(f"malformed: {error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Poison(f"no JSON: {error}") from error


def names(asked: Asked) -> tuple[str, ...]:
    """The ClOrdIDs in a message."""
    found = (getattr(asked, "cl_ord_id", ""), getattr(asked, "orig_cl_ord_id", ""))
    return tuple(name for name in found if name)


def action_of(asked: Asked) -> str:
    """The action's name."""
    return str(type(asked).__struct_config__.tag)


def dead_letter(id_: str, body: bytes, headers: Mapping[str, str]) -> DeadLetter:
    """A dead letter as its headers tell it."""
    reason, at, key, source = (headers.get(name, "") for name in (REASON, AT, WHO, SOURCE))
    rest = {name: value for name, value in headers.items() if name not in (REASON, AT, WHO, SOURCE)}
    return DeadLetter(id_, reason, at, key, source, body, rest)
