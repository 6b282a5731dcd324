"""Market makers in a configuration: what is read, and what is refused with file, key and reason."""

from pathlib import Path

import pytest

from brokerfix.domain import Charge, Distance, Hedge, Protection
from brokerfix.settings.load import load
from brokerfix.settings.sections import Config, ConfigError

BASE = """
[broker]
name = "BROKER"
port = 9876
data = "data"
[instruments.AAPL]
price_digits = 2
qty_digits = 0
tick = "0.05"
lot = "10"
[instruments.SPY]
price_digits = 2
qty_digits = 0
tick = "0.01"
lot = "1"
[accounts.MM]
cash = "1000000"
[accounts.ALICE]
cash = "1"
[clients.ALICE]
accounts = ["ALICE"]
[venues.XNAS]
host = "127.0.0.1"
port = 9101
sender = "BROKER"
target = "XNAS"
"""
MAKER = {"account": '"MM"'}
QUOTES = {
    "size": '"100"',
    "most_long": '"1000"',
    "most_short": '"-1000"',
    "bid_spread": '"0.05"',
    "ask_spread": '"0.05"',
}
AS = {"model": '"avellaneda-stoikov"', "gamma": "0.1", "k": "1.5", "sigma": "2.0", "horizon_seconds": "60"}


def read(tmp_path: Path, quotes: dict[str, str], maker: dict[str, str] | None = None, symbol: str = "AAPL") -> Config:
    path = tmp_path / "broker.toml"
    tables = {"makers.MM": MAKER | (maker or {}), f"makers.MM.quotes.{symbol}": quotes}
    text = BASE
    for name, keys in tables.items():
        text += f"[{name}]\n" + "".join(f"{key} = {value}\n" for key, value in keys.items())
    path.write_text(text)
    return load(path)


def test_it_is_read_in_the_instruments_scale(tmp_path: Path) -> None:
    more = {
        "min_spread": '"5bps"', "levels": "2", "level_step": '"0.10"', "refresh_ms": "20",
        "protection": '{ window_ms = 1000, qty = "300", sliding = true }',
        "hedge": '{ symbol = "SPY", band = "50", beta = "1.25", slip = "2bps" }',
    }  # fmt: skip
    maker = {"rfq_seconds": "2.5", "news": '[["2026-11-27T13:30:00Z", "2026-11-27T13:31:00Z"]]'}
    made = read(tmp_path, QUOTES | more, maker).makers["MM"]
    quoting = made.quoting[0]
    assert (quoting.qty, quoting.most_short, quoting.level_step, quoting.refresh) == (100, -1000, 10, 20_000_000)
    assert (quoting.model.bid, quoting.min_spread) == (Distance(5), Distance(bps=500))
    assert quoting.protection == Protection(1_000_000_000, qty=300, sliding=True)
    assert quoting.hedge == Hedge("SPY", 50, 12_500, slip=Distance(bps=200))
    assert (made.valid, made.news) == (2_500_000_000, ((1_795_786_200_000_000_000, 1_795_786_260_000_000_000),))


def test_it_bears_the_exchanges_fees_unless_it_is_said_otherwise(tmp_path: Path) -> None:
    options = read(tmp_path, QUOTES).maker_options["MM"][1]
    assert options.commission == Charge(exchange_fees=True)
    free = read(tmp_path, QUOTES, {"commission": "{}"}).maker_options["MM"][1]
    assert free.commission is None


