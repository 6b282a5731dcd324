"""Terms that operators set of makers: from now on, over restarts, until the configuration says something else."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokerfix.commands import ChangeQuoting
from brokerfix.domain import Distance, Hedge, Instrument, Maker, Model, Protection, Quoting
from brokerfix.facts import MakerDefined, OperatorActed, OperatorRefused
from brokerfix.settings.base import ConfigError
from brokerfix.settings.quoting import changed, table_of
from tests.engine.making.test_maker import market, quotes, quoting, world
from tests.scenario import World

AAPL = Instrument("AAPL", 2, 0, 1, 1, "at-or-better", "venue")
MSFT = Instrument("MSFT", 3, 0, 5, 10, "at-or-better", "venue")
INSTRUMENTS = {"AAPL": AAPL, "MSFT": MSFT}
HEDGED = quoting(hedge=Hedge("MSFT", 100))


def set_terms(made: World, new: Quoting, maker: str = "MM") -> None:
    made.submit(ChangeQuoting(made.now, "jo", maker, new, "so and so"))


def restart(made: World, *configured: Quoting) -> None:
    made.makers = (Maker("MM", "MM", configured),)
    made.die_and_recover()
    made.start()


def test_quotes_follow_at_once_and_it_is_on_record_who_did_it() -> None:
    made = world()
    market(made, 14990, 15010)
    set_terms(made, quoting(model=Model("fixed", Distance(5), Distance(7)), qty=300))
    assert quotes(made) == {"AAPL-B0": (300, 14995), "AAPL-S0": (300, 15007)}
    acted = next(fact for fact in made.facts if isinstance(fact, OperatorActed))
    assert (acted.operator, acted.action, acted.text) == ("jo", "making", "MM AAPL: so and so")
    assert [fact.operator for fact in made.facts if isinstance(fact, MakerDefined)] == ["", "jo"]
    assert made.recovered().hash() == made.state.hash()


def test_they_stay_over_restarts_until_the_configuration_is_another_one() -> None:
    made = world(quoting(), quoting(symbol="MSFT"))
    set_terms(made, quoting(qty=300))
    before = len(made.facts)
    restart(made, quoting(), quoting(symbol="MSFT"))
    assert made.state.makers["MM"].desks["AAPL"].quoting.qty == 300
    assert not [fact for fact in made.facts[before:] if isinstance(fact, MakerDefined)]
    restart(made, quoting(), quoting(symbol="MSFT", qty=50))
    desks = made.state.makers["MM"].desks
    assert (desks["AAPL"].quoting.qty, desks["MSFT"].quoting.qty) == (300, 50), "of AAPL it says what it did"
    restart(made, quoting(qty=200), quoting(symbol="MSFT", qty=50))
    assert made.state.makers["MM"].desks["AAPL"].quoting.qty == 200


@pytest.mark.parametrize(
    ("maker", "new", "told"),
    [
        ("NOBODY", quoting(), "there is no market maker NOBODY that quotes AAPL"),
        ("MM", quoting(symbol="MSFT"), "there is no market maker MM that quotes MSFT"),
        ("MM", quoting(), "hedge.symbol: another instrument to hedge with is for the configuration"),
    ],
)
def test_what_can_not_be_set_is_refused(maker: str, new: Quoting, told: str) -> None:
    """MSFT is what AAPL is hedged with; nobody quotes it."""
    made = world(HEDGED)
    set_terms(made, new, maker)
    assert [fact.text for fact in made.facts if isinstance(fact, OperatorRefused)] == [told]
    assert made.state.makers["MM"].desks["AAPL"].quoting == HEDGED


def set_of(new: dict[str, str], terms: Quoting = HEDGED) -> Quoting:
    return changed(terms, new, {"XNAS": None}, INSTRUMENTS)


def test_names_and_values_are_the_configurations() -> None:
    glft = {"model": "glft", "bid_spread": "0", "ask_spread": "0", "gamma": "0.1", "sigma": "0.02", "a": "1", "k": "50"}
    assert set_of(glft).model == Model("glft", gamma=0.1, sigma=0.02, a=1.0, k=50.0)
    assert set_of({"ask_spread": "2.5bps"}).model == Model("fixed", Distance(3), Distance(bps=250))
    new = set_of({"levels": "3", "level_step": "0.02", "place": "both", "venues": "XNAS", "ping_pong": "true"})
    assert (new.levels, new.level_step, new.place, new.venues, new.ping_pong) == (3, 2, "both", ("XNAS",), True)
    assert set_of({"hedge.band": "250", "hedge.beta": "-0.5"}).hedge == Hedge("MSFT", 250, -5000)
    assert set_of({"protection.window_ms": "500", "protection.fills": "3"}).protection == Protection(
        500_000_000, fills=3
    )


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("gama", "1", "gama: there is no such term; there are size, most_long,"),
        ("hedge.bend", "1", "hedge.bend: there is no such term; there are symbol, band,"),
        ("size", "0", "size: must be above 0"),
        ("size", "ten", "size: 'ten' is not a decimal number"),
        ("level_step", "0.001", "level_step: 0.001 has more than 2 decimals"),
        ("most_short", "10", "most_short: must not be above 0: it is a position"),
        ("gamma", "much", "gamma: Expected `float`, got `str`"),
        ("levels", "1000", "levels: Expected `int` <= 100"),
        ("model", "glft", "gamma: must be above 0 for the model glft"),
        ("venues", "XNYS", "venues: there is no [venues.XNYS]"),
        ("protection.qty", "100", "protection.window_ms: must be above 0 where there is a qty, delta or fills"),
        ("hedge.symbol", "TSLA", "hedge.symbol: there is no [instruments.TSLA]"),
    ],
)
def test_what_is_wrong_is_told_by_its_name(key: str, value: str, told: str) -> None:
    with pytest.raises(ConfigError) as error:
        set_of({key: value})
    assert str(error.value).startswith(told)


ticks, ms = st.integers(0, 10**6), st.integers(0, 86_400_000).map(lambda value: value * 10**6)
floats = st.floats(0.001, 1e6)
distances = st.one_of(st.builds(Distance, ticks), st.builds(lambda bps: Distance(bps=bps), st.integers(1, 10**6)))
models = st.one_of(
    st.builds(lambda bid, ask: Model("fixed", Distance(bid + 1), ask), ticks, distances),
    st.builds(
        lambda *told: Model("glft", Distance(), Distance(), *told),
        floats, floats, st.booleans(), floats, floats, floats,
    ),
)  # fmt: skip


@given(
    terms=st.fixed_dictionaries(
        {
            "model": models, "qty": st.integers(1, 10**6), "most_long": st.integers(500, 10**6),
            "most_short": st.integers(-(10**6), -500), "place": st.sampled_from(["book", "exchanges", "both"]),
            "levels": st.integers(1, 100), "level_step": st.integers(1, 1000), "level_qty": st.integers(-1000, 1000),
            "min_spread": distances.filter(lambda one: one != Distance()), "tolerance": distances, "max_age": ms,
            "refresh": ms, "target": st.integers(-500, 500), "target_share": st.integers(0, 10_000),
            "jump": distances, "filled_delay": ms, "ping_pong": st.booleans(), "max_reference_age": ms,
            "max_loss": st.sampled_from(["", "1000", "0.5"]), "reference": st.sampled_from(["market", "own"]),
            "protection": st.builds(
                lambda window, qty, frozen: Protection(window + 10**6, qty, 2 * qty, 0, False, frozen),
                ms.filter(lambda one: one < 10**12), st.integers(1, 10**6), ms,
            ),
            "hedge": st.none() | st.builds(
                lambda band, beta, slip: Hedge("MSFT", band * 10, beta, 0, slip),
                ticks, st.integers(1, 20_000), distances,
            ),
        }
    )
)  # fmt: skip
def test_terms_are_what_is_read_of_their_text(terms: dict[str, Any]) -> None:
    quoted = Quoting("AAPL", **terms)
    assert set_of({}, quoted) == quoted
    assert msgspec.json.encode(table_of(quoted, INSTRUMENTS)), "it is text, numbers and tables"
