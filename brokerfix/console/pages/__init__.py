"""What people see and do, a file for each page."""

from brokerfix.console import makers, watch
from brokerfix.console.desk import Desk
from brokerfix.console.frame import framed, pages_of
from brokerfix.console.pages import audit, clients, making, market, order, orders, overview, quality, risk, shards

BUILT = {
    "/": overview.build,
    "/orders": orders.build,
    "/market": market.build,
    "/risk": risk.build,
    "/making": making.build,
    "/quality": quality.build,
    "/audit": audit.build,
    "/clients": clients.build,
    "/shards": shards.build,
}


def add(desk: Desk) -> None:
    """All pages."""
    watch.begin(desk)
    makers.begin(desk)
    for entry in pages_of(desk.config):
        framed(desk, entry.path, entry.title, BUILT[entry.path])
    framed(desk, "/orders/{order_id}", "Order", order.build)
