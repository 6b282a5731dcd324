"""How an account stands: what its equity, its margin and its losses come to."""

from typing import TYPE_CHECKING, Any

from brokerfix.domain import Standing, money_text, to_scaled
from brokerfix.engine.entities import Account
from brokerfix.engine.risk.margin import BASIS_POINTS

if TYPE_CHECKING:
    from brokerfix.engine.state import State

LOSS_STEPS = (50, 80, 100)
"""Percent of what an account may lose in a day at which something happens."""


def standing_of(state: "State", account: Account) -> Standing:
    """OK, WARNING or CALL, as the account's numbers are now."""
    if account.margin == "cash" or account.excess > account.equity:
        return Standing.OK
    if account.excess < 0:
        return Standing.CALL
    if not account.maintenance:
        return Standing.OK
    warning = to_scaled(state.margin_policy.warning, 4)
    return Standing.WARNING if account.excess * BASIS_POINTS <= account.equity * warning else Standing.OK


def loss_step(account: Account) -> int:
    """The highest of LOSS_STEPS that the day's loss has reached, 0 for none."""
    if not account.most_lost:
        return 0
    loss = account.opened_with - account.value
    return max((step for step in LOSS_STEPS if loss * 100 >= step * account.most_lost), default=0)


def watch_anew(account: Account, was_watched: bool, most_lost: int) -> None:
    """The account's kind or loss limit may be another one: what it loses is counted from now on if it was not before,
    and what has been told of another limit counts no more."""
    if account.is_watched and not was_watched:
        account.opened_with = account.value
    if account.most_lost != most_lost:
        account.lost = 0


def stands_otherwise(state: "State", account: Account) -> bool:
    """Whether the account has to be reviewed: it stands otherwise than on record."""
    if account.most_lost and loss_step(account) > account.lost:
        return True
    if account.margin == "cash" or account.standing in (Standing.LIQUIDATING, Standing.CLOSED_OUT):
        # What follows there is a matter of time.
        return False
    return standing_of(state, account) is not account.standing


def margins(state: "State") -> list[dict[str, Any]]:
    """Every account with margin, or with a loss limit: what it has, needs, has lost today and owes, as decimal text of
    money."""
    return [
        {
            "account": account.account,
            "kind": account.margin,
            "standing": str(account.standing),
            "cash": money_text(account.cash),
            "other cash": ", ".join(f"{money_text(money)} {name}" for name, money in account.balances.items()),
            "equity": money_text(account.equity),
            "maintenance": money_text(account.maintenance),
            "excess": money_text(account.excess),
            "available": money_text(account.buying_power),
            "cushion": f"{100 * account.excess / account.equity:.1f} %" if account.equity > 0 else "",
            "lost today": money_text(max(0, account.opened_with - account.value)),
            "sma": money_text(account.sma) if account.margin == "reg-t" else "",
            "intraday deficits": ", ".join(f"{money_text(money)} of {day}" for day, money in account.owed),
            "frozen until": str(account.frozen_until) if account.frozen_until > state.day else "",
            "owes": money_text(state.deficits[account.account]) if account.account in state.deficits else "",
            "held by": account.held_by,
        }
        for account in state.accounts.values()
        if account.is_watched
    ]
