"""The routes for accounts, instruments, books, statistics and the clock."""

import asyncio
import json
import time
from typing import Annotated, Any, Literal

from litestar import Request, get
from litestar.exceptions import HTTPException
from litestar.params import QueryParameter

from brokerfix.domain import day_of, to_text
from brokerfix.doors.desk import Caller
from brokerfix.doors.market import DEPTH, MOST_DEPTH, Market
from brokerfix.doors.model import (
    AccountLimits,
    AccountRisk,
    AccountState,
    Book,
    Clock,
    Hours,
    Instrument,
    LimitUse,
    Position,
    Statistics,
)
from brokerfix.doors.terms import day, to_ms
from brokerfix.doors.users import User
from brokerfix.projections.published import moment
from brokerfix.settings.schedule import Hours as Schedule
from brokerfix.settings.schedule import trading_day
from brokerfix.settings.sections import Config
from brokerfix.web.door import SymbolPath, door_of, needs, problems

PRICES_OF_A_REQUEST = 50
Depth = Annotated[
    int,
    QueryParameter(
        name="depth", ge=0, le=MOST_DEPTH, description=f"How many prices of a side (0: all, up to {MOST_DEPTH})"
    ),
]
By = Annotated[
    Literal["price", "exchange"],
    QueryParameter(name="by", description="All that is at a price together, or each exchange's part"),
]


@get(
    "/v1/account", guards=[needs("read", spends=b"H")], tags=["accounts"],
    operation_id="account", summary="Cash, buying power, margin, limits", responses=problems(),
)  # fmt: skip
async def account(request: Request[Caller, None, Any]) -> list[AccountState]:
    """Each of the key's accounts: cash, buying power, margin and limits, as last projected (some milliseconds ago)."""
    door = door_of(request)
    names = door.accounts(request.user)
    rows = await asyncio.to_thread(door.archive.accounts, names)
    told = []
    for name in names:
        row = rows.get(name)
        if row is not None:
            told.append(_account(row))
    return told


def _account(row: dict[str, Any]) -> AccountState:
    own = json.loads(row["limits"])
    in_any = {one["limit"]: one["most"] for one in own if not one["symbol"]}
    most = AccountLimits(in_any.get("max_order_qty"), in_any.get("max_order_notional"), bool(row["checks_power"]))
    risk = AccountRisk(*(row[name] for name in ("kind", "standing", "equity", "maintenance", "excess", "credit")))
    used = [
        LimitUse(one["symbol"] or None, one["limit"], one["most"], one["used"] or None, one["percent"]) for one in own
    ]
    money = row["paid_in"], row["cash"], row["buying_power"], json.loads(row["balances"])
    return AccountState(row["account"], *money, most, risk, used)


@get(
    "/v1/positions", guards=[needs("read", spends=b"H")], tags=["accounts"],
    operation_id="positions", summary="Positions", responses=problems(),
)  # fmt: skip
async def positions(request: Request[Caller, None, Any]) -> list[Position]:
    """What the key's accounts hold, as last projected (some milliseconds ago)."""
    door = door_of(request)
    return await asyncio.to_thread(door.archive.positions, door.accounts(request.user))


@get(
    "/v1/books/{symbol:str}", guards=[needs("market", spends=b"H")], tags=["market"],
    operation_id="book", summary="The book of a symbol", responses=problems(404),
)  # fmt: skip
async def book(request: Request[Caller, None, Any], symbol: SymbolPath, depth: Depth = DEPTH, by: By = "price") -> Book:
    """The consolidated book of a symbol: all exchanges and the broker's own book, together or apart. A deep one counts
    as more requests: one more for every 50 prices."""
    extra = (depth or MOST_DEPTH) // PRICES_OF_A_REQUEST
    if extra:
        door_of(request).spend(request.scope, b"H", extra)
    return await _market(request, symbol).book(symbol, depth, by == "exchange")


@get(
    "/v1/statistics/{symbol:str}", guards=[needs("market", spends=b"H")], tags=["market"],
    operation_id="statistics", summary="What was traded in the trading day", responses=problems(404),
)  # fmt: skip
async def statistics(request: Request[Caller, None, Any], symbol: SymbolPath) -> Statistics:
    """The first, highest, lowest, average and last price of a symbol in the trading day, and how much was traded, of
    all exchanges together; null before the first trade."""
    return await _market(request, symbol).statistics(symbol)


def _market(request: Request[Caller, None, Any], symbol: str) -> Market:
    """What the key's session tells of the market. Raises HTTPException 404 where there is no such symbol."""
    door = door_of(request)
    if symbol not in door.config.instruments:
        raise HTTPException(f"there is no symbol {symbol}", status_code=404)
    return door.user(request.user).market


@get(
    "/v1/instruments", guards=[needs("read", "market", spends=b"H")], tags=["market"],
    operation_id="instruments", summary="Instruments", responses=problems(),
)  # fmt: skip
async def instruments(request: Request[Caller, None, Any]) -> list[Instrument]:
    """What can be traded."""
    door = door_of(request)
    user = door.user(request.user)
    return [_instrument(door.config, user, symbol) for symbol in door.config.instruments]


def _instrument(config: Config, user: User, symbol: str) -> Instrument:
    one = config.instruments[symbol]
    phase, halted = user.market.phases.get(symbol, (None, None))
    return Instrument(
        symbol,
        one.price_digits,
        one.qty_digits,
        to_text(one.tick, one.price_digits),
        to_text(one.lot, one.qty_digits),
        to_text(one.collar_bps, 4) if one.collar_bps else None,
        clock_time(one.opens),
        clock_time(one.closes),
        one.zone,
        config.calendars.get(symbol),
        one.pre_open,
        one.opening_auction,
        one.closing_auction,
        phase,
        halted,
    )


def clock_time(seconds: int) -> str:
    """Seconds after midnight -> HH:MM:SS."""
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


@get(
    "/v1/clock", guards=[needs("read", "market", spends=b"H")], tags=["market"],
    operation_id="clock", summary="Time, trading day, phases", responses=problems(),
)  # fmt: skip
async def clock(request: Request[Caller, None, Any]) -> Clock:
    """What time it is, here and for each instrument. A trading day that an operator began early is known from the first
    report in it."""
    door = door_of(request)
    user, now = door.user(request.user), time.time_ns()
    today = max(trading_day(now, door.config.day_start, door.config.broker.time_zone), day_of(user.last_number))
    return Clock(
        to_ms(moment(now)), day(str(today)), [_hours(door.schedules[symbol], user, now) for symbol in door.schedules]
    )


def _hours(schedule: Schedule, user: User, now: int) -> Hours:
    symbol = schedule.instrument.symbol
    phase, halted = user.market.phases.get(symbol, (None, None))
    opens, closes = (None if at is None else to_ms(moment(at)) for at in schedule.next_times(now))
    return Hours(symbol, phase, halted, opens, closes)


ROUTES = [account, positions, book, statistics, instruments, clock]