def test_five_basis_points_of_a_price_round_up() -> None:
    assert Distance(bps=500).at(15_010) == 8, "7.505"
    assert Distance(2, 500).at(15_010) == 10


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"size": '"0"'}, "quotes.AAPL.size: must be above 0"),
        ({"size": '"15"'}, "quotes.AAPL.size: 15 is no multiple of the lot"),
        ({"most_short": '"10"'}, "quotes.AAPL.most_short: must not be above 0"),
        ({"most_long": '"0"', "most_short": '"0"'}, "quotes.AAPL.most_long: there must be a lot at least"),
        ({"most_long": '"many"'}, "quotes.AAPL.most_long: 'many' is not a decimal number"),
        ({"target": '"2000"'}, "quotes.AAPL.target: must be between most_short and most_long"),
        ({"bid_spread": '"0.02"'}, "quotes.AAPL.bid_spread: the spread is under a tick"),
        ({"bid_spread": '"-0.05"'}, "quotes.AAPL.bid_spread: must not be below 0"),
        ({"bid_spread": '"5 percent"'}, "quotes.AAPL.bid_spread: '5 percent' is not a decimal number"),
        ({"levels": "3"}, "quotes.AAPL.level_step: must be a tick at least"),
        ({"level_step": '"0.02"'}, "quotes.AAPL.level_step: 0.02 is no multiple of the tick"),
        ({"gamma": "nan"}, "quotes.AAPL.gamma: nan is no number"),
        ({"ceiling": '"100.00"', "floor": '"101.00"'}, "quotes.AAPL.floor: must not be above the ceiling"),
        ({"jump_ms": "1000"}, "quotes.AAPL.jump: must be above 0"),
        ({"target_share": '"1.5"'}, "quotes.AAPL.target_share: must be 0 to 1"),
        ({"max_loss": '"-5"'}, "quotes.AAPL.max_loss: must be above 0"),
        ({"venues": '["XLON"]'}, "quotes.AAPL.venues: there is no [venues.XLON]"),
        ({"model": '"magic"'}, "makers.MM.quotes.AAPL.model: Invalid enum value 'magic'"),
        ({"level": "3"}, "makers.MM.quotes.AAPL: Object contains unknown field `level`"),
        ({"hedge": '{ symbol = "X", band = "1" }'}, "quotes.AAPL.hedge.symbol: there is no [instruments.X]"),
        ({"hedge": '{ symbol = "AAPL", band = "10", beta = "2" }'}, "quotes.AAPL.hedge.beta: must not be 0, and is 1"),
        ({"protection": '{ window_ms = 1 }'}, "quotes.AAPL.protection.window_ms: there is no qty, delta or fills"),
        ({"protection": "{ fills = 3 }"}, "quotes.AAPL.protection.window_ms: must be above 0"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(tmp_path: Path, changes: dict[str, str], told: str) -> None:
    with pytest.raises(ConfigError) as refused:
        read(tmp_path, QUOTES | changes)
    assert told in str(refused.value)
    assert str(tmp_path / "broker.toml") in str(refused.value)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"k": "0"}, "quotes.AAPL.k: must be above 0 for the model avellaneda-stoikov"),
        ({"k": "-1"}, "quotes.AAPL.k: must not be below 0"),
        ({"gamma": "0"}, "quotes.AAPL.gamma: must be above 0 for the model avellaneda-stoikov"),
        ({"sigma": "inf"}, "quotes.AAPL.sigma: inf is no number"),
        ({"bid_spread": '"0.05"'}, 'quotes.AAPL.bid_spread: is of the model "fixed"'),
        ({"model": '"glft"'}, "quotes.AAPL.a: must be above 0 for the model glft"),
    ],
)
def test_a_models_parameters_must_make_sense(tmp_path: Path, changes: dict[str, str], told: str) -> None:
    plain = {key: QUOTES[key] for key in ("size", "most_long", "most_short")}
    read(tmp_path, plain | AS)
    with pytest.raises(ConfigError) as refused:
        read(tmp_path, plain | AS | changes)
    assert told in str(refused.value)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"commission": '{ bps = "-1" }'}, "makers.MM.commission.bps: must not be below 0"),
        ({"account": '"NOBODY"'}, "makers.MM.account: there is no [accounts.NOBODY]"),
        ({"news": '[["2026-11-27", "soon"]]'}, "makers.MM.news: 2026-11-27 has no time zone"),
        ({"news": '[["soon", "later"]]'}, "makers.MM.news: 'soon' is no time"),
        ({"tiers": '[{ clients = ["BOB"] }]'}, "makers.MM.tiers[0].clients: there is no [clients.BOB]"),
    ],
)
def test_a_makers_own_keys(tmp_path: Path, changes: dict[str, str], told: str) -> None:
    with pytest.raises(ConfigError) as refused:
        read(tmp_path, QUOTES, changes)
    assert told in str(refused.value)


def test_an_unknown_instrument(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"makers\.MM\.quotes\.MSFT: there is no \[instruments\.MSFT\]"):
        read(tmp_path, QUOTES, symbol="MSFT")
