"""The consolidated book: against a naive recomputation after any sequence of messages, and what is left out of it."""

from collections import defaultdict
from fractions import Fraction

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokerfix.commands import MarketStatus, MarketUpdate, RecordQuotes, SessionDown, SessionUp, Start
from brokerfix.domain import DayTotals, Instrument, Side, Venue
from brokerfix.engine.engine import State, decide, evolve, observe
from brokerfix.engine.market import outliers, uncrossed
from brokerfix.facts import InstrumentDefined, Quoted
from brokerfix.live.sources import SECOND, Sources
from tests.scenario import DAY

VENUES = ("XNAS", "XNYS", "XLON")
AAPL = Instrument("AAPL", 2, 0, 1, 1, "at-or-better", "venue", reference=10000)
Levels = list[tuple[Side, int, int]]


def market(instrument: Instrument = AAPL, **options: object) -> State:
    state = State()
    venues = tuple(Venue(name, **options) for name in VENUES)  # type: ignore[arg-type]
    for fact in decide(state, Start(1, DAY, (instrument,), (), (), venues)):
        evolve(state, fact)
    for name in VENUES:
        up(state, name)
    return state


def up(state: State, venue: str) -> None:
    for fact in decide(state, SessionUp(1, venue, True)):
        evolve(state, fact)


def down(state: State, venue: str) -> None:
    for fact in decide(state, SessionDown(1, venue, True)):
        evolve(state, fact)


def show(state: State, venue: str, *levels: tuple[Side, int, int], snapshot: bool = False) -> None:
    observe(state, MarketUpdate(venue, "AAPL", snapshot, levels))


def book(state: State) -> set[tuple[str, Side, int, int]]:
    entries = state.market.books["AAPL"].entries
    return {(*key, entry.qty) for key, entry in entries.items()}


LEVEL = st.tuples(st.sampled_from(list(Side)), st.integers(9990, 10010), st.integers(0, 5))
MESSAGE = st.tuples(
    st.sampled_from(VENUES),
    st.sampled_from(["W", "X", "X", "X", "lost", "down", "up"]),
    st.lists(LEVEL, max_size=4),
)


@given(st.lists(MESSAGE, max_size=30))
def test_it_is_what_a_naive_recomputation_gives_after_any_messages_with_gaps(
    messages: list[tuple[str, str, Levels]],
) -> None:
    """An exchange whose X was lost has no quotes from the next X on, until its next W."""
    state, sources = market(), Sources()
    number = dict.fromkeys(VENUES, 0)
    known: dict[str, dict[tuple[Side, int], int]] = {name: {} for name in VENUES}
    numbered: dict[str, bool] = dict.fromkeys(VENUES, False)
    is_up, missing, gap = (dict.fromkeys(VENUES, at) for at in (True, False, False))
    for venue, kind, levels in messages:
        if kind == "down":
            down(state, venue)
            sources.forget(venue)
            known[venue], is_up[venue], missing[venue], gap[venue] = {}, False, False, False
            numbered[venue] = False
            continue
        if kind == "up":
            if not is_up[venue]:
                up(state, venue)
                is_up[venue] = True
            continue
        first, number[venue] = number[venue] + 1, number[venue] + max(1, len(levels))
        if kind == "lost":
            missing[venue] = numbered[venue]
            continue
        snapshot = kind == "W"
        told = MarketUpdate(venue, "AAPL", snapshot, tuple(levels), first=0 if snapshot else first, last=number[venue])
        update = sources.take(state, told, SECOND)
        if update is not None:
            observe(state, update)
        if not is_up[venue]:
            continue
        if snapshot:
            known[venue], missing[venue], gap[venue] = {}, False, False
        elif missing[venue]:
            gap[venue] = True
        numbered[venue] = True
        if not gap[venue]:
            for side, price, qty in levels:
                known[venue][side, price] = qty
        assert book(state) == {
            (name, side, price, qty)
            for name in VENUES
            if not gap[name]
            for (side, price), qty in known[name].items()
            if qty
        }


