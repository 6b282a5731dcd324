"""What fills cost: the instrument's charge, the client's commission and, where that says so, what the exchange
takes."""

from brokerfix.domain import Instrument, to_money, to_scaled
from brokerfix.engine.state import State

BPS_DIGITS = 4
WHOLE = 10_000 * 10**BPS_DIGITS


def cost(
    state: State, client: str, instrument: Instrument, qty: int, price: int, venue: str = "", is_maker: bool = False
) -> int:
    """What a fill costs, in money (below 0: it is paid). `venue` is the exchange ("": our book)."""
    commission = state.clients[client].options.commission
    if instrument.charge is None and commission is None:
        return 0
    notional = qty * price * instrument.money_factor
    total: int = 0
    for charge in filter(None, (instrument.charge, commission)):
        total += _per_unit(charge.per_unit, qty, instrument.qty_digits)
        total += notional * to_scaled(charge.bps, BPS_DIGITS) // WHOLE
    if commission is not None and commission.exchange_fees and venue in state.venues:
        of = state.venues[venue]
        total += _per_unit(of.maker_fee if is_maker else of.taker_fee, qty, instrument.qty_digits)
        total += notional * to_scaled(of.maker_bps if is_maker else of.taker_bps, BPS_DIGITS) // WHOLE
    return total


def most_cost(state: State, client: str, instrument: Instrument, qty: int, price: int) -> int:
    """What the fills of an order cost at most: at the exchange that takes the most, or in our book;
    in money of the desk's own currency."""
    if instrument.charge is None and state.clients[client].options.commission is None:
        return 0
    most = max(0, *(cost(state, client, instrument, qty, price, venue) for venue in ("", *state.venues)))
    return -(-most * state.factors[instrument.symbol] // instrument.money_factor)


def _per_unit(text: str, qty: int, digits: int) -> int:
    units: int = 10**digits
    return to_money(text) * qty // units
