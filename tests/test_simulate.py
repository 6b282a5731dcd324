"""Market makers on a simulated day: queues by hand, latency, books that balance, the same result again."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from brokerfix.cli import main
from brokerfix.domain import ExecType, Side
from brokerfix.record.journal import read
from brokerfix.settings.sections import ConfigError
from brokerfix.simulate.backtest import Backtest, Terms
from brokerfix.simulate.day import BEST, DEPTH, TRADED, History, Step
from brokerfix.simulate.generated import BEGINS, Generated
from brokerfix.simulate.generated import Terms as Market
from brokerfix.simulate.queue import ADDED, QUEUES, REMOVED, Exchange, Told
from brokerfix.simulate.runs import Day, Outcome, outcome, outcomes, runs_of

BUY, SELL = Side.BUY, Side.SELL
MS = 10**6
AT = ("XNAS", "X")
CONFIG = """
[broker]
name = "BROKER"
port = 9876
data = "var"
[instruments.X]
price_digits = 2
qty_digits = 0
tick = "0.01"
lot = "1"
reference = "100"
{instrument}
[accounts.AS]
cash = "10000000"
[accounts.FIXED]
cash = "10000000"
[venues.XNAS]
host = "127.0.0.1"
port = 9101
sender = "BROKER"
target = "XNAS"
maker_fee = "0.01"
taker_fee = "0.02"
[makers.AS]
account = "AS"
[makers.AS.quotes.X]
size = "1"
most_long = "20"
most_short = "-20"
place = "{place}"
model = "avellaneda-stoikov"
gamma = 0.1
horizon_seconds = 1.0
sigma = 2.0
k = 1.5
a = 140.0
[makers.FIXED]
account = "FIXED"
[makers.FIXED.quotes.X]
size = "10"
most_long = "20"
most_short = "-20"
place = "{place}"
bid_spread = "0.05"
ask_spread = "0.05"
"""
PAPER = Market(sigma=2.0, a=140.0, k=1.5, mid=100.0, qty=1.0, seconds=3.0, step=0.005)


def configured(folder: Path, place: str = "exchanges", instrument: str = "", more: str = "") -> Path:
    path = folder / "makers.toml"
    path.write_text(CONFIG.format(place=place, instrument=instrument) + more)
    return path


def book(bid: int, ask: int, qty: int = 100) -> list[tuple[Side, int, int]]:
    return [(BUY, bid, qty), (SELL, ask, qty)]


def fills(told: list[Told]) -> list[tuple[int, int, int, str]]:
    return [(one.name, one.qty, one.price, one.liquidity) for one in told if one.kind == ExecType.TRADE]


# The exchange's queue


def exchange(queueing: str = "behind") -> Exchange:
    made = Exchange(queueing)
    made.depth(book(99, 101))
    return made


def test_trades_take_what_is_ahead_and_then_ours() -> None:
    made = exchange()
    made.enter(1, BUY, 10, 99)
    assert made.orders[1].ahead == 100
    assert fills(made.trade(SELL, 99, 60)) == []
    assert fills(made.trade(SELL, 99, 44)) == [(1, 4, 99, ADDED)], "40 were ahead"
    made.depth([(BUY, 99, 500)])
    assert fills(made.trade(SELL, 99, 600)) == [(1, 6, 99, ADDED)], "what came since is behind it"
    assert fills(made.trade(SELL, 99, 600)) == []


# 100 are ahead, 60 came behind; then so much of the level is left, of which so much was traded.
@pytest.mark.parametrize(
    ("queueing", "traded", "left", "ahead"),
    [
        ("behind", 0, 120, 100),
        ("behind", 0, 80, 80),
        ("behind", 30, 120, 70),
        ("proportional", 0, 120, 75),
        ("proportional", 0, 80, 50),
        ("proportional", 30, 130, 70),
        # 30 of 160 were traded: of the 130 others 26 are canceled, 20 %, of 70 ahead 14.
        ("proportional", 30, 104, 56),
    ],
)
def test_what_others_cancel_changes_the_queue(queueing: str, traded: int, left: int, ahead: int) -> None:
    made = exchange(queueing)
    made.enter(1, BUY, 10, 99)
    made.depth([(BUY, 99, 160)])
    if traded:
        made.trade(SELL, 99, traded)
    made.depth([(BUY, 99, left)])
    assert made.orders[1].ahead == ahead


def test_trades_and_prices_beyond_an_order_fill_it_as_far_as_they_go() -> None:
    made = exchange()
    made.enter(1, BUY, 10, 99)
    assert fills(made.trade(SELL, 98, 7)) == [(1, 7, 99, ADDED)]
    assert fills(made.depth([(SELL, 99, 2)])) == [(1, 2, 99, ADDED)], "somebody offers 2 at our price"
    assert made.best(SELL) == (101, 100), "and has sold them"
    assert fills(made.top((97, 5), (98, 5))) == [(1, 1, 99, ADDED)]


def test_what_was_taken_is_gone_until_the_level_is_told_anew() -> None:
    made = exchange()
    made.depth([(SELL, 102, 50)])
    assert fills(made.enter(1, BUY, 120, 102, is_immediate=True)) == [(1, 100, 101, REMOVED), (1, 20, 102, REMOVED)]
    assert made.best(SELL) == (102, 30)
    told = made.enter(2, BUY, 40, 102, is_immediate=True)
    assert fills(told) == [(2, 30, 102, REMOVED)]
    assert (told[-1].kind, told[-1].cum) == (ExecType.CANCELED, 30)
    assert fills(made.enter(3, BUY, 5, 102, is_immediate=True)) == []
    made.depth([(SELL, 101, 40)])
    assert fills(made.enter(4, BUY, 50, 0, is_immediate=True, whole=True)) == [], "all or nothing"
    assert fills(made.enter(5, BUY, 40, 0, is_immediate=True, whole=True)) == [(5, 40, 101, REMOVED)]


def test_best_levels_hide_what_was_better_until_the_depth_is_told() -> None:
    made = exchange()
    made.depth([(BUY, 98, 30), (SELL, 102, 30)])
    made.top((98, 20), (102, 25))
    assert (made.best(BUY), made.best(SELL)) == ((98, 20), (102, 25))
    made.depth([(SELL, 103, 1)])
    assert (made.best(BUY), made.best(SELL)) == ((99, 100), (101, 100)), "nobody has said that they are gone"
    made.top((100, 5), None)
    assert (made.best(BUY), made.best(SELL)) == ((100, 5), None)


def test_less_keeps_its_place_and_all_else_goes_to_the_end() -> None:
    made = exchange()
    made.enter(1, BUY, 10, 99)
    made.trade(SELL, 99, 60)
    made.replace(2, 1, 5, 99)
    assert (made.orders[2].ahead, made.orders[2].left) == (40, 5)
    made.replace(3, 2, 6, 99)
    assert made.orders[3].ahead == 100
    assert made.replace(4, 2, 6, 98)[0].name == 4, "a request that was under way with the one before"
    assert made.orders[4].ahead == 0
    assert made.cancel(5, 3)[0].kind == ExecType.CANCELED
    refused = made.cancel(6, 4)[0]
    assert (refused.reason, refused.status) == ("0", "4"), "too late: it is canceled"


def test_an_order_that_must_not_take_is_rejected_where_it_would() -> None:
    made = exchange()
    assert made.enter(1, BUY, 10, 101, post_only=True)[0].kind == ExecType.REJECTED
    made.enter(2, BUY, 10, 100, post_only=True)
    assert made.replace(3, 2, 10, 101)[0].reason == "99"
    assert made.orders[2].price == 100


def test_what_is_shown_has_ours_in_it_and_ours_do_not_meet() -> None:
    made = exchange()
    made.take_changes()
    made.enter(1, SELL, 10, 101)
    made.enter(2, BUY, 5, 100)
    assert set(made.take_changes()) == {(SELL, 101, 110), (BUY, 100, 5)}
    assert fills(made.enter(3, BUY, 200, 101, is_immediate=True)) == [(3, 100, 101, REMOVED)]
    assert made.take_changes() == ((SELL, 101, 10),)


@given(
    st.sampled_from(QUEUES),
    st.lists(
        st.tuples(st.sampled_from(["depth", "trade", "enter", "cancel"]), st.sampled_from([BUY, SELL]),
                  st.integers(96, 104), st.integers(0, 60)),
        max_size=60,
    ),
)  # fmt: skip
def test_no_more_is_filled_than_has_traded_or_was_shown(
    queueing: str, happens: list[tuple[str, Side, int, int]]
) -> None:
    made = exchange(queueing)
    for name, (kind, side, price, qty) in enumerate(happens, 1):
        shown = {one: sum(made.shown.side(one).values()) for one in Side}
        if kind == "trade" and qty:
            told = made.trade(side, price, qty)
            assert sum(one.qty for one in told) <= qty
        elif kind == "depth":
            told = made.depth([(side, price, qty)])
            assert sum(one.qty for one in told) <= max(shown.values()) + qty
        elif kind == "enter" and qty:
            told = made.enter(name, side, qty, price)
            assert sum(one.qty for one in told) == shown[side.opposite] - sum(made.shown.side(side.opposite).values())
        elif made.orders:
            made.cancel(name, next(iter(made.orders)))
        for order in made.orders.values():
            assert 0 <= order.ahead <= made.shown.qty(order.side, order.price)
            assert order.left > 0


# The engine through a day


def steps_of(*told: tuple[int, str, Any]) -> list[Step]:
    return [Step(BEGINS + at * MS, AT, kind, what) for at, kind, what in told]


def run(path: Path, maker: str, steps: list[Step], **terms: Any) -> Backtest:
    config = runs_of(path, [maker], [], [])[0].config
    made = Backtest(config, [AT], Terms(**terms), 10.0)
    made.run(steps)
    return made


def test_a_quote_rests_at_the_exchange_and_is_filled_there(tmp_path: Path) -> None:
    steps = steps_of(
        (0, DEPTH, book(9990, 10010)), (100, TRADED, (BUY, 10005, 4)), (200, TRADED, (BUY, 10004, 9)),
        (300, TRADED, (BUY, 10009, 9)), (400, DEPTH, book(9980, 10020)),
    )  # fmt: skip
    made = run(configured(tmp_path), "FIXED", steps)
    desk = made.ledger.desks["FIXED", "X"]
    assert [(deal.qty, deal.price) for deal in desk.deals] == [(-4, 10005), (-9, 10005)]
    assert made.state.accounts["FIXED"].positions["X"].qty == -13
    assert desk.parts() == pytest.approx({"pnl": 0.52, "captured": 0.65, "revaluation": 0, "hedging": 0, "fees": -0.13})
    assert made.unbalanced() == 0


@pytest.mark.parametrize(
    ("order_latency", "market_latency", "filled"), [(0, 0, 1), (40, 0, 1), (40, 30, 0), (70, 0, 0)]
)
def test_what_takes_too_long_is_not_there_in_time(
    tmp_path: Path, order_latency: int, market_latency: int, filled: int
) -> None:
    steps = steps_of((0, DEPTH, book(9990, 10010)), (60, TRADED, (BUY, 10007, 4)), (900, TRADED, (BUY, 10001, 1)))
    terms = {"order_latency": order_latency * MS, "market_latency": market_latency * MS}
    made = run(configured(tmp_path), "FIXED", steps, **terms)
    assert len(made.ledger.desks["FIXED", "X"].deals) == filled


def test_jitter_lets_nothing_overtake(tmp_path: Path) -> None:
    path, market = configured(tmp_path), Generated(AT, _instrument(tmp_path), PAPER, 3)
    made = run(path, "AS", list(market), order_latency=MS, market_latency=MS, jitter=3 * MS, seed=5)
    assert set(made.ledger.alerts) == {"NO_REFERENCE"}, "of the first moment: nothing was unexpected"
    assert made.ledger.desks["AS", "X"].deals


def _instrument(folder: Path) -> Any:
    return runs_of(configured(folder), [], [], [])[0].config.instruments["X"]


@pytest.mark.parametrize("place", ["book", "exchanges", "both"])
def test_the_books_balance_after_a_generated_day(tmp_path: Path, place: str) -> None:
    path = configured(tmp_path, place)
    market = Generated(AT, _instrument(tmp_path), PAPER, 1)
    path = configured(tmp_path, place)
    takers = 0.0 if place == "exchanges" else 1.0 if place == "book" else 0.5
    made = run(path, "AS", list(market), takers=takers, order_latency=MS)
    desk, account = made.ledger.desks["AS", "X"], made.state.accounts["AS"]
    parts = desk.parts()
    assert parts["pnl"] == pytest.approx(sum(value for name, value in parts.items() if name != "pnl"))
    worth = account.cash / 10**12 - 10_000_000 + account.positions["X"].qty * desk.mids.last / 200
    assert worth == pytest.approx(parts["pnl"] + desk.beside / 10**12)
    assert made.unbalanced() == 0
    assert len(desk.deals) > 100
    assert desk.most_held <= 20


def test_without_latency_it_makes_the_same_in_our_book_and_at_an_exchange(tmp_path: Path) -> None:
    market = list(Generated(AT, _instrument(tmp_path), PAPER, 2))
    at_exchange = run(configured(tmp_path, "exchanges"), "AS", market)
    in_book = run(configured(tmp_path, "book"), "AS", market, takers=1.0)
    deals = [[(deal.at, deal.qty, deal.price) for deal in made.ledger.desks["AS", "X"].deals]
             for made in (at_exchange, in_book)]  # fmt: skip
    assert deals[0] == deals[1] != []


def test_a_taker_that_our_book_has_served_is_not_at_the_exchange(tmp_path: Path) -> None:
    steps = steps_of((0, DEPTH, book(9990, 10010)), (100, TRADED, (BUY, 10006, 14)), (900, TRADED, (BUY, 10001, 1)))
    made = run(configured(tmp_path, "both"), "FIXED", steps, takers=1.0)
    assert sum(-deal.qty for deal in made.ledger.desks["FIXED", "X"].deals) == 14


def test_a_hedge_takes_what_is_shown(tmp_path: Path) -> None:
    hedge = '[makers.FIXED.quotes.X.hedge]\nsymbol = "X"\nband = "3"\nslip = "1"\n'
    steps = steps_of(
        (0, DEPTH, [*book(9990, 10010, 3), (SELL, 10012, 50)]), (100, TRADED, (BUY, 10005, 9)),
        (2000, TRADED, (BUY, 10001, 1)),
    )  # fmt: skip
    made = run(configured(tmp_path, more=hedge), "FIXED", steps)
    desk = made.ledger.desks["FIXED", "X"]
    assert [(deal.kind, deal.qty, deal.price) for deal in desk.deals] == [
        ("quote", -9, 10005), ("hedge", 3, 10010), ("hedge", 6, 10012),
    ]  # fmt: skip
    assert desk.parts()["hedging"] == pytest.approx(-(3 * 0.10 + 6 * 0.12))
    assert desk.parts()["fees"] == pytest.approx(-(9 * 0.01 + 9 * 0.02))


def test_adverse_selection_is_what_the_mid_does_after_a_fill(tmp_path: Path) -> None:
    steps = steps_of(
        (0, DEPTH, book(9990, 10010)), (100, TRADED, (BUY, 10005, 10)),
        (600, DEPTH, [(BUY, 9990, 0), (SELL, 10010, 0), *book(9992, 10012)]),
        (5000, DEPTH, [(BUY, 9992, 0), (SELL, 10012, 0), *book(9991, 10011)]),
    )  # fmt: skip
    desk = run(configured(tmp_path), "FIXED", steps).ledger.desks["FIXED", "X"]
    assert [desk.adverse(seconds) for seconds in (1, 10)] == pytest.approx([-10 * 0.02, -10 * 0.01])
    assert desk.drawdown == round((10 * 0.02) * 10**12)


# The same again


def test_the_same_seed_and_day_give_the_same_state(tmp_path: Path) -> None:
    path = configured(tmp_path, "both")
    market = Generated(AT, _instrument(tmp_path), PAPER, 7)
    path = configured(tmp_path, "both")
    (one,) = runs_of(path, ["AS"], [], [])
    day = Day(market, (AT,), 3.0)
    found = [
        outcome(one, day, Terms(seed=seed, order_latency=MS, jitter=2 * MS, takers=0.5)).state_hash
        for seed in (1, 1, 2)
    ]
    assert found[0] == found[1] != found[2]


def test_runs_in_processes_give_what_they_give_one_by_one(tmp_path: Path) -> None:
    path = configured(tmp_path)
    day = Day(list(Generated(AT, _instrument(tmp_path), PAPER, 7)), (AT,), 3.0)
    runs = runs_of(path, ["AS"], [], [("gamma", ("0.1", "1"))])

    def told(processes: int) -> list[tuple[Any, ...]]:
        return [(one.rows, one.state_hash, one.tracks) for one in outcomes(runs, day, Terms(), processes)]

    assert told(2) == told(1)
    assert [rows[0]["gamma"] for rows, _, _ in told(1)] == ["0.1", "1"]


def test_what_is_run(tmp_path: Path) -> None:
    path = configured(tmp_path)

    def names(*asked: Any) -> list[tuple[list[str], dict[str, str]]]:
        return [(list(one.config.makers), one.tried) for one in runs_of(path, *asked)]

    assert names([], [], []) == [(["AS", "FIXED"], {})]
    assert names(["FIXED", "AS"], [], []) == [(["FIXED"], {}), (["AS"], {})]
    assert names([], ["fixed"], []) == [(["FIXED"], {})]
    swept = runs_of(
        path, ["AS"], [], [("gamma", ("0.2", "0.3")), ("protection.window_ms", ("5",)), ("protection.qty", ("7",))]
    )
    (quoting,) = swept[1].config.makers["AS"].quoting
    assert (quoting.model.gamma, quoting.protection.window, quoting.protection.qty) == (0.3, 5 * MS, 7)
    for key, value, why in (("gama", "1", "no such key"), ("gamma", "x", "no value"), ("hedge.x.y", "1", "no table"),
                            ("size", "0", "must be above 0")):  # fmt: skip
        with pytest.raises(ConfigError, match=why):
            runs_of(path, ["AS"], [], [(key, (value,))])
    with pytest.raises(ConfigError, match="none with the model glft"):
        runs_of(path, [], ["glft"], [])


def test_a_history_is_told_as_what_it_names() -> None:
    pytest.importorskip("pyarrow")
    from brokerfix.domain import DayTotals
    from brokerfix.projections.columns import LEVELS, Row, table_of
    from brokerfix.projections.columns import Terms as Digits

    rows = [
        Row(1, 10, ((99, 5, "XNAS"), (98, 2, "")), ((101, 5, "XNAS"),), None, 0, DayTotals()),
        Row(2, 20, ((98, 7, "XNAS"),), ((101, 5, "XNAS"),), (99, 3), 0, DayTotals.of(99, 99, 99, 5, 495)),
    ]
    history = History(lambda: [table_of(rows, Digits("X", 2, 0))], "X", ["XNAS"], LEVELS)
    assert list(history) == [
        Step(10, AT, DEPTH, ((BUY, 99, 5), (SELL, 101, 5))),
        Step(20, AT, TRADED, (SELL, 99, 5)),
        Step(20, AT, DEPTH, ((BUY, 99, 0), (BUY, 98, 7))),
    ]


# The command


def recording(folder: Path) -> Path:
    """A generated recording of a venue V: depth, tops and trades."""
    chance, lines, mid = random.Random(1), ["ts_ns,venue,kind,side,price,qty,bid,bid_qty,ask,ask_qty"], 10_000
    for number in range(400):
        at = BEGINS + number * 50 * MS
        bid, ask = f"{(mid - 10) / 100:.2f}", f"{(mid + 10) / 100:.2f}"
        if number % 10 == 0:
            lines += [f"{at},V,S,B,{bid},50,,,,", f"{at},V,S,S,{ask},50,,,,"]
        lines.append(f"{at},V,Q,,,,{bid},40,{ask},40")
        if chance.random() < 0.5:
            side = chance.choice("BS")
            reach = chance.randint(1, 12)
            price = (mid + reach if side == "B" else mid - reach) / 100
            lines.append(f"{at},V,T,{side},{price:.2f},{chance.randint(1, 9)},,,,")
        mid += chance.choice((-2, -1, 0, 1, 2))
    path = folder / "day.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def simulated(*arguments: object) -> str:
    result = CliRunner().invoke(main, ["simulate", *map(str, arguments)])
    assert result.exit_code == 0, result.output
    return result.stdout


def ran(*arguments: object) -> Any:
    return json.loads(simulated(*arguments, "--json"))


def test_the_command_runs_makers_side_by_side(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    path, data, plot = configured(tmp_path), recording(tmp_path), tmp_path / "day.png"
    told = ran(path, "--data", data, "--models", "fixed,avellaneda-stoikov", "--plot", plot, "--processes", "1")
    assert [one["desks"][0]["maker"] for one in told["runs"]] == ["FIXED", "AS"]
    fixed = told["runs"][0]["desks"][0]
    assert fixed["fills"] > 20
    assert fixed["pnl"] == pytest.approx(sum(fixed[part] for part in ("captured", "revaluation", "hedging", "fees")))
    assert all(one["unbalanced"] == 0 and one["steps_per_second"] > 0 for one in told["runs"])
    assert any("XNAS is V" in line for line in told["assumptions"])
    assert any("do not move the market" in line for line in told["assumptions"])
    assert plot.read_bytes()[:4] == b"\x89PNG"
    again = ran(path, "--data", data, "--maker", "FIXED")
    assert again["runs"][0]["state_hash"] == told["runs"][0]["state_hash"]


def test_the_command_sweeps_and_generates(tmp_path: Path) -> None:
    path = configured(tmp_path, "book")
    told = simulated(path, "--maker", "AS", "--model", "step=0.02", "--duration", 1, "--sweep", "gamma=0.1,1")
    lines = [line.split("\t") for line in told.splitlines() if "\t" in line]
    assert [line[0] for line in lines] == ["gamma", "0.1", "1"]
    assert {"pnl", "captured", "position_std", "drawdown"} <= set(lines[0])


def test_the_command_writes_a_journal(tmp_path: Path) -> None:
    path, folder = configured(tmp_path), tmp_path / "journal"
    told = ran(path, "--data", recording(tmp_path), "--maker", "FIXED", "--journal", folder, "--duration", 2)
    facts = sum(len(record.facts) for record in read(folder))
    assert facts == told["runs"][0]["facts"] > 0


def test_the_command_runs_on_the_history_of_a_broker(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    from brokerfix.projections.history import History as Projection

    path, data = configured(tmp_path), tmp_path / "data"
    path.write_text(path.read_text().replace('data = "var"', 'data = "var"\nrecord_interval_ms = 10'))
    data.mkdir()
    ran(path, "--data", recording(tmp_path), "--maker", "FIXED", "--journal", data / "journal")
    projection = Projection(data)
    projection.follow()
    projection.close(60)
    told = ran(path, "--history", data, "--maker", "FIXED", "--duration", 15)
    assert told["runs"][0]["desks"][0]["fills"] > 0
    assert told["runs"][0]["unbalanced"] == 0
    assert any("best levels of all exchanges together" in line for line in told["assumptions"])
    late = ran(path, "--history", data, "--maker", "FIXED", "--day", "2026-01-01", "--duration", 1)
    assert 0 < late["runs"][0]["steps"] < told["runs"][0]["steps"]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ([], "give one of --data, --history and --model"),
        (["--model", "sigm=1"], "--model"),
        (["--model", "sigma=0"], "sigma must be above 0"),
        (["--data", "DAY", "--venue", "XNAS=W"], "there is no venue W; there are V"),
        (["--data", "DAY", "--venue", "XNYS=V"], "there is no [venues.XNYS]"),
        (["--data", "DAY", "--sweep", "gamma"], "is not like gamma=0.1,0.5,1"),
        (["--data", "DAY", "--maker", "X"], "there is no such maker"),
    ],
)
def test_what_can_not_be_run_is_told(tmp_path: Path, arguments: list[str], why: str) -> None:
    path, data = configured(tmp_path), recording(tmp_path)
    result = CliRunner().invoke(
        main, ["simulate", str(path), *(str(data) if one == "DAY" else one for one in arguments)]
    )
    assert result.exit_code != 0
    assert why in result.output, result.output


def test_an_outcome_tells_how_it_stood_over_time(tmp_path: Path) -> None:
    path = configured(tmp_path)
    (one,) = runs_of(path, ["FIXED"], [], [])
    steps = steps_of(
        (0, DEPTH, book(9990, 10010)), (100, TRADED, (BUY, 10005, 4)), (900, BEST, ((9992, 1), (10012, 1)))
    )
    found: Outcome = outcome(one, Day(steps, (AT,), 1.0), Terms())
    (track,) = found.tracks
    last = track.samples[-1]
    assert (last.mid, last.bid, last.ask, last.position) == (20004, 9997, 10007, -4)
    assert found.rows[0]["position_mean"] == pytest.approx(-4 * 0.8 / 0.9)
