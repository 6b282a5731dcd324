"""Commands: market makers of ours, and what clients ask of them."""

from typing import ClassVar

from brokerfix.commands.base import Command
from brokerfix.commands.operator import OperatorCommand
from brokerfix.commands.orders import ClientCommand
from brokerfix.domain import Calibration, Quoting


class Requote(Command, frozen=True, gc=False):
    """Time for a maker to look at its quotes of a symbol, `of` (maker, symbol). `anchor` is where a simulation says the
    market is (scaled; 0: where it was), `day_ends` when the trading day does (ns; 0: as it was said before)."""

    of: tuple[str, str]
    anchor: int = 0
    day_ends: int = 0


class MakerTraded(Command, frozen=True, gc=False):
    """A maker has traded, `of` (maker, symbol)."""

    of: tuple[str, str]


class PullQuotes(OperatorCommand, frozen=True, gc=False):
    """An operator takes back all quotes of a maker in a symbol ("": in all), and has none made."""

    maker: str
    symbol: str = ""


class ResumeQuotes(OperatorCommand, frozen=True, gc=False):
    """A maker may quote a symbol ("": all) again, whatever has stopped it: an operator, its protection, a loss."""

    maker: str
    symbol: str = ""


class ChangeQuoting(OperatorCommand, frozen=True, gc=False):
    """A maker quotes an instrument by these terms from now on; `text` says in short what is new."""

    maker: str
    quoting: Quoting
    text: str


class SetCalibration(OperatorCommand, frozen=True, gc=False):
    """What has been estimated of a symbol."""

    symbol: str
    calibration: Calibration


class AskQuote(ClientCommand, frozen=True, gc=False):
    """QuoteRequest(R), of one symbol. `side` "" is both; `qty` is scaled (0: the maker's own size). `expire_at` is the
    latest time (ns) that the client wants it firm until (0: as we have it)."""

    MSG_TYPE: ClassVar[str] = "R"
    quote_req_id: str
    symbol: str
    side: str = ""
    qty: int = 0
    account: str = ""
    expire_at: int = 0
    text: str = ""


class AnswerQuote(ClientCommand, frozen=True, gc=False):
    """QuoteResponse(AJ). `kind` is QuoteRespType(694): "1" hit or lift, "2" counter, "6" pass. `price` and `qty` are
    the counter's, or say what is hit (0: as quoted)."""

    MSG_TYPE: ClassVar[str] = "AJ"
    quote_resp_id: str
    quote_id: int
    kind: str
    cl_ord_id: str = ""
    side: str = ""
    qty: int = 0
    price: int = 0
    account: str = ""
    possible_duplicate: bool = False


class ExpireQuotes(Command, frozen=True, gc=False):
    """Quotes that were given to clients may have reached their time."""
