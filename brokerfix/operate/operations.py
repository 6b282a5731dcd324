"""What an operator can ask of a running broker, action by action: JSON in, commands to the engine, JSON out."""

from collections.abc import Callable, Mapping

import msgspec

from brokerfix import commands as cmd
from brokerfix.access.roles import QUESTIONS, Role
from brokerfix.domain import (
    Inexact,
    id_number,
    id_text,
)
from brokerfix.engine.entities import KEPT_ALERTS
from brokerfix.facts import Alerted, OperatorRefused
from brokerfix.operate.admin import MOST_TEXT, ActionRefused, Answer, Request
from brokerfix.operate.asker import who_asks, why_not
from brokerfix.operate.exchanges import exchanges
from brokerfix.operate.key_actions import KeyActions
from brokerfix.operate.maker_actions import MakerActions
from brokerfix.operate.market_actions import MarketActions
from brokerfix.operate.order_actions import OrderActions
from brokerfix.operate.record_actions import RecordActions
from brokerfix.operate.risk_actions import RiskActions
from brokerfix.operate.running import Running
from brokerfix.operate.shard_actions import ShardActions
from brokerfix.operate.surveillance_actions import SurveillanceActions
from brokerfix.settings.checks import check_venues
from brokerfix.settings.registry import keep_client, keep_venue
from brokerfix.settings.sections import COMP_ID, ClientSection, ConfigError, VenueSection


class OnRecord(ActionRefused):
    """An action that the engine has refused: that is in the journal already."""


ACKNOWLEDGED = "acknowledge"
"""The action of who has seen an alert; its text is the alert's number."""
NUMBERS = (
    "new", "old", "canceled", "refused", "hold", "score", "minutes", "approve", "seconds", "epoch", "sequence",
    "drain", "shard", "move", "levels",
)  # fmt: skip
TABLES = ("settings", "inputs", "reasons", "weights", "tables", "finding")


def _check(name: str, value: object) -> None:
    """What an operator sends goes into the journal and into messages: it is text without control characters, but for
    the few numbers and tables. Raises ActionRefused."""
    if name in NUMBERS:
        if type(value) is not int:
            raise ActionRefused(f"{name} is a whole number")
    elif name in TABLES:
        if not isinstance(value, dict):
            raise ActionRefused(f"{name} is a table")
    elif name == "holdings":
        if not isinstance(value, str):
            raise ActionRefused("holdings are JSON text")
    elif not isinstance(value, str) or not value.isprintable() or len(value) > MOST_TEXT:
        raise ActionRefused(f"{name} is text of up to {MOST_TEXT} characters")


