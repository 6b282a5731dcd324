"""What a review has found: each of these is a way in which market making could go wrong."""

import msgspec

from brokerfix.commands import PullQuotes, Requote, ResumeQuotes, SetCalibration
from brokerfix.domain import AskedQuote, Calibration, Distance, Hedge, Maker, Model, Protection, Quoting, id_text
from brokerfix.engine.making.offers import Offer, best_offer
from brokerfix.facts import Alerted, HedgeDecided, QuotesDecided, QuotesPulled
from tests.engine.making.test_maker import SECOND, market, quotes, quoting, world
from tests.scenario import World, run_step

WIDE = Model("fixed", Distance(100), Distance(100))


def msft(**terms: object) -> Quoting:
    return quoting(symbol="MSFT", **terms)


def show_msft(made: World, bid: int = 39990, ask: int = 40010) -> None:
    run_step(made, f"quote XNAS MSFT bid 500@{bid / 100:.2f} ask 500@{ask / 100:.2f}")


def look(made: World, symbol: str = "AAPL") -> None:
    made.submit(Requote(made.now, ("MM", symbol)))


def position(made: World, symbol: str = "AAPL", account: str = "MM") -> int:
    held = made.state.accounts[account].positions.get(symbol)
    return held.qty if held is not None else 0


def pulled(made: World) -> list[str]:
    """Why, but for the time before there was a market."""
    return [fact.code for fact in made.facts if isinstance(fact, QuotesPulled) and fact.code != "NO_REFERENCE"]


# 1 protection


def test_a_groups_protection_acts_also_where_an_instruments_does() -> None:
    """Both limits are reached by one fill: the other instrument's quotes are pulled as well."""
    limits = Protection(window=SECOND, qty=100)
    made = world(quoting(protection=limits), msft(), maker={"protection": limits})
    market(made, 14990, 15010)
    show_msft(made)
    run_step(made, "client ALICE new C1 buy 100 AAPL 150.03")
    assert quotes(made) == {}
    assert quotes(made, "MSFT") == {}


def test_fills_behind_a_pull_count_for_the_group() -> None:
    """An exchange fills a quote whose cancel is under way: with it the group's limit is reached."""
    made = world(
        quoting(place="exchanges", venues=("XNAS",), protection=Protection(window=SECOND, qty=100)), msft(),
        maker={"protection": Protection(window=60 * SECOND, qty=150)},
    )  # fmt: skip
    market(made, 14990, 15010)
    show_msft(made)
    for child in ("c1", "c2"):
        run_step(made, f"venue XNAS ack {child}")
    run_step(made, "venue XNAS fill c1 100@149.97 cum 100")
    assert pulled(made) == ["PROTECTION"]
    run_step(made, "venue XNAS fill c2 100@150.03 cum 100")
    assert quotes(made, "MSFT") == {}


def test_stops_that_a_trade_sets_off_do_not_pass_the_protection() -> None:
    """Two stops are reached at once; the first takes all that the limit leaves."""
    made = world(quoting(levels=3, level_step=1, protection=Protection(window=SECOND, qty=100)), post="book")
    market(made, 14990, 15010)
    run_step(made, "client ALICE new C1 buy 100 AAPL stop-limit:150.03/150.20")
    run_step(made, "client BOB new C2 buy 100 AAPL stop-limit:150.03/150.20")
    run_step(made, "print XNAS AAPL 100@150.03")
    assert position(made) == -100
    decided = [fact for fact in made.facts if isinstance(fact, QuotesDecided)]
    assert len(decided) == 1, "nothing is quoted between the fill and the pull"


def test_an_operator_that_resumes_one_instrument_leaves_the_groups_count() -> None:
    made = world(quoting(), msft(), maker={"protection": Protection(window=60 * SECOND, qty=200)})
    market(made, 14990, 15010)
    show_msft(made)
    run_step(made, "client ALICE new C1 buy 100 AAPL 150.03")
    made.submit(PullQuotes(made.now, "jo", "MM", "MSFT"))
    made.submit(ResumeQuotes(made.now, "jo", "MM", "MSFT"))
    run_step(made, "client ALICE new C2 buy 100 AAPL 150.03")
    assert quotes(made) == {}


