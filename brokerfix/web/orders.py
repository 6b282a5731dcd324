"""The routes for orders and executions."""

import asyncio
import time
from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, Response, delete, get, patch, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Example
from litestar.params import Body, QueryParameter

from brokerfix.domain import id_number
from brokerfix.doors.desk import Caller
from brokerfix.doors.model import Execution, NewOrder, Order, Replace, Status
from brokerfix.doors.orders import cancel, enter, look, replace
from brokerfix.web.door import ClOrdId, Limit, door_of, needs, problems
from brokerfix.web.pages import (
    LINK,
    Accounts,
    After,
    Cursor,
    SideFilter,
    Symbols,
    Until,
    answer,
    page,
    wanted_of,
)

NewId = Annotated[
    str | None,
    QueryParameter(name="cl_ord_id", pattern=r"^[A-Za-z0-9._:-]{1,40}(?!\n)$", description="The request's own ClOrdID"),
]
Statuses = Annotated[
    list[Literal["open", "closed", "all"] | Status] | None,
    QueryParameter(
        name="status",
        description="In this state, or these: open (something may still be filled), closed, all, or an OrdStatus",
    ),
]
ORDER_BODY = Body(
    examples=[
        Example(
            value={
                "cl_ord_id": "my-1", "symbol": "AAPL", "side": "buy", "qty": "100", "price": "150.25",
                "time_in_force": "gtc",
            }
        )
    ]
)  # fmt: skip
REPLACE_BODY = Body(examples=[Example(value={"cl_ord_id": "my-2", "price": "150.30"})])
OneSymbol = Annotated[
    str | None, QueryParameter(name="symbol", pattern=r"^[!-~]{1,32}(?!\n)$", description="Only of this symbol")
]
OrderIdFilter = Annotated[
    str | None,
    QueryParameter(
        name="order_id",
        pattern=r"^[0-9]{8}(-[0-9]{2})?-[0-9]{1,9}(?!\n)$",
        description="Of the order with this OrderID",
    ),
]


@post(
    "/v1/orders", guards=[needs("trade", spends=b"D")], status_code=201, tags=["orders"],
    operation_id="new_order", summary="Enter an order",
    response_description="the order was entered",
    responses={
        200: ResponseSpec(Order, generate_examples=False, description="the order was entered before"),
        **problems(409, 413, 422),
    },
)  # fmt: skip
async def new_order(request: Request[Caller, None, Any], data: Annotated[NewOrder, ORDER_BODY]) -> Response[Order]:
    """Enter an order, and wait for its first report, of a market, ioc or fok order for its last. The same ClOrdID again
    is the same order, and answered as such; another order with it is a conflict, as long as the broker does not take
    the ClOrdID for free again: it is unique in a trading day and among open orders."""
    order, is_new = await enter(door_of(request), request.user, data, waits_for_end=True)
    return Response(order, status_code=201 if is_new else 200)


