"""A maker as a participant: what it quotes, when it moves and when it stops, through decide and evolve."""

from brokerfix.commands import OperatorHalt, OperatorResume, PullQuotes, Requote, ResumeQuotes, SetLimits
from brokerfix.domain import Distance, Level, Limits, Maker, Model, Protection, Quoting, Side
from brokerfix.facts import Alerted, MakerFilled, QuotesDecided, QuotesPulled
from tests.scenario import World, run_step

SECOND = 10**9
FIXED = Model("fixed", Distance(3), Distance(3))


def quoting(**terms: object) -> Quoting:
    return Quoting(**{"symbol": "AAPL", "model": FIXED, "qty": 100, "most_long": 1000, "most_short": -1000} | terms)  # type: ignore[arg-type]


def world(*several: Quoting, maker: dict[str, object] | None = None, **settings: str) -> World:
    makers = (Maker("MM", "MM", several or (quoting(),), **(maker or {})),)  # type: ignore[arg-type]
    made = World(makers=makers, **{"venues": "XNAS XNYS", **settings})
    run_step(made, "venue XNAS up")
    run_step(made, "venue XNYS up")
    return made


def market(made: World, bid: int, ask: int, qty: int = 500, venue: str = "XNAS") -> None:
    run_step(made, f"quote {venue} AAPL bid {qty}@{bid / 100:.2f} ask {qty}@{ask / 100:.2f}")


def quotes(made: World, symbol: str = "AAPL") -> dict[str, tuple[int, int]]:
    """What stands of the maker's: (quantity, price) by slot."""
    working = made.state.clients["MM"].working.values()
    return {one.cl_ord_id: (one.leaves, one.price) for one in working if one.symbol == symbol}


def test_it_quotes_around_the_exchanges_mid() -> None:
    made = world()
    assert quotes(made) == {}, "there is no market yet"
    market(made, 14990, 15010)
    assert quotes(made) == {"AAPL-B0": (100, 14997), "AAPL-S0": (100, 15003)}
    market(made, 14994, 15014)
    assert quotes(made) == {"AAPL-B0": (100, 15001), "AAPL-S0": (100, 15007)}
    assert made.recovered().hash() == made.state.hash()


def test_clients_meet_it_inside_the_exchanges_best_price() -> None:
    made = world()
    market(made, 14990, 15010)
    lines = run_step(made, "client ALICE new C1 buy 60 AAPL 150.10")
    assert lines == [
        "ALICE NEW NEW C1 cum 0 leaves 60",
        "MM TRADE PARTIALLY_FILLED AAPL-S0 cum 60 leaves 40 last 60@150.03 avg 150.03",
        "ALICE TRADE FILLED C1 cum 60 leaves 0 last 60@150.03 avg 150.03",
    ]
    assert quotes(made)["AAPL-S0"] == (100, 15003), "what was taken is offered again"
    filled = next(fact for fact in made.facts if isinstance(fact, MakerFilled))
    assert (filled.side, filled.qty, filled.price, filled.mid, filled.kind) == (Side.SELL, 60, 15003, 30000, "quote")
    desk = made.state.makers["MM"].desks["AAPL"]
    assert (desk.net, desk.earned.captured) == (-60, 60 * 6)


def test_nothing_is_said_while_all_stands_as_it_should() -> None:
    made = world(quoting(tolerance=Distance(2)))
    market(made, 14990, 15010)
    before = len(made.facts)
    market(made, 14991, 15011)
    assert len(made.facts) == before
    market(made, 14994, 15014)
    assert quotes(made)["AAPL-B0"] == (100, 15001)


def test_the_position_stays_within_its_bounds() -> None:
    made = world(quoting(most_long=150, most_short=-50, levels=2, level_step=1))
    market(made, 14990, 15010)
    assert quotes(made) == {
        "AAPL-B0": (100, 14997), "AAPL-B1": (50, 14996), "AAPL-S0": (50, 15003),
    }  # fmt: skip
    run_step(made, "client ALICE new C1 sell 150 AAPL 149.90")
    assert made.state.accounts["MM"].positions["AAPL"].qty == 150
    assert quotes(made) == {"AAPL-S0": (100, 15003), "AAPL-S1": (100, 15004)}


