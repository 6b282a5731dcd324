"""What the console remembers of a day: gains, stories of accounts that are called, changes of limits."""

from typing import Any

from brokerfix.commands import AnswerProposal, OperatorBust, SetLimits
from brokerfix.console.accounts import account_row, limits_of, position_rows, select
from brokerfix.console.watch import Watch
from brokerfix.domain import Level, Limits, Standing, id_text, to_money
from brokerfix.engine.evolve import evolve
from brokerfix.engine.state import State
from brokerfix.facts import LimitsProposed
from tests.engine.test_margin import bought, called, mark
from tests.scenario import World, run_step


class Feed:
    """Tells a world's facts as the console's feed does."""

    def __init__(self, world: World) -> None:
        self.feed = self
        self.listeners: list[Any] = []
        watch = Watch(self)  # type: ignore[arg-type]
        self.state, self.watch = State(), watch
        for fact in world.facts:
            evolve(self.state, fact)
            for listener in self.listeners:
                listener(self.state, fact, None)

    def on(self, listener: Any) -> None:
        self.listeners.append(listener)


def gains(feed: Feed, account: str = "ALICE") -> int:
    found = [
        feed.watch.gain(feed.state, account, symbol, one)
        for symbol, one in feed.state.accounts[account].positions.items()
    ]
    return sum(one for one in found if one is not None)


def test_what_positions_gain_is_what_the_account_does() -> None:
    world = bought("reg-t", "10000", 400, "40.00")
    mark(world, "42.50")
    run_step(world, "client ALICE new A2 sell 150 AAPL 42.00")
    run_step(world, "venue XNAS fill c2 150@42.49 cum 150")
    mark(world, "41.00")
    feed = Feed(world)
    account = feed.state.accounts["ALICE"]
    assert gains(feed) == account.value - account.paid_in == to_money("623.50")
    row = account_row(feed.state, account, feed.watch.gain)
    assert (row["gain"]["text"], row["gain"]["kind"], row["gross"]) == ("+623.50", "good", "10,250.00")
    (position,) = position_rows(feed.state, account, feed.watch.gain)
    assert (position["qty"], position["mark"], position["value"]) == ("250", "41.00", "10,250.00")


def test_a_fill_that_is_taken_back_gains_nothing() -> None:
    world = bought("reg-t", "10000", 400, "40.00")
    (fill,) = world.state.fills.values()
    mark(world, "42.00")
    world.submit(OperatorBust(world.now, "olga", fill.exec_id, ""))
    feed = Feed(world)
    assert (gains(feed), feed.state.accounts["ALICE"].positions["AAPL"].qty) == (0, 0)


def test_a_call_is_told_with_what_follows_of_it() -> None:
    world = called()
    told = [text for _, _, text in Feed(world).watch.stories["ALICE"]]
    assert any("is in a margin call" in text for text in told), told
    run_step(world, "venue XNAS canceled c2")
    run_step(world, "wait 6")
    told = [text for _, _, text in Feed(world).watch.stories["ALICE"]]
    assert any("canceled" in text for text in told), told
    assert any("is liquidated" in text for text in told), told


def test_accounts_that_stand_worst_come_first() -> None:
    state = called().state
    assert state.accounts["ALICE"].standing is Standing.CALL
    assert select(state, "", "all", 1) == (["ALICE"], len(state.accounts))
    assert select(state, "", "trouble", 10) == (["ALICE"], 1)
    assert select(state, "bo", "all", 10)[0] == ["BOB"]
    assert select(state, "", "held", 10) == (["ALICE"], 1)


def test_changes_of_limits_are_told_with_both_names() -> None:
    world = World(venues="", limits="account ALICE max_gross=1000")
    level, wanted = Level("account", "ALICE"), Limits(max_gross="5000")
    world.submit(SetLimits(world.now, "rita", level, wanted, "<b>more</b>", 0, "1.5"))
    (proposed,) = [fact for fact in world.facts if isinstance(fact, LimitsProposed)]
    world.submit(AnswerProposal(world.now, "rita", proposed.id, True, ""))
    world.submit(AnswerProposal(world.now, "rob", proposed.id, True, ""))
    told = [(one.who, one.text) for one in Feed(world).watch.limits]
    assert told[0] == ("rita", "account ALICE: wants max_gross 5000 (<b>more</b>)")
    assert told[1][0] == "rita"
    assert told[1][1] == f"refused: {id_text(proposed.id)} was proposed by rita: another operator has to approve it"
    assert told[2][0] == "rita"
    assert "max_gross 5000, approved by rob (<b>more</b>)" in told[2][1]


def test_a_limit_tells_how_much_of_it_is_used() -> None:
    world = World(venues="", post="book", limits="account ALICE max_gross=30000", max_qty="", max_notional="")
    run_step(world, "client ALICE new A1 buy 100 AAPL 150.00")
    found = [one for bound in world.state.bounds.values() for one in limits_of(world.state, bound, world.now)]
    assert (50.0, "max_gross", to_money("30000"), to_money("15000")) in found
