"""Accounts, positions and limits as rows for people: pure functions of the state, bounded by what is shown."""

import heapq
from collections.abc import Callable, Iterator
from typing import Any

from brokerfix.console.elements.listing import bar, coloured, pill
from brokerfix.domain import MONEY_DIGITS, Standing, money_text, to_text
from brokerfix.engine.entities import Account, Bound, Position
from brokerfix.engine.risk.controls import CONTROLS, number
from brokerfix.engine.risk.levels import in_use
from brokerfix.engine.state import State

BASIS_POINTS = 10_000
WARN_PERCENT, BAD_PERCENT = 75.0, 90.0
"""From which share of a limit on its bar is a warning, and bad: the broker tells operators above 90 %."""
SEVERITY = {
    Standing.OK: 0, Standing.WARNING: 1, Standing.CLOSED_OUT: 2, Standing.CALL: 3, Standing.LIQUIDATING: 4,
}  # fmt: skip
KINDS = {Standing.OK: "good", Standing.WARNING: "warn"}
Cells = dict[str, Any]
Gained = Callable[[State, str, str, Position], int | None]
"""What a position has gained today, see `Watch.gain`."""


def grouped(text: str) -> str:
    """Decimal text with commas between thousands."""
    sign, bare = ("-", text[1:]) if text.startswith("-") else ("", text)
    whole, point, part = bare.partition(".")
    return f"{sign}{int(whole):,}{point}{part}" if whole.isdecimal() else text


def money(scaled: int) -> str:
    """Money as people read it, to the hundredth, rounded towards zero."""
    cut = abs(scaled) // 10 ** (MONEY_DIGITS - 2) * 10 ** (MONEY_DIGITS - 2)
    return grouped(money_text(-cut if scaled < 0 else cut))


def signed(scaled: int | None) -> Any:
    """A gain or loss, with its sign and colour."""
    if scaled is None:
        return ""
    text = money(scaled)
    return coloured(f"+{text}" if scaled > 0 else text, "good" if scaled > 0 else "bad" if scaled < 0 else "")


def share_kind(percent: float) -> str:
    return "bad" if percent >= BAD_PERCENT else "warn" if percent >= WARN_PERCENT else ""


def standing_pill(standing: Standing) -> Cells:
    return pill(standing.upper(), KINDS.get(standing, "bad"))


def select(state: State, text: str, which: str, most: int) -> tuple[list[str], int]:
    """The names of accounts whose name has a text in it, which are "all", "margin" (or with a loss limit), "held"
    (something is held or open) or "trouble" (not in order), those that stand worst first; and how many those are."""
    wanted = text.strip().upper()
    found = [
        (-SEVERITY[account.standing], name)
        for name, account in state.accounts.items()
        if wanted in name.upper() and _is_meant(account, which)
    ]
    return [name for _, name in heapq.nsmallest(most, found)], len(found)


def _is_meant(account: Account, which: str) -> bool:
    if which == "margin":
        return account.is_watched
    if which == "trouble":
        return account.standing is not Standing.OK or bool(account.reduces_only)
    return which != "held" or any(map(_is_something, account.positions.values()))


def _is_something(position: Position) -> bool:
    return bool(position.qty or position.open_buy_qty or position.open_sell_qty)


def exposure(state: State, account: Account) -> tuple[int, int]:
    """(gross, net) in money: all positions at their marks, with all that is open for gross; signs for net."""
    gross = net = 0
    for symbol, position in account.positions.items():
        mark, factor = state.marks.get(symbol) or state.instruments[symbol].reference, state.factors[symbol]
        worth = position.qty * mark * factor
        gross += abs(worth) + (position.open_buy_notional + position.open_sell_notional) * factor
        net += worth
    return gross, net


def account_row(state: State, account: Account, gained: Gained) -> Cells:
    """An account."""
    gross, net = exposure(state, account)
    with_margin = account.margin != "cash"
    equity = account.equity if account.exposed else account.cash + account.foreign + net
    gains = [gained(state, account.account, symbol, one) for symbol, one in account.positions.items()]
    return {
        "account": account.account,
        "standing": standing_pill(account.standing) if with_margin else pill("CASH"),
        "cash": money(account.cash),
        "equity": money(equity),
        "power": money(account.buying_power),
        "gross": money(gross),
        "net": money(net),
        "used": _margin_used(account, equity) if with_margin else "",
        "excess": money(account.excess) if with_margin else "",
        "gain": signed(sum(one for one in gains if one is not None) if None not in gains else None),
        "credit": f"{100 * account.credit_bps / BASIS_POINTS:g} %" if with_margin else "",
    }


