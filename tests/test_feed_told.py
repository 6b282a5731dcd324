"""What subscribers are told, without sockets: what is told in changes adds up to the whole."""

from hypothesis import given
from hypothesis import strategies as st

from brokerfix.commands import MarketUpdate, RollDay
from brokerfix.domain import Side
from brokerfix.engine.engine import State, decide, evolve, observe
from brokerfix.live.feed import DELETE, Feed, Increment, MarketDataRequest, Snapshot, Told
from tests.scenario import World, run_step

KINDS = ("0", "1", "4", "7", "8", "9", "B")
Known = dict[tuple[str, str, int], tuple[int, int]]


def key_of(entry: tuple[str, int, int, str]) -> tuple[str, str, int]:
    kind, price, _, venue = entry
    return kind, venue, price if kind in "01" else 0


def take(known: Known, told: list[Told]) -> None:
    for one in told:
        if isinstance(one, Snapshot):
            known.clear()
            known.update({key_of(entry): entry[1:3] for entry in one.entries})
        elif isinstance(one, Increment):
            for action, entry in one.entries:
                if action == DELETE:
                    del known[key_of(entry)]
                else:
                    known[key_of(entry)] = entry[1:3]


def market() -> World:
    world = World(venues="XNAS XNYS")
    for step in ("venue XNAS up", "venue XNYS up"):
        run_step(world, step)
    world.state.market.is_told = True
    return world


def request(depth: int, aggregated: str, md_req_id: str = "m", *kinds: str) -> MarketDataRequest:
    return MarketDataRequest("ALICE", md_req_id, "1", depth, "1", ("AAPL",), kinds or KINDS, aggregated)


CHANGE = st.tuples(
    st.sampled_from(["XNAS", "XNYS"]), st.sampled_from(list(Side)), st.integers(14995, 15005), st.integers(0, 3)
)


@given(
    st.lists(st.one_of(CHANGE, st.just("told"), st.just("slow"), st.just("day")), max_size=25),
    st.integers(0, 3),
    st.sampled_from("YN"),
)
def test_changes_add_up_to_the_whole(
    steps: list[tuple[str, Side, int, int] | str], depth: int, aggregated: str
) -> None:
    """However slow the subscriber, however many prices it takes, over a day's begin."""
    world, feed, known = market(), Feed(), Known()
    take(known, feed.request(world.state, request(depth, aggregated)))
    for step in [*steps, "told"]:
        if step == "day":
            _roll(world.state)
        elif isinstance(step, str):
            take(known, feed.flush(world.state, 1, ("ALICE",) if step == "slow" else ()))
        else:
            venue, side, price, qty = step
            trades = ((price, qty),) if qty else ()
            observe(world.state, MarketUpdate(venue, "AAPL", False, ((side, price, qty),), trades))
    fresh = Known()
    take(fresh, feed.request(world.state, request(depth, aggregated, "fresh")))
    assert known == fresh


def _roll(state: State) -> None:
    for fact in decide(state, RollDay(1, state.day + 1)):
        evolve(state, fact)


def test_who_takes_statistics_is_told_nothing_of_the_book() -> None:
    world, feed = market(), Feed()
    feed.request(world.state, request(0, "Y", "m", "B"))
    observe(world.state, MarketUpdate("XNAS", "AAPL", False, ((Side.BUY, 15000, 5),)))
    assert feed.flush(world.state, 1) == []
