"""What an operator does about risk: halts and kills, limits, margin, credit, currencies, breaks."""

from collections.abc import Callable
from datetime import UTC, datetime
from itertools import islice

import msgspec

from brokerfix import commands as cmd
from brokerfix.domain import (
    Level,
    Limits,
    id_number,
    id_text,
    to_scaled,
    to_text,
)
from brokerfix.engine.entities import JobKind
from brokerfix.engine.risk.credit import credits
from brokerfix.engine.risk.levels import pending, utilisation
from brokerfix.engine.risk.standing import margins
from brokerfix.operate.admin import ActionRefused, Answer, Request
from brokerfix.operate.running import Running
from brokerfix.settings.checks import check_limits
from brokerfix.settings.sections import ConfigError

MINUTE = 60 * 10**9
MOST_MINUTES = 31 * 24 * 60
MOST_STOPPED = 200
"""Halts that an answer has."""


class RiskActions:
    """The actions, by name. `done` carries a command out and raises ActionRefused where it is refused."""

    def __init__(self, broker: Running, done: Callable[[cmd.Command], Answer]) -> None:
        self.broker, self.done = broker, done
        self.actions: dict[str, Callable[[str, Request], Answer]] = {
            "halt": self._halt,
            "kill": self._kill,
            "killed": self._killed,
            "resume": self._resume,
            "limits": self._limits,
            "set-limits": self._set_limits,
            "pending-limits": self._pending_limits,
            "answer-limits": self._answer_limits,
            "margin": self._margin,
            "hold-margin": self._hold_margin,
            "credits": self._credits,
            "score": self._score,
            "fx": self._fx,
            "set-fx": self._set_fx,
            "breaks": self._breaks,
            "resolve-break": self._resolve_break,
        }

    def _halt(self, operator: str, request: Request) -> Answer:
        return self.done(cmd.OperatorHalt(self.broker.clock(), operator, request["kind"], request.get("name", "")))

    def _kill(self, operator: str, request: Request) -> Answer:
        kind, name = request["kind"], request.get("name", "")
        self.done(cmd.OperatorHalt(self.broker.clock(), operator, kind, name, True))
        return {"orders": sum(job.total for job in self.broker.state.jobs[:1])}

    def _killed(self, operator: str, request: Request) -> Answer:
        """How far kills are: whether any is under way, what was said of the last that is done, and what is stopped, by
        whom and whether it is killed: at most so many, and how many besides."""
        state = self.broker.state
        told = next((one.text for one in reversed(state.alerts) if one.code == "KILLED"), "")
        stopped = [
            {"kind": kind, "name": name, "by": by, "killed": (kind, name) in state.killed}
            for (kind, name), by in islice(state.halts.items(), MOST_STOPPED)
        ]
        return {
            "under_way": any(job.kind is JobKind.KILL for job in state.jobs), "told": told, "stopped": stopped,
            "more": len(state.halts) - len(stopped),
        }  # fmt: skip

    def _resume(self, operator: str, request: Request) -> Answer:
        return self.done(cmd.OperatorResume(self.broker.clock(), operator, request["kind"], request.get("name", "")))

    def _limits(self, operator: str, request: Request) -> Answer:
        rows = utilisation(self.broker.state, self.broker.clock())
        for row in rows:
            if "until" in row:
                row["until"] = datetime.fromtimestamp(row["until"] // 10**9, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
        return {"limits": rows}

    def _set_limits(self, operator: str, request: Request) -> Answer:
        """Change some of a level's limits, and leave the others as they are."""
        level = Level(request["kind"], request.get("name", ""), request.get("symbol", ""))
        state = self.broker.state
        override = None if request.get("minutes") else state.overrides.get(level)
        # What is set for good is set on what there was before what is set for a time, which it ends.
        had = override.before if override is not None else state.limits.get(level, Limits())
        known = msgspec.structs.asdict(had)
        try:
            limits = msgspec.convert({**known, **request["settings"]}, Limits, strict=False)
            check_limits(str(level), limits)
        except (msgspec.ValidationError, ConfigError) as error:
            raise ActionRefused(f"{level}: {error}") from error
        now, minutes = self.broker.clock(), request.get("minutes", 0)
        if not 0 <= minutes <= MOST_MINUTES:
            raise ActionRefused(f"minutes are 1 to {MOST_MINUTES}")
        until = now + minutes * MINUTE if minutes else 0
        above, text = self.broker.config.approvals.raise_above, request.get("text", "")
        answer = self.done(cmd.SetLimits(now, operator, level, limits, text, until, above))
        waiting = [number for number, one in self.broker.state.proposals.items() if one.at == now]
        return {**answer, "proposal": id_text(waiting[-1])} if waiting else answer

    def _pending_limits(self, operator: str, request: Request) -> Answer:
        return {"pending": pending(self.broker.state)}

    def _answer_limits(self, operator: str, request: Request) -> Answer:
        number, approve = id_number(request["proposal"]), bool(request["approve"])
        text = request.get("text", "")
        return self.done(cmd.AnswerProposal(self.broker.clock(), operator, number, approve, text))

    def _margin(self, operator: str, request: Request) -> Answer:
        return {"margin": margins(self.broker.state)}

    def _hold_margin(self, operator: str, request: Request) -> Answer:
        hold, text = bool(request["hold"]), request.get("text", "")
        return self.done(cmd.OperatorMargin(self.broker.clock(), operator, request["account"], hold, text))

    def _credits(self, operator: str, request: Request) -> Answer:
        return {"credits": credits(self.broker.state)}

    def _score(self, operator: str, request: Request) -> Answer:
        inputs = tuple((str(name), str(value)) for name, value in request["inputs"].items())
        reasons = tuple(map(str, request["reasons"].values()))
        account, score = request["account"], request["score"]
        return self.done(cmd.OperatorCredit(self.broker.clock(), operator, account, score, inputs, reasons))

    def _fx(self, operator: str, request: Request) -> Answer:
        """The currencies and their rates."""
        state = self.broker.state
        return {
            "currencies": [
                {"currency": name, "rate": to_text(state.fx[name], 8), "haircut": one.haircut, "symbol": one.symbol}
                for name, one in state.currencies.items()
            ]
        }

    def _set_fx(self, operator: str, request: Request) -> Answer:
        rate = to_scaled(request["rate"], 8)
        return self.done(cmd.OperatorRate(self.broker.clock(), operator, request["currency"], rate))

    def _breaks(self, operator: str, request: Request) -> Answer:
        """The open breaks with exchanges."""
        return {
            "breaks": [
                {
                    "number": id_text(one.id),
                    "exchange": one.venue,
                    "code": one.code,
                    "amount": one.amount,
                    "what": one.text,
                }
                for one in self.broker.state.breaks.values()
            ]
        }

    def _resolve_break(self, operator: str, request: Request) -> Answer:
        number, text = id_number(request["number"]), request.get("text", "")
        return self.done(cmd.OperatorResolveBreak(self.broker.clock(), operator, number, text))