class Operations:
    """The actions, by name."""

    def __init__(self, broker: Running) -> None:
        self.broker = broker
        self._role = Role.VIEWER
        self.actions: Mapping[str, Callable[[str, Request], Answer]] = {
            "exchanges": self._exchanges,
            "status": self._status,
            "alert": self._alert,
            "acknowledge": self._acknowledge,
            "note": self._note,
            "split": self._split,
            "roll": self._roll,
            "sessions": self._sessions,
            "disconnect": self._disconnect,
            "reset": self._reset,
            "add-client": self._add_client,
            "add-exchange": self._add_exchange,
            **OrderActions(broker, self.done).actions,
            **RiskActions(broker, self.done).actions,
            **MakerActions(broker, self.done).actions,
            **ShardActions(broker, self.done).actions,
            **KeyActions(broker, self.done).actions,
            **SurveillanceActions(broker, self.done).actions,
            **MarketActions(broker).actions,
            **RecordActions(broker, self.done, lambda: self._role).actions,
            "cluster": lambda operator, request: self.broker.cluster(),
            "switch": self._switch,
        }

    def handle(self, operator: str, request: Request) -> Answer:
        """Do what a request asks for, if who asks may. Raises ActionRefused."""
        operator, role = who_asks(self.broker.config, operator, request)
        try:
            return self._do(operator, role, request)
        except OnRecord as error:
            raise ActionRefused(str(error)) from error
        except ActionRefused as error:
            # That a question was malformed is nothing for the record, which whoever looks could fill.
            if request.get("action") not in QUESTIONS:
                self._acted(operator, "refused", f"{request.get('action')}: {error}"[:MOST_TEXT])
            raise

    def _do(self, operator: str, role: Role, request: Request) -> Answer:
        name, self._role = str(request.get("action")), role
        action = self.actions.get(name)
        if action is None:
            raise ActionRefused(f"there is no action {request.get('action')!r}; there are {', '.join(self.actions)}")
        told = why_not(role, name)
        if told:
            self.broker.carry_out(cmd.OperatorMayNot(self.broker.clock(), operator, name, told))
            raise OnRecord(f"{operator}: {told}")
        for name, value in request.items():
            _check(name, value)
        try:
            return action(operator, request)
        except KeyError as error:
            raise ActionRefused(f"{request['action']}: {error.args[0]} is missing") from error
        except Inexact as error:
            raise ActionRefused(str(error)) from error

    def done(self, command: cmd.Command) -> Answer:
        facts = self.broker.carry_out(command)
        for fact in facts:
            if isinstance(fact, OperatorRefused):
                raise OnRecord(fact.text)
            if isinstance(fact, Alerted) and fact.code == "BUG":
                raise OnRecord(f"the broker failed to do it: {fact.text}; see its log")
        return {"facts": [type(fact).__name__ for fact in facts]}

    def _acted(self, operator: str, action: str, text: str) -> None:
        """Put an action on record that changes nothing of the engine's."""
        self.broker.carry_out(cmd.OperatorActs(self.broker.clock(), operator, action, text))

    def _exchanges(self, operator: str, request: Request) -> Answer:
        return {"exchanges": exchanges(self.broker.state, self.broker.clock())}

    def _switch(self, operator: str, request: Request) -> Answer:
        """Hand over to a standby. Its name is in the answer."""
        return {"node": self.broker.switch(operator, str(request.get("node", "")))}

    def _status(self, operator: str, request: Request) -> Answer:
        return self.broker.status()

    def _alert(self, operator: str, request: Request) -> Answer:
        """What an operator's tool has found, for all to see."""
        return self.done(cmd.OperatorAlert(self.broker.clock(), operator, request["code"], request["text"]))

    def _acknowledge(self, operator: str, request: Request) -> Answer:
        """Somebody has seen an alert, and sees to it."""
        number = id_number(request["alert"])
        if all(one.id != number for one in self.broker.state.alerts):
            raise ActionRefused(f"there is no alert {request['alert']} among the last {KEPT_ALERTS}")
        self._acted(operator, ACKNOWLEDGED, id_text(number))
        return {}

    def _note(self, operator: str, request: Request) -> Answer:
        """Put on record what somebody has done at a door of ours, as a login."""
        what = request["what"]
        if what in self.actions or what == "refused":
            raise ActionRefused(f"what: {what} is an action of its own")
        self._acted(operator, what, request["text"])
        return {}

    def _split(self, operator: str, request: Request) -> Answer:
        new, old = int(request["new"]), int(request["old"])
        return self.done(cmd.OperatorSplit(self.broker.clock(), operator, request["symbol"], new, old))

    def _roll(self, operator: str, request: Request) -> Answer:
        day = self.broker.next_day()
        self._acted(operator, "roll", f"to {day}")
        self.broker.roll(day, self.broker.clock())
        return {"day": day}

    def _sessions(self, operator: str, request: Request) -> Answer:
        return {"sessions": self.broker.list_sessions()}

    def _session(self, request: Request) -> str:
        name = str(request["name"])
        if name not in self.broker.config.clients and name not in self.broker.config.venues:
            raise ActionRefused(f"there is no session {name!r}")
        return name

    def _disconnect(self, operator: str, request: Request) -> Answer:
        name = self._session(request)
        self._acted(operator, "disconnect", name)
        self.broker.disconnect(name)
        return {}

    def _reset(self, operator: str, request: Request) -> Answer:
        name = self._session(request)
        self._acted(operator, "reset", name)
        self.broker.reset_session(name)
        return {}

    def _add_client(self, operator: str, request: Request) -> Answer:
        """A client without a restart: its session has an acceptor of its own, because QuickFIX's can't take another
        one. It stays after a restart."""
        config, name = self.broker.config, str(request["name"])
        if not COMP_ID.fullmatch(name):
            raise ActionRefused(f"{name!r}: a CompID is 1 to 32 letters, digits, dots, dashes, underlines")
        if name in config.clients:
            raise ActionRefused(f"there is a client {name} already")
        try:
            section = msgspec.convert(request["settings"], ClientSection)
        except msgspec.ValidationError as error:
            raise ActionRefused(f"{name}: {error}") from error
        if config.gateway is not None:
            if config.gateway.upstream:
                raise ActionRefused(f"{name}: with gateway.upstream, clients are added to the configuration")
            if section.port:
                raise ActionRefused(f"{name}: port: clients come to the gateway's")
            # Its number is all that this says: each added client has an acceptor and a local socket of its own.
            highest = max(client.port for client in config.clients.values())
            section = msgspec.structs.replace(section, port=highest + 1)
        elif not section.port:
            raise ActionRefused(
                f"{name}: port is missing: a client that is added to a running broker has one of its own"
            )
        for account in section.accounts:
            if account not in config.accounts:
                raise ActionRefused(f"{name}: there is no account {account}")
        # On record first: a session that nothing is known of must not come up.
        terms = section.accounts, section.max_orders_per_second, section.options
        self.broker.carry_out(cmd.DefineClient(self.broker.clock(), operator, name, *terms))
        self.broker.add_client(name, section)
        keep_client(config.data, name, section)
        return {"name": name, "port": section.port if config.gateway is None else config.broker.port}

    def _add_exchange(self, operator: str, request: Request) -> Answer:
        """An exchange without a restart: its session has an initiator of its own. It stays after a restart."""
        config, name = self.broker.config, str(request["name"])
        if not COMP_ID.fullmatch(name):
            raise ActionRefused(f"{name!r}: an exchange's name is 1 to 32 letters, digits, dots, dashes, underlines")
        if not config.venues:
            raise ActionRefused(f"{name}: this broker matches in its own book; its first exchange needs a restart")
        if name in config.venues:
            raise ActionRefused(f"there is an exchange {name} already")
        try:
            section = msgspec.convert(request["settings"], VenueSection)
            check_venues(config.path, {**config.venues, name: section}, config.instruments)
        except msgspec.ValidationError as error:
            raise ActionRefused(f"{name}: {error}") from error
        except ConfigError as error:
            raise ActionRefused(str(error)) from error
        self.broker.carry_out(cmd.DefineVenue(self.broker.clock(), operator, section.named(name)))
        self.broker.add_venue(name, section)
        keep_venue(config.data, name, section)
        return {"name": name}
