"""The SQLite projection of the journal, for people and tools to query. A process of its own that follows the journal.

Amounts are decimal text, exact. The database can be deleted at any time: it is made again from the journal.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from brokerfix.domain import SEQUENCES, SHARDS, Instructions, Instrument, average_text, id_text, money_text, to_text
from brokerfix.engine.orders.order import Child, Order
from brokerfix.engine.risk.levels import of_account
from brokerfix.engine.state import State
from brokerfix.facts import (
    ChildFilled,
    ClientDefined,
    ClientDown,
    ClientUp,
    Fact,
    FillReversed,
    Quoted,
    RouteDecided,
    Started,
    Trade,
    TradeBusted,
    TradeCorrected,
    VenueDefined,
    VenueDown,
    VenueUp,
)
from brokerfix.projections.database import Database
from brokerfix.projections.published import decision_row, moment, published
from brokerfix.projections.tail import Anew, Tail, follow_until_ended
from brokerfix.record.journal import Place, Record
from brokerfix.settings.registry import database_path

POLL_SECONDS = 0.05
BATCH = 2000
"""Records projected in one transaction."""
SCHEMA = 5


def number_of(column: str) -> str:
    """The SQL that makes the number of an id's text: ids sort as numbers, not as text."""
    day, shard = f"cast(substr({column}, 1, 8) as integer)", f"cast(substr({column}, 10, 2) as integer)"
    with_shard = f"({day} * {SHARDS} + {shard}) * {SEQUENCES} + cast(substr({column}, 13) as integer)"
    without = f"{day} * {SEQUENCES} + cast(substr({column}, 10) as integer)"
    return f"(case substr({column}, 12, 1) when '-' then {with_shard} else {without} end)"


TABLES: dict[str, tuple[dict[str, type], str | tuple[str, ...]]] = {
    "orders": (
        {
            "order_id": str, "cl_ord_id": str, "client": str, "account": str, "symbol": str, "side": str,
            "ord_type": str, "time_in_force": str, "qty": str, "price": str, "status": str, "cum_qty": str,
            "leaves_qty": str, "avg_px": str, "in_book": str, "at_venues": str, "entered": str, "stop_px": str,
            "min_qty": str, "max_floor": str, "expire_time": str, "expire_date": str, "peg_offset": str,
            "limit_px": str, "exec_inst": str, "ex_destination": str, "cash_order_qty": str, "manual": int,
        },
        "order_id",
    ),
    "child_orders": (
        {
            "child_id": str, "order_id": str, "venue": str, "venue_order_id": str, "symbol": str, "side": str,
            "qty": str, "price": str, "time_in_force": str, "status": str, "cum_qty": str, "leaves_qty": str,
            "in_doubt": int,
        },
        "child_id",
    ),
    "executions": (
        {
            "exec_id": str, "at": str, "order_id": str, "cl_ord_id": str, "client": str, "account": str,
            "symbol": str, "side": str, "last_qty": str, "last_px": str, "venue": str, "venue_exec_id": str,
            "state": str, "changed_by": str, "fee": str,
        },
        "exec_id",
    ),
    "positions": (
        {
            "account": str, "symbol": str, "qty": str, "bought": str, "sold": str, "mark": str,
            "open_buy_qty": str, "open_sell_qty": str,
        },
        ("account", "symbol"),
    ),
    "accounts": (
        {
            "account": str, "paid_in": str, "cash": str, "buying_power": str, "kind": str, "standing": str,
            "balances": str, "equity": str, "maintenance": str, "excess": str, "credit": str,
            "checks_power": int, "limits": str,
        },
        "account",
    ),
    "quotes": (
        {
            "id": str, "at": str, "symbol": str, "bid_px": str, "bid_qty": str, "ask_px": str, "ask_qty": str,
            "mark": str,
        },
        "id",
    ),
    "trades": ({"id": str, "at": str, "symbol": str, "qty": str, "price": str, "venue": str}, "id"),
    "books": (
        {
            "symbol": str, "at": str, "bids": str, "asks": str, "last": str, "mid": str, "weighted": str,
            "spread_bps": str, "state": str, "open": str, "high": str, "low": str, "volume": str, "vwap": str,
            "sources": int, "fresh": int, "left_out": str,
        },
        "symbol",
    ),
    "route_decisions": (
        {
            "id": str, "at": str, "order_id": str, "mode": str, "qty": str, "quotes": str, "exchanges": str,
            "expected_qty": str, "expected_px": str, "expected_fee": str, "note": str,
        },
        "id",
    ),
    "sessions": ({"kind": str, "name": str, "state": str, "since": str}, ("kind", "name")),
    "progress": ({"id": int, "segment": str, "offset": int, "last_id": int}, "id"),
}  # fmt: skip
INDEXES = {
    "orders": (f"client, {number_of('order_id')}", "client, cl_ord_id"),
    "executions": (f"client, {number_of('exec_id')}",),
}
"""What the HTTP door's pages are read by."""