def test_a_group_that_comes_back_by_itself_leaves_what_waits_for_a_reset() -> None:
    group = Protection(window=60 * SECOND, qty=200, frozen=SECOND)
    made = world(quoting(protection=Protection(window=SECOND, qty=100)), msft(), maker={"protection": group})
    market(made, 14990, 15010)
    show_msft(made)
    run_step(made, "client ALICE new C1 buy 100 AAPL 150.03")
    run_step(made, "client ALICE new C2 buy 100 MSFT 400.03")
    assert pulled(made) == ["PROTECTION", "PROTECTION"]
    made.now += 2 * SECOND
    look(made)
    look(made, "MSFT")
    assert quotes(made, "MSFT") != {}
    assert quotes(made) == {}


def test_a_corrected_price_is_no_fill() -> None:
    made = world(quoting(protection=Protection(window=60 * SECOND, qty=200)))
    market(made, 14990, 15010)
    run_step(made, "client ALICE new C1 buy 100 AAPL 150.03")
    run_step(made, "operator jo correct e4 100@150.04")
    assert position(made) == -100
    assert pulled(made) == []


# 2 bounds and configuration


def restarted(made: World, *makers: Maker) -> World:
    made.makers = makers
    made.state = made.recovered()
    made.start()
    run_step(made, "venue XNAS up")
    return made


def test_an_instrument_that_is_no_longer_quoted_is_quoted_no_more() -> None:
    made = world(quoting(), msft())
    market(made, 14990, 15010)
    show_msft(made)
    restarted(made, Maker("MM", "MM", (quoting(),)))
    assert quotes(made, "MSFT") == {}


def test_a_makers_new_account_has_its_quotes() -> None:
    terms = quoting(max_reference_age=60 * SECOND)
    made = world(terms)
    market(made, 14990, 15010)
    run_step(made, "client ALICE new C1 buy 50 AAPL 150.03")
    restarted(made, Maker("MM", "MM2", (terms,)))
    market(made, 14991, 15011)
    working = made.state.clients["MM"].working.values()
    assert {one.account for one in working} == {"MM2"}
    desk = made.state.makers["MM"].desks["AAPL"]
    assert desk.net == position(made, account="MM2") == 0


def test_a_hedge_stays_within_bounds_that_nothing_was_held_in_before() -> None:
    hedge = Hedge("MSFT", 50)
    made = world(quoting(hedge=hedge), msft(most_short=-20, most_long=20, qty=10))
    made.submit(PullQuotes(made.now, "jo", "MM", "MSFT"))
    market(made, 14990, 15010)
    show_msft(made)
    run_step(made, "client ALICE new C1 sell 100 AAPL 149.97")
    look(made)
    sent = [fact.qty for fact in made.facts if isinstance(fact, HedgeDecided)]
    assert sent == [20]


# 3 pulls


def test_a_pull_does_not_wait_for_the_next_refresh() -> None:
    made = world(quoting(refresh=60 * SECOND, jump=Distance(20), jump_window=10 * SECOND))
    market(made, 14990, 15010)
    look(made)
    assert quotes(made) != {}
    market(made, 14790, 14810)
    look(made)
    assert quotes(made) == {}


def test_a_quote_that_meets_the_market_does_not_wait_for_the_next_refresh() -> None:
    made = world(quoting(refresh=60 * SECOND))
    market(made, 14990, 15010)
    look(made)
    market(made, 14890, 14910)
    look(made)
    assert quotes(made)["AAPL-B0"][1] < 14910


def test_a_slow_drift_is_no_jump() -> None:
    """A tick a minute, within the tolerance: nothing is decided, but nothing jumps either."""
    made = world(quoting(model=WIDE, tolerance=Distance(50), jump=Distance(20), jump_window=10 * SECOND))
    for tick in range(30):
        market(made, 14990 + tick, 15010 + tick)
        made.now += 60 * SECOND
    assert pulled(made) == []


def test_a_jump_within_the_tolerance_is_seen() -> None:
    made = world(quoting(model=WIDE, tolerance=Distance(50), jump=Distance(20), jump_window=10 * SECOND))
    market(made, 14990, 15010)
    market(made, 15009, 15029)
    market(made, 14972, 14992)
    assert pulled(made) == ["JUMP"]


