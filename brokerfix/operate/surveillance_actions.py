"""What surveillance and those who work with its alerts ask of a running broker: action by action, as `Operations`."""

import os
from collections.abc import Callable, Iterable

import msgspec

from brokerfix import commands as cmd
from brokerfix.domain import Disposition, Finding
from brokerfix.engine.surveillance import open_alerts
from brokerfix.operate.admin import ActionRefused, Answer, Request, name_of
from brokerfix.operate.running import Running

MOST_TEXT = 400
MOST_LONG = 2000
"""Most items of a list in a finding."""


class SurveillanceActions:
    """The actions, by name. `done` carries a command out and raises ActionRefused where it is refused."""

    def __init__(self, broker: Running, done: Callable[[cmd.Command], Answer]) -> None:
        self.broker, self._done = broker, done
        self.actions: dict[str, Callable[[str, Request], Answer]] = {
            "raise-alert": self._raise,
            "dispose-alert": self._dispose,
            "surveillance": self._standing,
        }

    def _raise(self, operator: str, request: Request) -> Answer:
        """What surveillance has found. It runs as the broker's own user: what anybody else says is no finding."""
        if operator not in (name_of(os.getuid()), name_of(0)):
            raise ActionRefused("only the broker's own user, who runs surveillance, may raise an alert of it")
        try:
            found = msgspec.convert(request["finding"], Finding)
        except msgspec.ValidationError as error:
            raise ActionRefused(f"finding: {error}") from error
        _check(found)
        return self._done(cmd.RaiseAlert(self.broker.clock(), operator, found))

    def _dispose(self, operator: str, request: Request) -> Answer:
        try:
            status = Disposition(request["status"])
        except ValueError as error:
            raise ActionRefused(f"status is one of {', '.join(Disposition)}") from error
        command = cmd.DisposeAlert(self.broker.clock(), operator, request["alert"], status, request.get("text", ""))
        return self._done(command)

    def _standing(self, operator: str, request: Request) -> Answer:
        """How the alerts stand that are not over, or not for long."""
        state = self.broker.state
        rows = {name: {"status": one.status, "since": one.since} for name, one in state.watched.items()}
        return {"alerts": rows, "open": open_alerts(state)}


def _check(found: Finding) -> None:
    """A finding goes into the journal: its texts are printable and short, and it says something. Raises
    ActionRefused."""
    texts: Iterable[str] = (
        found.alert, found.rule, found.symbol, *found.accounts, *found.sentences,
        *(text for pair in (*found.values, *found.thresholds) for text in pair),
    )  # fmt: skip
    if not all(text.isprintable() and len(text) <= MOST_TEXT for text in texts):
        raise ActionRefused(f"a finding's texts have up to {MOST_TEXT} printable characters")
    if not (found.alert and found.rule and found.sentences and found.evidence):
        raise ActionRefused("a finding has an id, a rule, a sentence, and evidence")
    if max(map(len, (found.evidence, found.sentences, found.values, found.thresholds, found.accounts))) > MOST_LONG:
        raise ActionRefused(f"a finding's lists have up to {MOST_LONG} items")
