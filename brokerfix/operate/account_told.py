"""The story of an account out of a journal's folder, for programs and people."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from brokerfix import facts as f
from brokerfix.domain import id_text
from brokerfix.engine.risk.approvals import EXPIRY
from brokerfix.engine.state import State
from brokerfix.operate.account_risk import ABOUT, tell
from brokerfix.operate.account_story import Story, limits_text
from brokerfix.operate.explain_replay import replay
from brokerfix.operate.order_limits import Question, Sources, Weighed, refusal_row, weighed, weighed_of
from brokerfix.operate.order_told import request_row
from brokerfix.operate.refusals import refusal_text
from brokerfix.operate.sentences import Row, Told, by_hand, operator_of, time_text
from brokerfix.record.journal import Record

LIMITS = f.LimitsSet | f.LimitsProposed | f.ProposalEnded
REFUSALS = f.OrderRejected | f.RequestRejected


class AccountTold:
    """Watches a replay for an account."""

    def __init__(self, account: str) -> None:
        self.story = Story(account)
        self.told: list[Told] = []
        self.refusals: list[Row] = []
        self.limits: list[Row] = []
        self.standings: list[Row] = []
        self.credit: list[Row] = []
        self._sources = Sources()
        self._checks: list[Weighed] = []

    def begin(self, state: State, sources: Sources) -> None:
        self._sources = sources
        self.story.begin(state)

    def recall(self, fact: f.Fact, record: Record) -> None:
        text = tell(self.story, fact)
        if text:
            self.told.append(
                Told(fact.at, fact.id, text, ABOUT.get(type(fact), ""), operator_of(fact), (), record.origin)
            )

    def wants(self, fact: f.Fact) -> bool:
        return type(fact) in ABOUT or isinstance(fact, f.OrderRouted)

    def before(self, state: State, fact: f.Fact, record: Record) -> None:
        if isinstance(fact, f.OrderRejected) and fact.evidence is not None and self.story.is_of(fact):
            self._checks = weighed(state, self._sources, Question.of(state, fact))
        elif isinstance(fact, f.RequestRejected) and fact.order_id in self.story.orders and fact.evidence is not None:
            self._checks = weighed_of(state, self._sources, fact)
        else:
            self._checks = []

    def after(self, state: State, fact: f.Fact, record: Record) -> None:
        text = tell(self.story, fact)
        if not text:
            return
        about, who = ABOUT.get(type(fact), ""), operator_of(fact)
        rests: tuple[int, ...] = ()
        if isinstance(fact, f.LimitsProposed):
            self.story.proposals.add(fact.id)
        elif isinstance(fact, f.LimitsSet | f.ProposalEnded) and fact.proposal:
            rests = (fact.proposal,)
        self.told.append(Told(fact.at, fact.id, text, about, who, rests, record.origin))
        if isinstance(fact, REFUSALS):
            why = refusal_text(fact.evidence, self._checks)
            if why:
                self.told.append(Told(fact.at, fact.id, why, about, "", (), record.origin))
        self._rows(fact, text)

    def _rows(self, fact: Any, text: str) -> None:
        row: Row = {"time": time_text(fact.at), "fact": id_text(fact.id)}
        if isinstance(fact, f.OrderRejected):
            self.refusals.append(row | {
                "order_id": id_text(fact.id), "client": fact.client, "cl_ord_id": fact.cl_ord_id, "request": "new",
                "symbol": fact.symbol, "side": fact.side.name.lower(), "reason": fact.reason.name, "text": fact.text,
                "refusal": refusal_row(fact.evidence, self._checks),
            })  # fmt: skip
        elif isinstance(fact, f.RequestRejected):
            told = request_row(fact, self._checks)
            of: Row = {"order_id": None, "symbol": None, "side": None}
            if fact.order_id:
                symbol, side = self.story.orders[fact.order_id]
                of = {"order_id": id_text(fact.order_id), "symbol": symbol, "side": side.name.lower()}
            self.refusals.append(row | of | {name: told[name] for name in told if name != "orig_cl_ord_id"})
        elif isinstance(fact, LIMITS):
            self.limits.append(row | _limits_row(fact))
        elif isinstance(fact, f.MarginChanged):
            numbers = {"equity": fact.equity, "maintenance": fact.maintenance, "excess": fact.excess}
            self.standings.append(row | {"standing": str(fact.standing)} | numbers | {"text": fact.text})
        elif isinstance(fact, f.CreditScored):
            self.credit.append(row | {
                "score": fact.score, "may_use_percent": f"{fact.multiplier_bps / 100:g}", "inputs": dict(fact.inputs),
                "reasons": list(fact.reasons), "who": fact.operator,
            })  # fmt: skip


def _limits_row(fact: f.LimitsSet | f.LimitsProposed | f.ProposalEnded) -> Row:
    if isinstance(fact, f.ProposalEnded):
        return {"what": "not approved", "level": None, "limits": None, "who": fact.operator, "approver": None,
                "until": None, "text": fact.text}  # fmt: skip
    what = "proposed" if isinstance(fact, f.LimitsProposed) else "over" if fact.operator == EXPIRY else "set"
    return {
        "what": what, "level": " ".join(filter(None, (fact.kind, fact.name, fact.symbol))),
        "limits": limits_text(fact.limits), "who": fact.operator,
        "approver": getattr(fact, "approver", "") or None, "until": time_text(fact.until) if fact.until else None,
        "text": fact.text,
    }  # fmt: skip


def _watched(folder: Path, account: str) -> AccountTold:
    watcher = AccountTold(account)
    replay(folder, watcher)
    if not watcher.story.is_known:
        raise LookupError(f"there is no account {account!r} in {folder}")
    return watcher


def explain_account(folder: Path, account: str) -> Iterator[Told]:
    """The sentences of an account's story, from the facts of a journal's folder. Raises JournalError, and LookupError
    where there never was such an account."""
    yield from _watched(folder, account).told


def account_told(folder: Path, account: str) -> Row:
    """All of it: `symbols` are what it has traded, `limits` what was set and proposed, `refusals` with what they rest
    on, `standings` its margin, `credit` its scores, `by_hand` what somebody did, `story` the sentences. Raises as
    `explain_account`."""
    watcher = _watched(folder, account)
    story = watcher.story
    symbols: list[Row] = []
    for symbol in sorted(symbol for symbol in story.counts if symbol in story.state.instruments):
        count = story.counts[symbol]
        row: Row = {"symbol": symbol} | {name: count[name] for name in ("orders", "refused", "fills")}
        symbols.append(row | {name: story.qty(symbol, count[name]) for name in ("bought", "sold")})
    return {
        "kind": "account",
        "account": account,
        "symbols": symbols,
        "limits": watcher.limits,
        "refusals": watcher.refusals,
        "standings": watcher.standings,
        "credit": watcher.credit,
        "by_hand": by_hand(watcher.told),
        "story": [one.row() for one in watcher.told],
    }
