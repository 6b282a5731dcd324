"""What a market maker would quote a client: its model's prices with what the client's tier and the size add to them."""

from typing import NamedTuple

from brokerfix.domain import AskedQuote, Maker, NoQuote, OrdType, QuotedPrice, Reject, Side, Tier, to_text
from brokerfix.engine.entities import Client, Position
from brokerfix.engine.making import guard
from brokerfix.engine.making.desk import Desk, GivenQuote, Making
from brokerfix.engine.making.models.terms import Unusable
from brokerfix.engine.making.pricing import Answer, price
from brokerfix.engine.making.quotes import Room, firsts
from brokerfix.engine.making.reference import Seen, look, quotes_of
from brokerfix.engine.making.room import room
from brokerfix.engine.risk import checks as risk
from brokerfix.engine.state import State

RFQ = "rfq"
"""What clients take of quotes is a strategy of its maker, so that an operator can halt it alone (`halt strategy
MAKER/rfq`)."""


class Offer(NamedTuple):
    """What a maker would quote: prices and quantities (scaled, 0: that side is not quoted), what they were priced by,
    and what was added to each side of that (scaled)."""

    maker: Maker
    bid: int
    bid_qty: int
    ask: int
    ask_qty: int
    priced: QuotedPrice
    spread: int


class Declined(NamedTuple):
    """Why there is no quote."""

    reason: NoQuote
    text: str


NOTHING_NOW = Declined(NoQuote.PASS, "PASS: no quote is given now")
NO_MARKET = Declined(NoQuote.NO_MARKET, "NO_MARKET: nobody gives quotes of it")


def best_offer(state: State, client: Client, asked: AskedQuote, at: int) -> Offer | Declined:
    """What the first maker that gives a quote would quote a client; else why the first that is asked does not."""
    declined = None
    for making in state.makers.values():
        desk = making.desks.get(asked.symbol)
        if desk is None or desk.is_passive or not making.maker.valid:
            continue
        if making.maker.maker == client.client or making.maker.account in client.accounts:
            # It would trade with itself.
            continue
        found = offer(state, making, client, asked, at)
        if isinstance(found, Offer):
            return found
        declined = declined or found
    return declined or NO_MARKET


