"""Commands: what the market and its clock bring."""

from brokerfix.commands.base import Command
from brokerfix.domain import Phase


class MarketMoved(Command, frozen=True, gc=False):
    """The live market of a symbol has changed: resting orders may have become marketable."""

    symbol: str


class RecordQuotes(Command, frozen=True, gc=False):
    """Time to put the live market's best prices and the risk marks on record, of these symbols (None: of all)."""

    symbols: tuple[str, ...] | None = None


class ChangePhase(Command, frozen=True, gc=False):
    """The clock says that an instrument is in this phase."""

    symbol: str
    phase: Phase


class SettlePhase(Command, frozen=True, gc=False):
    """An instrument's phase has changed: orders that it concerns have their turn."""

    symbol: str
