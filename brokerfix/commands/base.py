"""What every command is, and market data, which is none."""

import msgspec

from brokerfix.domain import Side


class Command(msgspec.Struct, frozen=True, gc=False):
    """Something asked or told, at a time."""

    at: int


class MarketUpdate(msgspec.Struct, frozen=True, gc=False):
    """Market data of one venue and symbol: not a command, it changes the live view only. `levels` are (side, price,
    quantity), quantity 0 deletes; `trades` are (price, quantity) of prints, oldest first. `orders` are, of a venue that
    tells of single orders, (MDUpdateAction(279), MDEntryID(278), side, price, quantity) instead of levels. `first` and
    `last` are RptSeq(83) of the first and last entry (0: it numbers none)."""

    venue: str
    symbol: str
    snapshot: bool
    levels: tuple[tuple[Side, int, int], ...]
    trades: tuple[tuple[int, int], ...] = ()
    orders: tuple[tuple[str, str, Side, int, int], ...] = ()
    first: int = 0
    last: int = 0


class MarketStatus(msgspec.Struct, frozen=True, gc=False):
    """An exchange tells whether it trades a symbol ("": any): TradingSessionStatus(h), SecurityStatus(f). It changes
    the live view only, as market data do."""

    venue: str
    symbol: str
    trades: bool
    text: str = ""
