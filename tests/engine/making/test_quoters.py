"""Clients that quote in our own book: what stands, what is refused, and when their protection pulls it."""

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from brokerfix.commands import (
    AskQuoteStatus,
    CancelQuotes,
    OperatorBust,
    OperatorHalt,
    PullQuotes,
    ResumeQuotes,
    SetQuotes,
)
from brokerfix.domain import ClientQuoting, Protection, QuoteEntry, QuoteReject, QuoteStatus, Side, id_text
from brokerfix.engine.orders.order import Order
from brokerfix.facts import (
    Alerted,
    OperatorRefused,
    QuoteMoved,
    QuotesAcknowledged,
    QuotesPulled,
    QuotesResumed,
    QuotesTakenBack,
    QuoteStatusTold,
    Trade,
)
from tests.scenario import World, run_step

SECOND = 10**9
WINDOW = 10 * SECOND
Entry = tuple[str, int, int, int, int]
"""An entry's name, and its bid, bid size, offer and offer size, of AAPL."""


UNPROTECTED = Protection()


def world(protection: Protection = UNPROTECTED, most: int = 0, symbols: tuple[str, ...] = (), **more: str) -> World:
    """ALICE may quote; her protection counts all fills, and none by symbol."""
    made = World(quoters=(ClientQuoting("ALICE", symbols, most, protection),), **{"post": "book", **more})
    if made.state.venues:
        run_step(made, "venue XNAS up")
    run_step(made, "client ALICE up")
    return made


def of_aapl(*entries: Entry) -> tuple[QuoteEntry, ...]:
    return tuple(QuoteEntry("S", name, "AAPL", *terms) for name, *terms in entries)


def quote(made: World, *entries: Entry, quote_id: str = "Q", **more: object) -> QuotesAcknowledged:
    """Send a MassQuote. Returns what became of it."""
    return send(made, of_aapl(*entries), quote_id, **more)


def send(made: World, entries: tuple[QuoteEntry, ...], quote_id: str = "Q", **more: object) -> QuotesAcknowledged:
    made.now += 1_000_000
    made.submit(SetQuotes(made.now, "ALICE", quote_id, entries, "2", **more))  # type: ignore[arg-type]
    return next(fact for fact in reversed(made.facts) if isinstance(fact, QuotesAcknowledged))


def standing(made: World) -> dict[str, tuple[int, int]]:
    """(price, quantity) of each side that stands, by entry and B or S."""
    return {
        f"{order.own_quote.entry}{'B' if order.side is Side.BUY else 'S'}": (order.price, order.in_book)
        for order in made.state.clients["ALICE"].working.values()
        if order.own_quote is not None
    }


def reasons(told: QuotesAcknowledged) -> list[str]:
    return [entry.reason for entry in told.entries]


def pulls(made: World) -> list[tuple[str, str]]:
    return [(fact.code, fact.text) for fact in made.facts if isinstance(fact, QuotesPulled)]


def test_a_mass_quote_is_one_record_and_stands_in_our_book() -> None:
    made = world()
    before = len(made.records)
    told = quote(made, ("1", 14990, 100, 15010, 50), ("2", 14980, 200, 0, 0))
    assert len(made.records) == before + 1
    assert standing(made) == {"1B": (14990, 100), "1S": (15010, 50), "2B": (14980, 200)}
    assert (told.status, reasons(told)) == (QuoteStatus.ACCEPTED, ["", ""])
    assert run_step(made, "client BOB new C1 buy 20 AAPL 150.10")[1:] == [
        "ALICE TRADE PARTIALLY_FILLED - cum 20 leaves 30 last 20@150.10 avg 150.10",
        "BOB TRADE FILLED C1 cum 20 leaves 0 last 20@150.10 avg 150.10",
    ]
    made.die_and_recover()


def test_the_same_entry_again_replaces_and_what_is_left_out_stays() -> None:
    made = world()
    quote(made, ("1", 14990, 100, 15010, 100), ("2", 14980, 100, 15020, 100))
    quote(made, ("1", 14991, 70, 15010, 100), quote_id="Q2")
    assert standing(made) == {"1B": (14991, 70), "1S": (15010, 100), "2B": (14980, 100), "2S": (15020, 100)}
    moved = [fact for fact in made.last_facts if isinstance(fact, QuoteMoved)]
    assert [(fact.qty, fact.price) for fact in moved] == [(70, 14991)], "what stays as it is keeps its place"
    ids = {order.own_quote.quote_id for order in made.state.orders.values() if order.own_quote is not None}
    assert ids == {"Q", "Q2"}, "both sides of an entry go by the message that has last named it"


