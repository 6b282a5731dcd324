"""Every control passes an order at its exact boundary and refuses it one unit beyond, and names the level."""

import pytest

from brokerfix.commands import NewOrder, OperatorHalt, RecordQuotes, SetLimits, Start, WorkOff
from brokerfix.domain import ClientOptions, Evidence, Instrument, Level, Limits, OrdType, Side, TimeInForce, to_money
from brokerfix.engine import marks, parts
from brokerfix.engine.invariants import broken_in_state
from brokerfix.engine.risk.levels import utilisation
from brokerfix.engine.state import State
from brokerfix.facts import Alerted, Fact, OrderAccepted, OrderCanceled, OrderRejected, RequestRejected
from tests.scenario import DAY, World, limits_of, run_step

LONG_100 = "client ALICE new L1 buy 100 AAPL 150.00", "client BOB new L2 sell 100 AAPL 150.00"
"""ALICE is long 100 AAPL, BOB short."""
CASES = [
    # limits | steps before | the order that passes | the order that does not | its evidence
    ("firm max_order_qty=500", (), "buy 500 AAPL 10.00", "buy 501 AAPL 10.00", ("MAX_ORDER_QTY", "500", "501", "firm")),
    ("client ALICE max_order_qty=500", (), "buy 500 AAPL 140.00", "buy 501 AAPL 140.00",
     ("MAX_ORDER_QTY", "500", "501", "client ALICE")),
    ("group DESK max_order_notional=14000", (), "buy 100 AAPL 140.00", "buy 100 AAPL 140.01",
     ("MAX_ORDER_NOTIONAL", "14000", "14001", "group DESK")),
    ("account ALICE AAPL max_order_notional=14000;firm max_order_notional=20000", (), "buy 100 AAPL 140.00",
     "buy 150 AAPL 140.00", ("MAX_ORDER_NOTIONAL", "14000", "21000", "account ALICE AAPL")),
    ("firm max_order_notional=16500", (), "buy 100 AAPL market", "buy 101 AAPL market",
     ("MAX_ORDER_NOTIONAL", "16500", "16665", "firm")),
    ("firm max_window_qty=300", ("client BOB new B1 buy 200 AAPL 140.00",), "buy 100 AAPL 140.00",
     "buy 101 AAPL 140.00", ("WINDOW_QTY", "300", "301", "firm")),
    ("client ALICE max_window_notional=28000",
     ("client ALICE new B1 buy 100 AAPL 140.00", "client ALICE cancel B2 B1 buy AAPL"), "buy 100 AAPL 140.00",
     "buy 101 AAPL 140.00", ("WINDOW_NOTIONAL", "28000", "28140", "client ALICE")),
    ("account ALICE AAPL max_long=150", LONG_100, "buy 50 AAPL 140.00", "buy 51 AAPL 140.00",
     ("LONG_LIMIT", "150", "151", "account ALICE AAPL")),
    ("account ALICE AAPL max_long=150", ("client ALICE new B1 buy 100 AAPL 140.00",), "buy 50 AAPL 140.00",
     "buy 51 AAPL 140.00", ("LONG_LIMIT", "150", "151", "account ALICE AAPL")),
    ("account ALICE AAPL max_short=50", LONG_100, "sell 150 AAPL 160.00", "sell 151 AAPL 160.00",
     ("SHORT_LIMIT", "50", "51", "account ALICE AAPL")),
    ("firm max_long=100", ("client BOB new B1 buy 60 AAPL 140.00",), "buy 40 AAPL 140.00", "buy 41 AAPL 140.00",
     ("LONG_LIMIT", "100", "101", "firm")),
    ("group DESK max_gross=30000", LONG_100, "", "buy 1 AAPL 140.00",
     ("GROSS_LIMIT", "30000", "30140", "group DESK")),
    ("client ALICE max_gross=29000", LONG_100, "buy 100 AAPL 140.00", "buy 100 AAPL 140.01",
     ("GROSS_LIMIT", "29000", "29001", "client ALICE")),
    ("client ALICE max_net=29000", LONG_100, "buy 100 AAPL 140.00", "buy 100 AAPL 140.01",
     ("NET_LIMIT", "29000", "29001", "client ALICE")),
    ("client ALICE max_net=15000", LONG_100, "sell 200 AAPL 150.00", "sell 201 AAPL 150.00",
     ("NET_LIMIT", "15000", "15150", "client ALICE")),
    ("account ALICE AAPL duplicates=2", ("client ALICE new B1 buy 10 AAPL 140.00",), "buy 10 AAPL 140.00", "", ()),
    ("client ALICE duplicates=1", ("client ALICE new B1 buy 10 AAPL 140.00",), "buy 11 AAPL 140.00",
     "buy 10 AAPL 140.00", ("DUPLICATE_CONTENT", "1", "2", "client ALICE")),
    ("account ALICE AAPL long_only=true", LONG_100, "sell 100 AAPL 160.00", "sell 101 AAPL 160.00",
     ("LONG_ONLY", "0", "1", "account ALICE AAPL")),
    ("account ALICE AAPL restricted=true", (), "buy 1 MSFT 400.00", "buy 1 AAPL 140.00",
     ("RESTRICTED", "0", "1", "account ALICE AAPL")),
    ("account ALICE AAPL located=50", LONG_100, "sell 150 AAPL 160.00", "sell 151 AAPL 160.00",
     ("LOCATE", "50", "51", "account ALICE AAPL")),
    ("account ALICE max_long=1000 max_short=1000", ("client ALICE new B0 sell 900 AAPL 160.00",
     "client BOB new B1 buy 900 AAPL 160.00"), "sell 100 AAPL 160.00", "sell 101 AAPL 160.00",
     ("SHORT_LIMIT", "1000", "1001", "account ALICE")),
    ("account ALICE max_long=1000 max_short=1000", ("client ALICE new B0 sell 900 AAPL 160.00",
     "client BOB new B1 buy 900 AAPL 160.00"), "buy 1900 AAPL 140.00", "buy 1901 AAPL 140.00",
     ("LONG_LIMIT", "1000", "1001", "account ALICE")),
    ("account ALICE AAPL max_long=16", ("client ALICE new B0 buy 5 AAPL 150.00", "client BOB new B1 sell 5 AAPL 150.00",
     "client ALICE new B2 buy 4 AAPL 140.00", "client ALICE new B3 sell 3 AAPL 160.00"), "buy 7 AAPL 140.00",
     "buy 8 AAPL 140.00", ("LONG_LIMIT", "16", "17", "account ALICE AAPL")),
    ("account ALICE AAPL max_short=5", ("client ALICE new B0 buy 5 AAPL 150.00", "client BOB new B1 sell 5 AAPL 150.00",
     "client ALICE new B2 buy 4 AAPL 140.00", "client ALICE new B3 sell 3 AAPL 160.00"), "sell 7 AAPL 160.00",
     "sell 8 AAPL 160.00", ("SHORT_LIMIT", "5", "6", "account ALICE AAPL")),
    ("firm reduce_only=true", (), "", "buy 1 AAPL 140.00", ("REDUCE_ONLY", "0", "1", "firm")),
]  # fmt: skip


