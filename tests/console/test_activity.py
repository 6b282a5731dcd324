"""What is counted as facts come: rates, exchanges, alerts, latencies, bars."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from brokerfix import facts as f
from brokerfix.console.activity import FILLS, ORDERS, REJECTS, SECOND, Activity, Rates, percentile
from brokerfix.console.bars import MID, MINUTE, TRADES, Bars, wider
from brokerfix.domain import DayTotals, first_of_day, id_text
from brokerfix.record.journal import Origin, Record
from tests.scenario import World, run_step

NUMBER = first_of_day(20261122, 0) + 7
UP = """
    venue XNAS up
    venue XNYS up
    quote XNAS AAPL bid 500@149.90 ask 300@150.10
"""


def told(listener: Any, steps: str, **settings: str) -> World:
    """Have a listener hear what comes of some steps."""
    world = World(**settings)
    for step in filter(None, map(str.strip, steps.splitlines())):
        heard = len(world.facts)
        run_step(world, step)
        for fact in world.facts[heard:]:
            listener.note(world.state, fact, Record([fact]))  # type: ignore[list-item]
    return world


def test_rates_are_of_whole_seconds_and_old_ones_are_forgotten() -> None:
    rates = Rates()
    for second in range(1000):
        for _ in range(second % 3):
            rates.count(second * SECOND + 5, ORDERS)
    rates.count(999 * SECOND, FILLS)
    rates.count(1000 * SECOND, REJECTS)
    assert rates.last(1000 * SECOND, 3) == [[1, 0, 0], [2, 0, 0], [0, 1, 0]], "the second that runs is not whole"
    assert rates.last(1002 * SECOND, 2) == [[0, 0, 1], [0, 0, 0]]
    assert rates.last(800 * SECOND, 2) == [[0, 0, 0]] * 2


def test_orders_fills_rejects_and_what_exchanges_say_are_counted() -> None:
    activity = Activity()
    told(
        activity,
        UP
        + """client ALICE new C1 buy 300 AAPL 150.10
        venue XNAS fill c1 300@150.10 cum 300
        client ALICE new C2 buy 300 NONE 150.10
        client ALICE new C3 buy 100 AAPL 149.00
        venue XNYS rejected c2""",
    )
    assert (activity.orders, activity.fills, activity.rejects) == (3, 1, 1)
    assert activity.exchanges["XNAS"].fills == 1
    assert activity.exchanges["XNAS"].heard > activity.exchanges["XNAS"].since > 0


def test_who_has_acknowledged_an_alert_is_told_with_it() -> None:
    activity, state = Activity(), World().state
    alert = f.Alerted(at=5, id=NUMBER, source="XNAS", code="QUOTES_GAP", text="a gap")
    seen = f.OperatorActed(at=7, id=NUMBER + 1, operator="olga", action="acknowledge", text=id_text(alert.id))
    again = f.OperatorActed(at=9, id=NUMBER + 2, operator="tom", action="acknowledge", text=id_text(alert.id))
    for fact in (alert, seen, again):
        activity.note(state, fact, Record([fact]))
    assert [(one.alert.code, one.by, one.at) for one in activity.alerts.values()] == [("QUOTES_GAP", "olga", 7)]


def test_the_latency_is_from_an_orders_arrival_to_its_record() -> None:
    activity, world = Activity(), World()
    run_step(world, "venue XNAS up")
    run_step(world, "client ALICE new C1 buy 100 AAPL 149.00")
    accepted = next(fact for fact in world.facts if isinstance(fact, f.OrderAccepted))
    activity.note(world.state, accepted, Record([accepted], Origin(received=1_000), 251_000))
    assert activity.latency() == {"p50": 250_000, "p99": 250_000, "max": 250_000}
    assert Activity().latency() == {}


def test_percentiles_are_values_that_there_are() -> None:
    assert [percentile(list(range(1, 101)), part) for part in (50, 99, 100)] == [50, 99, 100]
    assert percentile([7], 50) == 7


def quoted(number: int, seconds: int, last: int, volume: int, mark: int = 0) -> f.Quoted:
    return f.Quoted(
        at=seconds * SECOND, id=number, symbol="AAPL", bids=(), asks=(), last=(last, 1), mark=mark,
        day=DayTotals.of(last, last, last, volume, 0),
    )  # fmt: skip


def test_bars_are_of_prints_and_their_volume_is_what_the_day_has_grown_by() -> None:
    bars, state = Bars(), World().state
    # The fourth has no more volume: it is told again, and no trade.
    prints = [(0, 100, 5), (20, 104, 9), (59, 98, 10), (60, 101, 10), (125, 101, 30)]
    for number, (seconds, last, volume) in enumerate(prints, 1):
        fact = quoted(number, seconds, last, volume, mark=last + 1)
        bars.note(state, fact, Record([fact]))
    known = bars.symbols["AAPL"]
    assert known.bars[TRADES] == [[0, 100, 104, 98, 98, 10], [2, 101, 101, 101, 101, 20]]
    assert known.bars[MID] == [[0, 101, 105, 99, 99, 0], [1, 102, 102, 102, 102, 0], [2, 102, 102, 102, 102, 0]]
    assert list(wider(known.bars[TRADES], 5)) == [[0, 100, 104, 98, 101, 30]]
    assert [one[3] for one in known.prints] == [5, 4, 1, 20]


def test_our_fills_are_kept_with_side_and_exchange() -> None:
    bars = Bars()
    told(
        bars,
        UP
        + """client ALICE new C1 buy 300 AAPL 150.10
        venue XNAS fill c1 300@150.10 cum 300
        client BOB new B1 sell 50 AAPL 150.00
        client ALICE new C2 buy 50 AAPL 150.00""",
        post="book",
    )
    fills = [(price, qty, side, venue) for _, _, price, qty, side, venue in bars.symbols["AAPL"].fills]
    assert fills == [(15010, 300, "buy", "XNAS"), (15000, 50, "buy", "")]


def test_the_symbol_that_moved_least_recently_is_forgotten_first() -> None:
    bars, state = Bars(most=6), World().state
    for number, symbol in enumerate("AAABBBAC" * 2, 1):
        fact = f.Quoted(at=number * MINUTE, id=number, symbol=symbol, bids=(), asks=(), last=None, mark=number)
        bars.note(state, fact, Record([fact]))
    assert "C" in bars.symbols
    assert sum(map(len, bars.symbols.values())) <= 6
    assert bars.forgotten


BARS = st.lists(st.tuples(st.integers(0, 5000), st.integers(1, 999), st.integers(0, 9)), max_size=60)


@given(BARS, st.sampled_from([5, 15]))
def test_wider_bars_hold_what_the_narrow_ones_hold(prints: list[tuple[int, int, int]], minutes: int) -> None:
    narrow = [[minute, price, price + 1, price - 1, price, volume] for minute, price, volume in sorted(
        {minute: (minute, price, volume) for minute, price, volume in prints}.values()
    )]  # fmt: skip
    wide = list(wider(narrow, minutes))
    assert sum(bar[5] for bar in wide) == sum(bar[5] for bar in narrow)
    assert [bar[0] for bar in wide] == sorted({bar[0] // minutes * minutes for bar in narrow})
    for bar in wide:
        inside = [one for one in narrow if bar[0] <= one[0] < bar[0] + minutes]
        assert bar[1] == inside[0][1]
        assert bar[4] == inside[-1][4]
        assert (bar[2], bar[3]) == (max(one[2] for one in inside), min(one[3] for one in inside))
    if wide:
        assert list(wider(narrow, minutes, wide[-1][0])) == wide[-1:]
