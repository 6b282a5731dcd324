"""Orders that are worked over time: what is at work when, pauses, ends, days and restarts."""

from dataclasses import dataclass, field

import pytest

from brokerfix.commands import MarketUpdate, OperatorPause, SetVolumeProfile
from brokerfix.domain import Hold, OrdStatus
from brokerfix.engine.engine import observe
from brokerfix.engine.orders.order import Child, Order
from brokerfix.facts import OperatorRefused
from brokerfix.fix.text import timestamp
from tests.scenario import World, run_step

SECOND = 10**9
BUY = "buy 1000 AAPL 150.02"


@dataclass
class Desk:
    """One exchange with plenty at 150.00, which fills whatever is to be filled at once."""

    world: World = field(default_factory=lambda: World(venues="XNAS"))
    children: int = 0
    fills: bool = True

    def __post_init__(self) -> None:
        run_step(self.world, "venue XNAS up")
        self.show()

    def show(self) -> None:
        run_step(self.world, "quote XNAS AAPL bid 500@149.98 ask 5000@150.00")

    @property
    def order(self) -> Order:
        return next(iter(self.world.state.orders.values()))

    def send(self, strategy: int, *parameters: str, order: str = BUY, seconds: int = 100) -> list[str]:
        end = timestamp(self.world.now + seconds * SECOND)
        told = ";".join((f"EndTime={end}", "Interval=10", *parameters))
        return run_step(self.world, f"client ALICE new C1 {order} +847={strategy} +848={told}")

    def trade(self, qty: int) -> None:
        observe(self.world.state, MarketUpdate("XNAS", "AAPL", False, (), ((15000, qty),)))

    def name_of(self, child: Child) -> str:
        """What scenarios call it."""
        ending = f"-{child.child_id % 10**9}"
        return next(name for number, name in self.world.names.items() if number.endswith(ending))

    def work(self, seconds: int = 10) -> int:
        """Some seconds later: how much of the order is filled or at work."""
        self.show()
        run_step(self.world, f"wait {seconds}")
        for child in list(self.world.state.open_children["XNAS"].values()):
            if child.time_in_force.name == "IOC" and self.fills:
                name = self.name_of(child)
                run_step(self.world, f"venue XNAS fill {name} {child.leaves}@150.00 cum {child.leaves}")
        return self.order.qty - self.order.held


def test_twap_is_even_over_its_time() -> None:
    desk = Desk()
    assert desk.send(1001) == ["ALICE NEW NEW C1 cum 0 leaves 1000"]
    assert desk.order.hold is Hold.ALGORITHM
    assert [desk.work() for _ in range(10)] == [100 * part for part in range(1, 11)]
    assert desk.order.status is OrdStatus.FILLED


def test_its_client_is_told_of_every_tenth() -> None:
    desk = Desk()
    desk.send(1001)
    for _ in range(4):
        desk.work()
    told = [out.text for out in desk.world.sent if "\x01150=I\x01" in out.text]
    assert [text.split("\x0158=")[1].split("\x01")[0] for text in told] == [
        "TWAP 10 %: 100 filled",
        "TWAP 20 %: 200 filled",
        "TWAP 30 %: 300 filled",
    ]


def test_implementation_shortfall_is_ahead_of_twap() -> None:
    desk = Desk()
    desk.send(3, "Urgency=3")
    done = [desk.work() for _ in range(10)]
    assert done == [260, 454, 598, 706, 787, 849, 897, 936, 969, 1000]