def world_of(limits: str, before: tuple[str, ...]) -> World:
    world = World(venues="", post="book", limits=limits, collar_bps="1000", max_qty="", max_notional="")
    for step in before:
        run_step(world, step)
    return world


@pytest.mark.parametrize(("limits", "before", "passes", "refused", "evidence"), CASES)
def test_a_control_at_its_boundary(
    limits: str, before: tuple[str, ...], passes: str, refused: str, evidence: tuple[str, ...]
) -> None:
    if passes:
        world = world_of(limits, before)
        run_step(world, f"client ALICE new P1 {passes}")
        assert any(isinstance(fact, OrderAccepted) and fact.cl_ord_id == "P1" for fact in world.facts), world.facts[-1]
        assert not list(broken_in_state(world.state))
    if refused:
        world = world_of(limits, before)
        run_step(world, f"client ALICE new R1 {refused}")
        fact = world.facts[-1]
        assert isinstance(fact, OrderRejected), fact
        assert fact.evidence == Evidence(*evidence)
        assert not list(broken_in_state(world.state))


@pytest.mark.parametrize(
    "limits",
    [
        "firm reduce_only=true",
        "account ALICE AAPL max_short=0",
        "client ALICE max_gross=1",
        "client ALICE max_net=1",
        "client ALICE max_window_qty=1",
        "client ALICE duplicates=0",
        "firm max_window_notional=1",
    ],
)
def test_what_closes_a_position_is_never_refused(limits: str) -> None:
    world = world_of("", LONG_100)
    set_limits(world, limits)
    run_step(world, "client ALICE new C1 sell 60 AAPL 160.00")
    run_step(world, "client ALICE new C2 sell 40 AAPL 160.00")
    assert [fact.cl_ord_id for fact in world.facts if isinstance(fact, OrderAccepted)][-2:] == ["C1", "C2"]
    run_step(world, "client ALICE new C3 sell 1 AAPL 160.00")
    assert isinstance(world.facts[-1], OrderRejected), "the third would sell what the others close already"


