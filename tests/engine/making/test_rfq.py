"""Quotes that clients ask for, through decide and evolve: what they get, what they may take of it, what ends it."""

from hypothesis import given, settings
from hypothesis import strategies as st

from brokerfix.commands import (
    AnswerQuote,
    AskQuote,
    ExpireQuotes,
    NewOrder,
    OperatorHalt,
    OperatorSplit,
    PullQuotes,
    ReplaceOrder,
    Requote,
    RollDay,
    TakeQuote,
)
from brokerfix.domain import (
    AskedQuote,
    Distance,
    Maker,
    NoQuote,
    OrdStatus,
    OrdType,
    Protection,
    QuoteStatus,
    Side,
    Tier,
    TimeInForce,
    id_text,
)
from brokerfix.engine.making.rfq import MOST_FIRM
from brokerfix.facts import (
    Alerted,
    MakerFilled,
    OrderAccepted,
    QuoteEnded,
    QuoteGiven,
    QuoteRepeated,
    QuoteRequestRefused,
    QuoteResponseRefused,
    QuotesPulled,
    QuoteTaken,
)
from brokerfix.operate.explain_order import OrderStory
from brokerfix.operate.order_facts import OrderFacts
from tests.engine.making.test_maker import market, quotes, quoting, world
from tests.scenario import DAY, World, run_step

SECOND = 10**9
TIERS = (
    Tier(("ALICE",), Distance(2), Distance(1), 5),
    Tier(("BOB",), Distance(10)),
)


def desk(**terms: object) -> World:
    """A maker that gives quotes for 5 s, on a market of 149.90 to 150.10: its own prices are 149.97 and 150.03."""
    made = world(quoting(**terms), maker={"valid": 5 * SECOND, "tiers": TIERS})
    market(made, 14990, 15010)
    return made


def ask(
    made: World, qty: int = 100, side: str = "", client: str = "ALICE", req: str = "", symbol: str = "AAPL",
    again: bool = False, **more: object,
) -> QuoteGiven | QuoteRequestRefused | QuoteRepeated:  # fmt: skip
    name = req or f"R{len(made.facts)}"
    made.submit(AskQuote(made.now, client, name, (AskedQuote(symbol, side, qty, **more),), again))  # type: ignore[arg-type]
    return next(
        fact for fact in reversed(made.facts) if isinstance(fact, QuoteGiven | QuoteRequestRefused | QuoteRepeated)
    )


def given_one(made: World, qty: int = 100, side: str = "", client: str = "ALICE") -> QuoteGiven:
    found = ask(made, qty, side, client)
    assert isinstance(found, QuoteGiven), found
    return found


def order(
    made: World, name: str, side: Side, qty: int, price: int = 0, client: str = "ALICE", again: bool = False
) -> NewOrder:
    return NewOrder(
        made.now, client, name, "", "AAPL", side, OrdType.PREVIOUSLY_QUOTED, TimeInForce.DAY, qty, price,
        possible_duplicate=again,
    )  # fmt: skip


def take(
    made: World, quote_id: int, name: str, side: Side, qty: int, price: int = 0, client: str = "ALICE"
) -> list[str]:
    return made.submit(TakeQuote(made.now, client, order(made, name, side, qty, price, client), quote_id))


def answer(
    made: World, quote_id: int, kind: str, name: str = "", side: str = "", qty: int = 0, price: int = 0,
    client: str = "ALICE", resp: str = "A1", again: bool = False,
) -> list[str]:  # fmt: skip
    made_of = order(made, name, Side(side or "1"), qty, price, client, again)
    return made.submit(AnswerQuote(made.now, client, resp, quote_id, kind, made_of, "Q", side))


def last(made: World, kind: type) -> object:
    return next(fact for fact in reversed(made.facts) if isinstance(fact, kind))