def _margin_used(account: Account, equity: int) -> Cells:
    """The maintenance margin, of the equity that there is for it."""
    need = account.maintenance
    percent = 100 * need / equity if equity > 0 else 100.0 if need else 0.0
    return bar(percent, f"{money(need)} ({percent:.0f} %)", share_kind(percent))


def position_rows(state: State, account: Account, gained: Gained) -> list[Cells]:
    """What an account has, and what it has open."""
    rows = []
    for symbol, position in sorted(account.positions.items()):
        if not (_is_something(position) or position.bought or position.sold):
            continue
        instrument, factor = state.instruments[symbol], state.factors[symbol]
        mark = state.marks.get(symbol) or instrument.reference
        digits = instrument.qty_digits
        rows.append({
            "symbol": symbol,
            "qty": grouped(to_text(position.qty, digits)),
            "mark": to_text(mark, instrument.price_digits) if mark else "",
            "value": money(position.qty * mark * factor),
            "gain": signed(gained(state, account.account, symbol, position)),
            "buys": grouped(to_text(position.open_buy_qty, digits)) if position.open_buy_qty else "",
            "sells": grouped(to_text(position.open_sell_qty, digits)) if position.open_sell_qty else "",
            "margin": money(position.maintenance) if account.margin != "cash" else "",
        })  # fmt: skip
    return rows


def account_figures(state: State, account: Account) -> list[tuple[str, str]]:
    """What more there is to know of an account, as (name, value)."""
    found = [("kind", account.margin), ("paid in", money(account.paid_in)), ("cash", money(account.cash))]
    found += [(f"cash in {name}", money(amount)) for name, amount in account.balances.items()]
    if account.margin != "cash":
        cushion = f" ({100 * account.excess / account.equity:.1f} %)" if account.equity > 0 else ""
        found += [
            ("equity", money(account.equity)),
            ("maintenance margin", money(account.maintenance)),
            ("excess liquidity", money(account.excess) + cushion),
        ]
        if account.margin == "reg-t":
            found.append(("SMA", money(account.sma)))
    if account.most_lost:
        lost = max(0, account.opened_with - account.value)
        found.append(("lost today", f"{money(lost)} of {money(account.most_lost)}"))
    found += [("intraday deficit", f"{money(amount)} of {day}") for day, amount in account.owed]
    if account.account in state.deficits:
        found.append(("owes the desk", money(state.deficits[account.account])))
    if account.frozen_until > state.day:
        found.append(("frozen until", f"{account.frozen_until}"))
    return [*found, ("clients", ", ".join(account.clients))]


# Limits


def limits_of(state: State, bound: Bound, at: int) -> Iterator[tuple[float, str, int, int | None]]:
    """Of each limit of a level that is set: (percent that is used, name, number, how much is used; None: nothing counts
    towards it)."""
    used = in_use(state, bound)
    if bound.counts:
        units, value = bound.accepted.since(at - bound.window)
        used |= {"max_window_qty": units, "max_window_notional": value}
    for name, most in bound.most.items():
        count = used.get(name)
        yield (100 * count / most if count is not None and most else 0.0), name, most, count


def losses(state: State) -> Iterator[tuple[float, str, Account]]:
    """Of accounts with a loss limit, how many percent of it are lost."""
    for name, account in list(state.accounts.items()):
        if account.most_lost:
            yield 100 * max(0, account.opened_with - account.value) / account.most_lost, name, account


def limit_row(level: str, name: str, most: int, used: int | None, percent: float, until: str = "") -> Cells:
    """A limit as a row; one that is said or not has no number."""
    control = CONTROLS.get(name)
    is_set = "yes" if most == 0 and name in ("long_only", "reduce_only", "restricted") else grouped(number(most))
    return {
        "key": f"{level} {name}",
        "level": level,
        "limit": name,
        "most": is_set,
        "used": bar(percent, f"{percent:.1f} % ({grouped(number(used))})", share_kind(percent))
        if used is not None and most
        else coloured("checked at each order" if used is None else grouped(number(used)), "soft"),
        "until": until,
        "words": control.words if control is not None else "what the account may lose in a day",
    }