@get(
    "/v1/orders", guards=[needs("read", spends=b"H")], tags=["orders"],
    operation_id="list_orders", summary="List orders", responses=problems(), response_headers=[LINK],
)  # fmt: skip
async def list_orders(
    request: Request[Caller, None, Any],
    symbol: Symbols = None,
    side: SideFilter = None,
    status: Statuses = None,
    account: Accounts = None,
    after: After = None,
    until: Until = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response[list[Order]]:
    """The client's orders in the key's accounts, newest first. `after` and `until` are about when they were entered.
    The Link header leads to the next page. Without a database (`store = false`) they are those that were reported since
    this door was opened, and those that worked then; of these, nobody knows when they were entered, and they are told
    whatever `after` and `until` are."""
    door = door_of(request)
    user, caller = door.user(request.user), request.user
    statuses = () if "all" in (status or ()) else tuple(status or ())
    wanted = msgspec.structs.replace(wanted_of(request, symbol, side, account, after, until, cursor), statuses=statuses)
    await door.catch_up(user)
    if door.archive.exists and user.orders.incomplete:
        # A report does not say when its order was entered.
        for archived in await asyncio.to_thread(door.archive.by_id, list(user.orders.incomplete)):
            user.orders.complete(archived)

    def is_wanted(order: Order) -> bool:
        is_seen = order.account in wanted.accounts or (not account and door.sees(caller, order))
        return is_seen and wanted.is_order(order)

    told, has_more = await page(
        user.orders.by_number, user.orders.whole_above, is_wanted, door.archive,
        lambda below, *of: door.archive.orders(user.name, msgspec.structs.replace(wanted, below=below), *of),
        lambda order: id_number(order.order_id), wanted.below, limit,
    )  # fmt: skip
    return answer(request, told, told[-1].order_id if told else "", has_more)


@get(
    "/v1/executions", guards=[needs("read", spends=b"H")], tags=["orders"],
    operation_id="executions", summary="List executions", responses=problems(), response_headers=[LINK],
)  # fmt: skip
async def executions(
    request: Request[Caller, None, Any],
    symbol: Symbols = None,
    side: SideFilter = None,
    account: Accounts = None,
    order_id: OrderIdFilter = None,
    after: After = None,
    until: Until = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response[list[Execution]]:
    """The fills of the client's orders in the key's accounts, as they are now, newest first. The Link header leads to
    the next page. Without a database (`store = false`) they are those since this door was opened."""
    door = door_of(request)
    user = door.user(request.user)
    await door.catch_up(user)
    wanted = msgspec.structs.replace(
        wanted_of(request, symbol, side, account, after, until, cursor), order_id=order_id or ""
    )
    told, has_more = await page(
        user.orders.fills, user.orders.fills_above, wanted.is_execution, door.archive,
        lambda below, *of: door.archive.executions(user.name, msgspec.structs.replace(wanted, below=below), *of),
        lambda fill: id_number(fill.exec_id), wanted.below, limit,
    )  # fmt: skip
    return answer(request, told, told[-1].exec_id if told else "", has_more)


@get(
    "/v1/orders/{cl_ord_id:str}", guards=[needs("read", spends=b"H")], tags=["orders"],
    operation_id="order_status", summary="Look at an order", responses=problems(404),
)  # fmt: skip
async def order_status(request: Request[Caller, None, Any], cl_ord_id: ClOrdId) -> Order:
    """An order by any of its ClOrdIDs; one that has ended long ago, by its last. Of several orders that had the same,
    it is the newest."""
    return await look(door_of(request), request.user, cl_ord_id)


@delete(
    "/v1/orders/{cl_ord_id:str}", guards=[needs("trade", spends=b"F")], status_code=200, tags=["orders"],
    operation_id="cancel_order", summary="Cancel an order", responses=problems(404, 409, 422),
)  # fmt: skip
async def cancel_order(request: Request[Caller, None, Any], cl_ord_id: ClOrdId, new_id: NewId = None) -> Order:
    """Cancel an order, and wait until it is. Canceling a canceled order tells its state."""
    return await cancel(door_of(request), request.user, cl_ord_id, new_id or f"c-{time.time_ns()}")


@delete(
    "/v1/orders", guards=[needs("trade", spends=b"q")], status_code=200, tags=["orders"],
    operation_id="cancel_orders", summary="Cancel all orders", responses={
        202: ResponseSpec(
            list[Order], generate_examples=False, description="they are being canceled, and not all have ended yet"
        ),
        **problems(422),
    },
)  # fmt: skip
async def cancel_orders(
    request: Request[Caller, None, Any], symbol: OneSymbol = None, side: SideFilter = None, account: Accounts = None
) -> Response[list[Order]]:
    """Cancel all open orders in the key's accounts, or those of a symbol, a side, some accounts. Returns those that
    this was about, once each has ended (canceled, or filled before it was): 200; or as they are when `answer_seconds`
    have passed: 202. It is one OrderMassCancelRequest or, where it is not about all of the client's accounts, an
    OrderCancelRequest for each order."""
    door = door_of(request)
    user = door.user(request.user)
    terms = symbol or "", side or ""
    chosen = door.chosen(request.user, account)
    if not account and door.sees_all(request.user):
        orders, have_ended = await user.cancel_all(*terms)
    else:
        orders = await user.open_orders(*terms, chosen)
        door.spend(request.scope, b"F", len(orders))
        orders, have_ended = await user.cancel_each(orders)
    return Response(orders, status_code=200 if have_ended else 202)


@patch(
    "/v1/orders/{cl_ord_id:str}", guards=[needs("trade", spends=b"G")], tags=["orders"],
    operation_id="replace_order", summary="Replace an order", responses=problems(404, 409, 413, 422),
)  # fmt: skip
async def replace_order(
    request: Request[Caller, None, Any], cl_ord_id: ClOrdId, data: Annotated[Replace, REPLACE_BODY]
) -> Order:
    """Give an order other terms, and wait until it has them. What is left out stays as it is. The same request again
    tells the order's state."""
    return await replace(door_of(request), request.user, cl_ord_id, data)


ROUTES = [
    new_order, list_orders, executions, order_status, cancel_order, cancel_orders, replace_order,
]  # fmt: skip
