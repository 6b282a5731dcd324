"""What positions are valued at."""

from tests.scenario import World, run_step


def marked(world: World, *steps: str) -> int:
    """The mark (ticks) after these steps have gone on record."""
    for step in (*steps, "record"):
        run_step(world, step)
    return world.state.marks["AAPL"]


def test_a_market_that_is_one_sided_keeps_its_mark_until_somebody_trades() -> None:
    world = World(venues="XNAS")
    run_step(world, "venue XNAS up")
    assert marked(world, "quote XNAS AAPL ask 10@151.00", "print XNAS AAPL 1@150.00") == 15000
    assert marked(world, "quote XNAS AAPL bid 10@139.00 ask 10@141.00") == 14000
    # As while the quotes are taken away and made anew, when the last trade is still the one from before they fell.
    assert marked(world, "quote XNAS AAPL ask 10@141.00") == 14000
    assert marked(world, "quote XNAS AAPL") == 14000
    assert marked(world, "print XNAS AAPL 1@138.00") == 13800
    assert marked(world, "quote XNAS AAPL bid 10@136.00 ask 10@138.00") == 13700
