"""Orders that are sides of quotes: placed so that they only rest in our own book."""

from brokerfix.domain import ExecInst, Instructions, OrdType, OwnQuote, Side, TimeInForce
from brokerfix.engine.step import Step
from brokerfix.facts import OrderAccepted, OrderBooked

POST_ONLY = Instructions(exec_inst=(str(ExecInst.POST_ONLY),))


def accept(
    step: Step, client: str, cl_ord_id: str, account: str, symbol: str, side: Side, qty: int, price: int,
    venue: str = "", instructions: Instructions | None = POST_ONLY, own_quote: OwnQuote | None = None,
) -> OrderAccepted:  # fmt: skip
    """Accept a limit order for the day that is a side of a quote, for our book or an exchange (`venue`)."""
    return step.emit(
        OrderAccepted,
        client=client,
        cl_ord_id=cl_ord_id,
        account=account,
        symbol=symbol,
        side=side,
        ord_type=OrdType.LIMIT,
        time_in_force=TimeInForce.DAY,
        qty=qty,
        price=price,
        risk_price=price,
        ex_destination=venue,
        instructions=instructions,
        own_quote=own_quote,
    )


def rest(accepted: OrderAccepted, step: Step) -> None:
    """Put all of an order that was just accepted into our book. It takes nothing, so that there is nothing to plan."""
    step.emit(OrderBooked, accepted.id, accepted.qty)