class Projection:
    """Keeps the database up to date with a journal, which its tail follows."""

    def __init__(self, data: Path) -> None:
        self.folder = data / "journal"
        self.path = database_path(data)
        self.db = self._open()
        self._rows: dict[str, dict[Any, dict[str, Any]]] = {name: {} for name in TABLES}
        self._changes: dict[int, dict[str, Any]] = {}
        try:
            self._begin()
        except Anew:
            self._anew()

    @property
    def state(self) -> State:
        return self.tail.state

    def _begin(self) -> None:
        stored = next(iter(self.db.query("select segment, offset, last_id from progress")), None)
        place = Place(stored["segment"], stored["offset"]) if stored else Place("", 0)
        self.tail = Tail(self.folder, place, stored["last_id"] if stored else 0)
        if self.tail.begins_with_state:
            self._whole_state()

    def _whole_state(self) -> None:
        """Write all that the state has. Which exchanges are up is not kept."""
        self.tail.whole_state()
        rows = self._rows["sessions"]
        rows.update({("exchange", name): _session_row("exchange", name, "down", 0) for name in self.state.venues})
        for name, client in self.state.clients.items():
            rows["client", name] = _session_row("client", name, "up" if client.is_up else "down", client.down_at)
        self._flush()

    def _anew(self) -> None:
        self.db.close()
        remove(self.path)
        self.db = self._open()
        self._begin()

    def _open(self) -> Database:
        """Open the database; one of another schema is made anew."""
        db = Database(self.path)
        if db.table_names() and db.execute("pragma user_version").fetchone()[0] != SCHEMA:
            db.close()
            remove(self.path)
            db = Database(self.path)
        db.enable_wal()
        for name, (columns, pk) in TABLES.items():
            if name not in db.table_names():
                db.table(name).create(columns, pk=pk)
        for name, indexes in INDEXES.items():
            for at, columns_of in enumerate(indexes):
                db.execute(f"create index if not exists {name}_{at} on {name} ({columns_of})")
        db.execute(f"pragma user_version = {SCHEMA}")
        return db

    def follow(self) -> int:
        """Project what the journal has beyond what was projected. Returns how many records that were."""
        total = 0
        try:
            while count := self.tail.follow(self._note, BATCH):
                total += count
                self._flush()
        except Anew:
            self._anew()
            return 1 + self.follow()
        return total

    def _note(self, fact: Fact, record: Record) -> None:
        """Keep the row of an event."""
        state = self.state
        if isinstance(fact, Trade):
            self._execution(fact, fact.id - 1, state.orders[fact.maker_order_id], "", "", fact.maker_fee)
            self._execution(fact, fact.id, state.orders[fact.taker_order_id], "", "", fact.taker_fee)
            self._trade(fact, state.orders[fact.taker_order_id].symbol, "")
        elif isinstance(fact, ChildFilled):
            child = state.children[fact.child_id]
            self._execution(fact, fact.id, state.order_of(child), child.venue, fact.venue_exec_id, fact.fee)
            self._trade(fact, child.symbol, child.venue)
        elif isinstance(fact, TradeBusted | TradeCorrected | FillReversed):
            self._changed(fact)
        elif isinstance(fact, Quoted):
            self._quote(fact)
        elif isinstance(fact, RouteDecided):
            symbol = state.orders[fact.order_id].symbol
            self._rows["route_decisions"][fact.id] = decision_row(fact, state.instruments[symbol])
        self._session(fact)

    def _session(self, fact: Fact) -> None:
        """Who is logged on, and what that means for the children at an exchange."""
        state, rows = self.state, self._rows["sessions"]
        if isinstance(fact, Started):
            names = [("exchange", name) for name in state.venues] + [("client", name) for name in state.clients]
            rows.update({key: _session_row(*key, "down", fact.at) for key in names})
        elif isinstance(fact, VenueDefined):
            rows["exchange", fact.venue.venue] = _session_row("exchange", fact.venue.venue, "down", fact.at)
        elif isinstance(fact, ClientDefined):
            rows["client", fact.client] = _session_row("client", fact.client, "down", fact.at)
        elif isinstance(fact, VenueUp | VenueDown):
            is_up = isinstance(fact, VenueUp)
            rows["exchange", fact.venue] = _session_row("exchange", fact.venue, "up" if is_up else "down", fact.at)
        elif isinstance(fact, ClientUp | ClientDown):
            is_up = isinstance(fact, ClientUp)
            rows["client", fact.client] = _session_row("client", fact.client, "up" if is_up else "down", fact.at)

    def _changed(self, fact: TradeBusted | TradeCorrected | FillReversed) -> None:
        """A fill is taken back or corrected: its row says what it is now, and by which ExecID."""
        qty, price = (fact.qty, fact.price) if isinstance(fact, TradeCorrected) else (0, 0)
        if isinstance(fact, FillReversed):
            symbol = fact.symbol
        else:
            symbol = self.state.orders[self.state.fills[fact.exec_id].order_id].symbol
        instrument = self.state.instruments[symbol]
        state = "corrected" if qty else "busted"
        self._changes[fact.exec_id] = {
            "exec_id": id_text(fact.exec_id),
            "state": state,
            "last_qty": to_text(qty, instrument.qty_digits),
            "changed_by": id_text(fact.id),
            "fee": (fact.fee if isinstance(fact, TradeCorrected) else "") or "0",
            **({"last_px": to_text(price, instrument.price_digits)} if qty else {}),
        }

    def _execution(
        self, fact: Trade | ChildFilled, exec_id: int, order: Order, venue: str, venue_exec_id: str, fee: str
    ) -> None:
        instrument = self.state.instruments[order.symbol]
        self._rows["executions"][exec_id] = {
            "exec_id": id_text(exec_id),
            "at": moment(fact.at),
            "order_id": id_text(order.order_id),
            "cl_ord_id": order.cl_ord_id,
            "client": order.client,
            "account": order.account,
            "symbol": order.symbol,
            "side": order.side.name,
            "last_qty": to_text(fact.qty, instrument.qty_digits),
            "last_px": to_text(fact.price, instrument.price_digits),
            "venue": venue,
            "venue_exec_id": venue_exec_id,
            "state": "booked",
            "changed_by": "",
            "fee": fee or "0",
        }

    def _trade(self, fact: Trade | ChildFilled, symbol: str, venue: str) -> None:
        instrument = self.state.instruments[symbol]
        self._rows["trades"][fact.id] = {
            "id": id_text(fact.id),
            "at": moment(fact.at),
            "symbol": symbol,
            "qty": to_text(fact.qty, instrument.qty_digits),
            "price": to_text(fact.price, instrument.price_digits),
            "venue": venue,
        }

    def _quote(self, fact: Quoted) -> None:
        instrument = self.state.instruments[fact.symbol]
        bids, asks = (_levels(levels, instrument) for levels in (fact.bids, fact.asks))
        self._rows["quotes"][fact.id] = {
            "id": id_text(fact.id),
            "at": moment(fact.at),
            "symbol": fact.symbol,
            "bid_px": bids[0]["price"] if bids else None,
            "bid_qty": bids[0]["qty"] if bids else None,
            "ask_px": asks[0]["price"] if asks else None,
            "ask_qty": asks[0]["qty"] if asks else None,
            "mark": to_text(fact.mark, instrument.price_digits),
        }
        last = fact.last and f"{to_text(fact.last[1], instrument.qty_digits)} @ " + to_text(
            fact.last[0], instrument.price_digits
        )
        self._rows["books"][fact.symbol] = {
            "symbol": fact.symbol,
            "at": moment(fact.at),
            "bids": msgspec.json.encode(bids).decode(),
            "asks": msgspec.json.encode(asks).decode(),
            "last": last or None,
        } | published(fact, instrument)

    def _flush(self) -> None:
        """Write the rows that changed and how far the journal is projected, in one transaction."""
        state, rows, touched = self.state, self._rows, self.tail.touched
        for order in touched.orders.values():
            rows["orders"][order.order_id] = order_row(state, order)
        for child in touched.children.values():
            rows["child_orders"][child.child_id] = child_row(state, child)
        for name, symbol in touched.positions:
            rows["accounts"][name] = account_row(state, name)
            if symbol:
                rows["positions"][name, symbol] = position_row(state, name, symbol)
        if self.tail.place > self.tail.stored:
            rows["progress"][1] = {"id": 1, **self.tail.place._asdict(), "last_id": state.last_id}
        with self.db.atomic():
            for name, changed in rows.items():
                if changed:
                    self.db.table(name).upsert_all(list(changed.values()), pk=TABLES[name][1])
            for change in self._changes.values():
                self.db.table("executions").upsert(change, pk="exec_id")
        for written in rows.values():
            written.clear()
        self._changes.clear()
        self.tail.is_stored()


