"""The engine as an exchange against a naive model: a list of orders, matched by looking at all of them."""

from hypothesis import given, settings
from hypothesis import strategies as st

from brokerfix.commands import CancelOrder, NewOrder, ReplaceOrder
from brokerfix.domain import OrdType, Side, TimeInForce
from tests.scenario import World

PLAIN = [TimeInForce.DAY, TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK]


REQUESTS = st.lists(
    st.one_of(
        st.tuples(
            st.just("new"),
            st.sampled_from(Side),
            st.integers(1, 20),
            st.integers(14990, 15010),
            st.sampled_from(PLAIN),
        ),
        st.tuples(st.just("market"), st.sampled_from(Side), st.integers(1, 20)),
        st.tuples(st.just("cancel"), st.integers(0, 40)),
        st.tuples(st.just("replace"), st.integers(0, 40), st.integers(1, 30), st.integers(14990, 15010)),
    ),
    max_size=40,
)


class NaiveOrder:
    def __init__(self, name: str, side: Side, qty: int, price: int | None) -> None:
        self.name, self.side, self.qty, self.price = name, side, qty, price
        self.cum = self.notional = 0
        self.open = True


class NaiveExchange:
    """Price, then time; the resting order's price. `resting` is in time order."""

    def __init__(self) -> None:
        self.orders: dict[str, NaiveOrder] = {}
        self.resting: list[NaiveOrder] = []

    def matches(self, taker: NaiveOrder) -> list[NaiveOrder]:
        sign = 1 if taker.side is Side.BUY else -1
        found = [
            maker
            for maker in self.resting
            if maker.side is not taker.side and (taker.price is None or sign * (maker.price or 0) <= sign * taker.price)
        ]
        return sorted(found, key=lambda maker: sign * (maker.price or 0))

    def take(self, taker: NaiveOrder) -> None:
        for maker in self.matches(taker):
            qty = min(taker.qty - taker.cum, maker.qty - maker.cum)
            for order in (maker, taker):
                order.cum += qty
                order.notional += qty * (maker.price or 0)
            if maker.cum == maker.qty:
                maker.open = False
                self.resting.remove(maker)
            if taker.cum == taker.qty:
                taker.open = False
                return

    def enter(self, taker: NaiveOrder, tif: TimeInForce) -> None:
        self.orders[taker.name] = taker
        available = sum(maker.qty - maker.cum for maker in self.matches(taker))
        if tif is not TimeInForce.FOK or available >= taker.qty:
            self.take(taker)
        if taker.open and (tif in (TimeInForce.IOC, TimeInForce.FOK) or taker.price is None):
            taker.open = False
        elif taker.open:
            self.resting.append(taker)

    def replace(self, order: NaiveOrder, qty: int, price: int) -> None:
        # Less than what is filled means: no more of it (FIX 4.4 volume 4, appendix D).
        qty = max(qty, order.cum)
        keeps_place = price == order.price and qty <= order.qty
        order.qty, order.price = qty, price
        if order.cum == order.qty:
            order.open = False
            self.resting.remove(order)
        elif not keeps_place:
            self.resting.remove(order)
            self.take(order)
            if order.open:
                self.resting.append(order)


@given(REQUESTS)
@settings(max_examples=150, deadline=None)
def test_it_trades_as_the_naive_exchange_does(requests: list[tuple[object, ...]]) -> None:
    world, naive = World(venues="none", cash="100000000"), NaiveExchange()
    names: dict[str, str] = {}
    for number, (kind, *rest) in enumerate(requests):
        client, cl_ord_id = ("ALICE", "BOB")[number % 2], f"C{number}"
        if kind in ("new", "market"):
            side, qty, price, tif = (*rest, 0, TimeInForce.DAY) if kind == "market" else rest  # type: ignore[misc]
            ord_type = OrdType.MARKET if kind == "market" else OrdType.LIMIT
            world.submit(NewOrder(world.now, client, cl_ord_id, "", "AAPL", side, ord_type, tif, qty, price))  # type: ignore[arg-type]
            names[cl_ord_id] = client
            naive.enter(NaiveOrder(cl_ord_id, side, qty, price or None), tif)  # type: ignore[arg-type]
            continue
        working = [order for order in naive.orders.values() if order.open]
        if not working:
            continue
        order = working[int(rest[0]) % len(working)]  # type: ignore[call-overload]
        client = names[order.name]
        if kind == "cancel":
            world.submit(CancelOrder(world.now, client, cl_ord_id, order.name))
            order.open = False
            naive.resting.remove(order)
        else:
            qty, price = rest[1:]
            world.submit(
                ReplaceOrder(
                    world.now, client, cl_ord_id, order.name, "AAPL", order.side, OrdType.LIMIT, None, qty, price
                )  # type: ignore[arg-type]
            )
            naive.replace(order, qty, price)  # type: ignore[arg-type]
    for name, order in naive.orders.items():
        ours = world.state.clients[names[name]].requests[name]
        assert (ours.qty, ours.cum, ours.notional, ours.leaves > 0) == (  # type: ignore[union-attr]
            order.qty, order.cum, order.notional, order.open,
        ), name  # fmt: skip
    resting = [maker.name for side in Side for maker in _by_priority(naive, side)]
    booked = [
        next(name for name in names if world.state.clients[names[name]].requests[name] is world.state.orders[entry.key])
        for side in Side
        for entry in world.state.books["AAPL"].walk(side)
    ]
    assert booked == resting


def _by_priority(naive: NaiveExchange, side: Side) -> list[NaiveOrder]:
    sign = -1 if side is Side.BUY else 1
    return sorted((order for order in naive.resting if order.side is side), key=lambda order: sign * (order.price or 0))
