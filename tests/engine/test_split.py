"""A split leaves orders where they stand."""

from brokerfix.facts import Trade
from tests.scenario import World, run_step


def test_orders_keep_their_places_in_the_book() -> None:
    world = World(cross="at-or-better", post="book", cash="100000000")
    # BOB's first order is older than ALICE's, his second one is younger; clients are defined in the other order.
    for step in (
        "client BOB new B1 sell 10 AAPL 150.00 GTC",
        "client ALICE new A1 sell 10 AAPL 150.00 GTC",
        "client BOB new B2 sell 10 AAPL 150.00 GTC",
        "client ALICE new A2 sell 10 AAPL 149.98 GTC",
        "operator jo split AAPL 2 1",
        "client ALICE new A3 buy 80 AAPL 75.00",
    ):
        run_step(world, step)
    names = {order.order_id: order.cl_ord_id for order in world.state.orders.values()}
    makers = [names[fact.maker_order_id] for fact in world.facts if isinstance(fact, Trade)]
    assert makers == ["A2", "B1", "A1", "B2"]
