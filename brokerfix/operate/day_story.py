"""What facts say of a trading day: starts and stops, sessions, halts, limits, what was done by hand, alerts, breaks,
corrections, calls and liquidations."""

from collections.abc import Callable
from typing import Any

from brokerfix import facts as f
from brokerfix.domain import id_text, to_text
from brokerfix.engine.risk.approvals import EXPIRY
from brokerfix.engine.state import State
from brokerfix.operate.account_story import WORDS, limits_text, until_text
from brokerfix.operate.sentences import operator_of

Teller = Callable[[State, Any], str]


def _why(text: str) -> str:
    return f": {text}" if text else ""


def _scope(kind: str, name: str) -> str:
    return "everything" if kind == "all" else f"{kind} {name}".strip()


def _halted(state: State, fact: f.Halted) -> str:
    done = "kills" if fact.kill else "halts"
    return f"{fact.operator} {done} {_scope(fact.kind, fact.name)}"


def _resumed(state: State, fact: f.Resumed) -> str:
    return f"{fact.operator} lets {_scope(fact.kind, fact.name)} go on"


def _level(fact: f.LimitsSet | f.LimitsProposed) -> str:
    return f"the limits of {' '.join(filter(None, (fact.kind, fact.name, fact.symbol)))}"


def _limits(state: State, fact: f.LimitsSet) -> str:
    told = f"{limits_text(fact.limits)}" + (f" ({fact.text})" if fact.text else "")
    if fact.operator == EXPIRY:
        return f"the time of {_level(fact)} is over: {told}"
    by = f"{fact.operator} sets" if fact.operator else "the configuration sets"
    approved = f", {fact.approver} approves" if fact.approver else ""
    return f"{by} {_level(fact)}{until_text(fact.until)}{approved}: {told}"


def _proposed(state: State, fact: f.LimitsProposed) -> str:
    why = f" ({fact.text})" if fact.text else ""
    return f"{fact.operator} proposes {_level(fact)}{until_text(fact.until)}: {limits_text(fact.limits)}{why}"


def _proposal_ended(state: State, fact: f.ProposalEnded) -> str:
    return f"the proposal {id_text(fact.proposal)} is not approved ({fact.operator}){_why(fact.text)}"


def _alerted(state: State, fact: f.Alerted) -> str:
    return f"alert {fact.code} from {fact.source}: {fact.text}"


def _break(state: State, fact: f.BreakFound) -> str:
    return f"{fact.venue} and we differ ({fact.code}) by {fact.amount}: {fact.text}"


def _changed(state: State, fact: f.TradeBusted | f.TradeCorrected) -> str:
    order = state.orders[state.fills[fact.exec_id].order_id]
    by = f" by {fact.operator}" if fact.operator else " by an exchange"
    done = "taken back"
    if isinstance(fact, f.TradeCorrected):
        instrument = state.instruments[order.symbol]
        qty, price = to_text(fact.qty, instrument.qty_digits), to_text(fact.price, instrument.price_digits)
        done = f"corrected to {qty} at {price}"
    of = f"of {order.client}'s order {id_text(order.order_id)} in {order.symbol}"
    return f"fill {id_text(fact.exec_id)} {of} is {done}{by}{_why(fact.text)}"


def _reversed(state: State, fact: f.FillReversed) -> str:
    return f"fill {id_text(fact.exec_id)} of {fact.client} in {fact.symbol} is taken back by {fact.operator}"


def _standing(state: State, fact: f.MarginChanged) -> str:
    told = f"equity {fact.equity}, maintenance margin {fact.maintenance}, excess liquidity {fact.excess}"
    return f"account {fact.account} {WORDS[fact.standing]}{f' ({fact.text})' if fact.text else ''}: {told}"


def _liquidation(state: State, fact: f.LiquidationHeld | f.LiquidationResumed | f.LiquidationSliced) -> str:
    if isinstance(fact, f.LiquidationSliced):
        qty = to_text(fact.qty, state.instruments[fact.symbol].qty_digits)
        return f"liquidation of {fact.account}: {fact.side.name.lower()} {qty} {fact.symbol}"
    by = f" ({fact.operator})" if fact.operator else ""
    if isinstance(fact, f.LiquidationHeld):
        return f"the liquidation of {fact.account} stops{by}: {fact.text}"
    return f"the liquidation of {fact.account} goes on{by}"


def _pulled(state: State, fact: f.QuotesPulled) -> str:
    by = f", {fact.operator} says so" if fact.operator else ""
    return f"the quotes of {fact.maker} in {fact.symbol or 'all symbols'} are taken back{by}: {fact.code}, {fact.text}"


def _entered(state: State, fact: f.OrderAccepted) -> str:
    if not operator_of(fact):
        return ""
    instrument = state.instruments[fact.symbol]
    price = f" at {to_text(fact.price, instrument.price_digits)}" if fact.price else ""
    terms = f"{fact.side.name.lower()} {to_text(fact.qty, instrument.qty_digits)} {fact.symbol}{price}"
    return f"{fact.operator} enters order {id_text(fact.id)} for {fact.client}: {terms}"


