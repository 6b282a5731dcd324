"""What makers have earned, worked out by hand: through a broker without sockets, and as its journal tells it."""

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

from brokerfix.cli import main
from brokerfix.commands import OperatorBust, OperatorSplit, PullQuotes, RecordQuotes, ResumeQuotes, RollDay
from brokerfix.domain import Distance, Hedge, Instrument, Quoting, id_text, to_money
from brokerfix.facts import Trade
from brokerfix.operate import plots, plots_making
from brokerfix.operate.making_earned import HORIZONS, Earned, earned, parts
from brokerfix.operate.making_quoted import each_hedge, hedges, levels, quoted
from brokerfix.operate.making_read import Made, MakersDay
from brokerfix.operate.making_traded import Deal, Traded
from brokerfix.operate.plots_making import curve
from brokerfix.record import kept
from brokerfix.record.journal import Journal
from tests.engine.making.test_maker import market, quoting, world
from tests.live import INSTRUMENT
from tests.scenario import DAY, FACTS, World, run_step

SECOND = 10**9
Row = dict[str, Any]


def day(made: World, wanted: int = 0) -> MakersDay:
    found = MakersDay(wanted)
    found.apply(made.facts)
    return found.finish()


def maker(made: World, wanted: int = 0) -> tuple[Made, Earned]:
    found = day(made, wanted)
    return found.makers["MM"], earned(found.makers["MM"], found.until)


def told(row: Row, *names: str) -> list[Any]:
    return [row[name] for name in names]


PARTS = "spread_captured", "hedging", "revaluation", "carried", "fees", "total"


def wait(made: World, seconds: float) -> None:
    made.now += round(seconds * SECOND)


def traded_world(*several: Quoting, **terms: Any) -> World:
    """AAPL's mid is 150.00, quotes 3 cents from it: 60 are sold at 150.03, and 5 seconds later, with the mid at 150.06,
    100 are bought at 150.03; the mid goes to 150.01 after 20 more."""
    made = world(*several, **terms)
    market(made, 14990, 15010)
    run_step(made, "client ALICE new C1 buy 60 AAPL 150.10")
    wait(made, 5)
    market(made, 14996, 15016)
    run_step(made, "client ALICE new C2 sell 100 AAPL 149.00")
    wait(made, 20)
    market(made, 14991, 15011)
    return made


def test_the_worked_example() -> None:
    _, found = maker(traded_world())
    (row,) = found.earned
    # Captured: 60 x 0.03 + 100 x 0.03. Revaluation: -60 x (150.01 - 150.00) + 100 x (150.01 - 150.06).
    assert told(row, *PARTS) == ["4.80", "0.00", "-5.60", "0.00", "0.00", "-0.80"]
    assert told(row, "fills", "bought", "sold", "carried_position", "position", "mid") == [
        2, "100", "60", "0", "40", "150.01",
    ]  # fmt: skip


def test_adverse_selection_and_what_is_beyond_it() -> None:
    """After 1 s nothing has moved. After 10 s the mid is 6 cents above the sale; after 60 s the day has ended."""
    _, found = maker(traded_world())
    (row,) = found.adverse
    assert told(row, "adverse_1s", "beyond_1s", "cut_1s") == ["0.00", "-5.60", "0"]
    assert told(row, "adverse_10s", "beyond_10s", "cut_10s") == ["-3.60", "-2.00", "0"]
    assert told(row, "adverse_60s", "beyond_60s", "cut_60s") == ["-5.60", "0.00", "2"]


def test_the_account_has_earned_what_its_maker_has() -> None:
    made = traded_world()
    _, found = maker(made)
    (row,) = found.accounts
    # 60 sold at 150.03, 100 bought at 150.03; 40 are left at 150.01.
    assert told(row, "cash", "positions", "account_earned") == ["-6001.20", "6000.40", "-0.80"]
    assert told(row, "maker_earned", "difference") == ["-0.80", "0.00"]
    desk = made.state.makers["MM"].desks["AAPL"]
    assert desk.earned.cash + desk.net * desk.mid == -2 * 80, "the engine says the same, twice in cents"


