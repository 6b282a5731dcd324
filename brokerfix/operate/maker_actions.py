"""What an operator does about market makers, and about what orders are worked by."""

from collections.abc import Callable

from brokerfix import commands as cmd
from brokerfix.operate.admin import MOST_TEXT, ActionRefused, Answer, Request
from brokerfix.operate.makers import makers
from brokerfix.operate.makers_changed import calibration_of, change_of, pulled
from brokerfix.operate.running import Running

DAY_SECONDS = 86_400


class MakerActions:
    """The actions, by name. `done` carries a command out and raises ActionRefused where it is refused."""

    def __init__(self, broker: Running, done: Callable[[cmd.Command], Answer]) -> None:
        self.broker, self.done = broker, done
        self.actions: dict[str, Callable[[str, Request], Answer]] = {
            "makers": self._makers,
            "stop-maker": self._stop_maker,
            "start-maker": self._start_maker,
            "set-maker": self._set_maker,
            "calibration": self._calibration,
            "set-profile": self._set_profile,
        }

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