def _moving(state: State, fact: f.AccountMoving) -> str:
    by = f"{fact.operator}: " if fact.operator else ""
    return f"{by}account {fact.account} " + ("stays" if fact.to < 0 else f"is to move to shard {fact.to}")


TELLERS: dict[type[f.Fact], tuple[str, Teller]] = {
    f.DayRolled: ("process", lambda state, fact: f"trading day {fact.day} begins"),
    f.Started: ("process", lambda state, fact: "the broker starts"),
    f.Stopped: ("process", lambda state, fact: "the broker stops in good order"),
    f.VenueUp: ("session", lambda state, fact: f"exchange {fact.venue} is up{', numbers anew' if fact.anew else ''}"),
    f.VenueDown: ("session", lambda state, fact: f"exchange {fact.venue} is down: what it holds of ours is in doubt"),
    f.ClientUp: ("session", lambda state, fact: f"client {fact.client} logs on"),
    f.ClientDown: ("session", lambda state, fact: f"client {fact.client} is gone"),
    f.ClientGone: ("session", lambda state, fact: f"client {fact.client} has not come back in time"),
    f.Halted: ("halt", _halted),
    f.Resumed: ("halt", _resumed),
    f.KillRefused: ("halt", lambda state, fact: f"an exchange does not cancel order {id_text(fact.order_id)}"),
    f.PhaseChanged: ("phase", lambda state, fact: f"{fact.symbol} is in the phase {fact.phase}"),
    f.LimitsSet: ("limits", _limits),
    f.LimitsProposed: ("limits", _proposed),
    f.ProposalEnded: ("limits", _proposal_ended),
    f.LossReached: ("limits", lambda state, fact: (
        f"account {fact.account} has lost {fact.loss} of {fact.limit}, {fact.percent} %"
    )),
    f.OrderAccepted: ("hand", _entered),
    f.OperatorActed: ("hand", lambda state, fact: f"{fact.operator}: {fact.action} {fact.text}".rstrip()),
    f.OperatorRefused: ("hand", lambda state, fact: f"{fact.operator} may not {fact.action}: {fact.text}"),
    f.SplitApplied: ("hand", lambda state, fact: (
        f"{fact.operator} splits {fact.symbol}: {fact.numerator} for {fact.denominator}"
    )),
    f.RecordsDeleted: ("hand", lambda state, fact: f"{fact.operator} deletes {fact.file.name}, by {fact.rule}"),
    f.PersonalErased: ("hand", lambda state, fact: (
        f"{fact.operator} erases the personal data of {fact.name}{_why(fact.text)}"
    )),
    f.Alerted: ("alert", _alerted),
    f.BreakFound: ("break", _break),
    f.BreakResolved: ("break", lambda state, fact: (
        f"{fact.operator} has looked into the break {id_text(fact.number)}{_why(fact.text)}"
    )),
    f.TradeBusted: ("correction", _changed),
    f.TradeCorrected: ("correction", _changed),
    f.FillReversed: ("correction", _reversed),
    f.MarginChanged: ("margin", _standing),
    f.LiquidationSliced: ("margin", _liquidation),
    f.LiquidationHeld: ("margin", _liquidation),
    f.LiquidationResumed: ("margin", _liquidation),
    f.DeficitBooked: ("margin", lambda state, fact: f"account {fact.account} owes the broker {fact.amount}"),
    f.AccountFrozen: ("margin", lambda state, fact: f"account {fact.account} is frozen until {fact.until}"),
    f.QuotesPulled: ("making", _pulled),
    f.AccountMoving: ("move", _moving),
    f.AccountMovedOut: ("move", lambda state, fact: f"account {fact.account} has left for shard {fact.to}"),
    f.AccountMovedIn: ("move", lambda state, fact: f"account {fact.account} has come from shard {fact.source}"),
    # Whom such an alert is about, and why it is nothing, is for those who may read it; an Alerted tells of it.
    f.SurveillanceAlerted: ("alert", lambda state, fact: ""),
    f.AlertDisposed: ("hand", lambda state, fact: f"{fact.operator}: alert {fact.alert} is {fact.status}"),
}  # fmt: skip


def tell(state: State, fact: f.Fact) -> tuple[str, str]:
    """What a fact, just applied to the state, says of its day, as (what it is about, a sentence); ("", "") if nothing.
    What somebody did by hand is told of every kind of fact."""
    about, teller = TELLERS.get(type(fact), ("hand", by_hand))
    text = teller(state, fact)
    return (about, text) if text else ("", "")


def by_hand(state: State, fact: Any) -> str:
    """A fact of another kind that somebody is behind."""
    who = operator_of(fact)
    if not who:
        return ""
    words = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in type(fact).__name__).strip()
    names = ("account", "client", "maker", "symbol", "name", "rate", "order_id", "child_id")
    told = [f"{name.replace('_id', '')} {_value(name, getattr(fact, name))}" for name in names if hasattr(fact, name)]
    return f"{who}: {words}" + (f" ({', '.join(told)})" if told else "") + _why(str(getattr(fact, "text", "") or ""))


def _value(name: str, value: Any) -> str:
    return id_text(value) if name.endswith("_id") else str(getattr(value, "maker", value))