def test_a_client_gets_the_makers_prices_with_its_tier_and_size() -> None:
    made = desk()
    quote = given_one(made)
    assert (quote.bid, quote.bid_qty, quote.ask, quote.ask_qty) == (14995, 100, 15005, 100)
    assert (quote.valid_until, quote.maker, quote.spread) == (made.now + 5 * SECOND, "MM", 2)
    assert (quote.priced.mid, quote.priced.position) == (30000, 0)
    large = given_one(made, 250)
    assert (large.bid, large.ask) == (14993, 15007), "two multiples beyond the first"
    other = given_one(made, 250, client="BOB")
    assert (other.bid, other.ask) == (14987, 15013)
    assert given_one(made, 0).bid_qty == 100, "the maker's own size"


def test_one_side_is_what_the_client_would_do() -> None:
    made = desk()
    buys = given_one(made, side="1")
    assert (buys.bid, buys.bid_qty, buys.ask, buys.ask_qty) == (0, 0, 15005, 100)
    sells = given_one(made, side="2")
    assert (sells.bid, sells.bid_qty, sells.ask, sells.ask_qty) == (14995, 100, 0, 0)


def test_a_quote_is_taken_at_its_price_whatever_the_market_does() -> None:
    made = desk()
    quote = given_one(made)
    market(made, 15090, 15110)
    lines = take(made, quote.id, "C1", Side.BUY, 100)
    assert [line for line in lines if line.startswith("ALICE")] == [
        "ALICE NEW NEW C1 cum 0 leaves 100",
        "ALICE TRADE FILLED C1 cum 100 leaves 0 last 100@150.05 avg 150.05",
    ]
    taken = last(made, QuoteTaken)
    assert isinstance(taken, QuoteTaken)
    assert (taken.qty, taken.price, taken.bid, taken.ask) == (100, 15005, 14995, 15005)
    accepted = [fact for fact in made.facts if isinstance(fact, OrderAccepted) and fact.quote_id == quote.id]
    assert [(one.client, one.ord_type, one.price) for one in accepted] == [
        ("ALICE", OrdType.PREVIOUSLY_QUOTED, 15005), ("MM", OrdType.LIMIT, 15005),
    ]  # fmt: skip
    assert taken.order_id == accepted[0].id
    filled = last(made, MakerFilled)
    assert isinstance(filled, MakerFilled)
    assert (filled.kind, filled.side, filled.qty, filled.price) == ("rfq", Side.SELL, 100, 15005)
    ended = last(made, QuoteEnded)
    assert isinstance(ended, QuoteEnded)
    assert (ended.quote_id, ended.status) == (quote.id, QuoteStatus.TRADED)
    assert made.state.accounts["MM"].positions["AAPL"].qty == -100
    made.die_and_recover()


def test_it_is_taken_in_parts_until_it_is_used_up() -> None:
    made = desk()
    quote = given_one(made)
    take(made, quote.id, "C1", Side.BUY, 60)
    rejected = take(made, quote.id, "C2", Side.BUY, 60)
    assert rejected == ["ALICE REJECTED REJECTED C2 cum 0 leaves 0 reason 13 QUANTITY"]
    take(made, quote.id, "C3", Side.SELL, 40)
    assert made.state.given[quote.id].ended is QuoteStatus.TRADED, "what is bought is not there to be sold"
    late = take(made, quote.id, "C4", Side.BUY, 10)
    assert late == ["ALICE REJECTED REJECTED C4 cum 0 leaves 0 reason 4 QUOTE_TRADED"]