def test_what_others_do_with_the_account_is_a_difference() -> None:
    """Its client buys 10 MSFT, which it does not quote, at 1.00 above the mid."""
    made = traded_world()
    run_step(made, "quote XNAS MSFT bid 500@399.00 ask 500@401.00")
    run_step(made, "client MM new P1 buy 10 MSFT 401.00")
    run_step(made, "venue XNAS fill c1 10@401.00 cum 10 +55=MSFT")
    made.submit(RecordQuotes(made.now))
    _, found = maker(made)
    assert told(found.accounts[0], "maker_earned", "difference") == ["-0.80", "-10.00"]


def test_a_position_is_carried_into_the_next_day() -> None:
    made = traded_world()
    wait(made, 60)
    made.submit(RollDay(made.now, DAY + 1))
    market(made, 15000, 15020)
    run_step(made, "client ALICE new C3 buy 40 AAPL 150.20")
    assert told(maker(made, DAY)[1].earned[0], *PARTS) == ["4.80", "0.00", "-5.60", "0.00", "0.00", "-0.80"]
    _, found = maker(made)
    (row,) = found.earned
    # 40 that were 150.01 are 150.10 now; they are sold at 150.13.
    assert told(row, *PARTS) == ["1.20", "0.00", "0.00", "3.60", "0.00", "4.80"]
    assert told(row, "carried_position", "position") == ["40", "0"]
    assert told(found.accounts[0], "account_earned", "difference") == ["4.80", "0.00"]


def test_a_split_changes_nothing_of_what_was_earned() -> None:
    made = traded_world()
    made.submit(PullQuotes(made.now, "jo", "MM"))
    made.submit(OperatorSplit(made.now, "jo", "AAPL", 2, 1))
    desk = made.state.makers["MM"].desks["AAPL"]
    assert (desk.net, desk.earned.cash + desk.net * desk.mid) == (80, -2 * 80), "the engine says the same"
    _, found = maker(made)
    (row,) = found.earned
    assert told(row, *PARTS) == ["4.80", "0.00", "-5.60", "0.00", "0.00", "-0.80"]
    assert told(row, "position", "mid") == ["80", "75.005"]
    assert found.accounts[0]["difference"] == "0.00"


def test_a_bust_leaves_nothing_of_the_fill() -> None:
    made = traded_world()
    first = next(fact for fact in made.facts if isinstance(fact, Trade))
    made.submit(OperatorBust(made.now, "jo", first.id))
    made.submit(OperatorBust(made.now, "jo", first.id - 1))
    _, found = maker(made)
    (row,) = found.earned
    assert told(row, *PARTS) == ["3.00", "0.00", "-5.00", "0.00", "0.00", "-2.00"]
    assert told(row, "fills", "bought", "sold") == [1, "100", "0"]
    assert found.accounts[0]["difference"] == "0.00"
    assert sum(one["fills"] == "1" for one in levels(maker(made)[0])) == 1


@pytest.mark.parametrize(("side", "limit", "delta"), [("buy", "150.10", "-60"), ("sell", "149.90", "60")])
def test_hedges_cost_is_theirs_and_what_they_slip_is_told(side: str, limit: str, delta: str) -> None:
    """60 are sold at 150.03; the hedge buys them back at the exchange's 150.10, 10 cents above the mid. Or the other
    way round."""
    made = world(quoting(hedge=Hedge("AAPL", 50, slip=Distance(20))), post="book")
    market(made, 14990, 15010)
    run_step(made, f"client ALICE new C1 {side} 60 AAPL {limit}")
    run_step(made, f"venue XNAS fill c1 60@{limit} cum 60")
    name, found = maker(made)
    assert told(found.earned[0], *PARTS) == ["1.80", "-6.00", "0.00", "0.00", "0.00", "-4.20"]
    (row,) = hedges(name)
    assert told(row, "hedges", "refused", "wanted", "filled") == ["1", "0", "60", "60"]
    assert told(row, "slippage", "slippage_price") == ["6.00", "0.10"]
    assert Fraction(row["slippage_bps"]) == Fraction("6.6667"), "0.10 of 150.00"
    (one,) = each_hedge(name)
    assert told(one, "side", "delta", "quantity", "mid", "price", "slippage") == [
        side, delta, "60", "150.00", limit, "6.00",
    ]  # fmt: skip


