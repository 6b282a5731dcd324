"""What the database knows: the projection of the journal, some milliseconds behind the broker. Only for reading, and
each call in a thread of its own."""

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import msgspec

from brokerfix.domain import id_number
from brokerfix.doors.model import Execution, Order, Position
from brokerfix.doors.terms import execution_of_row, order_of_row
from brokerfix.doors.waiting import Unavailable
from brokerfix.projections.database import Database
from brokerfix.projections.published import moment
from brokerfix.projections.sqlite import number_of
from brokerfix.settings.registry import database_path
from brokerfix.settings.sections import Config

T = TypeVar("T")


class Wanted(msgspec.Struct, frozen=True):
    """Which orders or executions are asked for: of which accounts, symbols ((): all), side, statuses ("open" and
    "closed" among them; (): all), entered or made later than `after` and not later than `until` (ISO 8601 with
    milliseconds), of the order `cl_ord_id` or `order_id`, and numbered below `below` (0: all)."""

    accounts: tuple[str, ...]
    symbols: tuple[str, ...] = ()
    side: str = ""
    statuses: tuple[str, ...] = ()
    after: str = ""
    until: str = ""
    order_id: str = ""
    below: int = 0

    def is_order(self, order: Order) -> bool:
        """Whether an order is wanted. Its account is for others to judge."""
        state = "open" if order.is_open else "closed"
        return (
            (not self.statuses or order.status in self.statuses or state in self.statuses)
            and self._is_at(order.entered)
            and self._is_about(order)
        )

    def is_execution(self, fill: Execution) -> bool:
        return fill.account in self.accounts and self._is_at(fill.at) and self._is_about(fill)

    def _is_at(self, moment: str | None) -> bool:
        # Of what nobody knows when it was, nothing is held back.
        return moment is None or (moment > self.after and (not self.until or moment <= self.until))

    def _is_about(self, one: Order | Execution) -> bool:
        return (
            (not self.symbols or one.symbol in self.symbols)
            and self.side in ("", one.side)
            and self.order_id in ("", one.order_id)
        )

    def where(self, client: str, number: str, moment: str) -> tuple[str, dict[str, Any]]:
        """The same in SQL; `number` and `moment` are expressions for what `below`, `after` and `until` are about."""
        terms = ["client = :client"]
        values: dict[str, Any] = {"client": client}
        for column, wanted in (("account", self.accounts), ("symbol", self.symbols)):
            if wanted:
                terms.append(f"{column} in {_any(column)}")
                values[column] = json.dumps(wanted)
        if self.statuses:
            states = [f"status in {_any('status')}"]
            states += ["cast(leaves_qty as real) > 0"] if "open" in self.statuses else []
            states += ["cast(leaves_qty as real) = 0"] if "closed" in self.statuses else []
            terms.append(f"({' or '.join(states)})")
            values["status"] = json.dumps([status.upper() for status in self.statuses])
        for text, value in (
            ("side = :side", self.side.upper()),
            (f"substr({moment}, 1, 23) || 'Z' > :after", self.after),
            (f"substr({moment}, 1, 23) || 'Z' <= :until", self.until),
            ("order_id = :order_id", self.order_id),
            (f"{number} < :below", self.below),
        ):
            if value:
                terms.append(text)
                values[text.rpartition(":")[2]] = value
        return " and ".join(terms), values


def _any(name: str) -> str:
    """SQL for the values of a parameter that is a list in JSON, of any length."""
    return f"(select value from json_each(:{name}))"


class Archive:
    """The database of a broker, if it keeps one: `exists`."""

    def __init__(self, config: Config) -> None:
        self.path = database_path(config.data)
        self.is_kept = config.broker.store

    @property
    def exists(self) -> bool:
        return self.is_kept and self.path.exists()

    def orders(self, client: str, wanted: Wanted, known: list[int], most: int) -> list[Order]:
        """The newest orders that are wanted, without those whose numbers are `known`, at most so many."""
        return self._newest("orders", "order_id", "entered", client, wanted, known, most, order_of_row)

    def executions(self, client: str, wanted: Wanted, known: list[int], most: int) -> list[Execution]:
        """The newest executions that are wanted, without those whose numbers are `known`, at most so many."""
        return self._newest("executions", "exec_id", "at", client, wanted, known, most, execution_of_row)

    def _newest(
        self, table: str, key: str, moment: str, client: str, wanted: Wanted, known: list[int], most: int,
        read: Callable[[Mapping[str, Any]], T],
    ) -> list[T]:  # fmt: skip
        number = number_of(key)
        where, values = wanted.where(client, number, moment)
        values |= {"known": json.dumps(known), "most": most}
        rows = self._rows(
            f"select * from {table} where {where} and {number} not in {_any('known')} order by {number} desc "
            "limit :most",
            values,
        )
        return [read(row) for row in rows]

    def has_logon(self, client: str, at: int) -> bool:
        """Whether it has the client's logon at a time (ns UTC) or later, and so all that was before."""
        rows = self._rows("select state, since from sessions where kind = 'client' and name = :name", {"name": client})
        return any(row["state"] == "up" and row["since"] >= moment(at) for row in rows)

    def order(self, client: str, cl_ord_id: str) -> Order | None:
        """The client's newest order that has this ClOrdID now."""
        where = "client = :client and cl_ord_id = :name"
        rows = self._rows(f"select * from orders where {where}", {"client": client, "name": cl_ord_id})
        found = [order_of_row(row) for row in rows]
        return max(found, key=lambda order: id_number(order.order_id), default=None)

    def by_id(self, order_ids: list[str]) -> list[Order]:
        rows = self._rows(f"select * from orders where order_id in {_any('ids')}", {"ids": json.dumps(order_ids)})
        return [order_of_row(row) for row in rows]

    def accounts(self, names: tuple[str, ...]) -> dict[str, dict[str, str]]:
        rows = self._rows(f"select * from accounts where account in {_any('names')}", {"names": json.dumps(names)})
        return {row["account"]: row for row in rows}

    def positions(self, names: tuple[str, ...]) -> list[Position]:
        where = f"account in {_any('names')} order by account, symbol"
        rows = self._rows(f"select * from positions where {where}", {"names": json.dumps(names)})
        fields = Position.__struct_fields__
        return [Position(*("" if row[name] is None else str(row[name]) for name in fields)) for row in rows]

    def _rows(self, sql: str, values: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Raises Unavailable."""
        if not self.exists:
            raise Unavailable("there is no database: the broker runs without store = true")
        with self._open() as database:
            yield from database.query(sql, dict(values))

    @contextmanager
    def _open(self) -> Iterator[Database]:
        database = Database(self.path)
        try:
            yield database
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_ERROR and not str(error).startswith("no such"):
                raise
            # It is being made, or made anew.
            raise Unavailable(f"the database can't be read now: {error}") from error
        finally:
            database.close()
