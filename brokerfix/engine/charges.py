"""What fills cost: the instrument's charge, the client's commission and, where that says so, what the exchange
takes."""

from functools import lru_cache

from brokerfix.domain import Instrument, Venue, to_money, to_scaled
from brokerfix.engine.state import State

BPS_DIGITS = 4
WHOLE: int = 10_000 * 10**BPS_DIGITS
_money = lru_cache(maxsize=4096)(to_money)


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
        total += _rates(charge.per_unit, charge.bps, qty, instrument.qty_digits, notional)
    if commission is not None and commission.exchange_fees and venue in state.venues:
        total += exchange_fee(state.terms_of(venue), qty, instrument.qty_digits, notional, is_maker)
    return total


def exchange_fee(venue: Venue, qty: int, qty_digits: int, worth: int, is_maker: bool = False) -> int:
    """What an exchange takes, in money (below 0: it gives), for a scaled quantity that is worth so much money. What it
    takes of a taker may have a cap, in basis points of that (as Rule 610 of Regulation NMS has for low prices)."""
    if is_maker:
        return _rates(venue.maker_fee, venue.maker_bps, qty, qty_digits, worth)
    fee = _rates(venue.taker_fee, venue.taker_bps, qty, qty_digits, worth)
    if venue.fee_cap_bps == "0":
        return fee
    return min(fee, worth * to_scaled(venue.fee_cap_bps, BPS_DIGITS) // WHOLE)


def most_cost(state: State, client: str, instrument: Instrument, qty: int, price: int) -> int:
    """What the fills of an order cost at most: at the exchange that takes the most, or in our book; in money of the
    desk's own currency."""
    commission = state.clients[client].options.commission
    if instrument.charge is None and commission is None:
        return 0
    venues = ("", *state.venues) if commission is not None and commission.exchange_fees else ("",)
    most = max(0, *(cost(state, client, instrument, qty, price, venue) for venue in venues))
    return -(-most * state.factors[instrument.symbol] // instrument.money_factor)


def _rates(per_unit: str, bps: str, qty: int, qty_digits: int, worth: int) -> int:
    units: int = 10**qty_digits
    total: int = _money(per_unit) * qty // units
    if bps != "0":
        total += worth * to_scaled(bps, BPS_DIGITS) // WHOLE
    return total