def test_a_gap_is_asked_for_anew_once_a_second_and_ends_with_a_snapshot() -> None:
    state, sources = market(), Sources()
    bid = ((Side.BUY, 9999, 5),)
    for first, last in ((1, 1), (4, 4)):
        update = sources.take(state, MarketUpdate("XNAS", "AAPL", False, bid, first=first, last=last), 1)
        if update is not None:
            observe(state, update)
    sources.req_ids["XNAS"] = "R"
    assert (state.market.why_out("XNAS", "AAPL"), book(state)) == ("gap", set())
    assert list(sources.to_ask_anew(state, SECOND)) == [("XNAS", "R", "R.1")]
    assert list(sources.to_ask_anew(state, SECOND + 1)) == []
    sources.req_ids["XNAS"] = "R.1"
    assert list(sources.to_ask_anew(state, 2 * SECOND)) == [("XNAS", "R.1", "R.2")]
    assert [alert.code for alert in sources.alerts(state, SECOND)] == ["QUOTES_GAP"]
    whole = sources.take(state, MarketUpdate("XNAS", "AAPL", True, bid, last=9), 3 * SECOND)
    assert whole is not None
    observe(state, whole)
    assert book(state) == {("XNAS", Side.BUY, 9999, 5)}
    assert list(sources.to_ask_anew(state, 9 * SECOND)) == []


def test_an_old_increment_changes_nothing() -> None:
    state, sources = market(), Sources()
    assert sources.take(state, MarketUpdate("XNAS", "AAPL", True, ((Side.BUY, 9999, 5),), last=7), 1) is not None
    assert sources.take(state, MarketUpdate("XNAS", "AAPL", False, ((Side.BUY, 9999, 0),), first=6, last=7), 1) is None


def test_quotes_that_are_too_old_do_not_count_until_the_exchange_tells_again() -> None:
    state, sources = market(max_quote_age=SECOND), Sources()
    first = sources.take(state, MarketUpdate("XNAS", "AAPL", True, ((Side.BUY, 9999, 5),)), SECOND)
    assert first is not None
    observe(state, first)
    sources.check(state, 2 * SECOND)
    assert book(state) == {("XNAS", Side.BUY, 9999, 5)}
    sources.check(state, 2 * SECOND + 1)
    assert (book(state), state.market.why_out("XNAS", "AAPL")) == (set(), "stale")
    # An exchange that goes on telling of anything in the symbol stands by what it has shown.
    again = sources.take(state, MarketUpdate("XNAS", "AAPL", False, ((Side.SELL, 10001, 3),)), 3 * SECOND)
    assert again is not None
    observe(state, again)
    assert book(state) == {("XNAS", Side.BUY, 9999, 5), ("XNAS", Side.SELL, 10001, 3)}


def test_single_orders_make_levels() -> None:
    state, sources = market(by_order=True), Sources()

    def told(*orders: tuple[str, str, Side, int, int], snapshot: bool = False) -> set[tuple[str, Side, int, int]]:
        update = sources.take(state, MarketUpdate("XNAS", "AAPL", snapshot, (), (), orders), 1)
        assert update is not None
        observe(state, update)
        return book(state)

    both = told(("0", "a", Side.BUY, 9999, 5), ("0", "b", Side.BUY, 9999, 3), snapshot=True)
    assert both == {("XNAS", Side.BUY, 9999, 8)}
    assert told(("1", "a", Side.BUY, 9998, 2)) == {("XNAS", Side.BUY, 9999, 3), ("XNAS", Side.BUY, 9998, 2)}
    assert told(("2", "b", Side.BUY, 0, 0)) == {("XNAS", Side.BUY, 9998, 2)}
    assert told(("0", "c", Side.SELL, 10001, 1), snapshot=True) == {("XNAS", Side.SELL, 10001, 1)}