def test_a_loss_that_is_reset_is_forgiven() -> None:
    made = world(quoting(max_loss="50"))
    market(made, 14990, 15010)
    run_step(made, "client ALICE new C1 sell 100 AAPL 149.97")
    market(made, 14890, 14910)
    assert pulled(made) == ["LOSS"]
    made.submit(ResumeQuotes(made.now, "jo", "MM", "AAPL"))
    assert pulled(made) == ["LOSS"]
    assert quotes(made) != {}


def test_yesterdays_loss_is_not_todays() -> None:
    made = world(quoting(max_loss="50"))
    market(made, 14990, 15010)
    run_step(made, "client ALICE new C1 sell 100 AAPL 149.97")
    market(made, 14890, 14910)
    run_step(made, "record")
    run_step(made, "day 20261123")
    desk = made.state.makers["MM"].desks["AAPL"]
    assert desk.earned.cash == -100 * 29800


def test_a_model_that_overflows_when_it_is_scaled_pulls_all() -> None:
    model = Model("avellaneda-stoikov", gamma=0.01, sigma=1e154, k=1.5, horizon=60.0)
    made = world(quoting(model=model))
    market(made, 14990, 15010)
    assert pulled(made) == ["MODEL"]


def test_a_calibration_that_is_no_number_pulls_all() -> None:
    made = world(quoting(model=Model("avellaneda-stoikov", gamma=0.1, sigma=0.02, k=50.0, horizon=100.0)))
    market(made, 14990, 15010)
    for sigma in (float("nan"), float("inf"), -1.0, 1e154):
        made.submit(SetCalibration(made.now, "jo", "AAPL", Calibration(sigma, 1.0, 50.0)))
        assert quotes(made) == {}


# 4 exchanges


def at_exchange(maker: dict[str, object] | None = None, **terms: object) -> World:
    made = world(quoting(place="exchanges", venues=("XNAS",), **terms), maker=maker)
    market(made, 14990, 15010)
    for child in ("c1", "c2"):
        run_step(made, f"venue XNAS ack {child}")
    return made


def test_a_quote_that_is_too_old_is_placed_anew_once() -> None:
    made = at_exchange(max_age=5 * SECOND)
    made.now += 6 * SECOND
    look(made)
    lines = run_step(made, "venue XNAS replaced c3 c1")
    assert [line for line in lines if line.startswith("XNAS")] == []


def test_an_exchange_that_refuses_a_cancel_is_not_asked_at_once_again() -> None:
    made = at_exchange()
    made.submit(PullQuotes(made.now, "jo", "MM"))
    lines = run_step(made, "venue XNAS cancel-reject c3 c1 99")
    assert [line for line in lines if line.startswith("XNAS")] == []
    made.now += SECOND
    assert "XNAS F" in "".join(made.submit(Requote(made.now, ("MM", "AAPL"))))


def test_an_exchange_that_refuses_a_replace_is_not_asked_at_once_again() -> None:
    made = at_exchange()
    market(made, 14994, 15014, venue="XNYS")
    run_step(made, "quote XNAS AAPL bid 100@149.97 500@149.94 ask 100@150.03 500@150.14")
    name = next(name for name in ("c3", "c4") if name in made.names.values())
    lines = run_step(made, f"venue XNAS cancel-reject {name} c2 99")
    assert [line for line in lines if line.startswith("XNAS G")] == []


def test_a_clients_quote_does_not_go_by_what_was_shown_long_ago() -> None:
    """Others offer at 150.03, where an offer of ours was filled a minute ago."""
    made = at_exchange(maker={"valid": 5 * SECOND})
    run_step(made, "venue XNAS fill c2 100@150.03 cum 100")
    run_step(made, "quote XNAS AAPL bid 500@150.90 ask 500@151.10")
    run_step(made, "venue XNAS replaced c4 c3")
    made.now += 60 * SECOND
    run_step(made, "quote XNAS AAPL bid 500@149.83 ask 100@150.03 500@150.17")
    offer = best_offer(made.state, made.state.clients["ALICE"], AskedQuote("AAPL"), made.now)
    assert isinstance(offer, Offer)
    assert offer.priced.mid == 14983 + 15003


# 5 hedges