def set_limits(world: World, text: str) -> None:
    level, limits = limits_of(text)
    world.submit(SetLimits(world.now, "carol", level, limits, "a test"))


@pytest.mark.parametrize(
    ("limits", "passes", "check"),
    [
        ("client ALICE max_window_qty=20", 10, "WINDOW_QTY"),
        ("firm max_gross=3000", 10, "GROSS_LIMIT"),
        ("client ALICE max_window_notional=3000", 10, "WINDOW_NOTIONAL"),
        ("account ALICE max_window_qty=10", 10, "WINDOW_QTY"),
    ],
)
def test_the_two_sides_of_a_cross_count_together_where_they_share_a_limit(limits: str, passes: int, check: str) -> None:
    for qty in (passes + 1, passes):
        world = world_of(limits, ())
        run_step(world, f"client ALICE cross AAPL 150.00 B1 buy {qty} ALICE S1 sell {qty} SHARED")
        refused = [fact.evidence for fact in world.facts if isinstance(fact, OrderRejected)]
        assert len(refused) == (2 if qty > passes else 0), refused
        assert all(evidence is not None and evidence.check == check for evidence in refused)


def test_a_replace_is_weighed_by_what_it_adds() -> None:
    world = world_of("client ALICE max_gross=30000", ("client ALICE new R1 buy 100 AAPL 140.00",))
    run_step(world, "client ALICE replace R2 R1 buy 214 AAPL 140.00")
    assert not isinstance(world.facts[-1], RequestRejected)
    run_step(world, "client ALICE replace R3 R2 buy 215 AAPL 140.00")
    refused = world.facts[-1]
    assert isinstance(refused, RequestRejected)
    assert refused.evidence == Evidence("GROSS_LIMIT", "30000", "30100", "client ALICE")
    set_limits(world, "client ALICE max_gross=1")
    run_step(world, "client ALICE replace R4 R2 buy 213 AAPL 140.00")
    assert not isinstance(world.facts[-1], RequestRejected), "what takes less always passes"


def test_what_has_left_the_window_counts_no_more() -> None:
    world = world_of("firm max_window_qty=100 window_seconds=5", ("client ALICE new A1 buy 100 AAPL 140.00",))
    run_step(world, "client ALICE new A2 buy 1 AAPL 140.00")
    assert isinstance(world.facts[-1], OrderRejected)
    world.now += 5 * 10**9
    run_step(world, "client ALICE new A3 buy 100 AAPL 140.00")
    assert not isinstance(world.facts[-1], OrderRejected)


