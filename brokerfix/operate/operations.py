"""What an operator can ask of a running broker, action by action: JSON in, commands to the engine, JSON out."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import msgspec

from brokerfix import commands as cmd
from brokerfix.access.roles import QUESTIONS, Role
from brokerfix.domain import (
    Inexact,
    Instrument,
    Level,
    Limits,
    OrdType,
    Side,
    TimeInForce,
    id_number,
    id_text,
    money_text,
    to_money,
    to_scaled,
    to_text,
)
from brokerfix.engine.entities import KEPT_ALERTS, JobKind
from brokerfix.engine.orders.order import Order
from brokerfix.engine.risk.credit import credits
from brokerfix.engine.risk.levels import pending, utilisation
from brokerfix.engine.risk.standing import margins
from brokerfix.facts import Alerted, OperatorRefused, OrderAccepted, OrderRejected
from brokerfix.operate.admin import ActionRefused, Answer, Request
from brokerfix.operate.asker import who_asks, why_not
from brokerfix.operate.exchanges import exchanges
from brokerfix.operate.key_actions import KeyActions
from brokerfix.operate.makers import makers
from brokerfix.operate.makers_changed import calibration_of, change_of, pulled
from brokerfix.operate.market_actions import MarketActions
from brokerfix.operate.record_actions import RecordActions
from brokerfix.operate.running import Running
from brokerfix.operate.shard_actions import ShardActions
from brokerfix.operate.surveillance_actions import SurveillanceActions
from brokerfix.settings.checks import check_limits, check_venues
from brokerfix.settings.registry import keep_client, keep_venue
from brokerfix.settings.sections import COMP_ID, ClientSection, ConfigError, VenueSection


class OnRecord(ActionRefused):
    """An action that the engine has refused: that is in the journal already."""


MOST_TEXT = 200
ACKNOWLEDGED = "acknowledge"
"""The action of who has seen an alert; its text is the alert's number."""
NUMBERS = (
    "new", "old", "canceled", "refused", "hold", "score", "minutes", "approve", "seconds", "epoch", "sequence",
    "drain", "shard", "move", "levels",
)  # fmt: skip
MINUTE = 60 * 10**9
MOST_MINUTES = 31 * 24 * 60
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


DAY_SECONDS = 86_400