def test_late_acceptance_is_refused() -> None:
    made = desk()
    quote = given_one(made)
    made.now = quote.valid_until
    take(made, quote.id, "C1", Side.BUY, 10)
    assert made.state.given[quote.id].ask_left == 90, "it is firm until then"
    made.now += 1
    late = take(made, quote.id, "C2", Side.BUY, 10)
    assert late == ["ALICE REJECTED REJECTED C2 cum 0 leaves 0 reason 4 QUOTE_EXPIRED"]
    made.submit(ExpireQuotes(made.now))
    assert made.state.given[quote.id].ended is QuoteStatus.EXPIRED
    assert not made.state.firm
    late = take(made, quote.id, "C3", Side.BUY, 10)
    assert late == ["ALICE REJECTED REJECTED C3 cum 0 leaves 0 reason 4 QUOTE_EXPIRED"]
    answer(made, quote.id, "6")
    refused = last(made, QuoteResponseRefused)
    assert isinstance(refused, QuoteResponseRefused)
    assert refused.status is QuoteStatus.EXPIRED


def test_what_is_not_the_clients_is_unknown_to_it() -> None:
    made = desk()
    quote = given_one(made)
    told = take(made, quote.id, "C1", Side.BUY, 10, client="BOB")
    assert told == ["BOB REJECTED REJECTED C1 cum 0 leaves 0 reason 5 UNKNOWN_QUOTE"]
    told = take(made, 12345, "C1", Side.BUY, 10)
    assert told == ["ALICE REJECTED REJECTED C1 cum 0 leaves 0 reason 5 UNKNOWN_QUOTE"]
    answer(made, 0, "6")
    refused = last(made, QuoteResponseRefused)
    assert isinstance(refused, QuoteResponseRefused)
    assert (refused.status, refused.named) == (QuoteStatus.NOT_FOUND, "Q")


def test_terms_that_are_not_the_quotes_are_refused() -> None:
    made = desk()
    buys = given_one(made, side="1")
    assert "reason 99 SIDE" in take(made, buys.id, "C1", Side.SELL, 10)[0]
    assert "reason 99 PRICE" in take(made, buys.id, "C2", Side.BUY, 10, 15004)[0]
    assert "reason 99 SYMBOL" in made.submit(
        TakeQuote(
            made.now, "ALICE",
            NewOrder(
                made.now, "ALICE", "C3", "", "MSFT", Side.BUY, OrdType.PREVIOUSLY_QUOTED, TimeInForce.DAY, 10, 0
            ), buys.id,
        )
    )[0]  # fmt: skip
    filled = take(made, buys.id, "C4", Side.BUY, 10, 15009)
    assert "ALICE TRADE FILLED C4 cum 10 leaves 0 last 10@150.05 avg 150.05" in filled, "never worse than the quote"
    assert made.state.given[buys.id].ask_left == 90


def test_the_same_order_again_has_the_same_answer() -> None:
    made = desk()
    quote = given_one(made)
    take(made, quote.id, "C1", Side.BUY, 60)
    again = TakeQuote(made.now, "ALICE", order(made, "C1", Side.BUY, 60, again=True), quote.id)
    assert made.submit(again) == ["ALICE ORDER_STATUS FILLED C1 cum 60 leaves 0 avg 150.05"]
    assert "reason 6 DUPLICATE" in take(made, quote.id, "C1", Side.BUY, 10)[0]
    assert made.state.given[quote.id].ask_left == 40


def test_a_hit_is_an_order_of_the_quotes_quantity() -> None:
    made = desk()
    quote = given_one(made)
    assert "reason 99 SIDE" in answer(made, quote.id, "1", "C0")[0]
    told = answer(made, quote.id, "1", "C1", "2")
    assert "ALICE TRADE FILLED C1 cum 100 leaves 0 last 100@149.95 avg 149.95" in told
    one = given_one(made, side="1")
    told = answer(made, one.id, "1", "C2")
    assert any("TRADE FILLED C2" in line for line in told), "it has one side only"


def test_a_counter_that_the_model_agrees_to_trades() -> None:
    made = desk()
    quote = given_one(made)
    market(made, 14980, 15000)
    told = answer(made, quote.id, "2", "C1", "1", 50, 14995)
    assert "ALICE TRADE FILLED C1 cum 50 leaves 0 last 50@149.95 avg 149.95" in told, "it would offer there now"
    taken = last(made, QuoteTaken)
    assert isinstance(taken, QuoteTaken)
    assert (taken.is_counter, taken.priced.mid) == (True, 29980)
    assert made.state.given[quote.id].ask_left == 50