def test_an_operator_stops_and_starts_it() -> None:
    made = world()
    market(made, 14990, 15010)
    made.submit(PullQuotes(made.now, "jo", "MM"))
    assert quotes(made) == {}
    market(made, 14994, 15014)
    assert quotes(made) == {}
    made.submit(ResumeQuotes(made.now, "jo", "MM", "AAPL"))
    assert quotes(made)["AAPL-B0"] == (100, 15001)


def test_a_halt_and_a_kill_are_its_too() -> None:
    made = world()
    market(made, 14990, 15010)
    made.submit(OperatorHalt(made.now, "jo", "client", "MM", True))
    assert quotes(made) == {}
    market(made, 14992, 15012)
    assert quotes(made) == {}
    made.submit(OperatorResume(made.now, "jo", "client", "MM"))
    made.submit(Requote(made.now, ("MM", "AAPL")))
    assert quotes(made)["AAPL-B0"] == (100, 14999)


def test_without_a_market_it_stops_unless_it_may_go_on() -> None:
    made = world()
    market(made, 14990, 15010)
    run_step(made, "venue XNAS down")
    assert quotes(made) == {}
    pulled = [fact for fact in made.facts if isinstance(fact, QuotesPulled)]
    assert [fact.code for fact in pulled][-1] == "NO_REFERENCE"


def test_clients_trade_with_it_while_exchanges_are_down() -> None:
    made = world(quoting(max_reference_age=60 * SECOND), post="book")
    market(made, 14990, 15010)
    run_step(made, "venue XNAS down")
    run_step(made, "venue XNYS down")
    assert quotes(made) == {"AAPL-B0": (100, 14997), "AAPL-S0": (100, 15003)}
    run_step(made, "client ALICE new C1 buy 60 AAPL 150.10")
    assert made.state.accounts["MM"].positions["AAPL"].qty == -60
    made.now += 61 * SECOND
    made.submit(Requote(made.now, ("MM", "AAPL")))
    assert quotes(made) == {}
    run_step(made, "venue XNAS up")
    market(made, 14980, 15000)
    assert quotes(made) == {"AAPL-B0": (100, 14987), "AAPL-S0": (100, 14993)}
    assert made.state.makers["MM"].desks["AAPL"].lost_at == 0


def test_a_crossed_market_is_not_quoted() -> None:
    made = world()
    market(made, 14990, 15010)
    market(made, 15020, 15030, venue="XNYS")
    assert quotes(made) == {}
    market(made, 14990, 15010, venue="XNYS")
    assert quotes(made) == {"AAPL-B0": (100, 14997), "AAPL-S0": (100, 15003)}


def test_a_jump_of_the_mid_pulls_all() -> None:
    made = world(quoting(jump=Distance(20), jump_window=10 * SECOND, protection=Protection(frozen=5 * SECOND)))
    market(made, 14990, 15010)
    market(made, 15010, 15030)
    assert quotes(made) != {}, "20 is not above 20"
    market(made, 15011, 15031)
    assert quotes(made) == {}, "21 within the window"
    made.now += 5 * SECOND
    made.submit(Requote(made.now, ("MM", "AAPL")))
    assert quotes(made)["AAPL-B0"] == (100, 15018)


def test_protection_acts_at_its_exact_boundary() -> None:
    """200 within a second: what is beyond of an order goes to the exchange, and all quotes are pulled."""
    protection = Protection(window=SECOND, qty=200)
    made = world(quoting(levels=3, level_step=1, protection=protection))
    market(made, 14990, 15010)
    lines = run_step(made, "client ALICE new C1 buy 199 AAPL 150.10")
    assert quotes(made) != {}
    lines = run_step(made, "client BOB new C2 buy 250 AAPL 150.10")
    assert "XNAS D c1 buy 249 AAPL 150.10 IOC" in lines
    assert quotes(made) == {}
    assert made.state.accounts["MM"].positions["AAPL"].qty == -200
    made.now += 10 * SECOND
    market(made, 14991, 15011)
    assert quotes(made) == {}, "it waits for a reset"
    made.submit(ResumeQuotes(made.now, "jo", "MM"))
    assert quotes(made) != {}


