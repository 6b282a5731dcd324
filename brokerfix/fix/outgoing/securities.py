"""What clients are told of instruments: SecurityList(y), SecurityDefinition(d), SecurityStatus(f)."""

from brokerfix.domain import Instrument, Phase, to_text
from brokerfix.engine.state import State
from brokerfix.fix.outgoing.base import Out
from brokerfix.fix.text import clean, timestamp
from brokerfix.live.securities import SecurityDefinition, SecurityList, SecurityStatus, Told

VALID, NONE_FOUND = "0", "2"
"""SecurityRequestResult(560)."""
ACCEPTED, NO_MATCH = "1", "6"
"""SecurityResponseType(323)."""
HALTED, READY, NOT_AVAILABLE, UNKNOWN, PRE_OPEN, OPENING = "2", "17", "18", "20", "21", "22"
STATUS = {
    Phase.CLOSED: NOT_AVAILABLE,
    Phase.PRE_OPEN: PRE_OPEN,
    Phase.OPENING_AUCTION: OPENING,
    Phase.CONTINUOUS: READY,
    Phase.CLOSING_AUCTION: READY,
}
"""SecurityTradingStatus(326) of a phase."""


def securities(state: State, told: Told, at: int) -> Out:
    """The message of an answer."""
    if isinstance(told, SecurityList):
        return _list(told)
    return _definition(told) if isinstance(told, SecurityDefinition) else _status(state, told, at)


def _list(told: SecurityList) -> Out:
    result = VALID if told.instruments else NONE_FOUND
    head = f"35=y\x01320={told.req_id}\x01322={told.req_id}\x01560={result}"
    entries = "".join(f"\x0155={one.symbol}{_terms(one)}\x01561={_lot(one)}" for one in told.instruments)
    if told.instruments:
        entries = f"\x01393={len(told.instruments)}\x01146={len(told.instruments)}{entries}"
    return Out(False, told.client, f"8=FIX.4.4\x019=0\x01{head}{entries}\x0110=000\x01", bool(told.instruments))


def _definition(told: SecurityDefinition) -> Out:
    one = told.instrument
    kind = ACCEPTED if one is not None else NO_MATCH
    body = f"35=d\x01320={told.req_id}\x01322={told.req_id}\x01323={kind}\x0155={told.symbol}"
    if one is not None:
        tick = to_text(one.tick, one.price_digits)
        body += f"{_terms(one)}\x01561={_lot(one)}\x0158=tick={tick}, lot={_lot(one)}"
    else:
        body += f"\x0158=UNKNOWN_SYMBOL: value={clean(told.symbol)}"
    return Out(False, told.client, f"8=FIX.4.4\x019=0\x01{body}\x0110=000\x01")


def _terms(one: Instrument) -> str:
    """What an instrument is: its multiplier, an option's strike and CFICode(461), its currency."""
    terms = f"\x01231={one.multiplier}" if one.multiplier != 1 else ""
    if one.option is not None:
        terms += f"\x01461=O{one.option.right[0].upper()}XXXX\x01202={one.option.strike}"
    return terms + (f"\x0115={one.currency}" if one.currency else "")


def _lot(one: Instrument) -> str:
    return to_text(one.lot, one.qty_digits)


def _status(state: State, told: SecurityStatus, at: int) -> Out:
    status = HALTED if told.halted else UNKNOWN if told.phase is None else STATUS[told.phase]
    unsolicited = "\x01325=Y" if told.unsolicited else ""
    last = f"\x0131={to_text(told.last, state.instruments[told.symbol].price_digits)}" if told.last else ""
    words = told.text or (told.phase.value if told.phase is not None else "")
    body = f"35=f\x01324={told.req_id}\x0155={told.symbol}{unsolicited}\x01326={status}{last}\x0160={timestamp(at)}"
    return Out(False, told.client, f"8=FIX.4.4\x019=0\x01{body}\x0158={clean(words)}\x0110=000\x01")
