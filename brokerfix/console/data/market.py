"""A symbol's market, as its page fetches it: depth, and what has changed of the day's bars, prints and fills."""

import time
from typing import Any

from fastapi import FastAPI, Query, Response

from brokerfix.console.bars import MID, TRADES, WIDTHS, Bars, Print, wider
from brokerfix.console.data.orders import json_of
from brokerfix.console.desk import Desk, Refused
from brokerfix.domain import IMMEDIATE, Side, id_number, id_text
from brokerfix.engine.state import State
from brokerfix.operate.depth import MOST_LEVELS

DEPTH_SECONDS = 0.2
"""The broker is asked for a symbol no more often than five times a second, however many look at it."""
OWN_SECONDS = 0.5
MOST_OWN = 5_000
"""Children at exchanges that are looked at to find those of a symbol; with more of them it is not said."""
Own = dict[str, dict[int, int]]


class OwnOrders:
    """How much of what exchanges show is ours, found twice a second at most."""

    def __init__(self) -> None:
        self._found: dict[str, tuple[float, Own | None]] = {}

    def of(self, state: State, symbol: str) -> Own | None:
        """By side ("bids", "asks") and price what rests there of our clients' orders; None of too many."""
        at, found = self._found.get(symbol, (float("-inf"), None))
        if time.monotonic() - at > OWN_SECONDS:
            found = own_orders(state, symbol)
            if len(self._found) > 100:
                self._found.clear()
            self._found[symbol] = time.monotonic(), found
        return found


def own_orders(state: State, symbol: str) -> Own | None:
    """What rests at exchanges of a symbol, by side and price (scaled); None where there are more than MOST_OWN."""
    if sum(map(len, state.open_children.values())) > MOST_OWN:
        return None
    found: Own = {"bids": {}, "asks": {}}
    for children in state.open_children.values():
        for child in children.values():
            if child.symbol == symbol and child.price and child.time_in_force not in IMMEDIATE:
                at = found["bids" if child.side is Side.BUY else "asks"]
                at[child.price] = at.get(child.price, 0) + child.leaves
    return found


def bars_of(bars: Bars, state: State, symbol: str, minutes: int, kind: str, since: int, after: int) -> dict[str, Any]:
    """What is new of a symbol: bars from the minute `since` on, prints and fills after the fact `after`."""
    known, instrument = bars.symbols.get(symbol), state.instruments[symbol]

    def newer(kept: Any) -> list[Print]:
        found = []
        for one in reversed(kept):
            if one[0] <= after:
                break
            found.append(one)
        return found[::-1]

    prints, fills = (newer(known.prints), newer(known.fills)) if known is not None else ([], [])
    last = max((one[0] for one in (*prints, *fills)), default=after)
    return {
        "day": state.day,
        "price_digits": instrument.price_digits,
        "qty_digits": instrument.qty_digits,
        "bars": list(wider(known.bars[kind], minutes, since)) if known is not None else [],
        "prints": [one[1:4] for one in prints],
        "fills": [one[1:] for one in fills],
        "after": id_text(last) if last else "",
        "forgotten": symbol in bars.forgotten and known is None,
    }


def add(app: FastAPI, desk: Desk) -> None:
    """The routes /data/market/depth and /data/market/bars."""
    own = OwnOrders()

    @app.get("/data/market/depth", include_in_schema=False)
    async def depth(symbol: str = Query(max_length=64)) -> Response:
        """The live depth, or what keeps it from being told (`trouble`)."""
        if symbol not in desk.feed.state.instruments:
            return json_of({"trouble": f"there is no symbol {symbol}"})
        try:
            told = await desk.ask("depth", DEPTH_SECONDS, symbol=symbol, levels=MOST_LEVELS)
        except Refused as error:
            return json_of({"trouble": f"{error}"})
        state = desk.feed.state
        return json_of({**told, "own": own.of(state, symbol)})

    @app.get("/data/market/bars", include_in_schema=False)
    async def bars(
        symbol: str = Query(max_length=64),
        minutes: int = Query(1),
        kind: str = Query(TRADES, max_length=8),
        since: int = Query(0, ge=0),
        after: str = Query("", max_length=32),
    ) -> Response:
        """What is new of the day's bars, prints and fills."""
        state = desk.feed.state
        if symbol not in state.instruments or minutes not in WIDTHS or kind not in (TRADES, MID):
            return json_of({"trouble": f"there is no symbol {symbol}" if minutes in WIDTHS else "no such bars"})
        return json_of(bars_of(desk.bars, state, symbol, minutes, kind, since, id_number(after) if after else 0))
