"""What makers do: they look at the market and at what they have, and bring their quotes to what the model says."""

import msgspec

from brokerfix.commands import ChangeQuoting, MakerTraded, PullQuotes, Requote, ResumeQuotes, SetCalibration, Start
from brokerfix.domain import Maker, Protection, QuoteTable, Side
from brokerfix.engine.making import guard, protection, quoters
from brokerfix.engine.making.desk import (
    PULLED_BY_OPERATOR,
    UNTIL_OVER,
    UNTIL_RESET,
    Deal,
    Desk,
    Making,
    Pull,
    Window,
    is_news,
    symbols_of,
)
from brokerfix.engine.making.guard import has_moved
from brokerfix.engine.making.hedge import HEDGE, flatten, hedge
from brokerfix.engine.making.models.terms import Unusable
from brokerfix.engine.making.offers import RFQ
from brokerfix.engine.making.place import place, withdraw_all
from brokerfix.engine.making.pricing import price
from brokerfix.engine.making.quotes import wanted
from brokerfix.engine.making.reference import Seen, look, quotes_of
from brokerfix.engine.making.rfq import take_back
from brokerfix.engine.making.room import places, room
from brokerfix.engine.sharing import is_elsewhere
from brokerfix.engine.state import State
from brokerfix.engine.step import Step
from brokerfix.engine.tables import Decisions
from brokerfix.facts import (
    Alerted,
    CalibrationSet,
    MakerDayEnds,
    MakerDefined,
    MakerFilled,
    OperatorActed,
    OperatorRefused,
    QuotesPulled,
    QuotesResumed,
    ReferenceLost,
)

DECIDE = Decisions()
PULLED = "its market maker's quotes are pulled"
UNCONFIGURED = "the market maker is no longer configured"


def define(state: State, c: Start, step: Step) -> None:
    """The makers of the configuration, as far as it says something else of them than before: what an operator has set
    since stays. One that is gone quotes nothing any more."""
    for maker in c.makers:
        if is_elsewhere(state, c, maker.account):
            # The shard that has its account has it.
            continue
        known = state.makers.get(maker.maker)
        if known is None or known.configured != maker:
            quoted = {quoting.symbol for quoting in maker.quoting}
            if known is not None and known.maker.account != maker.account:
                # Nothing is traded for the account that it had.
                quoted = set()
            for symbol in known.desks if known is not None else ():
                if known is not None and symbol not in quoted:
                    withdraw_all(state, known, symbol, step, UNCONFIGURED)
                    take_back(state, maker.maker, symbol, UNCONFIGURED, step)
            step.emit(MakerDefined, maker)
    names = {maker.maker for maker in c.makers}
    for name, making in state.makers.items():
        if name not in names and making.maker.quoting:
            for symbol in making.desks:
                withdraw_all(state, making, symbol, step, UNCONFIGURED)
                take_back(state, name, symbol, UNCONFIGURED, step)
            step.emit(MakerDefined, Maker(name, making.maker.account))


@DECIDE.on(Requote, silent="the maker's quotes stand as they should")
def requote(state: State, c: Requote, step: Step) -> None:
    """Look at a maker's quotes of a symbol, and at what it has to hedge."""
    name, symbol = c.of
    making = state.makers.get(name)
    if making is None or symbol not in making.desks:
        return
    if c.day_ends and c.day_ends != making.day_ends:
        step.emit(MakerDayEnds, name, c.day_ends)
    desk = making.desks[symbol]
    if desk.new:
        # What was filled comes first: nothing is quoted anew before its protection has seen it.
        _take_note(state, making, symbol, step)
        return
    is_due = c.at - desk.decided_at >= desk.quoting.refresh or bool(c.anchor or desk.pulls)
    _look(state, making, symbol, step, c.anchor, is_due)
    if not step.facts:
        _cover(state, making, symbol, step)