def test_what_it_is_hedged_with_is_earned_in_too() -> None:
    """60 AAPL are sold, and 60 MSFT bought for them at 401.00, 1.00 above the mid. The next day they are 402.00."""
    made = world(quoting(hedge=Hedge("MSFT", 50, slip=Distance(200))), post="book")
    market(made, 14990, 15010)
    run_step(made, "quote XNAS MSFT bid 500@399.00 ask 500@401.00")
    made.submit(RecordQuotes(made.now))
    run_step(made, "client ALICE new C1 buy 60 AAPL 150.10")
    run_step(made, "venue XNAS fill c1 60@401.00 cum 60 +55=MSFT")
    made_by, found = maker(made)
    assert [told(row, "symbol", *PARTS) for row in found.earned] == [
        ["AAPL", "1.80", "0.00", "0.00", "0.00", "0.00", "1.80"],
        ["MSFT", "0.00", "-60.00", "0.00", "0.00", "0.00", "-60.00"],
        ["all", "1.80", "-60.00", "0.00", "0.00", "0.00", "-58.20"],
    ]
    assert [row["symbol"] for row in quoted(made_by)] == ["AAPL"]
    made.submit(RollDay(made.now + SECOND, DAY + 1))
    earned_today = made.state.makers["MM"].desks["MSFT"].earned
    assert earned_today.cash == -2 * 60 * 40000, "the engine begins the day with it at its mark"
    run_step(made, "quote XNAS MSFT bid 500@401.00 ask 500@403.00")
    made.submit(RecordQuotes(made.now))
    _, found = maker(made)
    assert told(found.earned[1], "carried", "total") == ["120.00", "120.00"]
    assert found.accounts[0]["difference"] == "0.00"


def test_how_long_it_quoted() -> None:
    """10 s of both sides, 3 cents from the mid; 10 s without, then 20 s of a bid alone (at its upper bound) that is
    behind the exchange's for the last 5."""
    made = world(quoting(most_long=100, most_short=-100))
    market(made, 14990, 15010)
    made.submit(RecordQuotes(made.now))
    wait(made, 10)
    made.submit(PullQuotes(made.now, "jo", "MM"))
    wait(made, 10)
    made.submit(ResumeQuotes(made.now, "jo", "MM"))
    run_step(made, "client ALICE new C1 buy 100 AAPL 150.10")
    wait(made, 15)
    market(made, 14999, 15001, venue="XNYS")
    made.submit(RecordQuotes(made.now))
    wait(made, 5)
    market(made, 14998, 15002, venue="XNYS")
    made.submit(RecordQuotes(made.now))
    found, _ = maker(made)
    (row,) = quoted(found)
    assert told(row, "both_sides_pct", "spread", "pulls") == ["25.00", "0.06", "2"]
    assert row["pulled_for"] == "NO_REFERENCE 1, STOPPED 1", "at first there was no market"
    assert round(found.traded["AAPL"].up / SECOND, 1) == 40.0
    assert told(row, "bid_at_best_pct", "ask_at_best_pct") == ["62.50", "25.00"]
    bid, offer = levels(found)
    assert told(bid, "place", "side", "level", "fills", "filled") == ["own book", "bid", "0", "0", "0"]
    assert told(offer, "side", "quantity", "from_mid", "fills", "filled") == ["offer", "100", "0.03", "1", "100"]
    # 100 of 100 in ten seconds: a tenth each second; one fill in 10 s is 360 an hour.
    assert (offer["filled_pct_a_second"], round(Fraction(offer["fills_per_hour"]))) == ("10.00", 360)


def test_time_without_a_process_does_not_count() -> None:
    made = world()
    market(made, 14990, 15010)
    wait(made, 10)
    made.submit(RecordQuotes(made.now))
    wait(made, 1000)
    made.die_and_recover()
    made.start()
    wait(made, 10)
    market(made, 14990, 15010)
    made.submit(RecordQuotes(made.now))
    assert round(maker(made)[0].traded["AAPL"].up / SECOND, 1) == 20.0


events = st.lists(
    st.one_of(
        st.tuples(st.just("mid"), st.integers(1, 10**6)),
        st.tuples(
            st.sampled_from(["quote", "rfq", "hedge"]), st.integers(-1000, 1000), st.integers(1, 10**6),
            st.integers(-(10**15), 10**15),
        ),
        st.tuples(st.just("split"), st.sampled_from([(2, 1), (3, 1), (5, 1)])),
        st.tuples(st.just("day"), st.none()),
    ),
    max_size=40,
)  # fmt: skip