def test_an_operators_limits_hold_from_the_next_order_on_and_over_a_restart() -> None:
    world = world_of("firm max_order_qty=500", ())
    set_limits(world, "firm max_order_qty=5")
    run_step(world, "client ALICE new A1 buy 6 AAPL 140.00")
    assert isinstance(world.facts[-1], OrderRejected)
    world.start()
    run_step(world, "client ALICE new A2 buy 6 AAPL 140.00")
    assert isinstance(world.facts[-1], OrderRejected), "the configuration names the same as before"
    world.settings["limits"] = "firm max_order_qty=6"
    world.start()
    run_step(world, "client ALICE new A3 buy 6 AAPL 140.00")
    assert not isinstance(world.facts[-1], OrderRejected), "the configuration has been changed since"


def with_exchange(*steps: str, limits: str = "") -> World:
    world = World(venues="XNAS", post="book", limits=limits, collar_bps="1000", max_qty="", max_notional="")
    for step in ("venue XNAS up", *steps):
        run_step(world, step)
    return world


def facts_of(world: World, step: str) -> dict[str, Fact]:
    before = len(world.facts)
    run_step(world, step)
    assert not list(broken_in_state(world.state))
    return {type(fact).__name__: fact for fact in world.facts[before:]}


def test_a_stop_that_triggers_beyond_a_limit_is_canceled() -> None:
    """It was valued at its stop; as a market order it may cost what the collar allows."""
    stop = "client ALICE new S1 buy 100 AAPL stop:155.00"
    found = facts_of(with_exchange(stop, limits="client ALICE max_gross=16499"), "print XNAS AAPL 10@155.00")
    canceled = found["OrderCanceled"]
    assert isinstance(canceled, OrderCanceled)
    assert canceled.text == "GROSS_LIMIT: limit=16499, value=16500, at=client ALICE"
    found = facts_of(with_exchange(stop, limits="client ALICE max_gross=16500"), "print XNAS AAPL 10@155.00")
    assert "OrderReleased" in found


def test_a_stop_that_closes_a_position_always_triggers() -> None:
    world = with_exchange(*LONG_100, "client BOB new S1 buy 100 AAPL stop:155.00")
    set_limits(world, "firm max_gross=1")
    assert "OrderReleased" in facts_of(world, "print XNAS AAPL 10@155.00")


@pytest.mark.parametrize(("limit", "is_taken"), [("170.50", True), ("170.51", False)])
def test_a_stop_limits_limit_is_near_its_stop(limit: str, is_taken: bool) -> None:
    found = facts_of(with_exchange(), f"client ALICE new S1 buy 100 AAPL stop-limit:155.00/{limit}")
    assert ("OrderAccepted" in found) is is_taken
    if not is_taken:
        refused = found["OrderRejected"]
        assert isinstance(refused, OrderRejected)
        assert refused.evidence == Evidence("COLLAR", "170.50", "170.51")


def test_a_peg_does_not_follow_beyond_the_collar() -> None:
    world = with_exchange("quote XNAS AAPL bid 10@150.00 ask 10@170.00", "client ALICE new P1 buy 100 AAPL peg +18=R")
    assert "OrderRepriced" in facts_of(world, "quote XNAS AAPL bid 10@165.00 ask 10@170.00")
    canceled = facts_of(world, "quote XNAS AAPL bid 10@165.01 ask 10@170.00")["OrderCanceled"]
    assert isinstance(canceled, OrderCanceled)
    assert canceled.text == "COLLAR: limit=165.00, value=165.01"


def test_a_peg_that_moves_takes_what_it_may_cost() -> None:
    world = with_exchange("quote XNAS AAPL bid 10@150.00 ask 10@170.00", "client ALICE new P1 sell 100 AAPL peg +18=R")
    set_limits(world, "client ALICE max_gross=17000")
    facts_of(world, "quote XNAS AAPL bid 10@150.00 ask 10@170.00")
    canceled = facts_of(world, "quote XNAS AAPL bid 10@150.00 ask 10@171.00")["OrderCanceled"]
    assert isinstance(canceled, OrderCanceled)
    assert canceled.text == "GROSS_LIMIT: limit=17000, value=17100, at=client ALICE"