def test_any_other_counter_gets_another_quote() -> None:
    made = desk()
    quote = given_one(made)
    market(made, 14980, 15000)
    answer(made, quote.id, "2", "C1", "1", 50, 14994)
    other = last(made, QuoteGiven)
    assert isinstance(other, QuoteGiven)
    assert (other.bid, other.ask, other.ask_qty, other.quote_resp_id) == (0, 14995, 50, "A1")
    assert other.quote_req_id == quote.quote_req_id
    late = take(made, quote.id, "C2", Side.BUY, 10)
    assert late == ["ALICE REJECTED REJECTED C2 cum 0 leaves 0 reason 4 QUOTE_CANCELED"]
    answer(made, quote.id, "2", "C1", "1", 50, 14994, again=True)
    repeated = last(made, QuoteRepeated)
    assert isinstance(repeated, QuoteRepeated)
    assert repeated.quote_id == other.id
    assert any("TRADE FILLED C1" in line for line in take(made, other.id, "C1", Side.BUY, 50))


def test_a_counter_worse_than_the_quote_is_a_hit() -> None:
    made = desk()
    quote = given_one(made)
    told = answer(made, quote.id, "2", "C1", "2", 100, 14990)
    assert "ALICE TRADE FILLED C1 cum 100 leaves 0 last 100@149.95 avg 149.95" in told
    other = given_one(made)
    assert "reason 13 QUANTITY" in answer(made, other.id, "2", "C2", "1", 200, 14990)[0]
    assert "reason 99 PRICE" in answer(made, other.id, "2", "C3", "1", 10, 0)[0]
    assert made.state.given[other.id].ended is None


def test_a_pass_ends_it() -> None:
    made = desk()
    quote = given_one(made)
    answer(made, quote.id, "6")
    ended = last(made, QuoteEnded)
    assert isinstance(ended, QuoteEnded)
    assert (ended.status, ended.quote_resp_id) == (QuoteStatus.PASS, "A1")
    assert take(made, quote.id, "C1", Side.BUY, 10)[0].endswith("reason 4 QUOTE_PASS")


def test_a_maker_that_is_pulled_takes_its_quotes_back() -> None:
    made = desk()
    quote, other = given_one(made), given_one(made, client="BOB")
    made.submit(PullQuotes(made.now, "jo", "MM"))
    assert {made.state.given[one.id].ended for one in (quote, other)} == {QuoteStatus.CANCELED}
    refused = ask(made)
    assert isinstance(refused, QuoteRequestRefused)
    assert refused.reason is NoQuote.PASS
    assert take(made, quote.id, "C1", Side.BUY, 10)[0].endswith("reason 4 QUOTE_CANCELED")


def test_a_reference_that_is_gone_takes_them_back() -> None:
    made = desk()
    quote = given_one(made)
    run_step(made, "venue XNAS down")
    assert [fact.code for fact in made.facts if isinstance(fact, QuotesPulled)][-1] == "NO_REFERENCE"
    assert made.state.given[quote.id].ended is QuoteStatus.CANCELED


def test_a_split_takes_them_back() -> None:
    made = desk()
    quote = given_one(made)
    made.submit(PullQuotes(made.now, "jo", "MM"))
    made.submit(OperatorSplit(made.now, "jo", "AAPL", 2, 1))
    assert made.state.given[quote.id].ended is QuoteStatus.CANCELED