def test_a_size_or_price_of_zero_takes_a_side_back() -> None:
    made = world()
    quote(made, ("1", 14990, 100, 15010, 100), ("2", 14980, 100, 15020, 100))
    quote(made, ("1", 14990, 0, 15010, 100), ("2", 14980, 100, 0, 100))
    assert standing(made) == {"1S": (15010, 100), "2B": (14980, 100)}
    quote(made, ("1", 0, 0, 0, 0), ("2", 0, 0, 0, 0))
    assert standing(made) == {}
    assert made.state.quoters["ALICE"].quotes == {}


def test_what_was_filled_in_part_is_quoted_at_its_new_size() -> None:
    made = world()
    quote(made, ("1", 14990, 100, 15010, 100))
    run_step(made, "client BOB new C1 buy 60 AAPL 150.10")
    assert standing(made)["1S"] == (15010, 40)
    quote(made, ("1", 14990, 100, 15010, 100))
    assert standing(made) == {"1B": (14990, 100), "1S": (15010, 100)}
    assert len(made.state.clients["ALICE"].working) == 2


def test_what_was_filled_of_a_quote_counts_once_towards_a_limit() -> None:
    for size, told in ((500, ""), (501, QuoteReject.EXCEEDS_LIMIT)):
        made = world(limits="account ALICE max_long=600")
        quote(made, ("1", 14990, 500, 0, 0))
        run_step(made, "client BOB new C1 sell 100 AAPL 149.90")
        assert reasons(quote(made, ("1", 14991, size, 0, 0))) == [told], "100 are held, and that would be open"


def test_a_side_that_would_take_is_refused_and_never_trades() -> None:
    made = world()
    run_step(made, "client BOB new C1 sell 100 AAPL 150.00")
    told = quote(made, ("1", 15000, 100, 15010, 100))
    assert reasons(told) == [QuoteReject.PRICE]
    assert (told.entries[0].bid_qty, told.entries[0].ask_qty) == (0, 100), "the other side stands"
    run_step(made, "quote XNAS AAPL bid 500@149.90 ask 500@149.95")
    assert reasons(quote(made, ("2", 14995, 100, 0, 0), ("3", 0, 0, 14990, 100))) == ["8", "8"]
    assert standing(made) == {"1S": (15010, 100)}
    assert not any(isinstance(fact, Trade) for fact in made.facts)


def test_a_message_does_not_meet_what_it_moves_itself_but_what_it_places() -> None:
    made = world()
    quote(made, ("1", 14990, 100, 15010, 100), ("2", 14980, 100, 15020, 100))
    assert reasons(quote(made, ("1", 15020, 100, 15040, 100), ("2", 15015, 100, 15050, 100))) == ["", ""]
    assert standing(made)["1B"] == (15020, 100), "above the offers of before, which have moved"
    told = quote(made, ("1", 14990, 100, 15020, 100), ("3", 15020, 100, 0, 0))
    assert reasons(told) == ["", "8"], "it would take what the first offers"
    assert reasons(quote(made, ("3", 0, 0, 15015, 100))) == ["8"], "or what stands from before"
    assert standing(made) == {"1B": (14990, 100), "1S": (15020, 100), "2B": (15015, 100), "2S": (15050, 100)}


def test_what_is_refused_leaves_no_quote_behind() -> None:
    made = world()
    quote(made, ("1", 14990, 100, 15010, 100), ("2", 14980, 100, 15020, 100))
    told = quote(made, ("1", 15010, 100, 15010, 100), ("2", 14980, 100, 15021, 10**9))
    assert reasons(told) == [QuoteReject.SPREAD, QuoteReject.EXCEEDS_LIMIT]
    assert standing(made) == {"2B": (14980, 100)}
    assert told.text == "SPREAD: the bid is not below the offer (2 entries are refused)"


