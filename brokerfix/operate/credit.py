"""Credit scores: how far accounts with margin are from a liquidation, by what the journal has of prices and of them.

The distance is a barrier's (R. Merton, 1974; F. Black and J. Cox, 1976): d = EL / (sqrt(v' S v) sqrt(h)), where EL is
the excess liquidity, v what each position loses of it with its price (value x (1 - maintenance rate)), S the daily
covariance of returns (EWMA over the recorded marks, as RiskMetrics 1996), and h the horizon in days. PD = 2 Phi(-d), by
the reflection of a driftless path. The log odds less the weighted conduct give the score, 487.123 + 28.8539 ln odds: 20
points double the odds, and 600 is odds of 50. The weights are priors: nothing has been estimated from defaults of this
broker's clients.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from brokerfix import facts as f
from brokerfix.domain import money_text
from brokerfix.engine.entities import Account
from brokerfix.engine.evolve import evolve
from brokerfix.engine.risk import needs
from brokerfix.engine.state import State
from brokerfix.record.journal import read
from brokerfix.record.kept import oldest
from brokerfix.settings.sections import CreditSection

OFFSET, FACTOR = 487.123, 28.8539
LOWEST, HIGHEST = 300, 850
DAY = 86_400
NINETY_DAYS = 90 * DAY * 10**9
LEAST_RETURNS = 10
"""Returns of a symbol without which its prior volatility is taken."""
SMALLEST = 1e-12
MOST_REASONS = 4


def distance(
    excess: float, sensitivities: Sequence[float], covariance: Sequence[Sequence[float]], days: float
) -> float:
    """Standard deviations from a liquidation; infinite where nothing can be lost."""
    variance = sum(
        one * other * covariance[i][j] for i, one in enumerate(sensitivities) for j, other in enumerate(sensitivities)
    )
    risk = math.sqrt(max(0.0, variance)) * math.sqrt(days)
    return excess / risk if risk else math.inf


def default_probability(d: float) -> float:
    """2 Phi(-d), at most 1."""
    return 1.0 if d <= 0 else math.erfc(d / math.sqrt(2))


def score_of(probability: float, penalty: float = 0.0) -> float:
    """487.123 + 28.8539 x (ln((1 - PD) / PD) - penalty), from 300 to 850."""
    bounded = min(1 - SMALLEST, max(SMALLEST, probability))
    return min(float(HIGHEST), max(float(LOWEST), OFFSET + FACTOR * (math.log((1 - bounded) / bounded) - penalty)))


class Score(NamedTuple):
    """An account's score, what went into it, and what has cost it most points."""

    account: str
    score: int
    inputs: tuple[tuple[str, str], ...]
    reasons: tuple[str, ...]


