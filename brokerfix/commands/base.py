"""What every command is, and market data, which is none."""

import msgspec

from brokerfix.domain import Side


class Command(msgspec.Struct, frozen=True, gc=False):
    """Something asked or told, at a time."""

    at: int


class MarketUpdate(msgspec.Struct, frozen=True, gc=False):
    """Market data of one venue and symbol: not a command, it changes the live view only. `levels` are
    (side, price, quantity), quantity 0 deletes; `trades` are (price, quantity) of
    prints, oldest first."""

    venue: str
    symbol: str
    snapshot: bool
    levels: tuple[tuple[Side, int, int], ...]
    trades: tuple[tuple[int, int], ...] = ()
