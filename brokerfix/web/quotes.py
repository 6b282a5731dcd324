"""Quotes over HTTP: asked for, accepted, countered, passed on."""

from typing import Annotated, Any

from litestar import Request, Response, get, post
from litestar.exceptions import HTTPException
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Example
from litestar.params import Body, PathParameter

from brokerfix.doors.desk import Caller
from brokerfix.doors.model import Order, Side
from brokerfix.doors.quote_model import AcceptQuote, AskQuote, Countered, CounterQuote, FirmQuote
from brokerfix.doors.quoting import Requoted
from brokerfix.doors.terms import SIDES
from brokerfix.doors.users import User
from brokerfix.doors.waiting import RequestRefused
from brokerfix.tools.client import utc_now
from brokerfix.web.door import Door, door_of, needs, problems

QuoteId = Annotated[
    str, PathParameter(pattern=r"^[0-9]{8}-[0-9]{2}-[0-9]{1,9}(?!\n)$", description="The quote's QuoteID")
]
ASK_BODY = Body(examples=[Example(value={"symbol": "AAPL", "qty": "500"})])
ACCEPT_BODY = Body(examples=[Example(value={"cl_ord_id": "my-3", "side": "buy", "qty": "100"})])
COUNTER_BODY = Body(examples=[Example(value={"price": "150.04", "side": "buy"})])


@post(
    "/v1/quotes", guards=[needs("trade", spends=b"R")], status_code=201, tags=["quotes"],
    operation_id="ask_quote", summary="Ask for a quote", response_description="a quote was given",
    responses=problems(422),
)  # fmt: skip
async def ask_quote(request: Request[Caller, None, Any], data: Annotated[AskQuote, ASK_BODY]) -> FirmQuote:
    """Ask for a quote that is firm for a while. Why there is none is the problem's detail."""
    door = door_of(request)
    user, account = door.user(request.user), data.account or door.accounts(request.user)[0]
    door.chosen(request.user, [account])
    return await user.quotes.ask(data.symbol, data.side, data.qty, account)


def _found(door: Door, caller: Caller, quote_id: str) -> FirmQuote:
    """The quote, if the key may see it. Raises HTTPException 404."""
    quote = door.user(caller).quotes.named(quote_id)
    if quote is None or not door.sees(caller, quote):
        raise HTTPException(f"there is no quote {quote_id}", status_code=404)
    return quote


@get(
    "/v1/quotes/{quote_id:str}", guards=[needs("read", spends=b"H")], tags=["quotes"],
    operation_id="quote", summary="Look at a quote", responses=problems(404),
)  # fmt: skip
async def quote_status(request: Request[Caller, None, Any], quote_id: QuoteId) -> FirmQuote:
    """A quote that was given since this door was opened: what of it is left, or why it is over."""
    return _found(door_of(request), request.user, quote_id)


def _side(quote: FirmQuote, side: Side | None) -> Side:
    """What the client does. Raises HTTPException."""
    if side is None and quote.bid_px is not None and quote.offer_px is not None:
        raise HTTPException("the quote has two sides: say which", status_code=400)
    told: Side = side or ("buy" if quote.offer_px is not None else "sell")
    if not quote.has(told):
        raise HTTPException(f"the quote has nothing to {told}", status_code=409)
    return told


@post(
    "/v1/quotes/{quote_id:str}/accept", guards=[needs("trade", spends=b"D")], status_code=201, tags=["quotes"],
    operation_id="accept_quote", summary="Accept a quote", response_description="it has traded",
    responses={
        200: ResponseSpec(Order, generate_examples=False, description="it was accepted before"),
        **problems(404, 409, 422),
    },
)  # fmt: skip
async def accept_quote(
    request: Request[Caller, None, Any], quote_id: QuoteId, data: Annotated[AcceptQuote, ACCEPT_BODY]
) -> Response[Order]:
    """Trade at a quote's price, all of it or a part. A quote that is over is refused. The same ClOrdID again for the
    same quote is answered with the order."""
    door = door_of(request)
    quote, user = _found(door, request.user, quote_id), door.user(request.user)
    known = await user.holder(data.cl_ord_id)
    if known is not None:
        return Response(_before(door, request.user, user, quote, known, data.cl_ord_id), status_code=200)
    side = _side(quote, data.side)
    user.quotes.take(data.cl_ord_id, quote_id)
    body = [
        (11, data.cl_ord_id), (1, quote.account), (55, quote.symbol), (54, SIDES[side]), (60, utc_now()),
        (38, data.qty or quote.left(side)), (40, "D"), (59, "0"), (117, quote_id),
    ]  # fmt: skip
    order = await user.take_quote(data.cl_ord_id, quote.account, "D", body)
    return Response(door.own(request.user, order, data.cl_ord_id), status_code=201)


def _before(door: Door, caller: Caller, user: User, quote: FirmQuote, known: Order, cl_ord_id: str) -> Order:
    """An order that has the ClOrdID already, if it is of this quote. Raises HTTPException 409, RequestRefused."""
    if not door.sees(caller, known) or user.quotes.taken_by(cl_ord_id) != quote.quote_id:
        raise HTTPException(f"there is another order {cl_ord_id} already", status_code=409)
    if known.status == "rejected":
        raise RequestRefused(known.text or "rejected", known)
    return known


@post(
    "/v1/quotes/{quote_id:str}/counter", guards=[needs("trade", spends=b"AJ")], status_code=200, tags=["quotes"],
    operation_id="counter_quote", summary="Counter a quote", responses=problems(404, 409, 422),
)  # fmt: skip
async def counter_quote(
    request: Request[Caller, None, Any], quote_id: QuoteId, data: Annotated[CounterQuote, COUNTER_BODY]
) -> Countered:
    """Ask for another price. If the market maker agrees, it has traded; else the quote is over, and another one is
    given in its place."""
    door = door_of(request)
    quote, user = _found(door, request.user, quote_id), door.user(request.user)
    side, name = _side(quote, data.side), data.cl_ord_id or user.quotes.new_name()
    if data.cl_ord_id is not None and await user.holder(name) is not None:
        raise HTTPException(f"there is another order {name} already", status_code=409)
    resp_id = user.quotes.new_name()
    user.quotes.take(name, quote_id, resp_id)
    body = [
        (693, resp_id), (117, quote_id), (694, "2"), (11, name), (1, quote.account), (55, quote.symbol),
        (54, SIDES[side]), (44, data.price), (38, data.qty or quote.left(side)), (60, utc_now()),
    ]  # fmt: skip
    try:
        order = await user.take_quote(name, quote.account, "AJ", body)
    except Requoted as other:
        return Countered(quote=other.quote)
    return Countered(order=door.own(request.user, order, name))


@post(
    "/v1/quotes/{quote_id:str}/pass", guards=[needs("trade", spends=b"AJ")], status_code=200, tags=["quotes"],
    operation_id="pass_quote", summary="Pass on a quote", responses=problems(404, 422),
)  # fmt: skip
async def pass_quote(request: Request[Caller, None, Any], quote_id: QuoteId) -> FirmQuote:
    """Tell that a quote is not wanted. It is over then."""
    door = door_of(request)
    return await door.user(request.user).quotes.pass_on(_found(door, request.user, quote_id))


ROUTES = [ask_quote, quote_status, accept_quote, counter_quote, pass_quote]
