"""Makers are told that a market has moved."""

from collections.abc import Iterable

from brokerfix.engine.orders import booking
from brokerfix.engine.state import State


def stir(state: State, symbols: Iterable[str]) -> None:
    """The markets of these symbols are other ones: those that quote them look at them, some not at once."""
    for symbol in symbols:
        for name in state.quoted.get(symbol, ()):
            # What is in danger does not wait.
            state.agenda[booking.REQUOTE, (name, symbol)] = None
            if state.makers[name].desks[symbol].quoting.refresh:
                state.stirred[name, symbol] = None
