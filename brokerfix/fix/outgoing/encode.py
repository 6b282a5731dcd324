"""Domain -> FIX text. Every message is a pure function of a fact and of the state just after it."""

from brokerfix import facts as f
from brokerfix.engine.state import State
from brokerfix.fix.outgoing import client, mass_quotes, quotes, venue
from brokerfix.fix.outgoing.base import Out, copy_for, resent
from brokerfix.fix.outgoing.market import market_data

__all__ = ["ENCODERS", "Out", "copies", "market_data", "messages", "resent"]

ENCODERS = {**client.ENCODE.table, **quotes.ENCODE.table, **mass_quotes.ENCODE.table, **venue.ENCODE.table}


def messages(state: State, fact: f.Fact) -> list[Out]:
    """What a fact makes us send. `state` is the state just after the fact."""
    encode = ENCODERS.get(type(fact))
    return encode(state, fact) if encode is not None else []


COPIED = ("\x0135=8\x01", "\x0135=9\x01")
"""What a drop-copy session gets copies of: reports and cancel rejects."""


def copies(state: State, outs: list[Out]) -> list[Out]:
    """The copies that drop-copy sessions get of these messages."""
    return [
        copy_for(name, out)
        for out in outs
        if not out.to_venue and any(kind in out.text for kind in COPIED)
        for name in state.copies.get(out.comp_id, ())
    ]