def test_limits_and_what_counts_towards_them_outlive_a_kept_state() -> None:
    limits = "firm max_gross=90000;group DESK max_window_notional=80000;client ALICE max_net=50000 duplicates=9"
    before = *LONG_100, "client ALICE new K1 buy 10 AAPL 140.00"
    world = with_exchange(*before, limits=f"{limits};account BOB AAPL max_short=500")
    set_limits(world, "account ALICE max_long=700")
    again = State()
    parts.load(parts.dump(world.state), again)
    assert again.hash() == world.state.hash()
    assert again.limits == world.state.limits
    assert utilisation(again, world.now) == utilisation(world.state, world.now)
    assert not list(broken_in_state(again))


def test_a_mark_that_many_hold_revalues_them_in_slices() -> None:
    """Each slice is a command of its own, so that no order waits for all."""
    world = World(venues="", post="book", limits="firm max_gross=90000000")
    clients = tuple((f"C{number}", (f"C{number}",), 0, ClientOptions()) for number in range(marks.MOST_AT_ONCE + 2))
    accounts = tuple((name, "1000000", Limits()) for name, *_ in clients)
    (instrument, *_) = world.state.instruments.values()
    levels = tuple(world.state.configured.items())
    world.submit(Start(world.now, DAY, (instrument,), accounts, clients, limits=levels))
    for (buyer, *_), (seller, *_) in zip(clients[::2], clients[1::2], strict=True):
        terms = OrdType.LIMIT, TimeInForce.DAY, 10, 15000
        world.submit(NewOrder(world.now, buyer, "B", "", "AAPL", Side.BUY, *terms))
        world.submit(NewOrder(world.now, seller, "S", "", "AAPL", Side.SELL, *terms))
    firm = world.state.bounds[Level("firm")].exposure
    assert firm.gross == len(clients) * to_money("1500")
    world.drain = False
    world.state.market.last["AAPL"] = (15100, 10)
    world.submit(RecordQuotes(world.now))
    assert firm.gross == len(clients) * to_money("1500")
    world.drain = True
    world.follow_up()
    assert firm.gross == len(clients) * to_money("1510")
    assert not list(broken_in_state(world.state))


def test_a_kill_is_before_other_work_and_tells_when_it_is_done() -> None:
    world = World(venues="", post="book")
    world.drain = False
    for number in range(120):
        run_step(world, f"client ALICE new A{number} buy 1 AAPL 140.00")
    run_step(world, "client ALICE mass-cancel M1")
    for number in range(120):
        run_step(world, f"client BOB new B{number} buy 1 AAPL 140.00")
    world.submit(OperatorHalt(world.now, "carol", "client", "BOB", True))
    world.now += 250_000_000
    world.submit(WorkOff(world.now))
    assert not world.state.clients["BOB"].working
    assert world.state.clients["ALICE"].working
    told = [fact.text for fact in world.facts if isinstance(fact, Alerted) and fact.code == "KILLED"]
    assert told == ["client BOB: the last of 120 cancels went after 0.250 s"]
    run_step(world, "client BOB new B900 buy 1 AAPL 140.00")
    refused = world.facts[-1]
    assert isinstance(refused, OrderRejected)
    assert refused.text == "HALTED: client BOB, by the broker's operator"


def test_a_replace_that_waits_for_the_exchange_has_reserved_what_it_adds() -> None:
    steps = (
        "client ALICE new A1 buy 50 AAPL 140.00",
        "venue XNAS ack c1",
        "client ALICE replace A2 A1 buy 100 AAPL 140.00",
    )
    limits = "account ALICE AAPL max_long=150;client ALICE max_gross=21000"
    world = World(venues="XNAS", limits=limits, collar_bps="1000")
    for step in ("venue XNAS up", *steps):
        run_step(world, step)
    refused = facts_of(world, "client ALICE new A3 buy 51 AAPL 140.00")["OrderRejected"]
    assert isinstance(refused, OrderRejected)
    assert refused.evidence == Evidence("LONG_LIMIT", "150", "151", "account ALICE AAPL")
    assert "OrderAccepted" in facts_of(world, "client ALICE new A4 buy 50 AAPL 140.00")
    facts_of(world, "venue XNAS cancel-reject c2 c1 0")
    assert "OrderAccepted" in facts_of(world, "client ALICE new A5 buy 50 AAPL 140.00"), "the refused replace is free"
    assert "OrderRejected" in facts_of(world, "client ALICE new A6 buy 1 AAPL 140.00")