def test_limits_refuse_quotes_together() -> None:
    """Two levels of 100 at 150.00 are 15,000 each: the account may have 40,000 open, which is two and a half."""
    made = world(
        quoting(levels=2, level_step=1), limits="account MM max_gross=40000", maker_cash="10000000",
    )  # fmt: skip
    market(made, 14990, 15010)
    assert len(quotes(made)) == 2
    told = [fact.text for fact in made.facts if isinstance(fact, Alerted) and fact.code == "QUOTE_REFUSED"]
    assert len(told) == 1
    assert "GROSS_LIMIT" in told[0]
    market(made, 14991, 15011)
    told = [fact.text for fact in made.facts if isinstance(fact, Alerted) and fact.code == "QUOTE_REFUSED"]
    assert len(told) == 1, "the same refusal is told once"


def test_an_order_limit_refuses_its_quotes_like_a_clients_orders() -> None:
    made = world(quoting(qty=600), max_qty="500", max_notional="")
    market(made, 14990, 15010)
    assert quotes(made) == {}
    level = Level("account", "MM")
    made.submit(SetLimits(made.now, "jo", level, Limits("600", "")))
    made.submit(Requote(made.now, ("MM", "AAPL")))
    assert len(quotes(made)) == 2


def test_a_model_without_a_price_pulls_all_and_is_told() -> None:
    model = Model("avellaneda-stoikov", gamma=1e308, sigma=1e200, k=1e-300, horizon=60.0)
    made = world(quoting(model=model))
    market(made, 14990, 15010)
    assert quotes(made) == {}
    assert [fact.code for fact in made.facts if isinstance(fact, Alerted)][-1] == "MODEL"


def test_decisions_say_what_they_rest_on() -> None:
    made = world(quoting(model=Model("avellaneda-stoikov", gamma=0.1, sigma=0.02, k=50.0, horizon=100.0)))
    market(made, 14990, 15010)
    decided = next(fact for fact in made.facts if isinstance(fact, QuotesDecided))
    assert (decided.priced.mid, decided.priced.fair, decided.priced.position) == (30000, "150", 0)
    assert [(one.side, one.price, one.qty) for one in decided.quotes] == [
        (Side.BUY, 14997, 100), (Side.SELL, 15003, 100),
    ]  # fmt: skip


def test_quotes_that_move_take_no_memory() -> None:
    made = world()
    for tick in range(50):
        market(made, 14900 + tick, 14920 + tick)
    assert len(made.state.clients["MM"].requests) == 2
    assert len(made.state.orders) == 2


def test_where_a_simulation_has_the_market_two_levels_do_not_take_the_same_order() -> None:
    made = World(
        makers=(Maker("MM", "MM", (quoting(levels=3, level_step=1, reference="own"),)),), venues="", post="book"
    )
    run_step(made, "client BOB new C1 sell 150 AAPL 152.00")
    made.submit(Requote(made.now, ("MM", "AAPL"), 15210))
    assert made.state.accounts["BOB"].positions["AAPL"].qty == -150
    assert [qty for slot, (qty, _) in quotes(made).items() if "-B" in slot] == [100, 100, 100]


def test_the_order_flow_leans_its_quotes() -> None:
    """Bids that grow by 500 are one mean quantity: at a weight of 0.5 the mid goes up by a quarter of the spread."""
    leaning = Model("fixed", Distance(3), Distance(3), order_flow=0.5)
    made = world(quoting(model=leaning))
    market(made, 14990, 15010)
    assert quotes(made) == {"AAPL-B0": (100, 14997), "AAPL-S0": (100, 15003)}
    run_step(made, "quote XNAS AAPL bid 1000@149.90 ask 500@150.10")
    # The flow is 500, the mean quantity 500 x 0.9 + 750 x 0.1 = 525: 0.5 x 500 / 525 x 10 ticks.
    assert quotes(made) == {"AAPL-B0": (100, 15001), "AAPL-S0": (100, 15008)}
    made.die_and_recover()
    assert list(made.state.market.flows) == ["AAPL"]