def test_a_hedge_does_not_aim_at_the_makers_own_quotes() -> None:
    """The best bid is its own: the hedge goes for the next one."""
    made = at_exchange(hedge=Hedge("AAPL", 50))
    run_step(made, "quote XNAS AAPL bid 100@149.97 500@149.90 ask 100@150.03 500@150.10")
    run_step(made, "venue XNAS fill c1 100@149.97 cum 100")
    made.now += SECOND
    look(made)
    hedges = [one.price for one in made.state.orders.values() if one.tags is not None]
    assert hedges == [14990]


# 6 pure market making


def test_what_was_bought_in_parts_is_offered_before_more_is_bought() -> None:
    made = world(quoting(ping_pong=True))
    market(made, 14990, 15010)
    for number in range(5):
        run_step(made, f"client ALICE new C{number} sell 60 AAPL 149.97")
    assert position(made) <= 100


def test_a_tick_of_five_and_an_exchange_with_finer_prices() -> None:
    made = world(quoting(model=Model("fixed", Distance(1), Distance(1))), tick="5")
    market(made, 14997, 15003)
    assert quotes(made) == {"AAPL-B0": (100, 14995), "AAPL-S0": (100, 15005)}


def test_quantities_with_digits_and_lots() -> None:
    made = world(
        quoting(qty=150, most_long=370, most_short=-370, levels=3, level_step=1, level_qty=-60),
        lot="10",
        qty_digits="2",
    )
    market(made, 14990, 15010, qty=50000)
    assert quotes(made) == {
        "AAPL-B0": (150, 14997), "AAPL-B1": (90, 14996), "AAPL-B2": (30, 14995),
        "AAPL-S0": (150, 15003), "AAPL-S1": (90, 15004), "AAPL-S2": (30, 15005),
    }  # fmt: skip


def test_what_an_exchange_has_not_let_go_of_is_looked_after_when_the_maker_is_back() -> None:
    made = at_exchange()
    terms = made.makers
    restarted(made)
    run_step(made, "venue XNAS cancel-reject c3 c1 99")
    run_step(made, "venue XNAS cancel-reject c4 c2 99")
    made.now += 5 * SECOND
    restarted(made, *terms)
    market(made, 14990, 15010)
    assert len(quotes(made)) == 2
    assert len(made.state.clients["MM"].working) == 2
    made.die_and_recover()


def test_a_quote_that_must_not_trade_with_what_it_meets_does_not_come_again_and_again() -> None:
    made = World(makers=(Maker("MM", "MM", (quoting(reference="own"),)),), post="book")
    made.submit(PullQuotes(made.now, "jo", "MM"))
    for name in ("ALICE", "MM"):
        client = made.state.clients[name]
        client.options = msgspec.structs.replace(client.options, self_match="cancel-newest", self_match_scope="group")
    made.state.groups["DESK"] = ("ALICE", "MM")
    run_step(made, "client ALICE new C1 buy 100 AAPL 150.50")
    before = len(made.facts)
    made.submit(ResumeQuotes(made.now, "jo", "MM"))
    assert len(made.facts) - before < 10


def test_makers_of_one_account_do_not_trade_with_each_other() -> None:
    made = world(quoting(hedge=Hedge("AAPL", 50, slip=Distance(20))))
    made.makers = (*made.makers, Maker("M2", "MM", (quoting(model=Model("fixed", Distance(1), Distance(1))),)))
    restarted(made, *made.makers)
    market(made, 14990, 15010)
    run_step(made, "client ALICE new C1 sell 100 AAPL 149.99 IOC")
    lines = made.submit(Requote(made.now, ("MM", "AAPL")))
    assert "XNAS D c1 sell 100 AAPL 149.90 IOC" in lines, "the hedge passes the other maker's bid at 149.99"


def test_hedges_that_nobody_fills_come_ever_less_often_and_are_told() -> None:
    made = world(quoting(hedge=Hedge("AAPL", 50)))
    market(made, 14990, 15010)
    run_step(made, "client ALICE new C1 sell 100 AAPL 149.97 IOC")
    for _ in range(80):
        made.now += SECOND // 4
        look(made)
        market(made, 14990, 15010)
        for child in list(made.state.open_children["XNAS"].values()):
            run_step(made, f"venue XNAS canceled {made.names[id_text(child.child_id)]}")
    assert 5 <= len([fact for fact in made.facts if isinstance(fact, HedgeDecided)]) <= 12
    assert [fact.code for fact in made.facts if isinstance(fact, Alerted)].count("HEDGE_UNFILLED") == 1