def test_what_an_operator_has_set_stays_over_restarts_until_the_configuration_changes() -> None:
    """Also where the configuration has taken a limit away before, and where it changes something else."""
    world = world_of("firm max_order_qty=500", ())
    world.settings["limits"] = ""
    world.start()
    set_limits(world, "firm max_order_qty=5")
    set_limits(world, "account ALICE max_order_qty=7")
    world.settings["cash"] = "2000000"
    world.start()
    before = len(world.facts)
    world.start()
    assert {type(fact).__name__ for fact in world.facts[before:]} == {"Started"}
    assert {str(level): bound.most["max_order_qty"] for level, bound in world.state.bounds.items()} == {
        "firm": to_money("5"), "account ALICE": to_money("7"),
    }  # fmt: skip


def test_a_stop_limit_that_triggers_is_weighed_too() -> None:
    world = with_exchange("client ALICE new S1 buy 100 AAPL stop-limit:155.00/156.00")
    set_limits(world, "account ALICE AAPL reduce_only=true")
    canceled = facts_of(world, "print XNAS AAPL 10@155.00")["OrderCanceled"]
    assert isinstance(canceled, OrderCanceled)
    assert canceled.text.startswith("REDUCE_ONLY")


def test_stops_at_other_prices_are_no_duplicates() -> None:
    world = with_exchange("client ALICE new S1 buy 10 AAPL stop:160.00", limits="client ALICE duplicates=1")
    assert "OrderAccepted" in facts_of(world, "client ALICE new S2 buy 10 AAPL stop:161.00")
    assert "OrderRejected" in facts_of(world, "client ALICE new S3 buy 10 AAPL stop:161.00")


@pytest.mark.parametrize(
    ("band", "passes", "refused", "check"),
    [
        ({"static_bps": 1000}, ["135.00", "165.00"], ["134.99", "165.01"], "STATIC_BAND"),
        ({"dynamic_bps": 100}, ["138.60", "141.40"], ["138.59", "141.41"], "DYNAMIC_BAND"),
    ],
)
def test_a_price_is_within_its_band_either_way(
    band: dict[str, int], passes: list[str], refused: list[str], check: str
) -> None:
    """The reference is 150.00, the last trade was at 140.00."""
    instrument = Instrument("AAPL", 2, 0, 1, 1, "at-or-better", "book", 0, 15000, **band)
    for number, price in enumerate((*passes, *refused)):
        for side in ("buy", "sell"):
            world = World((instrument,), venues="")
            world.state.market.last["AAPL"] = (14000, 1)
            facts = facts_of(world, f"client ALICE new {side}{number} {side} 1 AAPL {price}")
            assert ("OrderRejected" in facts) == (price in refused), price
            if price in refused:
                rejected = facts["OrderRejected"]
                assert isinstance(rejected, OrderRejected)
                assert rejected.evidence == Evidence(check, *rejected.text.split("=")[1].split(",")[:1], price)


def test_an_instrument_may_need_a_market() -> None:
    instrument = Instrument("AAPL", 2, 0, 1, 1, "never", "venue", 0, 15000, needs_market=True)
    world = World((instrument,), venues="XNAS")
    run_step(world, "venue XNAS up")
    refused = facts_of(world, "client ALICE new A1 buy 1 AAPL 150.00")["OrderRejected"]
    assert isinstance(refused, OrderRejected)
    assert refused.text == "NO_REFERENCE: there is no price of AAPL in sight"
    run_step(world, "quote XNAS AAPL ask 5@151.00")
    assert "OrderAccepted" in facts_of(world, "client ALICE new A2 buy 1 AAPL 150.00")