@DECIDE.on(MakerTraded, silent="its fills have been looked at")
def maker_traded(state: State, c: MakerTraded, step: Step) -> None:
    """A maker looks at what it has traded: first it is put on record what that was worth, and its protection acts; then
    it is asked again, and quotes and hedges by what is so now."""
    name, symbol = c.of
    making = state.makers[name]
    desk = making.desks.get(symbol)
    if desk is None:
        return
    if desk.new:
        _take_note(state, making, symbol, step)
        return
    _look(state, making, symbol, step)
    if not step.facts:
        _cover(state, making, symbol, step)


def _take_note(state: State, making: Making, symbol: str, step: Step) -> None:
    """Put on record what the new fills were worth, and have the protection act."""
    desk = making.desks[symbol]
    mid = look(state, making, symbol, at=step.at).mid or desk.mid
    for deal in desk.new:
        _note(state, making, symbol, deal, mid, step)
    _protect(state, making, symbol, step)


def _note(state: State, making: Making, symbol: str, deal: Deal, mid: int, step: Step) -> None:
    order = state.orders[deal.order_id]
    strategy = order.tags.strategy if order.tags is not None else ""
    kind = strategy if strategy in (HEDGE, RFQ) else "quote"
    step.emit(
        MakerFilled,
        maker=making.maker.maker,
        symbol=symbol,
        exec_id=deal.exec_id,
        side=deal.side,
        qty=deal.qty,
        price=deal.price,
        mid=mid,
        kind=kind,
        fee=deal.fee,
        whole=kind == "quote" and deal.qty > 0 and order.cum >= order.qty,
        corrects=deal.corrects,
    )


def _protect(state: State, making: Making, symbol: str, step: Step) -> None:
    """Pull all quotes of the symbol, or of the maker, if the fills that were just noted have reached a limit."""
    news = [
        (fact.at, fact.qty, fact.qty if fact.side is Side.BUY else -fact.qty)
        for fact in step.facts
        if isinstance(fact, MakerFilled) and fact.kind != HEDGE and fact.qty > 0 and not fact.corrects
    ]
    if not news:
        return
    desk = making.desks[symbol]
    own = None
    if guard.PROTECTION not in desk.pulls:
        own = _reached(desk.window, desk.quoting.protection, step.at, news)
    group = None
    if not all(guard.PROTECTION in one.pulls for one in making.desks.values()):
        # An exchange may fill what is being pulled already: that counts for all others.
        group = _reached(making.window, making.maker.protection, step.at, news)
    if own is not None and group is not None:
        _tell(making, symbol, own, step)
    elif own is not None:
        _pull(state, making, symbol, own, step)
    if group is not None:
        _pull(state, making, "", group, step)


def _reached(window: Window, limits: Protection, at: int, news: protection.Counted) -> Pull | None:
    """The pull that fills call for beside those of the window."""
    told = protection.reached(protection.with_fills(window, limits, at, news), limits)
    return Pull(guard.PROTECTION, told, at + limits.frozen if limits.frozen else UNTIL_RESET) if told else None


def _look(state: State, making: Making, symbol: str, step: Step, anchor: int = 0, is_due: bool = True) -> None:
    """Pull, resume, or bring the quotes to what the model says now. Unless that `is_due` quotes are only moved because
    the market meets one, or has gone half the way of a jump."""
    desk = making.desks[symbol]
    if desk.is_passive:
        return
    seen = look(state, making, symbol, anchor, step.at)
    if not seen.mid and not desk.lost_at:
        step.emit(ReferenceLost, making.maker.maker, symbol)
    danger = guard.endangered(state, making, symbol, seen, step.at)
    over = guard.over(desk, step.at, danger)
    if over:
        step.emit(QuotesResumed, maker=making.maker.maker, symbol=symbol, codes=over)
    if danger is not None and danger.code not in desk.pulls:
        _pull(state, making, symbol, danger, step)
    elif danger is not None or desk.pulls.keys() - {*over, guard.MODEL}:
        withdraw_all(state, making, symbol, step, PULLED)
        if seen.mid and desk.lost_at:
            step.emit(ReferenceLost, making.maker.maker, symbol, True)
    elif is_due or has_moved(desk, seen) or _is_met(state, making, desk, seen):
        _quote(state, making, symbol, seen, step, anchor)


