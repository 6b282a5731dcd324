"""Recorded days against other limits: which orders they would have refused, how far each would have been used, and who
would be called if prices were others. What happened is replayed as it happened; an order that would have been refused
goes on to count, so that the others are weighed against the same flow."""

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec

from brokerfix import facts as f
from brokerfix.domain import ExecInst, Instructions, Level, Limits, Standing, day_of, id_text, money_text, to_text
from brokerfix.engine.evolve import evolve
from brokerfix.engine.orders import booking
from brokerfix.engine.risk import checks
from brokerfix.engine.risk.bounds import owned, set_level
from brokerfix.engine.risk.levels import utilisation
from brokerfix.engine.risk.standing import standing_of
from brokerfix.engine.state import State
from brokerfix.record.journal import START, read
from brokerfix.record.kept import oldest

PERCENT = 100
MOVES = (f.OrderAccepted, f.OrderReplaced, f.Trade, f.ChildFilled, f.Quoted)
"""The facts after which more of a limit may be used."""


class Refused(msgspec.Struct, frozen=True):
    """An order, or a replace, that would have been refused."""

    at: int
    order_id: int
    client: str
    account: str
    terms: str
    check: str
    text: str

    def row(self) -> dict[str, Any]:
        when = datetime.fromtimestamp(self.at / 10**9, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
        return {
            "time": when, "order": id_text(self.order_id), "client": self.client, "account": self.account,
            "terms": self.terms, "refused": self.text,
        }  # fmt: skip


class DryRun:
    """A replay with the limits of `levels` and `groups` instead of those on record. `weighed` counts the orders and
    replaces that were looked at, `refused` are those that would not have been taken, and `reached` is by (level, limit)
    the most that was used. With a `rate` all happens so many times as fast."""

    def __init__(
        self,
        levels: dict[Level, Limits],
        groups: dict[str, tuple[str, ...]],
        symbol_groups: dict[str, tuple[str, ...]] | None = None,
        rate: int = 1,
    ) -> None:
        self.state = State()
        self.symbol_groups, self.rate = symbol_groups or {}, rate
        self._began = 0
        self._closes: dict[str, dict[int, int]] = {}
        self.levels, self.groups = levels, groups
        self.weighed = 0
        self.refused: list[Refused] = []
        self.reached: dict[tuple[str, str], dict[str, Any]] = {}

    def replay(self, folder: Path, day: int = 0) -> None:
        """All days of a journal, or the orders of one (0: of all). Raises JournalError."""
        state, since = oldest(folder)
        self.state.become(state)
        self.state.groups, self.state.symbol_groups = dict(self.groups), dict(self.symbol_groups)
        if since != START:
            self._set_limits()
        for record in read(folder, since=since):
            for recorded in record.facts:
                fact = self._faster(recorded)
                if isinstance(fact, f.Quoted) and fact.mark:
                    self._closes.setdefault(fact.symbol, {})[day_of(fact.id)] = fact.mark
                if isinstance(fact, f.LimitsSet | f.GroupDefined | f.SymbolGroupDefined | f.LimitsDivided):
                    self.state.last_id = fact.id
                    continue
                if day in (0, day_of(fact.id)):
                    self._weigh(fact)
                evolve(self.state, fact)
                if isinstance(fact, MOVES) and day in (0, day_of(fact.id)):
                    self._note_use(fact.at)
                if isinstance(fact, f.AccountDefined | f.ClientDefined | f.InstrumentDefined):
                    self._set_limits()

    def _faster(self, fact: f.Fact) -> f.Fact:
        """The fact at the time at which it would be."""
        if self.rate == 1:
            return fact
        self._began = self._began or fact.at
        return msgspec.structs.replace(fact, at=self._began + (fact.at - self._began) // self.rate)

    def _set_limits(self) -> None:
        for name in self.state.accounts:
            level = Level("account", name)
            set_level(self.state, level, self.levels.get(level, Limits()))
        for level, limits in self.levels.items():
            set_level(self.state, level, limits)

    def _weigh(self, fact: f.Fact) -> None:
        if isinstance(fact, f.OrderAccepted) and not fact.operator:
            stop, reduces = _asked(fact.instructions)
            located = fact.tags is not None and fact.tags.locate == "N"
            terms = checks.Terms(
                fact.side, fact.ord_type, fact.qty, fact.price, fact.risk_price, stop, reduces, located
            )
            self._check(fact.at, fact.id, fact.client, fact.account, fact.symbol, terms, None)
        elif isinstance(fact, f.OrderReplaced):
            order = self.state.orders[fact.order_id]
            stop, reduces = _asked(fact.instructions)
            terms = checks.Terms(order.side, order.ord_type, fact.qty, fact.price, fact.risk_price, stop, reduces)
            self._check(fact.at, order.order_id, order.client, order.account, order.symbol, terms, order)
        else:
            return
        self.weighed += 1

    def _note_use(self, at: int) -> None:
        """Keep the most that was used of each limit."""
        for row in utilisation(self.state, at):
            known = self.reached.get((row["level"], row["limit"]))
            if known is None or (row["percent"] or 0) > (known["percent"] or 0):
                self.reached[row["level"], row["limit"]] = row

    def _check(
        self, at: int, order_id: int, client: str, account: str, symbol: str, terms: checks.Terms, replaced: Any
    ) -> None:
        state = self.state
        instrument = state.instruments[symbol]
        may_repeat = replaced is not None
        why = checks.rate_reject(state.clients[client]) if checks.too_fast(state.clients[client], at) else None
        why = why or checks.check_terms(
            state, state.clients[client], state.accounts[account], instrument, terms, at, replaced, may_repeat
        )
        if why is None:
            return
        price = f" at {to_text(terms.price, instrument.price_digits)}" if terms.price else ""
        qty = to_text(terms.qty, instrument.qty_digits)
        told = f"{terms.side.name.lower()} {qty} {symbol}{price}" + (", a replace" if may_repeat else "")
        self.refused.append(Refused(at, order_id, client, account, told, why.check, why.text))

    def by_check(self) -> list[dict[str, Any]]:
        """How many orders each control would have refused."""
        return [{"control": check, "refused": count} for check, count in Counter(r.check for r in self.refused).items()]

    def shocked(self, percents: Iterable[int]) -> Iterator[dict[str, Any]]:
        """How accounts with margin, and with positions, would stand at the end if all marks fell by so many percent,
        and if each symbol fell again as on its worst day on record (where there are two)."""
        state = self.state
        marks = {symbol: checks.reference(state, instrument) for symbol, instrument in state.instruments.items()}
        shocks = [
            (f"-{percent} %", {symbol: mark * (PERCENT - percent) // PERCENT for symbol, mark in marks.items()})
            for percent in percents
        ]
        worst = {symbol: fall for symbol, closes in self._closes.items() if (fall := _worst_day(closes)) is not None}
        if worst:
            fallen = {symbol: mark * worst.get(symbol, (1, 1))[1] // worst.get(symbol, (1, 1))[0]
                      for symbol, mark in marks.items()}  # fmt: skip
            shocks.append(("worst day", fallen))
        for name, shock in shocks:
            state.marks.update(shock)
            for account in state.accounts.values():
                held = {symbol: one for symbol, one in account.positions.items() if one.qty}
                if not account.is_watched or not held:
                    continue
                for symbol, position in account.positions.items():
                    owned(state, account, symbol, position)
                booking.reload_all(state, account)
                standing = standing_of(state, account)
                yield {
                    "marks": name, "account": account.account, "standing": str(standing),
                    "equity": money_text(account.equity), "excess": money_text(account.excess),
                    "called": "yes" if standing is Standing.CALL else "",
                }  # fmt: skip
        state.marks.update(marks)


def _asked(instructions: Instructions | None) -> tuple[int, bool]:
    """(the stop's price, whether the order must not increase a position)."""
    if instructions is None:
        return 0, False
    return instructions.stop_px, ExecInst.DO_NOT_INCREASE in instructions.exec_inst


def _worst_day(closes: dict[int, int]) -> tuple[int, int] | None:
    """The two marks, one day's last and the next one's, between which the fall was largest; None without two days."""
    marks = [mark for _, mark in sorted(closes.items())]
    return max(pairwise(marks), key=lambda pair: Fraction(*pair), default=None)
