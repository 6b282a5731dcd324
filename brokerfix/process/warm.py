"""Throw-away orders on a scratch state before anybody connects, so that the first real ones meet no code that has never
run. No journal, no sockets.
"""

import time
from collections.abc import Iterable

from brokerfix import commands as cmd
from brokerfix.domain import ClientOptions, Instrument, Limits, Venue
from brokerfix.engine.engine import State, decide, evolve, observe
from brokerfix.fix.incoming.decode import from_client
from brokerfix.fix.incoming.reports import from_venue
from brokerfix.fix.outgoing import encode
from brokerfix.fix.outgoing.encode import Out
from brokerfix.fix.text import timestamp
from brokerfix.fix.versions.rules import RULES

ROUNDS = 50
DAY = 20000101
CLIENT, VENUE, SYMBOL = "CLIENT", "VENUE", "WARM"


def warm_up(rounds: int = ROUNDS, versions: Iterable[str] = ()) -> State:
    """Each round is an order that an exchange acknowledges and fills and one that is replaced and canceled there, from
    FIX text to FIX text. `versions` are the BeginStrings that clients speak: the rules of each are made. Returns the
    scratch state as they have left it."""
    for begin_string in versions:
        RULES[begin_string]
    at = time.time_ns()
    scratch = _Scratch(at)
    for number in range(rounds):
        entries = "262=book|268=1|269=1|270=150.00|271=1000|"
        scratch.venue("W", f"55={SYMBOL}|{entries}")
        order, sent = f"38=1|40=2|54=1|55={SYMBOL}|", f"60={timestamp(at)}|"
        child = scratch.client("D", f"11=F{number}|{order}44=150.00|59=0|{sent}")
        scratch.report(child, f"A{number}", "150=0|39=0|151=1|14=0|6=0|")
        scratch.report(child, f"B{number}", "150=F|39=2|151=0|14=1|6=150.00|31=150.00|32=1|")
        child = scratch.client("D", f"11=R{number}|{order}44=149.00|59=0|{sent}")
        scratch.report(child, f"C{number}", "150=0|39=0|151=1|14=0|6=0|")
        replaced = scratch.client("G", f"11=S{number}|{order}41=R{number}|44=149.50|{sent}")
        scratch.report(replaced, f"D{number}", f"41={child}|150=5|39=0|151=1|14=0|6=0|38=1|44=149.50|")
        canceled = scratch.client("F", f"11=T{number}|41=S{number}|54=1|55={SYMBOL}|{sent}")
        scratch.report(canceled, f"E{number}", f"41={replaced}|150=4|39=4|151=0|14=0|6=0|")
    return scratch.state


class _Scratch:
    """A broker of one client and one exchange that is nothing but a state."""

    def __init__(self, at: int) -> None:
        self.state = State()
        self._at = at
        instrument = Instrument(SYMBOL, 2, 0, 1, 1, "at-or-better", "venue", 5000, 15000)
        account = CLIENT, "900000000000", Limits("1000000", "1000000000")
        client = CLIENT, (CLIENT,), 0, ClientOptions()
        self._submit(cmd.Start(at, DAY, (instrument,), (account,), (client,), (Venue(VENUE),)))
        self._submit(cmd.SessionUp(at, VENUE, True))
        self._submit(cmd.SessionUp(at, CLIENT, False))

    def _submit(self, command: cmd.Command) -> list[Out]:
        outs = []
        for fact in decide(self.state, command):
            evolve(self.state, fact)
            outs += encode.messages(self.state, fact)
        return outs

    def client(self, message_type: str, body: str) -> str:
        """A message of the client. Returns the ClOrdID under which it goes on to the exchange."""
        command = from_client(_message(message_type, body), CLIENT, self._at, self.state.instruments)
        assert isinstance(command, cmd.Command), command
        sent = next(out.text for out in self._submit(command) if out.to_venue)
        return sent.partition("\x0111=")[2].partition("\x01")[0]

    def venue(self, message_type: str, body: str) -> None:
        """A message of the exchange."""
        told = from_venue(_message(message_type, body), VENUE, self._at, self.state.instruments)
        if isinstance(told, cmd.Command):
            self._submit(told)
            return
        assert isinstance(told, list), told
        for update in told:
            observe(self.state, update)

    def report(self, child: str, exec_id: str, body: str) -> None:
        """An ExecutionReport of the exchange on the order or request with the ClOrdID `child`."""
        self.venue("8", f"37=V|11={child}|17={exec_id}|55={SYMBOL}|54=1|{body}")


def _message(message_type: str, body: str) -> str:
    """A whole message as QuickFIX gives it to us: the body's fields in ascending order, groups behind their count."""
    fields = [field for field in body.split("|") if field]
    if message_type != "W":
        fields.sort(key=lambda field: int(field.partition("=")[0]))
    return "\x01".join(["8=FIX.4.4", "9=0", f"35={message_type}", "34=1", *fields, "10=000", ""])
