"""Commands: what a person does by hand."""

from brokerfix.commands.base import Command
from brokerfix.domain import ClientOptions, Disposition, Finding, Level, Limits, Side, Venue


class OperatorCommand(Command, frozen=True, gc=False):
    """Something that a person does by hand."""

    operator: str


class SetVolumeProfile(OperatorCommand, frozen=True, gc=False):
    """When a symbol trades, as its history tells: the weight of each `bucket` (ns) of the day."""

    symbol: str
    bucket: int
    weights: tuple[int, ...]


class OperatorActs(OperatorCommand, frozen=True, gc=False):
    """Something that is done outside of the engine, for the record."""

    action: str
    text: str


class OperatorMayNot(OperatorCommand, frozen=True, gc=False):
    """Somebody has asked for what his role may not do, for the record."""

    action: str
    text: str


class DefineClient(OperatorCommand, frozen=True, gc=False):
    """A client is added to a running broker."""

    client: str
    accounts: tuple[str, ...]
    max_rate: int
    options: ClientOptions


class SetLimits(OperatorCommand, frozen=True, gc=False):
    """A level's limits are others from now on, or `until` a time (ns UTC), and why. Where one is raised by more than
    the factor `raise_above` (decimal text; "": never), a second person has to approve."""

    level: Level
    limits: Limits
    text: str = ""
    until: int = 0
    raise_above: str = ""


class AnswerProposal(OperatorCommand, frozen=True, gc=False):
    """An operator approves of limits that another has proposed, or does not."""

    proposal: int
    approve: bool
    text: str = ""


class DefineVenue(OperatorCommand, frozen=True, gc=False):
    """An exchange is added to a running broker."""

    venue: Venue


class OperatorCancel(OperatorCommand, frozen=True, gc=False):
    """`reason` is ExecRestatementReason(378)."""

    order_id: int
    reason: str = "2"
    text: str = ""


class OperatorRelease(OperatorCommand, frozen=True, gc=False):
    order_id: int


class OperatorPause(OperatorCommand, frozen=True, gc=False):
    """An order that is worked over time pauses, or goes on (`paused` false)."""

    order_id: int
    paused: bool


class OperatorResolve(OperatorCommand, frozen=True, gc=False):
    """What an exchange has said of a child otherwise than by FIX: that `qty` more was filled at `price`, that what is
    left is `canceled`, or that it has `refused` our cancel or replace, or never had it."""

    child_id: int
    qty: int = 0
    price: int = 0
    canceled: bool = False
    text: str = ""
    refused: bool = False


class OperatorBust(OperatorCommand, frozen=True, gc=False):
    exec_id: int
    text: str = ""


class OperatorReverse(OperatorCommand, frozen=True, gc=False):
    """Take back a fill of an order that has left the state, by its terms: see `FillReversed`."""

    client: str
    account: str
    symbol: str
    side: Side
    exec_id: int
    order_id: int
    cl_ord_id: str
    order_qty: int
    cum: int
    qty: int
    price: int
    text: str = ""
    fee: str = ""


class OperatorCorrect(OperatorCommand, frozen=True, gc=False):
    exec_id: int
    qty: int
    price: int
    text: str = ""


class OperatorHalt(OperatorCommand, frozen=True, gc=False):
    """`kind` is "all" (with no name), "client", "group", "account", "symbol" or "venue". `kill`: what works is canceled
    too."""

    kind: str
    name: str
    kill: bool = False


class OperatorResume(OperatorCommand, frozen=True, gc=False):
    kind: str
    name: str


class OperatorMargin(OperatorCommand, frozen=True, gc=False):
    """`hold`: no order of the account's liquidation is sent until it is let go on."""

    account: str
    hold: bool
    text: str = ""


class OperatorCredit(OperatorCommand, frozen=True, gc=False):
    """An account's credit score (300 to 850), what went into it, as (name, value) texts, and what has cost it most."""

    account: str
    score: int
    inputs: tuple[tuple[str, str], ...]
    reasons: tuple[str, ...]


class OperatorResolveBreak(OperatorCommand, frozen=True, gc=False):
    """A break with an exchange is looked into, and what it was."""

    number: int
    text: str = ""


class OperatorRate(OperatorCommand, frozen=True, gc=False):
    """A currency's rate, scaled by 8 decimals, is another one."""

    currency: str
    rate: int


class OperatorAlert(OperatorCommand, frozen=True, gc=False):
    """Something that everybody must see, found by an operator or his tools."""

    code: str
    text: str


class RaiseAlert(OperatorCommand, frozen=True, gc=False):
    """Surveillance, which the operator runs, has found something."""

    finding: Finding


class DisposeAlert(OperatorCommand, frozen=True, gc=False):
    """How an alert of surveillance stands from now on, and why."""

    alert: str
    status: Disposition
    text: str = ""


class OperatorSplit(OperatorCommand, frozen=True, gc=False):
    symbol: str
    numerator: int
    denominator: int