@pytest.mark.parametrize(("side", "held", "price"), [("buy", "sell", "141.00"), ("sell", "buy", "159.00")])
def test_a_fill_while_a_dearer_price_is_asked_for(side: str, held: str, price: str) -> None:
    """The replace has reserved money, and no quantity; the fill leaves the position short (long) with nothing open."""
    world = World(venues="XNAS", collar_bps="0")
    run_step(world, "venue XNAS up")
    at = "140.00" if side == "buy" else "158.00"
    steps = (
        f"client ALICE new A1 {held} 100 AAPL 150.00",
        "venue XNAS ack c1",
        "venue XNAS fill c1 100@150.00 cum 100",
        f"client ALICE new A2 {side} 10 AAPL {at}",
        "venue XNAS ack c2",
        f"client ALICE replace A3 A2 {side} 10 AAPL {price}",
        f"venue XNAS fill c2 10@{at} cum 10",
        "venue XNAS cancel-reject c3 c2 0",
    )
    for step in steps:
        run_step(world, step)
    assert not list(broken_in_state(world.state))
    assert abs(world.state.accounts["ALICE"].positions["AAPL"].qty) == 90


def test_refused_orders_count_for_the_rate() -> None:
    world = World(venues="", post="book", rate="2")
    for number, (order, text) in enumerate(
        (("buy 1 NONE 1.00", "UNKNOWN_SYMBOL"), ("buy 1 AAPL 140.00", ""), ("buy 1 AAPL 140.00", "RATE"))
    ):
        facts = facts_of(world, f"client ALICE new A{number} {order}")
        refused = facts.get("OrderRejected")
        assert (refused.text.split(":")[0] if isinstance(refused, OrderRejected) else "") == text
    world.now += 10**9
    assert "OrderAccepted" in facts_of(world, "client ALICE new A9 buy 1 AAPL 140.00")


def test_a_strategy_stops_at_its_fills_until_it_is_armed_anew() -> None:
    world = World(venues="none", post="book", limits="client ALICE max_fills=2")
    run_step(world, "client BOB new B1 sell 100 AAPL 150.00")
    run_step(world, "client ALICE new A0 buy 5 AAPL 140.00 +583=GRID")
    for number in (1, 2):
        lines = run_step(world, f"client ALICE new A{number} buy 10 AAPL 150.00 +583=GRID")
    assert lines[-1] == "ALICE CANCELED CANCELED A0 cum 0 leaves 0 restated 6 KILLED"
    assert [fact.code for fact in alerts(world)][:1] == ["EXECUTION_THROTTLE"]
    assert "REJECTED" in run_step(world, "client ALICE new A3 buy 10 AAPL 150.00 +583=GRID")[0]
    assert "NEW" in run_step(world, "client ALICE new A4 buy 10 AAPL 150.00 +583=OTHER")[0]
    assert "NEW" in run_step(world, "client ALICE new A5 buy 10 AAPL 150.00")[0]
    world.die_and_recover()
    run_step(world, "operator carol resume strategy ALICE/GRID")
    lines = run_step(world, "client ALICE new A6 buy 10 AAPL 150.00 +583=GRID")
    assert "FILLED" in lines[-1]
    assert world.state.executions["ALICE/GRID"] == 1


def test_operators_are_told_of_a_limit_before_it_refuses() -> None:
    """At more than 90 % of it, and once in a minute."""
    world = World(venues="none", post="book", limits="account ALICE AAPL max_long=100")
    run_step(world, "client ALICE new A1 buy 90 AAPL 140.00")
    assert not alerts(world)
    run_step(world, "client ALICE new A2 buy 1 AAPL 140.00")
    run_step(world, "client ALICE new A3 buy 1 AAPL 140.00")
    assert [fact.text for fact in alerts(world)] == ["account ALICE AAPL: max_long is 100, and 91 of it is used"]
    run_step(world, "wait 60")
    run_step(world, "client ALICE new A4 buy 1 AAPL 140.00")
    assert len(alerts(world)) == 2
    assert "REJECTED" in run_step(world, "client ALICE new A5 buy 8 AAPL 140.00")[0]