@given(events, st.integers(-1000, 1000), st.integers(1, 10**6), st.integers(0, 12))
@settings(max_examples=100)
def test_the_parts_always_add_up(found: list[tuple[Any, ...]], net: int, mid: int, digits: int) -> None:
    """Whatever fills, mids, fees, splits and days there are: the parts give the total, which is what came in and went
    out and what is left, and so does each horizon's adverse selection with what is beyond it. The picture ends there
    too. What was earned by day adds up to what was earned in all."""
    instrument = Instrument("AAPL", digits, 12 - digits, 1, 1, "at-or-better", "venue")
    traded, at, days, cash, fees, qty = Traded(instrument, net, mid, 0), 0, 0, 0, 0, net
    for kind, *told_of in found:
        at += SECOND // 2
        if kind == "mid":
            traded.note_mid(at, told_of[0])
        elif kind == "split":
            new, old = told_of[0]
            traded.split(at, new, old)
            qty = qty * new // old
        elif kind == "day":
            days += _all_in(traded, at)
            traded = traded.next_day(at)
        else:
            bought, price, fee = told_of
            traded.deal(Deal(at, bought, price, traded.mid, kind, fee), None)
            cash, fees, qty = cash - 2 * bought * price, fees + fee, qty + bought
    days += _all_in(traded, at)
    splits = any(kind == "split" for kind, *_ in found)
    if not splits:
        assert (
            days == cash * instrument.money_factor - 2 * fees + (qty * traded.mid - net * mid) * instrument.money_factor
        )
    assert traded.stretches[-1].left == qty


def _all_in(traded: Traded, at: int) -> int:
    """The total, of which the parts have been found to be all."""
    one = parts(traded, at)
    assert one.captured + one.hedging + one.revaluation + one.carried + one.fees == one.total
    for number in range(len(HORIZONS)):
        beyond = one.revaluation - one.adverse[number]
        assert one.captured + one.hedging + one.adverse[number] + beyond + one.carried + one.fees == one.total
    drawn = curve(traded, [at])
    assert sum(line[-1] for line in drawn[:4]) == one.total
    assert drawn.position[-1] == traded.stretches[-1].left
    return one.total


steps = st.lists(
    st.one_of(
        st.tuples(st.just("market"), st.integers(14900, 15100), st.integers(1, 30)),
        st.tuples(st.sampled_from(["buy", "sell"]), st.integers(1, 150), st.integers(0, 20)),
        st.tuples(st.just("wait"), st.integers(0, 90)),
    ),
    max_size=25,
)


@given(steps, st.booleans())
@settings(max_examples=25, deadline=None)
def test_the_account_and_its_maker_agree(found: list[tuple[Any, ...]], hedged: bool) -> None:
    """Over clients' orders and markets as they come, with hedges that exchanges fill at their limit."""
    made = world(quoting(levels=2, level_step=1, hedge=Hedge("AAPL", 100, slip=Distance(50)) if hedged else None))
    for number, (kind, *told_of) in enumerate(found):
        if kind == "market":
            mid, half = told_of
            market(made, mid - half, mid + half)
        elif kind == "wait":
            wait(made, told_of[0])
            made.submit(RecordQuotes(made.now))
        else:
            qty, away = told_of
            price = {"buy": 15200 - away, "sell": 14800 + away}[kind]
            run_step(made, f"client ALICE new X{number} {kind} {qty} AAPL {price / 100:.2f}")
        for child in [one for one in made.state.children.values() if one.leaves]:
            name, qty = made.names[id_text(child.child_id)], child.leaves
            run_step(made, f"venue XNAS fill {name} {qty}@{child.price / 100:.2f} cum {child.qty}")
    _, told_now = maker(made)
    assert [row["difference"] for row in told_now.accounts] == ["0.00"]
    assert to_money(told_now.earned[0]["total"]) == sum(to_money(told_now.earned[0][name]) for name in PARTS[:-1])


