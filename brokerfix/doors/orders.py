"""What can be asked for about orders. A request that comes again, with the same ClOrdID, is answered and not done
again."""

import asyncio
from datetime import UTC, datetime

from brokerfix.doors.desk import Caller, Desk
from brokerfix.doors.model import NewOrder, Order, Replace, Strategy
from brokerfix.doors.strategies import fix_time
from brokerfix.doors.terms import UNPRICED, exact, has_terms, is_same, new_order_fields
from brokerfix.doors.users import User
from brokerfix.doors.waiting import RequestRefused


async def enter(desk: Desk, caller: Caller, asked: NewOrder, waits_for_end: bool = False) -> tuple[Order, bool]:
    """Enter an order, and wait for its first report, with `waits_for_end` for the last of one that will have ended, or
    have had what it gets at once. Returns it, and whether it was entered now: the same ClOrdID again is the same order.
    Raises RequestRefused, Unavailable."""
    user, account = desk.user(caller), asked.account or desk.accounts(caller)[0]
    desk.chosen(caller, [account])
    body = _fields(asked, account)
    # Whether the broker knows it from before a restart of ours is asked first.
    known = await user.holder(asked.cl_ord_id)
    if known is not None:
        known = await completed(desk, user, known)
        if not (desk.sees(caller, known) and _same(user, known, asked, account)):
            shown = known if desk.sees(caller, known) else None
            raise RequestRefused(f"there is another order {asked.cl_ord_id} already", shown, 409)
        if known.status == "rejected":
            raise RequestRefused(known.text or "rejected", known)
        return known, False
    order = await user.new_order(asked, account, body, waits_for_end and _is_immediate(asked))
    return desk.own(caller, order, asked.cl_ord_id), True


async def look(desk: Desk, caller: Caller, cl_ord_id: str) -> Order:
    """An order by any of its ClOrdIDs. Raises RequestRefused 404, Unavailable."""
    return await completed(desk, desk.user(caller), await found(desk, caller, cl_ord_id))


async def found(desk: Desk, caller: Caller, cl_ord_id: str) -> Order:
    """The order, from the database if it ended so long ago that the broker does not know it. Raises RequestRefused 404
    where there is none, or the key may not see it, and Unavailable."""
    user = desk.user(caller)
    order = await user.status(cl_ord_id)
    if order is None and desk.archive.exists:
        order = await asyncio.to_thread(desk.archive.order, user.name, cl_ord_id)
    return desk.own(caller, order, cl_ord_id)


async def completed(desk: Desk, user: User, order: Order) -> Order:
    """An order of before this door was opened, with what its reports leave out, if the database has it by now."""
    if (order.entered is None or order.manual is None) and desk.archive.exists:
        for archived in await asyncio.to_thread(desk.archive.by_id, [order.order_id]):
            user.orders.complete(archived)
    return user.orders.by_id.get(order.order_id, order)


async def cancel(desk: Desk, caller: Caller, named: str, cl_ord_id: str) -> Order:
    """Cancel the order that is `named` by any of its ClOrdIDs, and wait until it is. Raises RequestRefused,
    Unavailable."""
    order = await found(desk, caller, named)
    if order.status == "canceled":
        return order
    return desk.own(caller, await desk.user(caller).cancel(order, cl_ord_id), named)


async def replace(desk: Desk, caller: Caller, named: str, asked: Replace) -> Order:
    """Give the order that is `named` by any of its ClOrdIDs other terms, and wait until it has them. Raises
    RequestRefused, Unavailable."""
    user = desk.user(caller)
    _check_times(asked)
    order = await found(desk, caller, named)
    done = user.orders.named(asked.cl_ord_id)
    if done is not None and done.order_id == order.order_id:
        before = user.orders.asked.get(asked.cl_ord_id)
        # Of a request before a restart of ours it is only known what the order is now, unless that has changed since.
        if before == asked or (before is None and (done.cl_ord_id != asked.cl_ord_id or has_terms(done, asked))):
            return done
        raise RequestRefused(f"there is another request {asked.cl_ord_id} already", status=409)
    if done is not None and done.is_open:
        raise RequestRefused(f"there is another order {asked.cl_ord_id} already", status=409)
    order = await completed(desk, user, order)
    if asked.price is not None and order.type in UNPRICED:
        raise RequestRefused(f"a {order.type} order has no price", status=400)
    return desk.own(caller, await user.replace(order, asked), asked.cl_ord_id)


def _same(user: User, order: Order, asked: NewOrder, account: str) -> bool:
    """Whether an order that has the ClOrdID already is the one that is asked for: by what was asked for then or, where
    that was before a restart of ours, by its report. Of one that was replaced since, that tells less."""
    before = user.orders.asked.get(asked.cl_ord_id)
    if isinstance(before, NewOrder):
        return exact(before) == exact(asked) and user.orders.accounts.get(asked.cl_ord_id) == account
    return account == (order.account or account) and is_same(order, asked)


def _is_immediate(asked: NewOrder) -> bool:
    """Whether an order will have ended, or have had what it gets at once, by its last report."""
    if (
        asked.manual
        or (asked.strategy is not None and asked.strategy.name)
        or asked.type in ("stop", "stop_limit", "pegged", "market_to_limit")
    ):
        return False
    if asked.time_in_force in ("opening", "closing"):
        return False
    return asked.type == "market" or asked.time_in_force in ("ioc", "fok")


def _fields(asked: NewOrder, account: str) -> list[tuple[int, str]]:
    """An order's fields. What FIX would leave out of account, not saying so, is refused here. Raises RequestRefused."""
    if asked.price is not None and asked.type in UNPRICED:
        raise RequestRefused(f"a {asked.type} order has no price", status=400)
    if asked.qty is not None and asked.cash_order_qty is not None:
        raise RequestRefused("an order has qty or cash_order_qty, not both", status=400)
    _check_times(asked)
    return new_order_fields(asked, account)


def _check_times(asked: NewOrder | Replace) -> None:
    """Raises RequestRefused 400 for what is no time in UTC, as the first hours of the year 1 in the east, and for a
    strategy that says nothing."""
    worked = asked.strategy or Strategy()
    for name, moment in (("expire_time", asked.expire_time), ("start", worked.start), ("end", worked.end)):
        try:
            fix_time(moment or datetime.now(UTC))
        except OverflowError as error:
            raise RequestRefused(f"{name} is no time in UTC", status=400) from error
    if asked.strategy is not None and worked.name is None and worked.route_mode is None:
        raise RequestRefused("a strategy has a name or a route_mode", status=400)
