"""When a trading day begins and which phase an instrument is in: wall clocks in their time zones, so that hours keep
their local time when daylight saving begins and ends, and exchange calendars."""

from bisect import bisect_right
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from brokerfix.domain import Instrument, Phase

SECOND = 10**9
SECONDS_PER_DAY = 86_400


def trading_day(at: int, start: int, zone: str) -> int:
    """The trading day, YYYYMMDD, at a time (ns UTC). It begins when clocks in `zone` show `start` (seconds after
    midnight) and is named by the date it begins on. Where clocks skip that time it begins when they have."""
    local = datetime.fromtimestamp(at // SECOND, ZoneInfo(zone))
    day = local.date()
    if local.hour * 3600 + local.minute * 60 + local.second < start:
        day -= timedelta(1)
    return int(day.strftime("%Y%m%d"))


def day_ends(at: int, start: int, zone: str) -> int:
    """When the trading day of a time (ns UTC) ends (ns UTC)."""
    day = trading_day(at, start, zone)
    following = date(day // 10_000, day // 100 % 100, day % 100) + timedelta(1)
    return int(_at(following, start, zone)) * SECOND


class Hours:
    """An instrument's trading hours: those of its configuration, or those of the sessions of an exchange calendar.

    `calendar` is a name that the exchange-calendars package knows ("XNYS"). Raises ValueError for one it does not."""

    def __init__(self, instrument: Instrument, calendar: str = "") -> None:
        self.instrument = instrument
        self.calendar: Any = None
        if calendar:
            # It brings pandas with it, which is slow to import and of no use to those who name no calendar.
            import exchange_calendars

            try:
                self.calendar = exchange_calendars.get_calendar(calendar)
            except exchange_calendars.errors.InvalidCalendarName as error:
                raise ValueError(f"the exchange-calendars package has no calendar {calendar!r}") from error

    @property
    def always_open(self) -> bool:
        return self.calendar is None and self.instrument.opens == self.instrument.closes

    def phase(self, at: int) -> Phase:
        """The phase at a time (ns UTC)."""
        if self.always_open:
            return Phase.CONTINUOUS
        now = at / SECOND
        for opens, closes in self._sessions(at):
            one = self.instrument
            auction = opens - one.opening_auction
            for begins, ends, phase in (
                (auction - one.pre_open, auction, Phase.PRE_OPEN),
                (auction, opens, Phase.OPENING_AUCTION),
                (opens, closes - one.closing_auction, Phase.CONTINUOUS),
                (closes - one.closing_auction, closes, Phase.CLOSING_AUCTION),
            ):
                if begins <= now < ends:
                    return phase
        return Phase.CLOSED

    def next_times(self, at: int) -> tuple[int | None, int | None]:
        """When it opens and when it closes next (ns UTC) after a time (ns UTC). None where it never does, or where the
        calendar ends before."""
        if self.always_open:
            return None, None
        if self.calendar is not None:
            return _after(self.calendar.opens_nanos, at), _after(self.calendar.closes_nanos, at)
        today = datetime.fromtimestamp(at // SECOND, ZoneInfo(self.instrument.zone)).date()
        sessions = [self._by_clock(today + timedelta(days)) for days in (-1, 0, 1, 2)]
        opens, closes = (min(one for one in times if one * SECOND > at) for times in zip(*sessions, strict=True))
        return int(opens) * SECOND, int(closes) * SECOND

    def _sessions(self, at: int) -> list[tuple[float, float]]:
        """(open, close) in seconds UTC of the sessions near a time."""
        if self.calendar is not None:
            return self._by_calendar(datetime.fromtimestamp(at // SECOND, UTC).date())
        today = datetime.fromtimestamp(at // SECOND, ZoneInfo(self.instrument.zone)).date()
        return [self._by_clock(today + timedelta(days)) for days in (-1, 0, 1)]

    def _by_clock(self, day: date) -> tuple[float, float]:
        opens, closes = self.instrument.opens, self.instrument.closes
        ends = day if opens < closes else day + timedelta(1)
        return _at(day, opens, self.instrument.zone), _at(ends, closes, self.instrument.zone)

    @lru_cache(maxsize=4)  # noqa: B019 - there are as many of these as instruments, and all live as long as the process
    def _by_calendar(self, today: date) -> list[tuple[float, float]]:
        sessions = self.calendar.sessions_in_range(str(today - timedelta(1)), str(today + timedelta(1)))
        return [
            (self.calendar.session_open(session).timestamp(), self.calendar.session_close(session).timestamp())
            for session in sessions
        ]


def _after(times: Sequence[int], at: int) -> int | None:
    """The first of ascending times after a time; None if there is none."""
    position = bisect_right(times, at)
    return int(times[position]) if position < len(times) else None


def _at(day: date, seconds: int, zone: str) -> float:
    clock = time(seconds // 3600, seconds // 60 % 60, seconds % 60)
    return datetime.combine(day, clock, ZoneInfo(zone)).timestamp()