class Case:
    """A journal in a folder with a configuration."""

    def __init__(self, folder: Path, made: World) -> None:
        self.folder, self.config = folder, folder / "broker.toml"
        journal = Journal(folder / "data" / "journal")
        journal.open(DAY)
        for record in made.records:
            journal.append(FACTS.decode(record))
        journal.close()
        self.config.write_text(f'[broker]\nname = "BROKER"\nport = 9876\ndata = "data"\n{INSTRUMENT}')

    def run(self, *words: str) -> Result:
        return CliRunner().invoke(main, ["report", "making", str(self.config), *words])

    def refused(self, *words: str) -> str:
        result = self.run(*words)
        assert (result.exit_code != 0, "Traceback" in result.output) == (True, False)
        return result.output


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path, traded_world())


def test_the_command_prints_tables(case: Case) -> None:
    result = case.run()
    assert result.exit_code == 0
    lines = result.output.splitlines()
    assert lines[1] == "Trading day 2026-11-22: MM"
    head = lines.index("earned") + 1
    row = dict(zip(lines[head].split("\t"), lines[head + 1].split("\t"), strict=True))
    assert told(row, *PARTS) == ["4.80", "0.00", "-5.60", "0.00", "0.00", "-0.80"]


def test_json_has_all_tables(case: Case) -> None:
    found = json.loads(case.run("--day", "2026-11-22", "--maker", "MM", "--json").output)
    assert found["day"] == 20261122
    assert {name: len(found[name]) for name in ("earned", "adverse_selection", "accounts", "quoting", "levels")} == {
        "earned": 1, "adverse_selection": 1, "accounts": 1, "quoting": 1, "levels": 2,
    }  # fmt: skip
    assert found["accounts"][0]["difference"] == "0.00"


def test_a_page_and_a_picture(case: Case) -> None:
    assert case.run("--html", str(case.folder / "day.html")).exit_code == 0
    page = (case.folder / "day.html").read_text()
    assert page.count("data:image/png;base64,") == 1
    assert "<td>-5.60</td>" in page
    assert case.run("--plot", str(case.folder / "day.png")).exit_code == 0
    assert (case.folder / "day.png").read_bytes().startswith(b"\x89PNG")


def test_without_matplotlib_the_page_has_its_tables(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise plots.NoPlots("plots need matplotlib: pip install 'brokerfix[plots]'")

    monkeypatch.setattr(plots_making, "drawing", missing)
    assert "the page has no pictures" in case.run("--html", str(case.folder / "day.html")).output
    assert "-5.60" in (case.folder / "day.html").read_text()
    assert "plots need matplotlib" in case.refused("--plot", str(case.folder / "day.png"))


def test_a_journal_whose_first_days_are_gone_begins_with_a_kept_state(tmp_path: Path) -> None:
    made = traded_world()
    wait(made, 60)
    case, written = Case(tmp_path, made), len(made.records)
    folder = tmp_path / "data" / "journal"
    journal = Journal(folder)
    journal.open(DAY)

    def append() -> None:
        nonlocal written
        for record in made.records[written:]:
            journal.append(FACTS.decode(record))
        written = len(made.records)

    made.submit(RollDay(made.now, DAY + 1))
    append()
    kept.write(folder, made.state, *journal.place, b"")
    market(made, 15000, 15020)
    wait(made, 30)
    run_step(made, "client ALICE new C3 buy 40 AAPL 150.20")
    append()
    journal.close()
    whole = json.loads(case.run("--json").output)
    (folder / f"{DAY}.journal").unlink()
    rest = json.loads(case.run("--json").output)
    assert told(rest["earned"][0], *PARTS) == ["1.20", "0.00", "0.00", "3.60", "0.00", "4.80"]
    assert (rest["earned"], rest["accounts"]) == (whole["earned"], whole["accounts"])
    assert rest["quoting"][0]["hours_up"] == "0.0083", "30 seconds"


def test_what_is_not_there_is_told(case: Case) -> None:
    assert "there is no market maker XX; there are MM" in case.refused("--maker", "XX")
    assert "there is nothing of 20261120; it begins later" in case.refused("--day", "2026-11-20")
    assert "there is nothing of 20261123; until then, the last is 20261122" in case.refused("--day", "2026-11-23")
    assert "one of --json, --html and --plot" in case.refused("--json", "--html", "x.html")


def test_a_broker_without_makers_says_so(tmp_path: Path) -> None:
    assert "there is no market maker; there is none" in Case(tmp_path, World()).refused()