def test_vwap_follows_the_profile_of_the_day() -> None:
    desk = Desk()
    start = desk.world.now // SECOND % 86_400
    bucket = 50
    weights = tuple(3 if bucket * number <= start < bucket * (number + 1) else 1 for number in range(86_400 // bucket))
    desk.world.submit(SetVolumeProfile(desk.world.now, "carol", "AAPL", bucket * SECOND, weights))
    desk.send(1)
    left = bucket - start % bucket
    desk.work(left)
    whole = 3 * left + 1 * 50 + 1 * (50 - left)
    assert abs(desk.order.qty - desk.order.held - 1000 * 3 * left // whole) <= 1


def test_participation_counts_what_trades_from_its_begin_on() -> None:
    desk = Desk()
    desk.trade(10_000)
    desk.send(2, "ParticipationRate=10")
    assert desk.work(1) == 0
    desk.trade(300)
    assert desk.work() == 30
    desk.trade(5000)
    assert desk.work() == 530


def test_a_rate_caps_the_others() -> None:
    desk = Desk()
    desk.send(1001, "ParticipationRate=50")
    desk.work(1)
    desk.trade(60)
    assert desk.work() == 30


def test_what_could_not_be_had_is_made_up_for_or_spread() -> None:
    for catch_up, then in (("Y", 500), ("N", 250)):
        desk = Desk()
        desk.send(1001, f"CatchUp={catch_up}", order="buy 1000 AAPL 150.00")
        desk.work()
        run_step(desk.world, "quote XNAS AAPL ask 0@150.00")
        run_step(desk.world, "wait 30")
        assert desk.work() == then


def test_a_pause_calls_all_back_and_a_resume_goes_on_with_the_time() -> None:
    desk = Desk()
    desk.send(1001)
    desk.work()
    terms = "1000 AAPL 150.02 +847=1001 +848=EndTime=" + timestamp(desk.world.now + 90 * SECOND) + ";Interval=10"
    run_step(desk.world, f"client ALICE replace P1 C1 buy {terms} +18=S")
    assert [desk.work() for _ in range(3)] == [100, 100, 100]
    run_step(desk.world, f"client ALICE replace P2 P1 buy {terms} +18=q")
    assert desk.work() > 100


def test_what_is_left_at_the_end_is_canceled() -> None:
    desk = Desk()
    desk.send(1001, order="buy 1000 AAPL 149.00")
    for _ in range(12):
        desk.work()
    assert (desk.order.status, desk.order.cum) == (OrdStatus.CANCELED, 0)


def test_a_passive_slice_is_queued_then_taken() -> None:
    desk = Desk()
    desk.send(1001, "Style=post")
    run_step(desk.world, "wait 10")
    (child,) = desk.world.state.open_children["XNAS"].values()
    assert (child.price, child.qty, child.time_in_force.name) == (14998, 100, "DAY")
    run_step(desk.world, "venue XNAS ack c1")
    assert run_step(desk.world, "wait 10") == ["XNAS F c2<c1"]
    run_step(desk.world, "venue XNAS canceled c2 c1")
    run_step(desk.world, "wait 1")
    assert [child.time_in_force.name for child in desk.world.state.open_children["XNAS"].values()] == ["IOC"]


def test_it_lives_over_a_restart() -> None:
    desk = Desk()
    desk.send(1001)
    desk.work()
    before = desk.world.state.hash()
    desk.world.state = desk.world.recovered()
    assert desk.world.state.hash() == before
    desk.world.start()
    run_step(desk.world, "venue XNAS up")
    assert [desk.work() for _ in range(9)][-1] == 1000


@pytest.mark.parametrize(
    ("tags", "text"),
    [
        ("+847=77 +848=EndTime=x", "TargetStrategy 77 is none of"),
        ("+847=1001", "the parameter EndTime is missing"),
        ("+847=1001 +848=EndTime=20000101-00:00:00", "EndTime is not after StartTime and now"),
        ("+847=2", "the parameter ParticipationRate is missing"),
        ("+847=2 +848=ParticipationRate=101", "ParticipationRate is not between 0 and 100 percent"),
        ("+847=1011 +848=Foo=1", "there is no parameter Foo"),
        ("+847=1001 +848=EndTime=20300101-00:00:00;Style=fast", "Style fast is none of take, post"),
        ("+847=1001 +848=EndTime=20300101-00:00:00 +59=3", "STRATEGY: not with IOC, FOK or an auction"),
        ("+847=1001 +848=EndTime=20300101-00:00:00 +111=10", "STRATEGY: a plain market or limit order"),
    ],
)
def test_what_can_not_be_worked_is_refused_with_the_reason(tags: str, text: str) -> None:
    desk = Desk()
    run_step(desk.world, f"client ALICE new C1 {BUY} {tags}")
    refused = desk.world.sent[-1].text
    assert "\x0139=8\x01" in refused
    assert text in refused


def test_an_operator_has_it_pause_and_go_on() -> None:
    desk = Desk()
    desk.send(1001)
    desk.work()
    order_id = desk.order.order_id
    desk.world.submit(OperatorPause(desk.world.now, "jo", order_id, True))
    assert [desk.work() for _ in range(3)] == [100, 100, 100]
    desk.world.submit(OperatorPause(desk.world.now, "jo", order_id, True))
    (refused,) = desk.world.last_facts
    assert isinstance(refused, OperatorRefused)
    assert refused.text.endswith("pauses already")
    desk.world.submit(OperatorPause(desk.world.now, "jo", order_id, False))
    assert desk.work() == 500


def test_participation_goes_on_with_what_trades_on_the_next_day() -> None:
    desk = Desk()
    desk.trade(7000)
    desk.send(2, "ParticipationRate=10", order=f"{BUY} GTC", seconds=100_000)
    desk.work(1)
    desk.trade(1000)
    assert desk.work() == 100
    run_step(desk.world, "day 20261123")
    desk.trade(500)
    assert desk.work() == 150


def test_a_pause_that_names_no_strategy_keeps_it() -> None:
    desk = Desk()
    desk.send(1001)
    desk.work()
    assert run_step(desk.world, "client ALICE replace P1 C1 buy 1000 AAPL 150.02 +18=S")[-1].startswith(
        "ALICE REPLACED"
    )
    assert desk.work() == 100
    assert desk.order.hold is Hold.ALGORITHM


def test_one_for_an_exchange_goes_there_with_every_slice() -> None:
    desk = Desk()
    desk.send(1001, order=f"{BUY} +100=XNAS")
    assert [desk.work() for _ in range(3)] == [100, 200, 300]


def test_a_hundred_slices_that_get_nothing_do_not_end_it() -> None:
    desk = Desk(fills=False)
    desk.send(1001, "Interval=1", seconds=120)
    for _ in range(60):
        desk.work(1)
        for child in list(desk.world.state.open_children["XNAS"].values()):
            name = next(
                name for number, name in desk.world.names.items() if number.endswith(f"-{child.child_id % 10**9}")
            )
            run_step(desk.world, f"venue XNAS canceled {name}")
    desk.fills = True
    assert desk.work(1) > 0


def test_a_market_order_is_weighed_again_with_each_slice() -> None:
    desk = Desk(World(venues="XNAS", cash="200000", collar_bps="1000"))
    desk.send(1001, order="buy 1000 AAPL market")
    assert desk.work() == 100
    run_step(desk.world, "quote XNAS AAPL bid 500@898.00 ask 5000@900.00")
    run_step(desk.world, "record")
    run_step(desk.world, "wait 10")
    assert desk.order.status is OrdStatus.CANCELED
