"""Whom a fact is about: its account and symbol, which the stream is ordered and filtered by."""

from collections.abc import Callable, Mapping
from typing import Any

from brokerfix.engine.orders.order import Order
from brokerfix.engine.state import State
from brokerfix.facts import KINDS, Fact, InstrumentDefined, MakerDefined, Trade

About = tuple[str, str]
"""Account and symbol; "" for none."""
NOBODY: About = "", ""
Finder = Callable[[State, Any], About]


def _of_order(order: Order | None, fact: Any) -> About:
    return (order.account, order.symbol) if order is not None else ("", getattr(fact, "symbol", ""))


def _by_order(state: State, fact: Any) -> About:
    return _of_order(state.orders.get(fact.order_id), fact)


def _by_child(state: State, fact: Any) -> About:
    child = state.children.get(fact.child_id)
    return _of_order(state.orders.get(child.order_id) if child is not None else None, fact)


def _by_fill(state: State, fact: Any) -> About:
    fill = state.fills.get(fact.exec_id)
    return _of_order(state.orders.get(fill.order_id) if fill is not None else None, fact)


def _by_quote(state: State, fact: Any) -> About:
    quote = state.given.get(fact.quote_id)
    return (quote.account, quote.symbol) if quote is not None else NOBODY


def _by_maker(state: State, fact: Any) -> About:
    making = state.makers.get(fact.maker)
    return making.maker.account if making is not None else "", getattr(fact, "symbol", "")


def _by_level(state: State, fact: Any) -> About:
    symbol = fact.name if fact.kind == "symbol" else getattr(fact, "symbol", "")
    return fact.name if fact.kind == "account" else "", symbol


def _own(state: State, fact: Any) -> About:
    return fact.account, getattr(fact, "symbol", "")


def _only_symbol(state: State, fact: Any) -> About:
    return "", fact.symbol


def _nobody(state: State, fact: Any) -> About:
    return NOBODY


SPECIAL: Mapping[type[Fact], Finder] = {
    InstrumentDefined: lambda state, fact: ("", fact.instrument.symbol),
    MakerDefined: lambda state, fact: (fact.maker.account, ""),
    # That of the taker: the maker's side is told as a message of its own.
    Trade: lambda state, fact: _of_order(state.orders.get(fact.taker_order_id), fact),
}
BY_FIELD: tuple[tuple[frozenset[str], Finder], ...] = (
    (frozenset({"account"}), _own),
    (frozenset({"order_id"}), _by_order),
    (frozenset({"child_id"}), _by_child),
    (frozenset({"maker"}), _by_maker),
    (frozenset({"exec_id"}), _by_fill),
    (frozenset({"kind", "name"}), _by_level),
    (frozenset({"symbol"}), _only_symbol),
)
"""The first whose fields a kind has finds it."""
QUOTE_KINDS = ("QuoteRepeated", "QuoteEnded")
"""Kinds whose `quote_id` is the number of a quote that a client was given."""


def _finder(kind: type[Fact]) -> Finder:
    if kind in SPECIAL:
        return SPECIAL[kind]
    if kind.__name__ in QUOTE_KINDS:
        return _by_quote
    names = set(kind.__struct_fields__)
    return next((find for fields, find in BY_FIELD if fields <= names), _nobody)


FINDERS: Mapping[type[Fact], Finder] = {kind: _finder(kind) for kind in KINDS}


def about(state: State, fact: Fact) -> About:
    """The account and symbol of a fact that was just applied to the state."""
    return FINDERS[type(fact)](state, fact)


def about_maker_side(state: State, fact: Trade) -> About:
    """Those of the order that was in the book."""
    return _of_order(state.orders.get(fact.maker_order_id), fact)