def test_a_short_sale_that_the_client_has_located_itself_needs_none_of_ours() -> None:
    for own, located, verdict in (("true", "N", "NEW"), ("true", "Y", "REJECTED"), ("false", "N", "REJECTED")):
        world = World(venues="none", post="book", limits=f"account ALICE located=50 own_locates={own}")
        lines = run_step(world, f"client ALICE new A1 short 51 AAPL 150.00 +114={located}")
        assert lines[0].split()[1] == verdict, (own, located)


def test_a_group_of_symbols_that_changes_counts_what_is_there() -> None:
    world = World(venues="none", post="book", limits="account ALICE TECH max_gross=50000")
    run_step(world, "client ALICE new A1 buy 100 AAPL 150.00")
    run_step(world, "client ALICE new A2 buy 50 MSFT 400.00")
    level = Level("account", "ALICE", "TECH")
    assert world.state.bounds[level].exposure.gross == to_money("35000")
    world.settings["tech"] = "MSFT"
    world.start()
    assert world.state.bounds[level].exposure.gross == to_money("20000")
    assert "REJECTED" in run_step(world, "client ALICE new A3 buy 100 MSFT 400.00")[0]
    assert "NEW" in run_step(world, "client ALICE new A4 buy 1000 AAPL 150.00")[0]
    world.die_and_recover()
    assert world.state.bounds[level].exposure.gross == to_money("20000")


def alerts(world: World) -> list[Alerted]:
    return [fact for fact in world.facts if isinstance(fact, Alerted)]


def test_a_strategy_that_is_halted_stops_at_its_fills_too() -> None:
    world = World(venues="none", post="book", limits="client ALICE max_fills=2")
    for number in range(3):
        run_step(world, f"client ALICE new A{number} sell 10 AAPL 150.00 +583=GRID")
    run_step(world, "operator carol halt strategy ALICE/GRID")
    for number in range(3):
        run_step(world, f"client BOB new B{number} buy 10 AAPL 150.00")
    assert world.state.executions["ALICE/GRID"] == 2
    assert ("strategy", "ALICE/GRID") in world.state.killed
    assert not world.state.clients["ALICE"].working


@pytest.mark.parametrize("is_kept", [False, True])
def test_orders_that_must_not_increase_are_measured_by_their_age(is_kept: bool) -> None:
    """The older one closes first, also where it was given the instruction later, and in a state that was kept."""
    world = World(venues="none", post="book")
    for step in (
        "client BOB new B1 sell 100 AAPL 150.00",
        "client ALICE new A0 buy 100 AAPL 150.00",
        "client ALICE new A1 sell 60 AAPL 155.00",
        "client ALICE new A2 sell 40 AAPL 155.00 +18=E",
        "client ALICE replace A3 A1 sell 60 AAPL 155.00 +18=E",
        "client ALICE new A9 sell 50 AAPL 150.00",
    ):
        run_step(world, step)
    if is_kept:
        kept = parts.dump(world.state)
        world.state = State()
        parts.load(kept, world.state)
    assert run_step(world, "client BOB new B2 buy 50 AAPL 150.00")[-2:] == [
        "ALICE RESTATED NEW A3<A1 cum 0 leaves 50 restated 5 REDUCE_ONLY",
        "ALICE CANCELED CANCELED A2 cum 0 leaves 0 restated 4 REDUCE_ONLY",
    ]


def test_a_replace_that_comes_near_to_a_limit_is_told() -> None:
    world = World(venues="none", post="book", limits="account ALICE AAPL max_long=100")
    run_step(world, "client ALICE new A1 buy 10 AAPL 140.00")
    run_step(world, "client ALICE replace A2 A1 buy 99 AAPL 140.00")
    assert [fact.text for fact in alerts(world)] == ["account ALICE AAPL: max_long is 100, and 99 of it is used"]
    state = State()
    parts.load(parts.dump(world.state), state)
    assert state.bounds[Level("account", "ALICE", "AAPL")].told == {"max_long": world.now}
