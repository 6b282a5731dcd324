"""What the cluster's agent asks of a broker that is one of several shards: action by action, as `Operations`."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from heapq import merge
from itertools import islice
from typing import Any

from brokerfix import commands as cmd
from brokerfix.domain import Level, id_text, money_text, to_text
from brokerfix.engine.entities import Account
from brokerfix.engine.orders.order import Order
from brokerfix.engine.risk.moves import cannot_take, carried_now, waits_for
from brokerfix.engine.risk.shards import rows
from brokerfix.engine.state import State
from brokerfix.operate.admin import ActionRefused, Answer, Request
from brokerfix.operate.running import Running

MOST_ROWS = 500
"""Rows of an answer about orders or positions."""


class ShardActions:
    """The actions, by name. `done` carries a command out and raises ActionRefused where it is refused."""

    def __init__(self, broker: Running, done: Callable[[cmd.Command], Answer]) -> None:
        self.broker, self._done = broker, done
        self.actions: dict[str, Callable[[str, Request], Answer]] = {
            "parts": self._parts,
            "placed": self._placed,
            "hold-parts": self._hold,
            "set-parts": self._set,
            "place": self._place,
            "move-account": self._move,
            "can-take": self._can_take,
            "move-out": self._out,
            "move-in": self._in,
            "end-move": self._end,
            "positions": self._positions,
            "working": self._working,
        }

    def _parts(self, operator: str, request: Request) -> Answer:
        """The parts of limits that the broker has, and whose agent it listens to."""
        state = self.broker.state
        carried, found = carried_now(state), rows(state, self.broker.clock())
        for row in found:
            row["carried"] = money_text(carried.get((Level(row["kind"], row["name"]), row["limit"]), 0))
        sharing = state.sharing
        return {
            "shard": state.shard, "epoch": sharing.epoch, "number": sharing.number, "parts": found,
            "moves": bool(sharing.moving or sharing.handed), "idle": not sharing.here,
        }  # fmt: skip

    def _placed(self, operator: str, request: Request) -> Answer:
        """Which accounts are here, and what is on its way."""
        state = self.broker.state
        sharing = state.sharing
        return {
            "here": sharing.here,
            "begin": [name for name in state.accounts if name not in sharing.elsewhere and name not in sharing.here],
            "elsewhere": sharing.elsewhere,
            "moves": sharing.moves,
            "moving": {name: {"to": to, "waits": waits_for(state, name)} for name, to in sharing.moving.items()},
            "handed": {
                name: {
                    "move": one.move, "other": one.other, "out": one.out, "holdings": one.holdings,
                    "carried": one.carried,
                }
                for name, one in sharing.handed.items()
            },
            "late": [name for name in sharing.elsewhere if self._has_some(name)],
        }  # fmt: skip

    def _has_some(self, name: str) -> bool:
        """Whether something of an account that has left was booked here since."""
        account = self.broker.state.accounts.get(name)
        return account is not None and bool(account.cash or any(one.qty for one in account.positions.values()))

    def _hold(self, operator: str, request: Request) -> Answer:
        return self._done(cmd.HoldParts(self.broker.clock(), operator, request["epoch"]))

    def _set(self, operator: str, request: Request) -> Answer:
        """Set one part. Answers with what it is then."""
        level, name = (request["kind"], request.get("name", "")), request["limit"]
        parts = ((*level, name, request["amount"]),)
        epoch, number = request["epoch"], request["sequence"]
        self._done(cmd.SetParts(self.broker.clock(), operator, epoch, number, parts))
        for row in rows(self.broker.state, self.broker.clock()):
            if (row["kind"], row["name"], row["limit"]) == (*level, name):
                return {"part": row["part"]}
        raise ActionRefused(f"the limit {name} of {' '.join(level).strip()} was taken away")

    def _place(self, operator: str, request: Request) -> Answer:
        accounts = tuple((name, int(shard)) for name, shard in request["tables"].items())
        return self._done(cmd.PlaceAccounts(self.broker.clock(), operator, accounts))

    def _move(self, operator: str, request: Request) -> Answer:
        account, to, cancel = request["account"], request["shard"], request.get("drain", 0) == 1
        return self._done(cmd.MoveAccount(self.broker.clock(), operator, account, to, cancel))

    def _can_take(self, operator: str, request: Request) -> Answer:
        unknown = cannot_take(self.broker.state, tuple(request["tables"]), ())
        if unknown:
            raise ActionRefused(unknown)
        return {}

    def _out(self, operator: str, request: Request) -> Answer:
        account, move, standing = request["account"], request["move"], request.get("sequence", -1)
        return self._done(cmd.MoveOut(self.broker.clock(), operator, account, move, standing))

    def _in(self, operator: str, request: Request) -> Answer:
        carried: tuple[Any, ...] = tuple(tuple(map(str, one)) for one in request["tables"].get("carried", ()))
        command = cmd.MoveIn(
            self.broker.clock(), operator, request["account"], request["shard"], request["move"],
            request["holdings"], carried,
        )  # fmt: skip
        return self._done(command)

    def _end(self, operator: str, request: Request) -> Answer:
        return self._done(cmd.EndMove(self.broker.clock(), operator, request["account"], request["move"]))

    def _positions(self, operator: str, request: Request) -> Answer:
        """What accounts hold here and have in cash, at most so many rows. Of kind "held": only where something is held,
        with `sums` of all by symbol and cash by currency, and `more`, how many rows there are besides."""
        if request.get("kind", "") == "held":
            return held(self.broker.state, self._accounts())
        state = self.broker.state
        found = (
            {
                "account": account.account, "symbol": symbol, "cash": money_text(account.cash),
                "qty": to_text(position.qty, state.instruments[symbol].qty_digits) if position is not None else "",
            }
            for account in self._accounts()
            if request.get("account", account.account) == account.account
            for symbol, position in account.positions.items() or (("", None),)
        )  # fmt: skip
        return {"positions": list(islice(found, MOST_ROWS))}

    def _accounts(self) -> Iterator[Account]:
        """Those that are here, and those of which something was booked here after they had left."""
        state, elsewhere = self.broker.state, self.broker.state.sharing.elsewhere
        for name, account in state.accounts.items():
            if name not in elsewhere or self._has_some(name):
                yield account

    def _working(self, operator: str, request: Request) -> Answer:
        """The orders that work here, the newest first and at most so many, of a client or all; `more` is how many there
        are besides. `at` is when it came, in ns UTC."""
        state, wanted = self.broker.state, request.get("client", "")
        working = [one.working for one in state.clients.values() if one.working and wanted in ("", one.client)]
        newest = merge(*(reversed(orders.values()) for orders in working), key=_order_id, reverse=True)
        found: list[dict[str, Any]] = []
        for order in islice(newest, MOST_ROWS):
            instrument = state.instruments[order.symbol]
            found.append(
                {
                    "order_id": id_text(order.order_id), "client": order.client, "account": order.account,
                    "cl_ord_id": order.cl_ord_id, "side": order.side.name.lower(), "symbol": order.symbol,
                    "qty": to_text(order.qty, instrument.qty_digits),
                    "leaves_qty": to_text(order.leaves, instrument.qty_digits),
                    "price": to_text(order.price, instrument.price_digits) if order.price else "",
                    "at": order.at,
                }
            )  # fmt: skip
        return {"orders": found, "more": sum(map(len, working)) - len(found)}


def held(state: State, accounts: Iterable[Account]) -> Answer:
    """What accounts hold: the rows, exact sums of all, and how many rows there are besides."""
    found: list[tuple[Account, str, int]] = []
    sums: defaultdict[str, int] = defaultdict(int)
    cash: defaultdict[str, int] = defaultdict(int)
    own = count = 0
    for account in accounts:
        own += account.cash
        if account.balances:
            for currency, amount in account.balances.items():
                cash[currency] += amount
        for symbol, position in account.positions.items():
            qty = position.qty
            if qty:
                sums[symbol] += qty
                count += 1
                if count <= MOST_ROWS:
                    found.append((account, symbol, qty))
    digits = {symbol: state.instruments[symbol].qty_digits for symbol in sums}
    return {
        "positions": [
            {"account": one.account, "symbol": symbol, "qty": to_text(qty, digits[symbol]),
             "cash": money_text(one.cash)}
            for one, symbol, qty in found
        ],
        "more": count - len(found),
        "sums": {symbol: to_text(qty, digits[symbol]) for symbol, qty in sorted(sums.items())},
        "cash": {"": money_text(own), **{currency: money_text(amount) for currency, amount in cash.items()}},
    }  # fmt: skip


def _order_id(order: Order) -> int:
    return order.order_id