def remove(path: Path) -> None:
    """Delete a database with the files that SQLite has beside it."""
    for suffix in ("", "-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)


def _session_row(kind: str, name: str, state: str, at: int) -> dict[str, str]:
    """A session as the `sessions` table has it; 0: since when it is so is not known."""
    return {"kind": kind, "name": name, "state": state, "since": moment(at) if at else ""}


def order_row(state: State, order: Order) -> dict[str, Any]:
    """An order as the `orders` table has it."""
    instrument = state.instruments[order.symbol]
    digits = instrument.qty_digits
    return {
        "order_id": id_text(order.order_id),
        "cl_ord_id": order.cl_ord_id,
        "client": order.client,
        "account": order.account,
        "symbol": order.symbol,
        "side": order.side.name,
        "ord_type": order.ord_type.name,
        "time_in_force": order.time_in_force.name,
        "qty": to_text(order.qty, digits),
        "price": to_text(order.price, instrument.price_digits) if order.price else None,
        "status": order.status.name,
        "cum_qty": to_text(order.cum, digits),
        "leaves_qty": to_text(order.leaves, digits),
        "avg_px": average_text(order.notional, order.cum, instrument.price_digits),
        "in_book": to_text(order.in_book, digits),
        "at_venues": to_text(order.at_venues, digits),
        "entered": moment(order.at),
        **_instructions_row(order, instrument),
    }


def _instructions_row(order: Order, instrument: Instrument) -> dict[str, Any]:
    """What an order asks for beyond type, quantity and price; `limit_px` is what a pegged order never goes beyond."""
    asked = order.instructions or Instructions()
    stop_px = order.stop_px or asked.stop_px
    prices = {"stop_px": stop_px, "peg_offset": asked.peg_offset, "limit_px": asked.limit}
    qtys = {"min_qty": asked.min_qty, "max_floor": asked.max_floor}
    return {
        **{name: to_text(price, instrument.price_digits) if price else None for name, price in prices.items()},
        **{name: to_text(qty, instrument.qty_digits) if qty else None for name, qty in qtys.items()},
        "expire_time": moment(asked.expire_at) if asked.expire_at else None,
        "expire_date": str(asked.expire_day) if asked.expire_day else None,
        "exec_inst": " ".join(asked.exec_inst),
        "ex_destination": order.ex_destination,
        "cash_order_qty": order.cash,
        "manual": int(asked.manual),
    }


def child_row(state: State, child: Child) -> dict[str, Any]:
    """A child order as the `child_orders` table has it."""
    instrument = state.instruments[child.symbol]
    digits = instrument.qty_digits
    return {
        "child_id": id_text(child.child_id),
        "order_id": id_text(child.order_id),
        "venue": child.venue,
        "venue_order_id": child.venue_order_id,
        "symbol": child.symbol,
        "side": child.side.name,
        "qty": to_text(child.qty, digits),
        "price": to_text(child.price, instrument.price_digits),
        "time_in_force": child.time_in_force.name,
        "status": child.status.name,
        "cum_qty": to_text(child.cum, digits),
        "leaves_qty": to_text(child.leaves, digits),
        "in_doubt": int(state.in_doubt(child)),
    }


def account_row(state: State, name: str) -> dict[str, Any]:
    """An account as the `accounts` table has it. `limits` are its own as JSON, see `levels.of_account`."""
    account = state.accounts[name]
    most = account.limits
    return {
        "account": account.account,
        "paid_in": money_text(account.paid_in),
        "cash": money_text(account.cash),
        "buying_power": money_text(account.buying_power),
        "kind": account.margin,
        "standing": str(account.standing),
        "balances": json.dumps({currency: money_text(money) for currency, money in account.balances.items()}),
        "equity": money_text(account.equity if account.is_watched else account.cash + account.foreign),
        "maintenance": money_text(account.maintenance),
        "excess": money_text(account.excess if account.is_watched else account.buying_power),
        "credit": f"{account.credit_bps / 10_000:g}",
        "checks_power": int(most.buying_power),
        "limits": json.dumps(of_account(state, account)),
    }


def position_row(state: State, account: str, symbol: str) -> dict[str, Any]:
    """A position as the `positions` table has it."""
    position, instrument = state.accounts[account].positions[symbol], state.instruments[symbol]
    digits = instrument.qty_digits
    mark = state.marks.get(symbol) or instrument.reference
    return {
        "account": account,
        "symbol": symbol,
        "qty": to_text(position.qty, digits),
        "bought": to_text(position.bought, digits),
        "sold": to_text(position.sold, digits),
        "mark": to_text(mark, instrument.price_digits),
        "open_buy_qty": to_text(position.open_buy_qty, digits),
        "open_sell_qty": to_text(position.open_sell_qty, digits),
    }


def _levels(levels: Iterable[tuple[int, int, str]], instrument: Instrument) -> list[dict[str, str]]:
    return [
        {
            "price": to_text(price, instrument.price_digits),
            "qty": to_text(qty, instrument.qty_digits),
            "venue": venue,
        }
        for price, qty, venue in levels
    ]


def main() -> None:
    """Project the journal, see `follow_until_ended`."""
    follow_until_ended(Projection, "brokerfix.db.lock", "another process projects this journal", POLL_SECONDS)


if __name__ == "__main__":
    main()