def test_reasons_for_no_quote() -> None:
    made = desk(most_long=300, most_short=-300)
    for more, reason in (
        ({"symbol": "NONE"}, NoQuote.UNKNOWN_SYMBOL),
        ({"symbol": "MSFT"}, NoQuote.NO_MARKET),
        ({"account": "BOB"}, NoQuote.NOT_AUTHORIZED),
        ({"qty": 501}, NoQuote.EXCEEDS_LIMIT),
        ({"qty": 300}, NoQuote.NO_INVENTORY),
        ({"defect": "QUANTITY: no"}, NoQuote.OTHER),
        ({"qty": -1}, NoQuote.OTHER),
        ({"expires": made.now}, NoQuote.TOO_LATE),
    ):
        refused = ask(made, **more)  # type: ignore[arg-type]
        assert isinstance(refused, QuoteRequestRefused), more
        assert refused.reason is reason, refused
    made.submit(OperatorHalt(made.now, "jo", "symbol", "AAPL"))
    refused = ask(made)
    assert isinstance(refused, QuoteRequestRefused)
    assert refused.reason is NoQuote.CLOSED


def test_a_halt_of_the_makers_quotes_to_clients_alone() -> None:
    made = desk()
    quote = given_one(made)
    made.submit(OperatorHalt(made.now, "jo", "strategy", "MM/rfq"))
    assert isinstance(ask(made), QuoteRequestRefused)
    assert take(made, quote.id, "C1", Side.BUY, 10) == ["ALICE REJECTED REJECTED C1 cum 0 leaves 0 reason 0 PASS"]
    assert last(made, Alerted).code == "QUOTE_NOT_KEPT"  # type: ignore[attr-defined]
    assert quotes(made) != {}, "what it shows in the book goes on"


def test_requests_are_known_by_their_ids() -> None:
    made = desk()
    first = ask(made, req="R1")
    refused = ask(made, req="R1")
    assert isinstance(refused, QuoteRequestRefused)
    assert refused.text == "DUPLICATE: QuoteReqID=R1"
    repeated = ask(made, req="R1", again=True)
    assert isinstance(repeated, QuoteRepeated)
    assert repeated.quote_id == first.id
    assert isinstance(ask(made, req="R2", symbol="NONE"), QuoteRequestRefused)
    before = len([fact for fact in made.facts if isinstance(fact, QuoteRequestRefused)])
    again = ask(made, req="R2", symbol="NONE", again=True)
    assert isinstance(again, QuoteRequestRefused)
    assert again.reason is NoQuote.UNKNOWN_SYMBOL
    assert len([fact for fact in made.facts if isinstance(fact, QuoteRequestRefused)]) == before + 1
    assert isinstance(ask(made, req="R1", client="BOB"), QuoteGiven), "ids are each client's"
    made.die_and_recover()


def test_a_request_of_several_symbols() -> None:
    made = desk()
    asked = AskedQuote("AAPL"), AskedQuote("MSFT"), AskedQuote("AAPL", "1")
    made.submit(AskQuote(made.now, "ALICE", "R1", asked))
    given_, no_market, twice = made.facts[-3:]
    assert isinstance(given_, QuoteGiven)
    assert isinstance(no_market, QuoteRequestRefused)
    assert no_market.reason is NoQuote.NO_MARKET
    assert isinstance(twice, QuoteRequestRefused)
    assert twice.reason is NoQuote.OTHER
    made.submit(AskQuote(made.now, "ALICE", "R1", asked, True))
    assert [type(fact) for fact in made.facts[-3:]] == [QuoteRepeated, QuoteRequestRefused, QuoteRequestRefused]


def test_a_client_has_so_many_at_once() -> None:
    made = desk(most_long=10**6, most_short=-(10**6))
    for _ in range(MOST_FIRM):
        given_one(made, 1)
    refused = ask(made, 1)
    assert isinstance(refused, QuoteRequestRefused)
    assert refused.reason is NoQuote.EXCEEDS_LIMIT
    assert isinstance(ask(made, 1, client="BOB"), QuoteGiven)
    made.now += 6 * SECOND
    made.submit(ExpireQuotes(made.now))
    assert isinstance(ask(made, 1), QuoteGiven)