class History:
    """A replay of the journal that samples marks and equities every `sample_seconds`."""

    def __init__(self, settings: CreditSection) -> None:
        self.settings = settings
        self.state = State()
        self.returns: dict[str, dict[int, float]] = {}
        self.equity: dict[str, list[float]] = {}
        self.utilisation: dict[str, list[float]] = {}
        self.calls: dict[str, list[int]] = {}
        self.deficits: dict[str, int] = {}
        self.orders: dict[str, int] = {}
        self.refused: dict[str, int] = {}
        self._marks: dict[str, int] = {}
        self._slot = 0

    def replay(self, folder: Path) -> None:
        """Take in the whole journal. Raises JournalError."""
        interval = self.settings.sample_seconds * 10**9
        state, since = oldest(folder)
        self.state.become(state)
        for record in read(folder, since=since):
            for fact in record.facts:
                if fact.at // interval != self._slot:
                    self._sample(fact.at // interval)
                evolve(self.state, fact)
                self._count(fact)
        self._sample(self._slot + 1)

    def _sample(self, slot: int) -> None:
        for symbol, mark in self.state.marks.items():
            before = self._marks.get(symbol)
            if before:
                self.returns.setdefault(symbol, {})[slot] = math.log(mark / before)
            self._marks[symbol] = mark
        for name, account in self.state.accounts.items():
            if account.margin != "cash" and account.equity > 0:
                self.equity.setdefault(name, []).append(float(account.equity))
                used = 1 - account.buying_power / account.equity
                self.utilisation.setdefault(name, []).append(min(2.0, max(0.0, used)))
        self._slot = slot

    def _count(self, fact: f.Fact) -> None:
        if isinstance(fact, f.MarginChanged) and fact.standing == "call":
            self.calls.setdefault(fact.account, []).append(fact.at)
        elif isinstance(fact, f.DeficitBooked):
            self.deficits[fact.account] = self.deficits.get(fact.account, 0) + 1
        elif isinstance(fact, f.OrderAccepted | f.OrderRejected):
            self.orders[fact.account] = self.orders.get(fact.account, 0) + 1
            if isinstance(fact, f.OrderRejected):
                self.refused[fact.account] = self.refused.get(fact.account, 0) + 1

    def covariance(self, symbols: Sequence[str]) -> list[list[float]]:
        """Daily covariances of the symbols' returns, by EWMA; a symbol with few returns has its prior volatility, and
        moves with no other."""
        per_day = DAY / self.settings.sample_seconds
        prior = float(self.settings.prior_volatility) ** 2
        matrix = []
        for one in symbols:
            row = []
            for other in symbols:
                found = self._ewma(one, other)
                row.append(found * per_day if found is not None else prior if one == other else 0.0)
            matrix.append(row)
        return matrix

    def _ewma(self, one: str, other: str) -> float | None:
        first, second = self.returns.get(one, {}), self.returns.get(other, {})
        slots = sorted(first.keys() & second.keys())
        if len(slots) < LEAST_RETURNS:
            return None
        decay = float(self.settings.decay)
        value = first[slots[0]] * second[slots[0]]
        for slot in slots[1:]:
            value = decay * value + (1 - decay) * first[slot] * second[slot]
        return value

    def score(self, account: Account, at: int) -> Score:
        """The account's score by what has been replayed."""
        symbols = [symbol for symbol, position in account.positions.items() if position.qty]
        sensitivities = [self._sensitivity(account, symbol) for symbol in symbols]
        covariance = self.covariance(symbols)
        d = distance(float(account.excess), sensitivities, covariance, float(self.settings.horizon_days))
        probability = default_probability(d)
        conduct = self._conduct(account.account, at)
        weights: Mapping[str, float] = {name: float(text) for name, text in self.settings.weights.items()}
        costs = {name: weights.get(name, 0.0) * value for name, value in conduct.items()}
        score = round(score_of(probability, sum(costs.values())))
        inputs = [
            ("excess liquidity", money_text(account.excess)),
            ("distance", f"{d:.4f}"),
            ("PD", f"{probability:.5f}"),
        ]
        inputs += [(name, f"{value:.4g}") for name, value in conduct.items()]
        reasons = [(cost * FACTOR, f"{name} ({conduct[name]:.3g})") for name, cost in costs.items() if cost > 0]
        lost = HIGHEST - score_of(probability)
        if lost >= 1:
            reasons.append((lost, f"{d:.2f} standard deviations from a liquidation"))
        reasons.sort(key=lambda reason: -reason[0])
        told = tuple(f"{name}: -{points:.0f} points" for points, name in reasons[:MOST_REASONS])
        return Score(account.account, score, tuple(inputs), told)

    def _sensitivity(self, account: Account, symbol: str) -> float:
        """What the excess liquidity loses if the price falls to nothing, by the maintenance margin that it frees."""
        position = account.positions[symbol]
        value = position.qty * needs.mark_of(self.state, symbol) * self.state.factors[symbol]
        frees = position.maintenance / abs(value) if value else 0.0
        return value * (1 - frees if value > 0 else 1 + frees)

    def _conduct(self, name: str, at: int) -> dict[str, float]:
        equity = self.equity.get(name, [])
        changes = [later / before - 1 for before, later in pairwise(equity)]
        peak, drawdown = 0.0, 0.0
        for value in equity:
            peak = max(peak, value)
            drawdown = max(drawdown, 1 - value / peak)
        used = self.utilisation.get(name, [])
        orders = self.orders.get(name, 0)
        per_day = DAY / self.settings.sample_seconds
        return {
            "mean utilisation": sum(used) / len(used) if used else 0.0,
            "margin calls in 90 days": float(sum(call > at - NINETY_DAYS for call in self.calls.get(name, []))),
            "deficits": float(self.deficits.get(name, 0)),
            "equity volatility": math.sqrt(per_day * sum(c * c for c in changes) / len(changes)) if changes else 0.0,
            "drawdown": drawdown,
            "settlement fails": 0.0,
            "reject rate": self.refused.get(name, 0) / orders if orders else 0.0,
        }


def scores(folder: Path, settings: CreditSection, at: int) -> list[Score]:
    """The scores of all accounts with margin, by a journal's folder."""
    history = History(settings)
    history.replay(folder)
    return [history.score(account, at) for account in history.state.accounts.values() if account.margin != "cash"]


def past(folder: Path, account: str) -> list[f.CreditScored]:
    """An account's scores as they entered."""
    return [
        fact
        for record in read(folder)
        for fact in record.facts
        if isinstance(fact, f.CreditScored) and fact.account == account
    ]


Submit = Callable[[dict[str, Any]], Any]


def submit(found: Sequence[Score], ask: Submit) -> None:
    """Have the running broker take the scores."""
    for one in found:
        ask({
            "action": "score", "account": one.account, "score": one.score, "inputs": dict(one.inputs),
            "reasons": dict(enumerate_reasons(one.reasons)),
        })  # fmt: skip


def enumerate_reasons(reasons: Sequence[str]) -> list[tuple[str, str]]:
    return [(str(number), reason) for number, reason in enumerate(reasons, 1)]