def test_an_exchange_that_halts_a_symbol_is_left_out_and_not_routed_to() -> None:
    state, sources = market(), Sources()
    show(state, "XNAS", (Side.BUY, 9999, 5))
    sources.status(state, MarketStatus("XNAS", "AAPL", False))
    assert (book(state), state.venue_quotes("XNAS", "AAPL")) == (set(), False)
    show(state, "XNAS", (Side.BUY, 9998, 4))
    sources.status(state, MarketStatus("XNAS", "", True))
    assert book(state) == {("XNAS", Side.BUY, 9999, 5), ("XNAS", Side.BUY, 9998, 4)}
    assert state.venue_quotes("XNAS", "AAPL")


def test_a_quote_far_from_all_others_is_left_out_and_comes_back_with_them() -> None:
    state = market(Instrument("AAPL", 2, 0, 1, 1, "never", "venue", reference=10000, outlier_mads=10))
    for venue, middle in (("XNAS", 10000), ("XNYS", 10001), ("XLON", 10300)):
        show(state, venue, (Side.BUY, middle - 1, 5), (Side.SELL, middle + 1, 5))
    assert {venue for venue, *_ in book(state)} == {"XNAS", "XNYS"}
    assert state.market.news == [("XLON", "AAPL", "outlier")]
    show(state, "XLON", (Side.BUY, 10000, 5), (Side.SELL, 10002, 5), snapshot=True)
    assert {venue for venue, *_ in book(state)} == set(VENUES)


@pytest.mark.parametrize(
    ("middles", "times", "far"),
    [
        ({"A": 200, "B": 300}, 1, []),  # of two nobody knows which is wrong
        ({"A": 200, "B": 202, "C": 300}, 10, ["C"]),
        ({"A": 200, "B": 202, "C": 222}, 10, []),  # just ten times the deviation of one tick, which is 2 here
        ({"A": 200, "B": 202, "C": 223}, 10, ["C"]),
        ({"A": 200, "B": 200, "C": 200, "D": 201}, 1, []),
    ],
)
def test_outliers(middles: dict[str, int], times: int, far: list[str]) -> None:
    assert outliers(middles, times, 1) == far


@pytest.mark.parametrize(
    ("bids", "asks", "left"),
    [
        ([(99, 5)], [(101, 5)], ((99, 5), (101, 5))),
        ([(100, 5), (99, 1)], [(100, 3), (102, 4)], ((100, 2), (102, 4))),  # locked
        ([(105, 5), (99, 1)], [(100, 5), (101, 4)], ((99, 1), (101, 4))),  # crossed
        ([(105, 5)], [(100, 2)], ((105, 3), None)),
        ([], [(100, 2)], (None, (100, 2))),
    ],
)
def test_uncrossed(bids: list[tuple[int, int]], asks: list[tuple[int, int]], left: object) -> None:
    assert uncrossed(iter(bids), iter(asks)) == left


def test_a_crossed_market_is_shown_as_it_is_and_valued_uncrossed() -> None:
    state = market()
    show(state, "XNAS", (Side.BUY, 10010, 5), (Side.BUY, 9999, 7))
    show(state, "XNYS", (Side.SELL, 10000, 5), (Side.SELL, 10003, 7))
    (quoted,) = (fact for fact in decide(state, RecordQuotes(1)) if isinstance(fact, Quoted))
    assert (quoted.bids[0][0], quoted.asks[0][0], quoted.mark) == (10010, 10000, 10001)


def test_a_days_totals_and_sources_are_on_record_and_end_with_the_day() -> None:
    state = market()
    observe(state, MarketUpdate("XNAS", "AAPL", False, ((Side.BUY, 9999, 5),), ((10000, 10),)))
    observe(state, MarketUpdate("XNYS", "AAPL", False, (), ((10006, 30),)))
    down(state, "XLON")
    (quoted,) = decide(state, RecordQuotes(1))
    assert isinstance(quoted, Quoted)
    assert quoted.day == DayTotals.of(10000, 10006, 10000, 40, 10 * 10000 + 30 * 10006)
    assert Fraction(quoted.day.turnover, quoted.day.volume) == Fraction(20009, 2)
    assert quoted.sources == (("XNAS", ""), ("XNYS", ""), ("XLON", "down"))
    evolve(state, quoted)
    assert decide(state, RecordQuotes(1)) == []
    state.market.totals.clear()
    assert state.market.totals == {}


