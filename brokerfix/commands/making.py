"""Commands: market makers of ours, and what clients ask of them."""

from typing import ClassVar

from brokerfix.commands.base import Command
from brokerfix.commands.operator import OperatorCommand
from brokerfix.commands.orders import ClientCommand, NewOrder
from brokerfix.domain import AskedQuote, Calibration, QuoteEntry, Quoting


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
    """An operator takes back all quotes of a maker, or of a client that quotes, in a symbol ("": in all), and has none
    made."""

    maker: str
    symbol: str = ""


class ResumeQuotes(OperatorCommand, frozen=True, gc=False):
    """A maker, or a client that quotes, may quote a symbol ("": all) again, whatever has stopped it: an operator, its
    protection, a loss."""

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
    """QuoteRequest(R): quotes are wanted of each of these."""

    MSG_TYPE: ClassVar[str] = "R"
    quote_req_id: str
    asked: tuple[AskedQuote, ...]
    possible_duplicate: bool = False


class TakeQuote(ClientCommand, frozen=True, gc=False):
    """NewOrderSingle(D) against a quote (0: its QuoteID is none of ours), of OrdType(40) previously quoted."""

    MSG_TYPE: ClassVar[str] = "D"
    order: NewOrder
    quote_id: int

    @property
    def cl_ord_id(self) -> str:
        return self.order.cl_ord_id


class AnswerQuote(ClientCommand, frozen=True, gc=False):
    """QuoteResponse(AJ). `kind` is QuoteRespType(694): "1" hit or lift, "2" counter, "6" pass. `order` is what would
    come of it: its price is the counter's; a price or quantity of 0 is the quote's, and a `side` of "" is the only
    one that it has. `quote_id` is 0 where its QuoteID, as it came in `named`, is none of ours."""

    MSG_TYPE: ClassVar[str] = "AJ"
    quote_resp_id: str
    quote_id: int
    kind: str
    order: NewOrder
    named: str = ""
    side: str = ""


class ExpireQuotes(Command, frozen=True, gc=False):
    """Quotes that were given to clients may have reached their time."""


class SetQuotes(ClientCommand, frozen=True, gc=False):
    """MassQuote(i), or a single Quote(S): each of the `entries` stands from now on as it says. `level` is
    QuoteResponseLevel(301), `possible_duplicate` PossDupFlag(43) or PossResend(97)."""

    MSG_TYPE: ClassVar[str] = "i"
    quote_id: str
    entries: tuple[QuoteEntry, ...]
    level: str = "0"
    account: str = ""
    is_single: bool = False
    possible_duplicate: bool = False


class CancelQuotes(ClientCommand, frozen=True, gc=False):
    """QuoteCancel(Z). `kind` is QuoteCancelType(298): "1" the quotes in `symbols`, "4" all, "5" the Quote(S) of this
    QuoteID. One of all whose QuoteID is that of a report of protection resets the protection."""

    MSG_TYPE: ClassVar[str] = "Z"
    quote_id: str
    kind: str
    symbols: tuple[str, ...] = ()
    level: str = "2"


class AskQuoteStatus(ClientCommand, frozen=True, gc=False):
    """QuoteStatusRequest(a): what stands of the client's quotes in a symbol, or of those that a message with this
    QuoteID has named."""

    MSG_TYPE: ClassVar[str] = "a"
    quote_id: str
    symbol: str
    status_req_id: str = ""


class QuoterTraded(Command, frozen=True, gc=False):
    """Quotes of a client have traded: does its protection act?"""

    client: str
