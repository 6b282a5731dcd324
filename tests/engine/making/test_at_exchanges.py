"""A maker's quotes at exchanges: what of the market is its own, and both sides of it that must not meet there."""

from brokerfix.domain import Distance, Hedge
from brokerfix.facts import ChildCancelSent, OrderCanceled, QuotesDecided
from tests.engine.making.test_maker import market, quoting, world
from tests.scenario import World, run_step


def at_exchange(**terms: object) -> World:
    made = world(quoting(place="exchanges", venues=("XNAS",), **terms))
    market(made, 14990, 15010)
    for child in ("c1", "c2"):
        run_step(made, f"venue XNAS ack {child}")
    assert standing(made) == {("1", 14997), ("2", 15003)}
    run_step(made, "quote XNAS AAPL bid 100@149.97 500@149.90 ask 100@150.03 500@150.10")
    return made


def standing(made: World) -> set[tuple[str, int]]:
    return {(str(child.side), child.price) for child in made.state.open_children["XNAS"].values()}


def mid(made: World) -> int:
    return next(fact.priced.mid for fact in reversed(made.facts) if isinstance(fact, QuotesDecided))


def test_a_quote_that_was_filled_is_not_the_market_while_it_is_shown() -> None:
    made = at_exchange()
    run_step(made, "venue XNAS fill c2 100@150.03 cum 100")
    assert mid(made) == 30000, "150.03 is still shown, and was ours"
    assert standing(made) == {("1", 14997), ("2", 15003)}
    made.die_and_recover()


def test_a_quote_that_was_moved_is_not_the_market_where_it_was_nor_where_it_goes() -> None:
    made = at_exchange()
    run_step(made, "quote XNAS AAPL bid 100@149.97 500@149.94 ask 100@150.03 500@150.14")
    assert mid(made) == 30008
    # Its market data is before the exchange's answer for one side, and behind it for the other.
    run_step(made, "venue XNAS replaced c3 c1")
    run_step(made, "quote XNAS AAPL bid 100@149.97 500@149.94 ask 100@150.07 500@150.14")
    assert mid(made) == 30008
    assert standing(made) == {("1", 15001), ("2", 15003)}
    run_step(made, "wait 1")
    assert mid(made) == 30008


def test_others_at_the_price_where_it_was_are_seen() -> None:
    made = at_exchange()
    run_step(made, "venue XNAS fill c2 100@150.03 cum 100")
    run_step(made, "quote XNAS AAPL bid 100@149.97 500@149.90 ask 200@150.03 500@150.10")
    assert mid(made) == 29993, "others have 100 beside the new quote"


def test_a_new_quote_waits_for_the_other_side_to_have_moved() -> None:
    made = at_exchange()
    run_step(made, "quote XNAS AAPL bid 100@149.97 500@147.90 ask 100@150.03 500@148.10")
    assert standing(made) == {("1", 14997), ("2", 15003)}, "both are asked to move"
    lines = run_step(made, "venue XNAS fill c2 100@150.03 cum 100")
    assert "sell 100 AAPL 149.98" in "".join(lines), "an offer at 148.03 would meet the bid at 149.97"
    run_step(made, "wait 0.3")
    assert not any(isinstance(fact, OrderCanceled) for fact in made.facts)
    assert "sell 100 AAPL 148.03" in "".join(run_step(made, "venue XNAS replaced c3 c1"))


def test_the_side_that_goes_away_is_moved_first_and_the_other_when_the_exchange_has_answered() -> None:
    made = at_exchange()
    lines = run_step(made, "quote XNAS AAPL bid 100@149.97 500@151.90 ask 100@150.03 500@152.10")
    assert lines[0] == "XNAS G c3<c2 sell 100 AAPL 152.03 DAY"
    assert "c4" not in "".join(lines), "a bid at 151.97 would meet the offer at 150.03"
    assert "XNAS G c4<c1 buy 100 AAPL 151.97 DAY" in run_step(made, "venue XNAS replaced c3 c2")


def test_a_hedge_goes_by_others_prices_and_the_quote_that_it_would_meet_waits() -> None:
    made = at_exchange(hedge=Hedge("AAPL", 50, slip=Distance(5)))
    lines = run_step(made, "venue XNAS fill c2 100@150.03 cum 100")
    assert [line for line in lines if line.startswith("XNAS ")] == [
        "XNAS D c3 sell 100 AAPL 150.03 DAY",
        "XNAS F c4<c3",
        "XNAS D c5 buy 100 AAPL 150.15 IOC",
    ], "150.10 is the best of others"
    run_step(made, "venue XNAS canceled c4 c3")
    assert not [fact for fact in made.facts if isinstance(fact, ChildCancelSent)][1:], "nobody calls the hedge back"
    run_step(made, "venue XNAS fill c5 100@150.10 cum 100")
    assert made.state.accounts["MM"].positions["AAPL"].qty == 0
    assert standing(made) == {("1", 14997), ("2", 15003)}
