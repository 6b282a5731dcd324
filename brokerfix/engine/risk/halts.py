"""Whether something is halted, or killed."""

from collections.abc import Iterator

from brokerfix.engine.orders.order import Order
from brokerfix.engine.state import State

Target = tuple[str, str]
"""What a halt or a kill is of: its kind and name."""
KILLED = "KILLED: all orders are canceled"


def targets(state: State, client: str, account: str, symbol: str, strategy: str = "") -> Iterator[Target]:
    """What could be halted of an order. `strategy` is as `Order.strategy` names it."""
    yield from (("all", ""), ("client", client), ("account", account), ("symbol", symbol))
    if strategy:
        yield "strategy", strategy
    yield from (("group", group) for group, accounts in state.groups.items() if account in accounts)


def halted_by(state: State, client: str, account: str, symbol: str, strategy: str = "") -> Target | None:
    """The halt that an order of these would be under."""
    if not state.halts:
        return None
    of_order = targets(state, client, account, symbol, strategy)
    return next((target for target in of_order if target in state.halts), None)


def killed_by(state: State, order: Order) -> Target | None:
    """The kill that the order is under."""
    if not state.killed:
        return None
    of_order = targets(state, order.client, order.account, order.symbol, order.strategy)
    return next((target for target in of_order if target in state.killed), None)