def test_reasons_for_a_refusal() -> None:
    made = world(most=2, symbols=("AAPL",), tick="5")
    made.submit(OperatorHalt(made.now, "jo", "symbol", "AAPL"))
    assert reasons(quote(made, ("1", 14990, 100, 0, 0))) == [QuoteReject.CLOSED]
    run_step(made, "operator jo resume symbol AAPL")
    told = quote(made, ("1", 14990, 100, 0, 0), ("1", 14985, 100, 0, 0), ("2", 14991, 100, 0, 0))
    assert reasons(told) == ["", QuoteReject.DUPLICATE, QuoteReject.PRICE]
    assert reasons(quote(made, ("2", 14990, 1, 0, 0), ("3", 14990, 1, 0, 0))) == ["", QuoteReject.EXCEEDS_LIMIT]
    entries = QuoteEntry("S", "4", "MSFT", 40000, 1, 0, 0), QuoteEntry("S", "5", "NONE", 1, 1, 0, 0)
    assert reasons(send(made, entries)) == [QuoteReject.NOT_AUTHORIZED, QuoteReject.UNKNOWN_SYMBOL]
    told = quote(made, ("1", 0, 0, 0, 0), account="BOB")
    assert (told.status, told.entries) == (QuoteStatus.REJECTED, ())
    assert standing(made) == {"1B": (14990, 100), "2B": (14990, 1)}, "refused as a whole it changes nothing"


def test_a_client_without_the_right_is_refused() -> None:
    made = World()
    made.submit(SetQuotes(made.now, "ALICE", "Q", of_aapl(("1", 14990, 100, 0, 0))))
    told = made.last_facts[-1]
    assert isinstance(told, QuotesAcknowledged)
    assert (told.status, told.reason) == (QuoteStatus.REJECTED, QuoteReject.NOT_AUTHORIZED)


def test_all_entries_together_are_within_the_limits() -> None:
    made = world(limits="account ALICE max_long=250; client ALICE max_gross=60000")
    told = quote(made, ("1", 10000, 100, 0, 0), ("2", 9900, 100, 0, 0), ("3", 9800, 100, 0, 0))
    assert [entry.text[:10] for entry in told.entries] == ["", "", "LONG_LIMIT"]
    entries = [QuoteEntry("M", str(n), "MSFT", 40000 - n, 50, 0, 0) for n in range(3)]
    told = send(made, (*of_aapl(("3", 9800, 50, 0, 0)), *entries))
    assert [entry.text[:11] for entry in told.entries] == ["", "", "GROSS_LIMIT", "GROSS_LIMIT"], "over all symbols"


def test_the_net_limit_counts_a_side_over_all_symbols() -> None:
    made = world(limits="client ALICE max_net=30000")
    aapl, msft = ("AAPL", 10000, 100), ("MSFT", 40000, 50)
    told = send(
        made,
        (
            QuoteEntry("A", "1", *aapl, 0, 0),
            QuoteEntry("M", "1", *msft, 41000, 50),
            QuoteEntry("M", "2", "MSFT", 39900, 1, 0, 0),
        ),
    )
    assert [entry.text[:9] for entry in told.entries] == ["", "", "NET_LIMIT"]


def test_the_buying_power_is_that_of_all_symbols_together() -> None:
    made = world(cash="10000")
    entries = QuoteEntry("A", "1", "AAPL", 15000, 50, 0, 0), QuoteEntry("M", "1", "MSFT", 40000, 10, 0, 0)
    told = send(made, entries)
    assert [entry.text[:12] for entry in told.entries] == ["", "BUYING_POWER"]
    assert standing(made) == {"1B": (15000, 50)}


def test_a_message_counts_as_one_of_the_orders_of_a_second() -> None:
    made = world(rate="2")
    quote(made, *((str(n), 14990 - n, 10, 15010 + n, 10) for n in range(20)))
    quote(made, ("1", 0, 0, 0, 0))
    told = quote(made, ("2", 0, 0, 0, 0))
    assert (told.status, told.reason) == (QuoteStatus.REJECTED, QuoteReject.EXCEEDS_LIMIT)
    assert len(standing(made)) == 38


def test_the_protection_acts_exactly_at_its_boundary() -> None:
    made = world(Protection(WINDOW, qty=150))
    quote(made, ("1", 14990, 100, 15010, 100), ("2", 14980, 100, 15020, 100))
    run_step(made, "client BOB new C1 buy 100 AAPL 150.20")
    assert pulls(made) == []
    lines = run_step(made, "client BOB new C2 buy 100 AAPL 150.20 IOC")
    assert [line for line in lines if line.startswith("BOB")][-1].startswith("BOB CANCELED CANCELED C2 cum 50"), lines
    assert pulls(made) == [("PROTECTION", "quantity: limit=150, value=150, in 10 s")]
    assert standing(made) == {}
    assert made.state.accounts["ALICE"].positions["AAPL"].qty == -150
    assert any(isinstance(fact, Alerted) and fact.code == "PROTECTION" for fact in made.facts)
    told = quote(made, ("1", 14990, 100, 0, 0))
    assert (told.status, told.text[:10]) == (QuoteStatus.REJECTED, "PROTECTION")
    made.die_and_recover()


