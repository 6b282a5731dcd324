"""What subscribers are told of the market."""

from brokerfix.domain import (
    Instrument,
    Phase,
    average_text,
    to_text,
)
from brokerfix.engine.state import State
from brokerfix.fix.outgoing.base import Out
from brokerfix.fix.text import clean
from brokerfix.live.feed import VOLUME, VWAP, Entry, Increment, Refusal, SessionStatus, Snapshot, Told

EMPTY_BOOK = "\x01269=J"
"""The one entry of a snapshot that has none: MDEntryType(269) Empty Book."""


def market_data(state: State, told: Told) -> Out:
    """A message of the market data feed."""
    if isinstance(told, Refusal):
        reason = f"\x01281={told.reason}" if told.reason else ""
        body = f"35=Y\x01262={told.md_req_id}{reason}\x0158={clean(told.text)}"
        return Out(False, told.client, f"8=FIX.4.4\x019=0\x01{body}\x0110=000\x01")
    if isinstance(told, SessionStatus):
        return _session_status(told)
    instrument = state.instruments[told.symbol]
    if isinstance(told, Snapshot):
        entries = "".join(f"\x01269={entry[0]}{_entry(instrument, entry)}" for entry in told.entries) or EMPTY_BOOK
        number = f"\x0183={told.rpt_seq}" if told.rpt_seq >= 0 else ""
        head = f"35=W\x01262={told.md_req_id}\x0155={told.symbol}{number}\x01268={len(told.entries) or 1}"
    else:
        assert isinstance(told, Increment)
        entries = "".join(
            f"\x01279={action}\x01269={entry[0]}\x0155={told.symbol}{_entry(instrument, entry)}"
            + (f"\x0183={told.rpt_seq + at}" if told.rpt_seq else "")
            for at, (action, entry) in enumerate(told.entries)
        )
        head = f"35=X\x01262={told.md_req_id}\x01268={len(told.entries)}"
    return Out(False, told.client, f"8=FIX.4.4\x019=0\x01{head}{entries}\x0110=000\x01", True)


TRADING_STATUS = {
    Phase.CLOSED: "3",
    Phase.PRE_OPEN: "4",
    Phase.OPENING_AUCTION: "4",
    Phase.CONTINUOUS: "2",
    Phase.CLOSING_AUCTION: "5",
}
"""TradSesStatus(340): open, closed, pre-open, pre-close."""
HALTED, UNKNOWN_STATUS = "1", "6"


def _session_status(told: SessionStatus) -> Out:
    """TradingSessionStatus(h). The TradingSessionID is the symbol; its phase in words is the Text."""
    status = HALTED if told.halted else TRADING_STATUS[told.phase] if told.phase is not None else UNKNOWN_STATUS
    words = told.phase.value if told.phase is not None else told.text or f"UNKNOWN_SYMBOL: value={told.symbol}"
    unsolicited = "\x01325=Y" if told.unsolicited else ""
    body = f"35=h\x01335={told.req_id}\x01336={told.symbol}{unsolicited}\x01340={status}\x0158={clean(words)}"
    return Out(False, told.client, f"8=FIX.4.4\x019=0\x01{body}\x0110=000\x01")


def _entry(instrument: Instrument, entry: Entry) -> str:
    """An entry's price, quantity and exchange, which is MDMkt(275) and MDEntryOriginator(282); as LastMkt neither is
    there for our own book."""
    kind, price, qty, venue = entry
    size = f"\x01271={to_text(qty, instrument.qty_digits)}"
    if kind == VOLUME:
        return size
    if kind == VWAP:
        return f"\x01270={average_text(price, qty, instrument.price_digits)}"
    text = f"\x01270={to_text(price, instrument.price_digits)}" + (size if qty else "")
    return f"{text}\x01275={venue}\x01282={venue}" if venue else text