def _is_met(state: State, making: Making, desk: Desk, seen: Seen) -> bool:
    """Whether others at exchanges would trade with a quote of ours."""
    bid, ask = seen.bid, seen.ask
    return any(
        ask is not None and order.price >= ask[0]
        if order.side is Side.BUY
        else bid is not None and order.price <= bid[0]
        for order in quotes_of(state, making, desk).values()
    )


def _quote(state: State, making: Making, symbol: str, seen: Seen, step: Step, anchor: int) -> None:
    """Bring the quotes to what the model says; where it has no price there are none."""
    desk, is_fresh = making.desks[symbol], bool(seen.mid)
    if not is_fresh:
        # Without a market the last one that was seen still holds.
        seen = seen._replace(mid=desk.mid or 2 * (state.marks.get(symbol) or state.instruments[symbol].reference))
    try:
        if not seen.mid:
            raise Unusable("there has never been a price")
        _bring(state, making, symbol, seen, step, anchor, is_fresh)
    except Unusable as error:
        if guard.MODEL in desk.pulls:
            withdraw_all(state, making, symbol, step, PULLED)
        else:
            _pull(state, making, symbol, Pull(guard.MODEL, f"the model has no price: {error}", UNTIL_OVER), step)


def _bring(state: State, making: Making, symbol: str, seen: Seen, step: Step, anchor: int, is_fresh: bool) -> None:
    """Raises Unusable before anything is decided."""
    desk, instrument = making.desks[symbol], state.instruments[symbol]
    quoting = desk.quoting
    answer = price(state, making, symbol, seen, step.at)
    centre = answer.centre
    if quoting.ping_pong:
        centre = centre._replace(bought=max(0, desk.ladder), sold=max(0, -desk.ladder))
    if quoting.filled_delay:
        waits = [side for side, at in desk.filled_at.items() if step.at - at < quoting.filled_delay]
        centre = centre._replace(
            bid=None if Side.BUY in waits else centre.bid, ask=None if Side.SELL in waits else centre.ask
        )
    if guard.MODEL in desk.pulls:
        step.emit(QuotesResumed, maker=making.maker.maker, symbol=symbol, codes=(guard.MODEL,))
    known = quotes_of(state, making, desk)
    may = room(state, making, symbol, seen, known, step.at)
    quotes = wanted(quoting, instrument, seen.mid, centre, places(state, desk, symbol), may)
    is_news = bool(anchor and anchor != desk.anchor) or (desk.lost_at > 0 and is_fresh) or has_moved(desk, seen)
    place(state, making, symbol, quotes, answer.priced, may, known, step, anchor, is_fresh, is_news)


def _cover(state: State, making: Making, symbol: str, step: Step) -> None:
    """Hedge, or at the end of the day close, what has to be."""
    pulls = making.desks[symbol].pulls
    if guard.HALT in pulls or guard.PHASE in pulls:
        return
    if guard.FLATTEN in pulls:
        flatten(state, making, symbol, step)
    else:
        hedge(state, making, symbol, step)


def _pull(state: State, making: Making, symbol: str, pull: Pull, step: Step, operator: str = "") -> None:
    """Take back all quotes of a symbol ("": of all), also those that clients were given, for a reason."""
    name = making.maker.maker
    _tell(making, symbol, pull, step, operator)
    for one in making.desks if not symbol else (symbol,):
        withdraw_all(state, making, one, step, f"{pull.code}: {PULLED}", operator)
    take_back(state, name, symbol, PULLED, step)