def test_what_clients_may_take_counts_for_the_bounds_of_all_else() -> None:
    made = desk(most_long=250, most_short=-250)
    first = given_one(made)
    assert quotes(made) == {"AAPL-B0": (100, 14997), "AAPL-S0": (100, 15003)}
    refused = ask(made, client="BOB")
    assert isinstance(refused, QuoteRequestRefused)
    assert refused.reason is NoQuote.NO_INVENTORY
    run_step(made, "client BOB new C1 sell 100 AAPL 149.90")
    assert made.state.accounts["MM"].positions["AAPL"].qty == 100
    assert quotes(made)["AAPL-B0"] == (50, 14997), "250, less 100 that it has and 100 that ALICE may sell to it"
    made.now += 6 * SECOND
    made.submit(ExpireQuotes(made.now))
    assert quotes(made)["AAPL-B0"] == (100, 14997)
    assert made.state.given[first.id].ended is QuoteStatus.EXPIRED


def test_it_does_not_meet_what_the_maker_shows_itself() -> None:
    """A model whose prices have moved while its quotes have to stand: what it offers a client is not below its bid."""
    made = desk(min_life=60 * SECOND)
    market(made, 14982, 15002)
    assert quotes(made) == {"AAPL-B0": (100, 14997), "AAPL-S0": (100, 15003)}
    assert given_one(made).ask == 14998


def test_checks_of_either_side_refuse_and_the_quote_stays() -> None:
    made = world(quoting(), maker={"valid": 5 * SECOND, "tiers": TIERS}, cash="10000")
    market(made, 14990, 15010)
    quote = given_one(made)
    assert take(made, quote.id, "C1", Side.BUY, 100)[0].endswith("reason 0 BUYING_POWER")
    assert made.state.given[quote.id].ask_left == 100
    assert any("TRADE FILLED C2" in line for line in take(made, quote.id, "C2", Side.BUY, 50))


def test_an_order_against_a_quote_is_not_replaced() -> None:
    made = desk()
    quote = given_one(made)
    take(made, quote.id, "C1", Side.BUY, 60)
    told = made.submit(
        ReplaceOrder(
            made.now, "ALICE", "C2", "C1", "AAPL", Side.BUY, OrdType.PREVIOUSLY_QUOTED, TimeInForce.DAY, 100, 15005
        )
    )
    assert "REPLACE-REJECT FILLED C2<C1" in told[0]
    assert made.state.orders[last(made, QuoteTaken).order_id].status is OrdStatus.FILLED  # type: ignore[attr-defined]


def test_a_day_forgets_what_is_over() -> None:
    made = desk()
    over, firm = given_one(made), given_one(made)
    answer(made, over.id, "6")
    made.submit(RollDay(made.now, DAY + 1))
    assert list(made.state.given) == [firm.id]
    assert [list(asked) for asked in made.state.asked.values()] == [[firm.quote_req_id]]
    assert any("TRADE FILLED C1" in line for line in take(made, firm.id, "C1", Side.BUY, 60))
    made.die_and_recover()


def test_quotes_outlive_the_process() -> None:
    made = desk()
    quote = given_one(made)
    take(made, quote.id, "C1", Side.BUY, 30)
    made.die_and_recover()
    made.die_and_recover()
    assert made.state.given[quote.id].ask_left == 70
    assert any("TRADE FILLED C2" in line for line in take(made, quote.id, "C2", Side.BUY, 70))


def test_a_maker_that_is_no_longer_configured_takes_them_back() -> None:
    made = desk()
    quote = given_one(made)
    made.makers = (Maker("MM", "MM", (), valid=SECOND),)
    made.start()
    assert made.state.given[quote.id].ended is QuoteStatus.CANCELED


