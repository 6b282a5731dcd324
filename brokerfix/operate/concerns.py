"""Which facts concern one client, and what of others is left out of them."""

import re
from collections.abc import Iterator
from typing import Any

from brokerfix import facts as f
from brokerfix.domain import id_number
from brokerfix.engine.state import State
from brokerfix.record.journal import Origin
from brokerfix.record.outbox import key_of

OTHER = "(another)"
ID = re.compile(r"[0-9]{8}-[0-9]{2}-[0-9]+")
WORD = re.compile(r"[A-Za-z0-9._-]+")
OF_NO_CLIENT = frozenset({"v", "id", "at", "kind", "shard", "symbol", "venue", "side"})
"""Fields that name no client, whatever stands in them."""
NUMBERED = ("order_id", "child_id", "exec_id")
PERSONAL = ("personal-show", "personal-set", "read")


class Concerned:
    """Is shown all facts in their order, just after they were applied. `accounts` are the client's, as they were at any
    time; an account that it shares with others has their facts too, without their names."""

    def __init__(self, client: str, accounts: frozenset[str], state: State) -> None:
        self.client, self.accounts = client, set(accounts)
        self._others: set[str] = set()
        self._ours: set[int] = set()
        self._theirs: set[int] = set()
        self._symbols: set[str] = set()
        self._shared: set[int] = set()
        self._took(state)

    def _took(self, state: State) -> None:
        """What the state has to begin with."""
        for name, one in state.clients.items():
            self._knows(name)
            if name == self.client:
                self.accounts.update(one.accounts)
        for name in state.accounts:
            self._knows(name)
        for order in state.orders.values():
            self._add(order.order_id, order.client == self.client or order.account in self.accounts)
            if order.client != self.client:
                self._shared.add(order.order_id)
        for child in state.children.values():
            self._add(child.child_id, child.order_id in self._ours)
        for fill in state.fills.values():
            for number in (fill.exec_id, fill.last_id):
                self._add(number, fill.order_id in self._ours)

    def _knows(self, name: str) -> None:
        if name:
            self._others.add(name)

    def _add(self, number: int, is_ours: bool) -> None:
        (self._ours if is_ours else self._theirs).add(number)

    def is_of(self, number: int) -> bool:
        """Whether an order, a part of one or a fill is the client's."""
        return number in self._ours

    def sees(self, state: State, fact: f.Fact) -> bool:
        """Whether the fact concerns the client."""
        found = self._sees(state, fact)
        if isinstance(fact, f.OrderAccepted | f.OrderRejected):
            self._symbols.update((fact.symbol,) if found else ())
            self._add(fact.id, found)
            if found and fact.client != self.client:
                self._shared.add(fact.id)
        elif not isinstance(fact, f.Trade) and any(hasattr(fact, name) for name in NUMBERED):
            self._add(fact.id, found)
        return found

    def is_anothers(self, fact: f.Fact) -> bool:
        """Whether a fact that the client sees is about an order of another, on an account that they share."""
        return getattr(fact, "client", self.client) != self.client or getattr(fact, "order_id", 0) in self._shared

    def _sees(self, state: State, fact: Any) -> bool:
        if isinstance(fact, f.Trade):
            sides = (fact.id - 1, fact.maker_order_id), (fact.id, fact.taker_order_id)
            for number, order_id in sides:
                self._add(number, order_id in self._ours)
            return any(order_id in self._ours for _, order_id in sides)
        if isinstance(fact, f.ClientDefined):
            self._knows(fact.client)
            if fact.client == self.client:
                self.accounts.update(fact.accounts)
        elif isinstance(fact, f.AccountDefined):
            self._knows(fact.account)
        names = {self.client, *self.accounts}
        if isinstance(fact, f.Halted | f.Resumed):
            return fact.kind == "all" or (fact.kind in ("client", "account") and fact.name in names)
        if isinstance(fact, f.SplitApplied):
            return fact.symbol in self._symbols
        if isinstance(fact, f.Alerted):
            return fact.source == self.client
        if isinstance(fact, f.PersonalErased):
            return fact.name in names
        if isinstance(fact, f.OperatorActed):
            return fact.action in PERSONAL and any(word in names for word in fact.text.replace(":", " ").split())
        if isinstance(fact, f.GroupDefined):
            return any(name in names for name in fact.accounts)
        return self._names_us(state, fact)

    def _names_us(self, state: State, fact: Any) -> bool:
        """By the fields that say whose a fact is."""
        client, account = getattr(fact, "client", None), getattr(fact, "account", None)
        if client is not None or account is not None:
            return client == self.client or account in self.accounts
        for name in NUMBERED:
            number = getattr(fact, name, 0)
            if number:
                return number in self._ours
        quote = state.given.get(number) if isinstance(number := getattr(fact, "quote_id", 0), int) else None
        if quote is not None:
            return quote.client == self.client
        kind = getattr(fact, "kind", "")
        return (kind == "account" and fact.name in self.accounts) or (kind == "client" and fact.name == self.client)

    def origin_of(self, origin: Origin) -> bool:
        """Whether what brought a fact about may be told: it is the client's, an exchange's or the desk's."""
        return not origin.session.startswith("c:") or origin.session == key_of(False, self.client)

    def masked(self, value: Any) -> Any:
        """JSON values without the names of other clients and accounts, and without numbers of their orders."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {key: one if key in OF_NO_CLIENT else self.masked(one) for key, one in value.items()}
        return [self.masked(one) for one in value] if isinstance(value, list | tuple) else value

    def text(self, value: str) -> str:
        """The same of a text."""
        value = ID.sub(lambda found: OTHER if self._is_theirs(id_number(found[0])) else found[0], value)
        return WORD.sub(lambda found: OTHER if self._is_other(found[0]) else found[0], value)

    def _is_theirs(self, number: int) -> bool:
        return number in self._theirs and number not in self._ours

    def _is_other(self, word: str) -> bool:
        name = word.rstrip(".-")
        return any(one in self._others and one != self.client and one not in self.accounts for one in (word, name))


def sides_of(concerned: Concerned, fact: f.Trade) -> Iterator[tuple[int, str]]:
    """The ExecIDs of a trade that are the client's, each with its side's name."""
    for number, order_id, side in (
        (fact.id - 1, fact.maker_order_id, "maker"), (fact.id, fact.taker_order_id, "taker"),
    ):  # fmt: skip
        if concerned.is_of(order_id):
            yield number, side