def test_what_comes_and_goes_is_told_once_a_minute() -> None:
    made = world()
    for _ in range(5):
        market(made, 14990, 15010)
        market(made, 15020, 15030, venue="XNYS")
        assert quotes(made) == {}
        market(made, 14990, 15010, venue="XNYS")
        assert quotes(made) != {}
    assert sum(isinstance(fact, Alerted) and fact.code == "CROSSED" for fact in made.facts) == 1
    made.now += 60 * SECOND
    market(made, 15020, 15030, venue="XNYS")
    assert sum(isinstance(fact, Alerted) and fact.code == "CROSSED" for fact in made.facts) == 2


def test_a_reference_that_came_back_during_another_pull_is_not_long_lost() -> None:
    made = world(quoting(max_reference_age=10 * SECOND))
    market(made, 14990, 15010)
    run_step(made, "venue XNAS down")
    made.submit(PullQuotes(made.now, "jo", "MM"))
    run_step(made, "venue XNAS up")
    market(made, 14990, 15010)
    made.now += 60 * SECOND
    made.submit(ResumeQuotes(made.now, "jo", "MM"))
    assert quotes(made) != {}
    run_step(made, "venue XNAS down")
    assert quotes(made) != {}, "it has just been lost"


def test_a_finer_price_of_others_leaves_a_quote_on_its_tick() -> None:
    made = world(quoting(), tick="5")
    market(made, 14990, 14998)
    assert quotes(made) == {"AAPL-B0": (100, 14990), "AAPL-S0": (100, 15000)}
    market(made, 14997, 14998)
    assert quotes(made) == {"AAPL-B0": (100, 14990), "AAPL-S0": (100, 15005)}


def test_at_the_days_end_it_stops_and_closes_its_position() -> None:
    """Also where the end comes within a pause for news."""
    end = 1_000_000_000_000_000_000 + 3600 * SECOND
    made = world(maker={"flatten": 60 * SECOND, "news": ((end - 90 * SECOND, end),)})
    market(made, 14990, 15010)
    run_step(made, "client ALICE new C1 buy 100 AAPL 150.10")
    made.now = end - 61 * SECOND
    made.submit(Requote(made.now, ("MM", "AAPL"), day_ends=end))
    assert list(made.state.makers["MM"].desks["AAPL"].pulls) == ["NEWS"]
    made.now = end - 60 * SECOND
    made.submit(Requote(made.now, ("MM", "AAPL")))
    lines = made.submit(Requote(made.now, ("MM", "AAPL")))
    assert "XNAS D c1 buy 100 AAPL 150.10 IOC" in lines, lines
    assert list(quotes(made).values()) == [(100, 15010)], "the order that closes it, and no quotes"


def test_sizes_lean_to_the_share_that_is_wanted() -> None:
    """1,200 at 100.00 and 80,036 in cash, of which half is wanted, give or take 400: 600 x 0.50045 are bid for, and
    600 x 1.49955 offered."""
    made = world(
        quoting(qty=600, target_share=5000, skew_range=400, most_long=5000, most_short=-5000),
        maker_cash="200000", max_notional="", collar_bps="0",
    )  # fmt: skip
    market(made, 9990, 10010)
    assert quotes(made) == {"AAPL-B0": (1200, 9997)}, "there is none yet"
    run_step(made, "client ALICE new C1 sell 1200 AAPL 99.97")
    assert quotes(made) == {"AAPL-B0": (300, 9997), "AAPL-S0": (899, 10003)}


def test_no_bid_is_above_the_ceiling_and_no_offer_below_the_floor() -> None:
    made = world(quoting(ceiling=14996, floor=14990))
    market(made, 14990, 15010)
    assert list(quotes(made)) == ["AAPL-S0"], "the bid would be at 149.97"
    market(made, 14970, 14988)
    assert list(quotes(made)) == ["AAPL-B0"], "the offer would be at 149.82"
    market(made, 14980, 15006)
    assert list(quotes(made)) == ["AAPL-B0", "AAPL-S0"]