def test_stops_that_a_trade_sets_off_do_not_pass_the_protection() -> None:
    """Two stops are reached at once; the first takes all that the limit leaves."""
    made = world(Protection(WINDOW, qty=100))
    quote(made, ("1", 14990, 100, 15003, 100), ("2", 14980, 100, 15004, 100))
    run_step(made, "client BOB new C1 buy 100 AAPL stop-limit:150.03/150.20")
    run_step(made, "client BOB new C2 buy 100 AAPL stop-limit:150.03/150.20")
    run_step(made, "print XNAS AAPL 100@150.03")
    assert made.state.accounts["ALICE"].positions["AAPL"].qty == -100


def test_a_symbols_protection_pulls_its_quotes_alone() -> None:
    terms = ClientQuoting("ALICE", each=(("AAPL", Protection(WINDOW, fills=1)),))
    made = World(quoters=(terms,), post="book")
    run_step(made, "client ALICE up")
    send(made, (*of_aapl(("1", 14990, 100, 15010, 100)), QuoteEntry("S", "M", "MSFT", 39900, 10, 40100, 10)))
    run_step(made, "client BOB new C1 buy 10 AAPL 150.10")
    assert standing(made) == {"MB": (39900, 10), "MS": (40100, 10)}
    told = send(made, (*of_aapl(("1", 14990, 100, 0, 0)), QuoteEntry("S", "M", "MSFT", 39900, 20, 40100, 10)))
    assert reasons(told) == [QuoteReject.OTHER, ""]


def test_after_the_frozen_time_it_may_quote_again() -> None:
    made = world(Protection(WINDOW, fills=1, frozen=SECOND))
    quote(made, ("1", 14990, 100, 15010, 100))
    run_step(made, "client BOB new C1 buy 10 AAPL 150.10")
    assert quote(made, ("1", 14990, 100, 15010, 100)).status is QuoteStatus.REJECTED
    made.now += SECOND
    assert quote(made, ("1", 14990, 100, 15010, 100)).status is QuoteStatus.ACCEPTED
    run_step(made, "client BOB new C2 buy 10 AAPL 150.10")
    assert len(pulls(made)) == 2, "it counts anew"


def test_the_client_resets_it_by_naming_the_report_of_the_pull() -> None:
    made = world(Protection(WINDOW, fills=1))
    quote(made, ("1", 14990, 100, 15010, 100))
    run_step(made, "client BOB new C1 buy 10 AAPL 150.10")
    made.submit(CancelQuotes(made.now, "ALICE", "X1", "4"))
    assert quote(made, ("1", 14990, 100, 0, 0)).status is QuoteStatus.REJECTED, "a cancel of all alone is no reset"
    pulled = next(fact for fact in made.facts if isinstance(fact, QuotesPulled))
    made.submit(CancelQuotes(made.now, "ALICE", id_text(pulled.id), "4"))
    assert isinstance(made.last_facts[-1], QuotesResumed)
    assert quote(made, ("1", 14990, 100, 0, 0)).status is QuoteStatus.ACCEPTED


def test_an_operator_stops_it_and_only_an_operator_has_it_go_on() -> None:
    made = world()
    quote(made, ("1", 14990, 100, 15010, 100))
    made.submit(PullQuotes(made.now, "jo", "ALICE"))
    assert standing(made) == {}
    pulled = next(fact for fact in made.facts if isinstance(fact, QuotesPulled))
    made.submit(CancelQuotes(made.now, "ALICE", id_text(pulled.id), "4"))
    assert quote(made, ("1", 14990, 100, 0, 0)).status is QuoteStatus.REJECTED
    made.submit(ResumeQuotes(made.now, "jo", "ALICE"))
    assert quote(made, ("1", 14990, 100, 0, 0)).status is QuoteStatus.ACCEPTED
    made.submit(PullQuotes(made.now, "jo", "ALICE", "NONE"))
    assert isinstance(made.last_facts[-1], OperatorRefused)