def test_protection_counts_what_clients_take() -> None:
    made = desk(protection=Protection(window=SECOND, qty=100))
    quote, other = given_one(made, 100), given_one(made, 50)
    take(made, quote.id, "C1", Side.BUY, 100)
    assert [fact.code for fact in made.facts if isinstance(fact, QuotesPulled)][-1] == "PROTECTION"
    assert made.state.given[other.id].ended is QuoteStatus.CANCELED


def test_an_order_tells_the_quote_that_it_takes() -> None:
    made = desk()
    quote = given_one(made)
    take(made, quote.id, "C1", Side.BUY, 60)
    market(made, 14980, 15000)
    answer(made, quote.id, "2", "C2", "1", 40, 14995)
    taken = [fact for fact in made.facts if isinstance(fact, QuoteTaken)]
    for one, told in (
        (taken[0],
         "60 of quote {} of MM (149.95 bid, 150.05 offered) at 150.05, which was priced by a mid of 150.000, "
         "a fair price of 150 and a position of 0"),
        (taken[1],
         "40 of quote {} of MM (149.95 bid, 150.05 offered), countered at 149.95: the market maker agrees by "
         "a mid of 149.900, a fair price of 149.9 and a position of -60"),
    ):  # fmt: skip
        of = OrderFacts(one.order_id)
        story = OrderStory(of)
        sentences = [text for fact in made.facts if of.concerns(fact) for text in story.tell(fact)]
        assert sentences[1] == f"it takes {told.format(id_text(quote.id))}"


SIDES, FAR = {"1": "buy", "": "buy", "2": "sell"}, {"1": "151.00", "": "151.00", "2": "149.00"}
STEPS = st.lists(
    st.tuples(
        st.sampled_from(("ask", "ask", "take", "counter", "order", "order", "wait", "move", "pass")),
        st.integers(0, 9),
        st.sampled_from(("1", "2", "")),
        st.integers(1, 40),
    ),
    max_size=30,
)


@settings(max_examples=40, deadline=None)
@given(STEPS)
def test_the_position_stays_within_its_bounds_whatever_is_asked_and_taken(
    steps: list[tuple[str, int, str, int]],
) -> None:
    """Quotes of up to 400 with bounds of 300 either way, beside what the maker shows in the book."""
    most = 300
    made = desk(most_long=most, most_short=-most, levels=2, level_step=1)
    names = iter(range(10**6))
    for kind, which, side, tens in steps:
        client, qty = ("ALICE", "BOB")[which % 2], 10 * tens
        mine = [one for one in made.state.given.values() if one.client == client]
        quote = mine[which % len(mine)] if mine else None
        name = f"C{next(names)}"
        if kind == "ask":
            ask(made, qty, side, client)
        elif kind == "order":
            run_step(made, f"client {client} new {name} {SIDES[side]} {qty} AAPL {FAR[side]} IOC")
        elif kind == "move":
            market(made, 14980 + 2 * which, 15000 + 2 * which)
        elif kind == "wait":
            made.now += which * SECOND
            made.submit(ExpireQuotes(made.now))
            made.submit(Requote(made.now, ("MM", "AAPL")))
        elif quote is not None and kind == "take":
            take(
                made,
                quote.quote_id,
                name,
                Side(side or "1"),
                min(qty, max(10, quote.left(Side(side or "1")))),
                0,
                client,
            )
        elif quote is not None and kind == "counter":
            answer(made, quote.quote_id, "2", name, side or "2", qty, 14990 + which, client, name)
        elif quote is not None:
            answer(made, quote.quote_id, "6", client=client)
        held = made.state.accounts["MM"].positions.get("AAPL")
        if held is not None:
            to_buy, to_sell = (
                made.state.makers["MM"].desks["AAPL"].to_buy,
                made.state.makers["MM"].desks["AAPL"].to_sell,
            )
            assert held.qty + held.open_buy_qty + to_buy <= most
            assert held.qty - held.open_sell_qty - to_sell >= -most
    assert made.recovered().hash() == made.state.hash()
