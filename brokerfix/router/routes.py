"""Which shard a client's message goes to. No I/O and no clock."""

from collections.abc import Callable, Collection

from brokerfix.domain import id_number, shard_of
from brokerfix.router.state import OF_QUOTE, Mark, State
from brokerfix.router.text import value, values

ANY = -1
"""One shard that is up: all have the same exchanges and instruments."""
ALL = -2
"""Every shard on which the client has accounts."""
PUBLIC = frozenset((b"V", b"g", b"e", b"x", b"c"))
"""Messages about the market and the instruments."""
OF_CHANGES = frozenset((b"F", b"G"))


class NoRoute(Exception):
    """Why a message goes to no shard. `unknown`: it is about an order that is not known; `duplicate`: its ClOrdID is
    that of another one."""

    def __init__(self, text: str, *, unknown: bool = False, duplicate: bool = False) -> None:
        super().__init__(text)
        self.unknown, self.duplicate = unknown, duplicate


class Routes:
    """The routes of one client's messages. `where` gives an account's shard."""

    def __init__(self, accounts: Collection[str], where: Callable[[str], int], shards: Collection[int]) -> None:
        self.accounts = [account.encode() for account in accounts]
        self._where = where
        self._shards = shards

    def where(self, account: bytes) -> int:
        """The shard of an account; of one that is not the client's, that of its first account, which refuses it. Raises
        NoRoute where the router has no address of that shard."""
        own = account if account in self.accounts else self.accounts[0]
        shard = self._where(own.decode())
        if shard not in self._shards:
            raise NoRoute(f"SHARD_DOWN: account {own.decode()} is on shard {shard}, which this router does not know")
        return shard

    @property
    def shards(self) -> list[int]:
        """The shards on which the client has accounts, as far as the router knows them."""
        found = {self._where(account.decode()) for account in self.accounts}
        return sorted(found.intersection(self._shards))

    def to(self, kind: bytes, rest: bytes, state: State) -> int:
        """The shard of a message, or ANY, or ALL. Raises NoRoute."""
        if kind in PUBLIC:
            return ANY
        account = value(rest, 1)
        if kind == b"D":
            taken = self._of_id(value(rest, 117)) if b"\x0140=D\x01" in rest else None
            shard = taken if taken is not None else self.where(account)
            known = state.orders.get(value(rest, 11))
            if known is not None and known[0] == (account or self.accounts[0]) and known[2] in self._shards:
                # It may have been taken before its account moved: who knows it has the answer.
                return known[2]
            return self._of_its_own(value(rest, 11), shard, state)
        if kind in OF_CHANGES:
            return self._of_its_own(value(rest, 11), self._of_order(value(rest, 41), rest, state), state)
        if kind == b"H":
            if not value(rest, 11) and not value(rest, 37):
                return self.where(account) if account else ALL
            return self._of_order(value(rest, 11), rest, state)
        if kind in (b"q", b"AF", b"CL"):
            named = {account} if account else {party for party in values(rest, 448) + values(rest, 1691) if party}
            found = {self.where(one) for one in named}
            return found.pop() if len(found) == 1 else ALL
        if kind in (b"E", b"s"):
            shard = self._of_all(kind, rest)
            for cl_ord_id in values(rest, 11):
                self._of_its_own(cl_ord_id, shard, state)
            return shard
        if kind == b"Q":
            return self._of_order(b"", rest, state)
        if kind in (b"AJ", b"Z", b"a"):
            quote_id = value(rest, 117)
            known = state.orders.get(OF_QUOTE + quote_id)
            of_quote = self._of_known(known) if known is not None else self._of_id(quote_id)
            return of_quote if of_quote is not None else self.where(account)
        return self.where(account)

    def _of_its_own(self, cl_ord_id: bytes, shard: int, state: State) -> int:
        """The shard that a message goes to, if no other one has had its ClOrdID on this trading day: they are unique
        for a client, and a shard knows its own."""
        known = state.orders.get(cl_ord_id)
        if known is not None and known[2] not in (shard, -1) and known[1] == state.today:
            told = cl_ord_id.decode("ascii", "replace")
            raise NoRoute(f"DUPLICATE: ClOrdID={told}, of an order on shard {known[2]}", duplicate=True)
        return shard

    def _of_order(self, cl_ord_id: bytes, rest: bytes, state: State) -> int:
        """The shard of a known order: by its ClOrdID, its OrderID, its account. Orders do not move with accounts."""
        known = state.orders.get(cl_ord_id)
        if known is not None:
            return self._of_known(known)
        found = self._of_id(value(rest, 37))
        if found is not None:
            return found
        shards = self.shards
        account = value(rest, 1)
        if account or len(shards) == 1:
            return self.where(account)
        told = cl_ord_id.decode("ascii", "replace")
        raise NoRoute(f"UNKNOWN_ORDER: ClOrdID={told}; give OrderID(37) or Account(1)", unknown=True)

    def _of_known(self, known: Mark) -> int:
        return known[2] if known[2] in self._shards else self.where(known[0])

    def _of_id(self, text: bytes) -> int | None:
        """The shard that an OrderID or QuoteID of ours names."""
        number = id_number(text.decode("ascii", "replace")) if text else 0
        shard = shard_of(number)
        return shard if number and shard in self._shards else None

    def _of_all(self, kind: bytes, rest: bytes) -> int:
        """A list or cross has one shard."""
        found = {self.where(account) for account in values(rest, 1)} or {self.where(b"")}
        if len(found) > 1:
            shards = ", ".join(map(str, sorted(found)))
            what = "LIST: its orders" if kind == b"E" else "CROSS: its sides"
            raise NoRoute(f"{what} are of accounts on several shards ({shards}); send each shard its own")
        return found.pop()