def _tell(making: Making, symbol: str, pull: Pull, step: Step, operator: str = "") -> None:
    name = making.maker.maker
    step.emit(
        QuotesPulled, maker=name, symbol=symbol, code=pull.code, text=pull.text, until=pull.until, operator=operator
    )
    desk = making.desks.get(symbol)
    flickers = pull.until == UNTIL_OVER and desk is not None and not is_news(desk, pull.code, step.at)
    if pull.code not in QUIET and not flickers:
        step.emit(Alerted, "making", pull.code, f"{name} quotes no {symbol or 'instrument'} any more: {pull.text}")


QUIET = frozenset((PULLED_BY_OPERATOR, guard.PHASE, guard.NEWS, guard.FLATTEN))
"""What is as it should be is no alert."""


@DECIDE.on(PullQuotes)
def pull_quotes(state: State, c: PullQuotes, step: Step) -> None:
    """An operator stops a maker, or a client's quotes, in all or in one symbol."""
    if not _is_known(state, c, step):
        return
    why, quoter = Pull(PULLED_BY_OPERATOR, "by an operator", UNTIL_RESET), state.quoters.get(c.maker)
    if quoter is not None:
        quoters.pull(state, quoter, c.symbol, why, step, c.operator)
    else:
        _pull(state, state.makers[c.maker], c.symbol, why, step, c.operator)


@DECIDE.on(ResumeQuotes)
def resume_quotes(state: State, c: ResumeQuotes, step: Step) -> None:
    """An operator has a maker, or a client, quote again, whatever had it stop."""
    if _is_known(state, c, step):
        making = state.makers.get(c.maker)
        desks = making.desks if making is not None else ()
        mids = {one: look(state, making, one, at=step.at).mid for one in desks if making and c.symbol in ("", one)}
        step.emit(
            QuotesResumed, maker=c.maker, symbol=c.symbol, operator=c.operator,
            mids=tuple((one, mid) for one, mid in mids.items() if mid),
        )  # fmt: skip


@DECIDE.on(ChangeQuoting)
def change_quoting(state: State, c: ChangeQuoting, step: Step) -> None:
    """An operator changes by what terms a maker quotes an instrument."""
    making, symbol = state.makers.get(c.maker), c.quoting.symbol
    known = {one.symbol: one for one in making.maker.quoting} if making is not None else {}
    if making is None or symbol not in known:
        step.emit(OperatorRefused, c.operator, "making", f"there is no market maker {c.maker} that quotes {symbol}")
        return
    maker = msgspec.structs.replace(making.maker, quoting=tuple((known | {symbol: c.quoting}).values()))
    if symbols_of(maker) != making.desks.keys():
        told = "another instrument to hedge with is for the configuration"
        step.emit(OperatorRefused, c.operator, "making", f"hedge.symbol: {told}")
        return
    step.emit(OperatorActed, c.operator, "making", f"{c.maker} {symbol}: {c.text}")
    step.emit(MakerDefined, maker, c.operator)


def _is_known(state: State, c: PullQuotes | ResumeQuotes, step: Step) -> bool:
    """Whether there is such a maker, or a client that quotes, and it quotes the symbol."""
    making, quoter = state.makers.get(c.maker), state.quoters.get(c.maker)
    told = ""
    if making is None and quoter is None:
        told = f"there is no market maker {c.maker}"
    elif c.symbol and not (
        (making is not None and c.symbol in making.desks)
        or (quoter is not None and c.symbol in state.instruments and quoter.may_quote(c.symbol))
    ):
        told = f"{c.maker} does not quote {c.symbol}"
    if told:
        step.emit(OperatorRefused, c.operator, "making", told)
    return not told


@DECIDE.on(SetCalibration)
def set_calibration(state: State, c: SetCalibration, step: Step) -> None:
    if c.symbol not in state.instruments:
        step.emit(OperatorRefused, c.operator, "calibration", f"there is no instrument {c.symbol}")
        return
    # As it comes back from the journal: without the class that has checked them.
    tables = tuple(QuoteTable(*msgspec.structs.astuple(table)) for table in c.calibration.tables)
    step.emit(CalibrationSet, c.symbol, msgspec.structs.replace(c.calibration, tables=tables), c.operator)