def test_quotes_are_taken_back_by_symbol_one_by_one_and_all() -> None:
    made = world()
    single = (QuoteEntry("", "one", "AAPL", 14970, 5, 0, 0),)
    send(made, single, "one", is_single=True)
    send(made, (*of_aapl(("1", 14990, 100, 15010, 100)), QuoteEntry("S", "M", "MSFT", 39900, 10, 0, 0)))
    made.submit(CancelQuotes(made.now, "ALICE", "one", "5"))
    assert standing(made) == {"1B": (14990, 100), "1S": (15010, 100), "MB": (39900, 10)}
    made.submit(CancelQuotes(made.now, "ALICE", "X", "1", ("AAPL",)))
    assert standing(made) == {"MB": (39900, 10)}
    made.submit(CancelQuotes(made.now, "ALICE", "X", "4"))
    assert standing(made) == {}
    told = [(fact.status, fact.count) for fact in made.facts if isinstance(fact, QuotesTakenBack)]
    assert told == [("1", 1), ("1", 2), ("4", 1)]


def test_the_state_of_quotes_is_told() -> None:
    made = world()
    quote(made, ("1", 14990, 100, 15010, 100), quote_id="Q7")
    run_step(made, "client BOB new C1 buy 60 AAPL 150.10")
    made.submit(AskQuoteStatus(made.now, "ALICE", "", "AAPL", "R1"))
    told = made.last_facts[-1]
    assert isinstance(told, QuoteStatusTold)
    assert (told.entries, told.ids) == (of_aapl(("1", 14990, 100, 15010, 40)), ("Q7",))
    made.submit(AskQuoteStatus(made.now, "ALICE", "Q8", "AAPL"))
    assert isinstance(made.last_facts[-1], QuoteStatusTold)
    assert made.last_facts[-1].entries == ()


def test_no_quote_outlives_its_session() -> None:
    made = world(grace="60", on_disconnect="none")
    quote(made, ("1", 14990, 100, 15010, 100))
    run_step(made, "client ALICE new C1 buy 10 AAPL 140.00")
    run_step(made, "client ALICE down")
    assert standing(made) == {}
    assert [order.cl_ord_id for order in made.state.clients["ALICE"].working.values()] == ["C1"]
    run_step(made, "client ALICE up")
    assert quote(made, ("1", 14990, 100, 0, 0)).status is QuoteStatus.ACCEPTED


def test_no_quote_outlives_the_process() -> None:
    made = world()
    quote(made, ("1", 14990, 100, 15010, 100))
    run_step(made, "restart")
    assert standing(made) == {}
    assert pulls(made) == [("DISCONNECTED", "the session was lost")]


def test_quotes_are_for_continuous_trading() -> None:
    made = world(venues="")
    quote(made, ("1", 14990, 100, 15010, 100))
    run_step(made, "phase closing-auction")
    assert standing(made) == {}
    assert reasons(quote(made, ("1", 14990, 100, 0, 0))) == [QuoteReject.CLOSED]
    run_step(made, "phase continuous")
    assert reasons(quote(made, ("1", 14990, 100, 0, 0))) == [""]


def test_a_message_that_may_have_come_before_changes_nothing() -> None:
    made = world()
    quote(made, ("1", 14990, 100, 15010, 100), quote_id="Q1")
    quote(made, ("1", 14991, 100, 15010, 100), quote_id="Q2")
    told = quote(made, ("1", 14990, 100, 15010, 100), quote_id="Q1", possible_duplicate=True)
    assert told.text.startswith("DUPLICATE")
    assert standing(made)["1B"] == (14991, 100)
    quote(made, ("1", 14992, 100, 15010, 100), quote_id="Q3", possible_duplicate=True)
    assert standing(made)["1B"] == (14992, 100), "this one has not"


def test_a_side_of_a_quote_can_be_canceled_but_not_replaced_as_an_order() -> None:
    made = world()
    quote(made, ("1", 14990, 100, 0, 0))
    (order_id,) = made.state.clients["ALICE"].working
    number = f"+37={id_text(order_id)}"
    assert run_step(made, f"client ALICE replace R1 - buy 100 AAPL 160.00 {number}")[0].endswith("reason 99 QUOTE")
    run_step(made, f"client ALICE cancel X1 - buy AAPL {number}")
    assert standing(made) == {}
    assert made.state.quoters["ALICE"].quotes == {}


