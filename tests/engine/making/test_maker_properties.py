"""Whatever comes in whatever order: a maker's quotes stay within its bounds, never meet, are gone while they are
pulled, and its earnings add up to what its account has."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule

from brokerfix.commands import PullQuotes, Requote, ResumeQuotes, SetCalibration
from brokerfix.domain import Calibration, Distance, Hedge, Maker, Model, Protection, Quoting, Side
from brokerfix.engine.making.desk import Desk
from brokerfix.engine.orders.ending import is_cancelable
from brokerfix.engine.orders.order import Order
from brokerfix.facts import MakerFilled
from tests.engine.test_invariants import ROUTING, BrokerMachine
from tests.scenario import World

SECOND = 10**9
MODELS = [
    Model("fixed", Distance(2), Distance(2)),
    Model("avellaneda-stoikov", gamma=0.05, sigma=0.05, k=40.0, horizon=60.0, microprice=0.5),
    Model("glft", gamma=0.05, sigma=0.02, a=1.0, k=40.0, imbalance=0.5),
]
TERMS: list[dict[str, object]] = [
    {},
    {"levels": 3, "level_step": 1, "tolerance": Distance(2), "min_life": SECOND, "skew_range": 50},
    {"levels": 2, "level_step": 2, "ping_pong": True, "max_age": 5 * SECOND, "filled_delay": SECOND},
    {"protection": Protection(SECOND, qty=30, delta=20, fills=3, frozen=2 * SECOND), "max_reference_age": 5 * SECOND},
    {
        "jump": Distance(6), "jump_window": SECOND, "max_loss": "20",
        "hedge": Hedge("AAPL", 15, most=20, slip=Distance(3)),
    },
]  # fmt: skip


class MakerMachine(BrokerMachine):
    """What `BrokerMachine` does, with exchanges that lie and all, and a market maker in the middle of it."""

    @initialize(
        post=st.sampled_from(["book", "venue"]),
        cross=st.sampled_from(["at-or-better", "always"]),
        supports=st.sampled_from(["", "post-only"]),
        limits=st.sampled_from(["", "account MM max_gross=40000;client MM max_net=30000"]),
        routing=st.sampled_from(ROUTING),
        place=st.sampled_from(["book", "exchanges", "both"]),
        model=st.sampled_from(MODELS),
        terms=st.sampled_from(TERMS),
    )
    def begin(  # type: ignore[override]
        self, post: str, cross: str, supports: str, limits: str, routing: dict[str, str], place: str, model: Model,
        terms: dict[str, object],
    ) -> None:  # fmt: skip
        quoting = Quoting("AAPL", model, 10, 60, -60, place, **terms)  # type: ignore[arg-type]
        self.world = World(
            makers=(Maker("MM", "MM", (quoting,)),), post=post, cross=cross, cash="100000000", supports=supports,
            limits=limits, self_match="none", **routing,
        )  # fmt: skip
        self.start()

    @rule()
    def look(self) -> None:
        self.world.now += 300_000_000
        self.world.submit(Requote(self.world.now, ("MM", "AAPL")))
        if self.desk.pulls:
            # Also what an exchange has not let go of before, but for a moment after it has refused to.
            now = self.world.now
            left = [one for one in self.quotes() if is_cancelable(one) and self.desk.may_ask(one.cl_ord_id, now)]
            assert left == []

    @rule(symbol=st.sampled_from(["", "AAPL"]), pulls=st.booleans())
    def operator_stops_or_starts(self, symbol: str, pulls: bool) -> None:
        command = PullQuotes if pulls else ResumeQuotes
        self.world.submit(command(self.world.now, "jo", "MM", symbol))

    @rule(sigma=st.floats(0, 1), a=st.floats(0.01, 10), k=st.floats(0.01, 1000))
    def calibrate(self, sigma: float, a: float, k: float) -> None:
        self.world.submit(SetCalibration(self.world.now, "jo", "AAPL", Calibration(sigma, a, k)))

    @property
    def desk(self) -> Desk:
        return self.world.state.makers["MM"].desks["AAPL"]

    def quotes(self) -> list[Order]:
        return [one for one in self.world.state.clients["MM"].working.values() if one.tags is None]

    @invariant()
    def its_sides_do_not_meet_in_our_book(self) -> None:
        if hasattr(self, "world"):
            bids = [one.price for one in self.quotes() if one.side is Side.BUY and one.in_book]
            asks = [one.price for one in self.quotes() if one.side is Side.SELL and one.in_book]
            assert not bids or not asks or max(bids) < min(asks)

    @invariant()
    def nothing_is_quoted_while_it_is_pulled(self) -> None:
        if hasattr(self, "world") and self.desk.pulls:
            assert [one for one in self.quotes() if one.in_book] == []

    @invariant()
    def what_it_has_made_is_what_its_account_has(self) -> None:
        if not hasattr(self, "world"):
            return
        state, desk = self.world.state, self.desk
        account = state.accounts["MM"]
        position = account.positions.get("AAPL")
        assert desk.new == []
        assert desk.net == (position.qty if position is not None else 0)
        deals = [fact for fact in self.world.facts if isinstance(fact, MakerFilled)]
        spent = sum(fact.qty * fact.price * (1 if fact.side is Side.BUY else -1) for fact in deals)
        assert account.cash - account.paid_in == -spent * state.factors["AAPL"]


class HonestMachine(MakerMachine):
    """With exchanges that fill what they have and no more, the position stays within its bounds."""

    @rule(index=st.integers(0, 99), part=st.integers(1, 3))
    def fill_some(self, index: int, part: int) -> None:
        super().fill_some(index, part)


for name in ("fill", "status", "resolve", "restate", "bust_or_correct", "operator_changes_a_fill", "end"):
    setattr(HonestMachine, name, None)


@invariant()
def _position_is_within_bounds(self: HonestMachine) -> None:
    if hasattr(self, "world"):
        assert -60 <= self.desk.net <= 60
        bids = [one.price for one in self.quotes() if one.side is Side.BUY]
        asks = [one.price for one in self.quotes() if one.side is Side.SELL]
        assert not bids or not asks or max(bids) < min(asks), "also where exchanges have them"


HonestMachine.position_is_within_bounds = _position_is_within_bounds  # type: ignore[attr-defined]

TestMaker = MakerMachine.TestCase
TestMaker.settings = settings(max_examples=30, stateful_step_count=50, deadline=None, print_blob=True)
TestHonest = HonestMachine.TestCase
TestHonest.settings = settings(max_examples=30, stateful_step_count=50, deadline=None, print_blob=True)
