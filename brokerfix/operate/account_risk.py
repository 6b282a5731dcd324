"""What facts about limits, margin, credit, halts and shards say of an account."""

from collections.abc import Callable
from typing import Any

from brokerfix import facts as f
from brokerfix.domain import id_text
from brokerfix.engine.risk.approvals import EXPIRY
from brokerfix.operate.account_story import WORDS, Story, limits_text, until_text


def _where(story: Story, kind: str, name: str, symbol: str) -> str:
    """Whose limits, "" if they do not concern the account."""
    if not story.is_at(kind, name):
        return ""
    of = "" if kind == "account" else f" of the {kind} {name}".rstrip()
    return f"limits{of}" + (f" in {symbol}" if symbol else "")


def _limits(story: Story, fact: f.LimitsSet) -> str:
    where = _where(story, fact.kind, fact.name, fact.symbol)
    if not where:
        return ""
    why = f" ({fact.text})" if fact.text else ""
    if fact.operator == EXPIRY:
        return f"the time of {where} is over; they are {limits_text(fact.limits)} again{why}"
    by = f"by {fact.operator}" if fact.operator else "by the configuration"
    approved = f", approved by {fact.approver} (proposal {id_text(fact.proposal)})" if fact.approver else ""
    return f"{where} set {by}{approved}{until_text(fact.until)}: {limits_text(fact.limits)}{why}"


def _proposed(story: Story, fact: f.LimitsProposed) -> str:
    where = _where(story, fact.kind, fact.name, fact.symbol)
    if not where:
        return ""
    why = f" ({fact.text})" if fact.text else ""
    return (
        f"{fact.operator} proposes {where}{until_text(fact.until)}: {limits_text(fact.limits)}; "
        f"{', '.join(fact.raised)} would be raised, which another person has to approve{why}"
    )


def _proposal_ended(story: Story, fact: f.ProposalEnded) -> str:
    if fact.proposal not in story.proposals:
        return ""
    by = "it ends by itself" if fact.operator == EXPIRY else f"{fact.operator} turns it down"
    return f"the proposal {id_text(fact.proposal)} is not approved: {by}" + (f" ({fact.text})" if fact.text else "")


def _neared(story: Story, fact: f.LimitNeared) -> str:
    where = _where(story, fact.kind, fact.name, fact.symbol)
    return f"{where}: {fact.value} of {fact.limit} {fact.most} is used" if where else ""


def _lacked(story: Story, fact: f.PartLacked) -> str:
    where = _where(story, fact.kind, fact.name, "")
    return f"{where}: this shard's part of {fact.limit} is not enough for {fact.value}" if where else ""


def _standing(story: Story, fact: f.MarginChanged) -> str:
    told = f"equity {fact.equity}, maintenance margin {fact.maintenance}, excess liquidity {fact.excess}"
    return f"the account {WORDS[fact.standing]}{f' ({fact.text})' if fact.text else ''}: {told}"


def _sliced(story: Story, fact: f.LiquidationSliced) -> str:
    return (
        f"liquidation: {fact.side.name.lower()} {story.qty(fact.symbol, fact.qty)} {fact.symbol}, to "
        f"{story.price(fact.symbol, fact.price)} at worst, because the excess liquidity {fact.excess} is to be "
        f"{fact.target} and the position frees {fact.relief_bps / 100:g} % of its value"
    )


def _held(story: Story, fact: f.LiquidationHeld) -> str:
    by = f"{fact.operator} stops the liquidation" if fact.operator else "the liquidation waits"
    return f"{by}: {fact.text}"


def _resumed(story: Story, fact: f.LiquidationResumed) -> str:
    by = f", {fact.operator} says so" if fact.operator else ""
    return f"the liquidation goes on{by}"


def _scored(story: Story, fact: f.CreditScored) -> str:
    reasons = f" ({'; '.join(fact.reasons)})" if fact.reasons else ""
    return f"credit score {fact.score}: {fact.multiplier_bps / 100:g} % of the available funds may be used{reasons}"


def _day_deficit(story: Story, fact: f.IntradayDeficit | f.DeficitMet | f.AccountFrozen) -> str:
    if isinstance(fact, f.IntradayDeficit):
        return f"an intraday margin deficit of {fact.amount} has to be met in five business days"
    if isinstance(fact, f.DeficitMet):
        return f"the intraday margin deficit of {fact.amount} is met"
    return f"the account is frozen until {fact.until}: an intraday margin deficit of {fact.amount} was not met"


def _loss(story: Story, fact: f.LossReached) -> str:
    return f"{fact.percent} % of what may be lost in a day is lost: {fact.loss} of {fact.limit}"