def test_what_a_bust_gives_back_waits_for_an_operator_and_a_new_quote_takes_its_place() -> None:
    made = world()
    quote(made, ("1", 0, 0, 15010, 100))
    run_step(made, "client BOB new C1 buy 100 AAPL 150.10")
    trade = next(fact for fact in made.facts if isinstance(fact, Trade))
    made.submit(OperatorBust(made.now, "jo", trade.id, "wrong"))
    assert standing(made) == {"1S": (15010, 0)}, "it is held"
    quote(made, ("1", 0, 0, 15005, 50))
    assert standing(made) == {"1S": (15005, 50)}


def test_a_client_that_may_no_longer_quote_has_no_quotes() -> None:
    made = world()
    quote(made, ("1", 14990, 100, 15010, 100))
    made.quoters = ()
    made.start()
    assert standing(made) == {}
    assert quote(made, ("1", 14990, 100, 15010, 100)).status is QuoteStatus.REJECTED


PRICES = st.integers(14997, 15003)
SIZES = st.sampled_from((0, 10, 30))
BIDS, OFFERS = st.integers(14996, 15001), st.integers(14999, 15004)
ENTRIES = st.lists(st.tuples(st.sampled_from("123"), BIDS, SIZES, OFFERS, SIZES), min_size=1, max_size=4)
STEPS = st.one_of(
    ENTRIES,
    st.tuples(st.sampled_from(("buy", "sell")), st.sampled_from((5, 20, 60)), PRICES, st.sampled_from(("DAY", "IOC"))),
    st.tuples(PRICES, st.integers(2, 6)),
    st.sampled_from(("down", "pull", "cancel", "wait")),
)


@settings(max_examples=40, deadline=None)
@given(st.lists(STEPS, min_size=1, max_size=25), st.sampled_from((0, 50, 80)), st.sampled_from(("book", "venue")))
def test_no_quote_ever_takes_and_book_and_state_agree(steps: list[object], most: int, post: str) -> None:
    made = world(Protection(WINDOW, qty=most, frozen=SECOND) if most else UNPROTECTED, post=post)
    numbers = itertools.count(1)
    for step in steps:
        number = next(numbers)
        if isinstance(step, list):
            quote(made, *step, quote_id=f"Q{number}")
        elif step == "down":
            run_step(made, "client ALICE down")
            run_step(made, "client ALICE up")
        elif step == "pull":
            made.submit(PullQuotes(made.now, "jo", "ALICE"))
            made.submit(ResumeQuotes(made.now, "jo", "ALICE"))
        elif step == "cancel":
            made.submit(CancelQuotes(made.now, "ALICE", "X", "4"))
        elif step == "wait":
            made.now += SECOND
        elif isinstance(step, tuple) and len(step) == 4:
            side, qty, price, tif = step
            run_step(made, f"client BOB new C{number} {side} {qty} AAPL {price / 100:.2f} {tif}")
        elif isinstance(step, tuple):
            mid, half = step
            run_step(made, f"quote XNAS AAPL bid 20@{(mid - half) / 100:.2f} ask 20@{(mid + half) / 100:.2f}")
    quotes = {order.order_id: order for order in made.state.orders.values() if order.own_quote is not None}
    traded = [fact for fact in made.facts if isinstance(fact, Trade)]
    assert not any(fact.taker_order_id in quotes for fact in traded)
    assert not any(order.routes for order in quotes.values())
    working = {number for number, order in quotes.items() if order.working}
    named = {number for sides in made.state.quoters["ALICE"].quotes.values() for number in sides if number}
    assert named == working, "each side that works is that of its quote, and no other"
    best = {side: made.state.books["AAPL"].best(side) for side in Side}
    assert not any(best[order.side.opposite] == order.price for number, order in quotes.items() if number in working)
    assert most_filled(made, quotes) <= (most or 10**9)
    made.die_and_recover()


def most_filled(made: World, quotes: dict[int, Order]) -> int:
    """The most that was filled of quotes within a window that begins with a fill, or with a reset."""
    most = filled = began = 0
    for fact in made.facts:
        if isinstance(fact, QuotesResumed):
            filled = 0
        elif isinstance(fact, Trade) and fact.maker_order_id in quotes:
            if not filled or fact.at - began >= WINDOW:
                filled, began = 0, fact.at
            filled += fact.qty
            most = max(most, filled)
    return most