AIM = st.tuples(st.just("aim"), st.integers(1, 9), st.integers(9998, 10002))
WORD = st.tuples(st.just("word"), st.integers(0, 9), st.integers(9998, 10002))
ANSWER = st.tuples(st.sampled_from(["answer", "fill", "end"]), st.integers(0, 30), st.integers(1, 3))


@given(st.lists(st.one_of(AIM, WORD, ANSWER), max_size=30))
def test_what_is_under_way_is_never_offered_again_and_comes_back(steps: list[tuple[str, int, int]]) -> None:
    """Never more is offered than shown, and when no child is under way just what is shown."""
    state = market()
    shown = dict.fromkeys(range(9998, 10003), 6)
    show(state, "XNAS", *((Side.SELL, price, 6) for price in shown), snapshot=True)
    child, flying = 0, list[int]()
    for kind, number, other in steps:
        if kind == "aim":
            child += 1
            flying.append(child)
            state.market.take(child, "AAPL", "XNAS", Side.SELL, number, other)
        elif kind == "word":
            shown[other] = number
            show(state, "XNAS", (Side.SELL, other, number))
        elif flying:
            which = flying[number % len(flying)]
            if kind == "answer":
                state.market.answered(which)
            elif kind == "fill":
                state.market.filled(which, other, 10000)
            else:
                flying.remove(which)
                state.market.landed(which)
        offered: dict[int, int] = defaultdict(int)
        for entry in state.market.walk("AAPL", Side.SELL):
            offered[entry.price] += entry.qty
        quotes = state.market.quotes["XNAS", "AAPL"]
        aimed = {level[2]: sum(by.values()) for (_, level), by in state.market.aimed.items()}
        for price in shown:
            assert offered[price] <= shown[price]
            if not quotes.out:
                assert offered[price] <= max(0, quotes.qty(Side.SELL, price) - aimed.get(price, 0))
        if not flying:
            assert state.market.flights == {} == state.market.aimed
            assert all(offered[price] == quotes.qty(Side.SELL, price) for price in shown)


def test_an_outlier_comes_back_when_nobody_looks_for_them_any_more() -> None:
    watched = Instrument("AAPL", 2, 0, 1, 1, "never", "venue", reference=10000, outlier_mads=10)
    state = market(watched)
    for venue, middle in (("XNAS", 10000), ("XNYS", 10001), ("XLON", 10300)):
        show(state, venue, (Side.BUY, middle - 1, 5), (Side.SELL, middle + 1, 5))
    evolve(state, InstrumentDefined(1, state.last_id + 1, msgspec.structs.replace(watched, outlier_mads=0)))
    assert {venue for venue, *_ in book(state)} == set(VENUES)


def test_a_snapshots_trade_is_the_last_and_no_more_volume() -> None:
    state = market()
    for _ in range(5):
        observe(state, MarketUpdate("XNAS", "AAPL", True, ((Side.BUY, 9999, 5),), ((10000, 1000),)))
    assert (state.market.last["AAPL"], state.market.totals) == ((10000, 1000), {})


def test_numbers_that_begin_anew_are_a_gap() -> None:
    state, sources = market(), Sources()
    bid = ((Side.BUY, 9999, 5),)
    assert sources.take(state, MarketUpdate("XNAS", "AAPL", True, bid, last=1000), 1) is not None
    assert sources.take(state, MarketUpdate("XNAS", "AAPL", False, bid, first=1001, last=1001), 1) is not None
    assert sources.take(state, MarketUpdate("XNAS", "AAPL", False, bid, first=1, last=1), 1) is None
    assert state.market.why_out("XNAS", "AAPL") == "gap"
