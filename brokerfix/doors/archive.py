"""What the database knows: the projection of the journal, some milliseconds behind the broker. Only for reading, and
each call in a thread of its own."""

import json
import logging
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import msgspec

from brokerfix.domain import id_number
from brokerfix.doors.model import Execution, Order, Position
from brokerfix.doors.terms import execution_of_row, order_of_row
from brokerfix.doors.waiting import Unavailable
from brokerfix.projections.published import moment
from brokerfix.projections.reading import Reading, Row, Unreadable, reading_of
from brokerfix.projections.tables import WHOLE, number_of
from brokerfix.settings.sections import Config

log = logging.getLogger("brokerfix.doors.archive")

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

    def where(self, client: str, number: str, moment: str, database: Reading) -> tuple[str, dict[str, Any]]:
        """The same in a database's SQL; `number` and `moment` are expressions for what `below`, `after` and `until` are
        about."""
        terms = ["client = :client"]
        values: dict[str, Any] = {"client": client}
        for column, wanted in (("account", self.accounts), ("symbol", self.symbols)):
            if wanted:
                terms.append(f"{column} in {database.one_of(column)}")
                values[column] = json.dumps(wanted)
        if self.statuses:
            states = [f"status in {database.one_of('status')}"]
            states += ["cast(leaves_qty as real) > 0"] if "open" in self.statuses else []
            states += ["cast(leaves_qty as real) = 0"] if "closed" in self.statuses else []
            terms.append(f"({' or '.join(states)})")
            values["status"] = json.dumps([status.upper() for status in self.statuses])
        at = database.milliseconds(moment)
        for name, text, value in (
            ("side", "side = :side", self.side.upper()),
            ("after", f"{at} > {database.moment('after')}", self.after),
            ("until", f"{at} <= {database.moment('until')}", self.until),
            ("order_id", "order_id = :order_id", self.order_id),
            ("below", f"{number} < :below", self.below),
        ):
            if value:
                terms.append(text)
                values[name] = value
        return " and ".join(terms), values


class Archive:
    """The database of a broker, if it keeps one: `exists`."""

    def __init__(self, config: Config) -> None:
        """Raises Unreadable where what the database needs is not installed."""
        self.is_kept = bool(config.broker.store)
        seconds = config.http.answer_seconds if config.http is not None else 0
        self.database = reading_of(config, seconds)
        self._told = ""

    @property
    def exists(self) -> bool:
        return self.is_kept and self.database.exists

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
        where, values = wanted.where(client, number, moment, self.database)
        values |= {"known": json.dumps(known), "most": most}
        rows = self._rows(
            f"select * from {table} where {where} and {number} not in {self.database.one_of('known', WHOLE)} "
            f"order by {number} desc limit :most",
            values,
        )
        return [read(row) for row in rows]

    def has_logon(self, client: str, at: int) -> bool:
        """Whether it has the client's logon at a time (ns UTC) or later, and so all that was before."""
        rows = self._rows("select state, since from sessions where kind = 'client' and name = :name", {"name": client})
        return any(row["state"] == "up" and (row["since"] or "") >= moment(at) for row in rows)

    def order(self, client: str, cl_ord_id: str) -> Order | None:
        """The client's newest order that has this ClOrdID now."""
        where = "client = :client and cl_ord_id = :name"
        rows = self._rows(f"select * from orders where {where}", {"client": client, "name": cl_ord_id})
        found = [order_of_row(row) for row in rows]
        return max(found, key=lambda order: id_number(order.order_id), default=None)

    def by_id(self, order_ids: list[str]) -> list[Order]:
        rows = self._rows(
            f"select * from orders where order_id in {self.database.one_of('ids')}", {"ids": json.dumps(order_ids)}
        )
        return [order_of_row(row) for row in rows]

    def accounts(self, names: tuple[str, ...]) -> dict[str, dict[str, str]]:
        rows = self._rows(
            f"select * from accounts where account in {self.database.one_of('names')}", {"names": json.dumps(names)}
        )
        return {row["account"]: row for row in rows}

    def positions(self, names: tuple[str, ...]) -> list[Position]:
        where = f"account in {self.database.one_of('names')} order by account, symbol"
        rows = self._rows(f"select * from positions where {where}", {"names": json.dumps(names)})
        fields = Position.__struct_fields__
        return [Position(*("" if row[name] is None else str(row[name]) for name in fields)) for row in rows]

    def close(self) -> None:
        self.database.close()

    def _rows(self, sql: str, values: Mapping[str, Any]) -> list[Row]:
        """Raises Unavailable."""
        if not self.exists:
            raise Unavailable("there is no database: the broker runs without store = true")
        try:
            return self.database.query(sql, values)
        except Unreadable as error:
            if str(error) != self._told:
                log.warning("%s", error)
            self._told = str(error)
            # Where it is, and what is wrong with it, is not for clients.
            raise Unavailable("the database can't be read now; try again") from error