class Operations:
    """The actions, by name."""

    def __init__(self, broker: Running) -> None:
        self.broker = broker
        self._role = Role.VIEWER
        self.actions: Mapping[str, Callable[[str, Request], Answer]] = {
            "cancel": self._cancel,
            "release": self._release,
            "pause": self._pause,
            "exchanges": self._exchanges,
            "resolve": self._resolve,
            "status": self._status,
            "reverse": self._reverse,
            "enter": self._enter,
            "bust": self._bust,
            "correct": self._correct,
            "halt": self._halt,
            "kill": self._kill,
            "killed": self._killed,
            "limits": self._limits,
            "set-limits": self._set_limits,
            "pending-limits": self._pending_limits,
            "answer-limits": self._answer_limits,
            "margin": self._margin,
            "hold-margin": self._hold_margin,
            "score": self._score,
            "alert": self._alert,
            "acknowledge": self._acknowledge,
            "note": self._note,
            "credits": self._credits,
            "breaks": self._breaks,
            "fx": self._fx,
            "set-fx": self._set_fx,
            "set-profile": self._set_profile,
            "resolve-break": self._resolve_break,
            "resume": self._resume,
            "split": self._split,
            "roll": self._roll,
            "sessions": self._sessions,
            "disconnect": self._disconnect,
            "reset": self._reset,
            "add-client": self._add_client,
            "add-exchange": self._add_exchange,
            "makers": self._makers,
            "stop-maker": self._stop_maker,
            "start-maker": self._start_maker,
            "set-maker": self._set_maker,
            "calibration": self._calibration,
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

    def _order(self, request: Request) -> Order:
        """The order that a request names: by its OrderID, or by client and ClOrdID."""
        state = self.broker.state
        if "client" in request:
            client = state.clients.get(request["client"])
            known = client.requests.get(request["order"]) if client is not None else None
            if isinstance(known, Order):
                return known
            raise ActionRefused(f"client {request['client']} has no order {request['order']}")
        order = state.orders.get(id_number(request["order"]))
        if order is None:
            raise ActionRefused(f"there is no order {request['order']}; an OrderID is like {id_text(state.last_id)}")
        return order

    def _cancel(self, operator: str, request: Request) -> Answer:
        order = self._order(request)
        text = request.get("text", "")
        return self.done(cmd.OperatorCancel(self.broker.clock(), operator, order.order_id, "2", text))

    def _release(self, operator: str, request: Request) -> Answer:
        order = self._order(request)
        return self.done(cmd.OperatorRelease(self.broker.clock(), operator, order.order_id))

    def _pause(self, operator: str, request: Request) -> Answer:
        order = self._order(request)
        return self.done(cmd.OperatorPause(self.broker.clock(), operator, order.order_id, request["paused"] == "yes"))

    def _exchanges(self, operator: str, request: Request) -> Answer:
        return {"exchanges": exchanges(self.broker.state, self.broker.clock())}

    def _resolve(self, operator: str, request: Request) -> Answer:
        """What an exchange has said of a child otherwise than by FIX."""
        state = self.broker.state
        child = state.children.get(id_number(request["child"]))
        if child is None:
            raise ActionRefused(
                f"there is no child order {request['child']}; it is the ClOrdID that the exchange knows"
            )
        instrument, qty, price = state.instruments[child.symbol], request.get("qty"), request.get("price")
        if (qty is None) != (price is None):
            raise ActionRefused("a fill has a quantity and a price")
        filled = to_scaled(qty, instrument.qty_digits) if qty else 0
        at = to_scaled(price, instrument.price_digits) if price else 0
        canceled, refused = request.get("canceled", 0) == 1, request.get("refused", 0) == 1
        told = child.child_id, filled, at, canceled, request.get("text", ""), refused
        return self.done(cmd.OperatorResolve(self.broker.clock(), operator, *told))

    def _switch(self, operator: str, request: Request) -> Answer:
        """Hand over to a standby. Its name is in the answer."""
        return {"node": self.broker.switch(operator, str(request.get("node", "")))}

    def _status(self, operator: str, request: Request) -> Answer:
        return self.broker.status()

    def _reverse(self, operator: str, request: Request) -> Answer:
        """Take back a fill of an earlier day, by the terms that the database has of it."""
        instrument = self._instrument(request["symbol"])
        order_qty, cum, qty = (
            to_scaled(request[name], instrument.qty_digits) for name in ("order_qty", "cum_qty", "qty")
        )
        price = to_scaled(request["price"], instrument.price_digits)
        side = Side[request["side"].upper()] if request["side"].upper() in Side.__members__ else None
        if side is None:
            raise ActionRefused("side is buy or sell")
        command = cmd.OperatorReverse(
            self.broker.clock(),
            operator,
            client=request["client"],
            account=request["account"],
            symbol=instrument.symbol,
            side=side,
            exec_id=id_number(request["exec"]),
            order_id=id_number(request["order"]),
            cl_ord_id=request.get("cl_ord_id", ""),
            order_qty=order_qty,
            cum=cum,
            qty=qty,
            price=price,
            text=request.get("text", ""),
            fee=money_text(to_money(request["fee"])) if request.get("fee", "0") != "0" else "",
        )
        return self.done(command)

    def _instrument(self, symbol: str) -> Instrument:
        instrument = self.broker.state.instruments.get(symbol)
        if instrument is None:
            raise ActionRefused(f"there is no symbol {symbol!r}")
        return instrument

    def _enter(self, operator: str, request: Request) -> Answer:
        """An order that a client gave by telephone."""
        instrument = self._instrument(request["symbol"])
        if request["client"] not in self.broker.state.clients:
            raise ActionRefused(f"there is no client {request['client']!r}")
        side = {"buy": Side.BUY, "sell": Side.SELL}.get(request["side"])
        if side is None:
            raise ActionRefused("side is buy or sell")
        price = request.get("price")
        command = cmd.NewOrder(
            self.broker.clock(),
            request["client"],
            request.get("cl_ord_id", ""),
            request.get("account", ""),
            instrument.symbol,
            side,
            OrdType.LIMIT if price else OrdType.MARKET,
            TimeInForce.DAY,
            to_scaled(request["qty"], instrument.qty_digits),
            to_scaled(price, instrument.price_digits) if price else 0,
            operator=operator,
        )
        facts = self.broker.carry_out(command)
        first = facts[0]
        if not isinstance(first, OrderAccepted):
            raise ActionRefused(first.text if isinstance(first, OrderRejected) else "the order was not taken")
        return {"order": id_text(first.id), "facts": [type(fact).__name__ for fact in facts]}

    def _bust(self, operator: str, request: Request) -> Answer:
        exec_id = id_number(request["exec"])
        return self.done(cmd.OperatorBust(self.broker.clock(), operator, exec_id, request.get("text", "")))

    def _correct(self, operator: str, request: Request) -> Answer:
        state, exec_id = self.broker.state, id_number(request["exec"])
        fill = state.fills.get(exec_id) or next((one for one in state.fills.values() if one.last_id == exec_id), None)
        if fill is None:
            raise ActionRefused(f"there is no fill {request['exec']}")
        instrument = state.instruments[state.orders[fill.order_id].symbol]
        qty = to_scaled(request["qty"], instrument.qty_digits)
        price = to_scaled(request["price"], instrument.price_digits)
        text = request.get("text", "")
        return self.done(cmd.OperatorCorrect(self.broker.clock(), operator, exec_id, qty, price, text))

    def _halt(self, operator: str, request: Request) -> Answer:
        return self.done(cmd.OperatorHalt(self.broker.clock(), operator, request["kind"], request.get("name", "")))

    def _kill(self, operator: str, request: Request) -> Answer:
        kind, name = request["kind"], request.get("name", "")
        self.done(cmd.OperatorHalt(self.broker.clock(), operator, kind, name, True))
        return {"orders": sum(job.total for job in self.broker.state.jobs[:1])}

    def _killed(self, operator: str, request: Request) -> Answer:
        """How far kills are: whether any is under way, and what was said of the last that is done."""
        state = self.broker.state
        told = next((one.text for one in reversed(state.alerts) if one.code == "KILLED"), "")
        return {"under_way": any(job.kind is JobKind.KILL for job in state.jobs), "told": told}

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

    def _set_profile(self, operator: str, request: Request) -> Answer:
        """When a symbol trades, for orders that are worked by it."""
        symbol, seconds, given = request["symbol"], request["seconds"], request["weights"]
        if symbol not in self.broker.state.instruments:
            raise ActionRefused(f"there is no symbol {symbol}")
        if not 0 < seconds <= DAY_SECONDS:
            raise ActionRefused("a part of the day has 1 to 86400 seconds")
        weights = [0] * -(-DAY_SECONDS // seconds)
        for part, weight in given.items():
            if not part.isdecimal() or int(part) >= len(weights) or type(weight) is not int or weight < 0:
                raise ActionRefused("a profile has weights of 0 or more for parts of the day, by their number")
            weights[int(part)] = weight
        return self.done(cmd.SetVolumeProfile(self.broker.clock(), operator, symbol, seconds * 10**9, tuple(weights)))

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

    def _credits(self, operator: str, request: Request) -> Answer:
        return {"credits": credits(self.broker.state)}

    def _score(self, operator: str, request: Request) -> Answer:
        inputs = tuple((str(name), str(value)) for name, value in request["inputs"].items())
        reasons = tuple(map(str, request["reasons"].values()))
        account, score = request["account"], request["score"]
        return self.done(cmd.OperatorCredit(self.broker.clock(), operator, account, score, inputs, reasons))

    def _hold_margin(self, operator: str, request: Request) -> Answer:
        hold, text = bool(request["hold"]), request.get("text", "")
        return self.done(cmd.OperatorMargin(self.broker.clock(), operator, request["account"], hold, text))

    def _resume(self, operator: str, request: Request) -> Answer:
        return self.done(cmd.OperatorResume(self.broker.clock(), operator, request["kind"], request.get("name", "")))

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

    def _makers(self, operator: str, request: Request) -> Answer:
        """How market makers stand."""
        state, name = self.broker.state, request.get("maker", "")
        if name and name not in state.makers:
            raise ActionRefused(f"there is no market maker {name}; there are {', '.join(state.makers) or 'none'}")
        return {"makers": makers(state, self.broker.clock(), name)}

    def _stop_maker(self, operator: str, request: Request) -> Answer:
        name, symbol = request["maker"], request.get("symbol", "")
        return self.done(cmd.PullQuotes(self.broker.clock(), operator, name, symbol))

    def _start_maker(self, operator: str, request: Request) -> Answer:
        """Have a maker, or a client, quote again, whatever had it stop; what its protection has counted is forgotten.
        One that runs is let alone unless it is asked for (`reset`: "yes")."""
        state, name, symbol = self.broker.state, request["maker"], request.get("symbol", "")
        now, making, quoter = self.broker.clock(), state.makers.get(name), state.quoters.get(name)
        known = making is not None and (not symbol or symbol in making.desks)
        known = known or (quoter is not None and (not symbol or quoter.may_quote(symbol)))
        if known and not pulled(state, name, now, symbol) and request.get("reset") != "yes":
            return {"started": False, "pulled": {}}
        answer = self.done(cmd.ResumeQuotes(now, operator, name, symbol))
        return {**answer, "started": True, "pulled": pulled(state, name, now, symbol)}

    def _set_maker(self, operator: str, request: Request) -> Answer:
        """Change some of the terms by which a maker quotes an instrument, and leave the others as they are."""
        quoting, changes = change_of(self.broker.state, self.broker.config, request)
        text = " ".join(f"{key}={value}" for key, value in request["settings"].items())
        command = cmd.ChangeQuoting(self.broker.clock(), operator, request["maker"], quoting, text[:MOST_TEXT])
        return {**self.done(command), "changes": changes}

    def _calibration(self, operator: str, request: Request) -> Answer:
        """What has been estimated of a symbol."""
        calibration = calibration_of(request)
        return self.done(cmd.SetCalibration(self.broker.clock(), operator, request["symbol"], calibration))