def offer(
    state: State, making: Making, client: Client, asked: AskedQuote, at: int, freed: GivenQuote | None = None
) -> Offer | Declined:
    """What a maker would quote a client of a symbol that it has a desk for, for all of the quantity or not at all.
    `freed` is a quote that the client would give up for it."""
    symbol, name = asked.symbol, making.maker.maker
    desk, instrument, tier = making.desks[symbol], state.instruments[symbol], tier_of(making.maker, client.client)
    qty = asked.qty or desk.quoting.qty
    if tier is not None and tier.most and qty > tier.most * desk.quoting.qty:
        limit, value = (to_text(one, instrument.qty_digits) for one in (tier.most * desk.quoting.qty, qty))
        return Declined(NoQuote.EXCEEDS_LIMIT, f"SIZE: limit={limit}, value={value}")
    if risk.check_market(state, state.clients[name], making.maker.account, symbol, f"{name}/{RFQ}") is not None:
        return NOTHING_NOW
    seen = look(state, making, symbol, at=at)
    if desk.pulls or not seen.mid or guard.endangered(state, making, symbol, seen, at) is not None:
        return NOTHING_NOW
    try:
        answer = price(state, making, symbol, seen, at)
    except Unusable:
        return NOTHING_NOW
    spread = added(tier, desk, qty, seen.mid // 2)
    bid, ask = _prices(state, making, symbol, seen, answer, spread, at)
    wanted = {side: asked.side in ("", side.opposite) for side in Side}
    may_buy, may_sell = _room(state, making, symbol, freed)
    bid_why = _declined(state, making, asked.symbol, Side.BUY, bid, qty, may_buy, at) if wanted[Side.BUY] else None
    ask_why = _declined(state, making, asked.symbol, Side.SELL, ask, qty, may_sell, at) if wanted[Side.SELL] else None
    has_bid, has_ask = wanted[Side.BUY] and bid_why is None, wanted[Side.SELL] and ask_why is None
    if not (has_bid or has_ask):
        return bid_why or ask_why or NOTHING_NOW
    sides = (bid or 0, qty) if has_bid else (0, 0), (ask or 0, qty) if has_ask else (0, 0)
    return Offer(making.maker, *sides[0], *sides[1], answer.priced, spread)


def tier_of(maker: Maker, client: str) -> Tier | None:
    """The first tier that a client is in."""
    return next((tier for tier in maker.tiers if client in tier.clients or not tier.clients), None)


def added(tier: Tier | None, desk: Desk, qty: int, mid: int) -> int:
    """What a tier adds to each side for so much, at a mid (scaled)."""
    if tier is None:
        return 0
    multiples = -(-qty // desk.quoting.qty)
    return tier.spread.at(mid) + tier.size.at(mid) * (multiples - 1)


def _prices(
    state: State, making: Making, symbol: str, seen: Seen, answer: Answer, spread: int, at: int
) -> tuple[int | None, int | None]:
    """Bid and offer on ticks, rounded away from the middle: neither meets others' prices, nor what the maker itself
    shows on the other side."""
    desk, centre = making.desks[symbol], answer.centre
    centre = centre._replace(
        bid=None if centre.bid is None else centre.bid - spread, ask=None if centre.ask is None else centre.ask + spread
    )
    standing = quotes_of(state, making, desk)
    may = room(state, making, symbol, seen, standing, at)
    own = [(order.side, order.price) for order in standing.values()]
    highest = max([may.highest_bid, *(price for side, price in own if side is Side.BUY)])
    asks = [price for side, price in own if side is Side.SELL] + ([may.lowest_ask] if may.lowest_ask else [])
    within = Room(0, 0, highest, min(asks, default=0))
    return firsts(desk.quoting, state.instruments[symbol], seen.mid, centre, within)


def _room(state: State, making: Making, symbol: str, freed: GivenQuote | None) -> tuple[int, int]:
    """What may be bought and sold by one more quote so that the position stays within its bounds, whatever of the
    account's orders is filled, and of the quotes that clients have is taken."""
    desk = making.desks[symbol]
    position = state.accounts[making.maker.account].positions.get(symbol) or Position()
    may_buy = desk.quoting.most_long - position.qty - position.open_buy_qty - desk.to_buy
    may_sell = position.qty - position.open_sell_qty - desk.to_sell - desk.quoting.most_short
    if freed is not None:
        may_buy, may_sell = may_buy + freed.bid_left, may_sell + freed.ask_left
    return may_buy, may_sell


def _declined(
    state: State, making: Making, symbol: str, side: Side, price: int | None, qty: int, most: int, at: int
) -> Declined | None:
    """Why the maker can't quote a side, None if it can."""
    if price is None:
        return NOTHING_NOW
    if qty > most:
        return Declined(NoQuote.NO_INVENTORY, "NO_INVENTORY: no quote is given for so much")
    refused = maker_refused(state, making, symbol, side, qty, price, at)
    refused = refused or risk.check_collar(
        state.instruments[symbol], side.opposite, price, risk.reference(state, state.instruments[symbol])
    )
    return NOTHING_NOW if refused is not None else None


def maker_refused(
    state: State, making: Making, symbol: str, side: Side, qty: int, price: int, at: int
) -> Reject | None:
    """Why the maker's side of a trade would be refused, as a client's order would be."""
    client, account = state.clients[making.maker.maker], state.accounts[making.maker.account]
    refused = risk.check_market(state, client, account.account, symbol, f"{client.client}/{RFQ}")
    if refused is not None:
        return refused
    terms = risk.Terms(side, OrdType.LIMIT, qty, price, price)
    return risk.check_terms(state, client, account, state.instruments[symbol], terms, at)