def _halted(story: Story, fact: f.Halted) -> str:
    if not story.is_at(fact.kind, fact.name):
        return ""
    done = "killed: its orders are canceled, new ones refused" if fact.kill else "halted: new orders are refused"
    of = "" if fact.kind == "account" else f" (with {fact.kind} {fact.name}".rstrip() + ")"
    return f"the account is {done}, by {fact.operator}{of}"


def _let_on(story: Story, fact: f.Resumed) -> str:
    return f"new orders are taken again, {fact.operator} says so" if story.is_at(fact.kind, fact.name) else ""


def _placed(story: Story, fact: f.AccountPlaced) -> str:
    return f"the account is on shard {fact.shard}"


def _moving(story: Story, fact: f.AccountMoving) -> str:
    by = f", {fact.operator} says so" if fact.operator else ""
    if fact.to < 0:
        return f"the account stays after all{by}"
    how = "its orders are canceled" if fact.cancel else "its orders are waited for"
    return f"the account is to move to shard {fact.to}{by}: no new orders, {how}"


def _moved_out(story: Story, fact: f.AccountMovedOut) -> str:
    return f"the account has left for shard {fact.to} (move {fact.move})"


def _moved_in(story: Story, fact: f.AccountMovedIn) -> str:
    story.is_known = True
    return f"the account has come from shard {fact.source} (move {fact.move})"


def _move_ended(story: Story, fact: f.MoveEnded) -> str:
    return f"move {fact.move} of the account is on record at both shards"


def _erased(story: Story, fact: f.PersonalErased) -> str:
    why = f": {fact.text}" if fact.text else ""
    return f"{fact.operator} erases the personal data{why}" if fact.name == story.account else ""


RISK: dict[type[f.Fact], Callable[[Story, Any], str]] = {
    f.LimitsSet: _limits,
    f.LimitsProposed: _proposed,
    f.ProposalEnded: _proposal_ended,
    f.LimitNeared: _neared,
    f.PartLacked: _lacked,
    f.MarginChanged: _standing,
    f.LiquidationSliced: _sliced,
    f.LiquidationHeld: _held,
    f.LiquidationResumed: _resumed,
    f.CreditScored: _scored,
    f.LossReached: _loss,
    f.IntradayDeficit: _day_deficit,
    f.DeficitMet: _day_deficit,
    f.AccountFrozen: _day_deficit,
    f.Halted: _halted,
    f.Resumed: _let_on,
    f.AccountPlaced: _placed,
    f.AccountMoving: _moving,
    f.AccountMovedOut: _moved_out,
    f.AccountMovedIn: _moved_in,
    f.MoveEnded: _move_ended,
    f.PersonalErased: _erased,
}
OF_ACCOUNT = frozenset(kind for kind in RISK if "account" in kind.__struct_fields__)
SUBJECTS: dict[str, tuple[type[f.Fact], ...]] = {
    "set up": (f.AccountDefined, f.ClientDefined, f.GroupDefined),
    "limits": (f.LimitsSet, f.LimitsProposed, f.ProposalEnded, f.LimitNeared, f.PartLacked, f.LossReached),
    "refusal": (f.OrderRejected, f.RequestRejected),
    "order": (f.OrderAccepted, f.OrderCanceled, f.OrderExpired, f.OrderRefused),
    "fill": (f.ChildFilled, f.Trade, f.TradeBusted, f.TradeCorrected, f.FillReversed),
    "margin": (f.MarginChanged, f.IntradayDeficit, f.DeficitMet, f.AccountFrozen, f.DeficitBooked),
    "liquidation": (f.LiquidationSliced, f.LiquidationHeld, f.LiquidationResumed),
    "credit": (f.CreditScored,),
    "halt": (f.Halted, f.Resumed),
    "move": (f.AccountPlaced, f.AccountMoving, f.AccountMovedOut, f.AccountMovedIn, f.MoveEnded),
    "personal": (f.PersonalErased,),
    "money": (f.InterestBooked, f.BalancesConverted, f.SplitApplied),
}
ABOUT = {kind: subject for subject, kinds in SUBJECTS.items() for kind in kinds}
"""What a sentence of an account's story is about, by the kind of its fact."""


def tell(story: Story, fact: f.Fact) -> str:
    """What a fact says of the story's account, "" if it does not concern it."""
    teller = RISK.get(type(fact))
    if teller is None:
        return story.tell(fact)
    if type(fact) in OF_ACCOUNT and getattr(fact, "account", "") != story.account:
        return ""
    return teller(story, fact)
