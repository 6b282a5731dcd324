"""Facts: the configuration: instruments, accounts, clients, exchanges."""

from brokerfix.domain import ClientOptions, Instrument, Limits, Venue
from brokerfix.facts.base import Fact


class InstrumentDefined(Fact, frozen=True, gc=False):
    instrument: Instrument


class AccountDefined(Fact, frozen=True, gc=False):
    """`cash` is the account's paid-in money as decimal text: a later fact with another value is a deposit. `margin`
    is its kind, see `domain.MARGIN_KINDS`, `route_mode` one of ROUTE_MODES ("": the instrument's)."""

    account: str
    cash: str
    limits: Limits
    margin: str = "cash"
    route_mode: str = ""


class ClientDefined(Fact, frozen=True, gc=False):
    """The accounts a client may trade for, the first by default, and its orders per second (0: no limit)."""

    client: str
    accounts: tuple[str, ...]
    max_rate: int
    options: ClientOptions = ClientOptions()


class VenueDefined(Fact, frozen=True, gc=False):
    venue: Venue
