"""Trading days and hours: local clocks over the days when they change, and exchange calendars."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokerfix.domain import Instrument, Phase
from brokerfix.settings.schedule import Hours, trading_day

NEW_YORK = "America/New_York"
HOUR = 3600


def at(text: str, zone: str = NEW_YORK, fold: int = 0) -> int:
    """'2026-03-08 09:30' on the clocks of a zone -> ns UTC."""
    local = datetime.strptime(text, "%Y-%m-%d %H:%M").replace(tzinfo=ZoneInfo(zone), fold=fold)
    return int(local.timestamp()) * 10**9


def instrument(zone: str = NEW_YORK, **more: int) -> Instrument:
    return Instrument("AAPL", 2, 0, 1, 1, "never", "book", opens=9 * HOUR + 1800, closes=16 * HOUR, zone=zone, **more)


@pytest.mark.parametrize(
    ("moment", "day"),
    [
        ("2026-03-07 16:59", 20260306),
        ("2026-03-07 17:00", 20260307),
        ("2026-03-08 16:59", 20260307),  # the day that clocks went forward has 23 hours
        ("2026-03-08 17:00", 20260308),
        ("2026-11-01 16:59", 20261031),  # the day that clocks went back has 25
        ("2026-11-01 17:00", 20261101),
    ],
)
def test_a_day_begins_at_the_same_local_time_all_year(moment: str, day: int) -> None:
    assert trading_day(at(moment), 17 * HOUR, NEW_YORK) == day


def test_a_day_that_begins_when_clocks_skip_begins_after() -> None:
    start = 2 * HOUR + 1800  # 02:30, which 8 March does not have
    assert trading_day(at("2026-03-08 01:59"), start, NEW_YORK) == 20260307
    assert trading_day(at("2026-03-08 03:00"), start, NEW_YORK) == 20260308


def test_a_day_that_begins_when_clocks_repeat_begins_the_first_time() -> None:
    start = HOUR + 1800  # 01:30, which 1 November has twice
    assert trading_day(at("2026-11-01 01:29"), start, NEW_YORK) == 20261031
    assert trading_day(at("2026-11-01 01:30"), start, NEW_YORK) == 20261101
    # Between the two it would be the day before again: the broker never goes back (Timers._look_after).
    assert trading_day(at("2026-11-01 01:30", fold=1), start, NEW_YORK) == 20261101


@given(st.integers(1_700_000_000, 1_900_000_000), st.integers(0, 86_399))
def test_a_day_is_the_date_of_utc_shifted(second: int, start: int) -> None:
    expected = datetime.fromtimestamp(second - start, ZoneInfo("UTC")).strftime("%Y%m%d")
    assert trading_day(second * 10**9, start, "UTC") == int(expected)


@pytest.mark.parametrize("day", ["2026-03-06", "2026-03-09", "2026-10-30", "2026-11-02"])
def test_hours_keep_their_local_time(day: str) -> None:
    hours = Hours(instrument(pre_open=1800, opening_auction=900, closing_auction=300))
    for time, phase in (
        ("08:44", Phase.CLOSED),
        ("08:45", Phase.PRE_OPEN),
        ("09:15", Phase.OPENING_AUCTION),
        ("09:30", Phase.CONTINUOUS),
        ("15:54", Phase.CONTINUOUS),
        ("15:55", Phase.CLOSING_AUCTION),
        ("16:00", Phase.CLOSED),
    ):
        assert hours.phase(at(f"{day} {time}")) is phase, time


def test_hours_over_midnight() -> None:
    night = Instrument("FX", 5, 0, 1, 1, "never", "book", opens=22 * HOUR, closes=4 * HOUR)
    hours = Hours(night)
    assert hours.phase(at("2026-01-05 23:00", "UTC")) is Phase.CONTINUOUS
    assert hours.phase(at("2026-01-06 03:59", "UTC")) is Phase.CONTINUOUS
    assert hours.phase(at("2026-01-06 04:00", "UTC")) is Phase.CLOSED


def test_an_exchange_calendar_knows_holidays_and_early_closes() -> None:
    hours = Hours(Instrument("AAPL", 2, 0, 1, 1, "never", "book"), "XNYS")
    assert hours.phase(at("2026-11-25 10:00")) is Phase.CONTINUOUS
    assert hours.phase(at("2026-11-26 10:00")) is Phase.CLOSED, "Thanksgiving"
    assert hours.phase(at("2026-11-27 12:59")) is Phase.CONTINUOUS
    assert hours.phase(at("2026-11-27 13:00")) is Phase.CLOSED, "the day after closes early"
    assert hours.phase(at("2026-11-28 10:00")) is Phase.CLOSED, "a Saturday"


def test_when_it_opens_and_closes_next() -> None:
    by_clock, night = (
        Hours(instrument()),
        Hours(Instrument("FX", 5, 0, 1, 1, "never", "book", opens=72000, closes=14400)),
    )
    # On 8 March clocks go forward.
    assert by_clock.next_times(at("2026-03-07 10:00")) == (at("2026-03-08 09:30"), at("2026-03-07 16:00"))
    assert by_clock.next_times(at("2026-03-07 16:00")) == (at("2026-03-08 09:30"), at("2026-03-08 16:00"))
    assert by_clock.next_times(at("2026-03-07 09:29")) == (at("2026-03-07 09:30"), at("2026-03-07 16:00"))
    opens, closes = at("2026-01-06 20:00", "UTC"), at("2026-01-06 04:00", "UTC")
    assert night.next_times(at("2026-01-05 23:00", "UTC")) == (opens, closes)
    by_calendar = Hours(Instrument("AAPL", 2, 0, 1, 1, "never", "book"), "XNYS")
    expected = at("2026-11-27 09:30"), at("2026-11-27 13:00")
    assert by_calendar.next_times(at("2026-11-25 16:00")) == expected, "over Thanksgiving"
    assert by_calendar.next_times(at("2200-01-01 00:00")) == (None, None), "the calendar ends before"
    assert Hours(Instrument("FX", 5, 0, 1, 1, "never", "book")).next_times(0) == (None, None), "always open"


def test_a_calendar_that_there_is_not() -> None:
    with pytest.raises(ValueError, match="no calendar 'XXXX'"):
        Hours(Instrument("AAPL", 2, 0, 1, 1, "never", "book"), "XXXX")
