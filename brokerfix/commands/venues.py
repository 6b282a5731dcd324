"""Commands: what exchanges tell."""

from brokerfix.commands.base import Command


class VenueReport(Command, frozen=True, gc=False):
    """An exchange's ExecutionReport(8). Ids that are not ours are 0; `price`/`qty` are LastPx/LastQty, `order_qty` and
    `order_px` OrderQty and Price; `cum` and `leaves` are below 0 and `avg_px` empty where absent. `raw` is the text of
    the message, `defect` what of it was not exact, `liquidity` LastLiquidityInd(851)."""

    venue: str
    exec_id: str
    exec_type: str
    ord_status: str
    cl_ord_id: int
    orig_cl_ord_id: int
    venue_order_id: str
    qty: int = 0
    price: int = 0
    cum: int = -1
    avg_px: str = ""
    ord_rej_reason: str = ""
    text: str = ""
    raw: str = ""
    defect: str = ""
    possible_duplicate: bool = False
    leaves: int = -1
    order_qty: int = 0
    order_px: int = 0
    exec_ref_id: str = ""
    restatement_reason: str = ""
    liquidity: str = ""


class VenueCancelReject(Command, frozen=True, gc=False):
    """An exchange's OrderCancelReject(9)."""

    venue: str
    cl_ord_id: int
    orig_cl_ord_id: int
    ord_status: str
    reason: str
    text: str = ""
    raw: str = ""


class VenueOther(Command, frozen=True, gc=False):
    """A message of an exchange that is kept and alerted but changes nothing (Reject, BusinessMessageReject, ...)."""

    venue: str
    code: str
    text: str
    raw: str


class Reconcile(Command, frozen=True, gc=False):
    """It is time to ask an exchange about all that it holds of ours."""

    venue: str


class ReportBreak(Command, frozen=True, gc=False):
    """A drop-copy session of an exchange tells otherwise than its own session, by a scaled quantity at a price, see
    `live.copies`."""

    venue: str
    code: str
    child_id: int
    qty: int
    price: int
    text: str


class AskAgain(Command, frozen=True, gc=False):
    """Exchanges may owe us answers for too long."""
