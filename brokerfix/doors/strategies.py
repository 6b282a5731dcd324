"""How an order is worked over time, in JSON's words <-> TargetStrategy(847) and TargetStrategyParameters(848)."""

from datetime import UTC, datetime
from decimal import Decimal

import msgspec

from brokerfix.doors.model import Strategy
from brokerfix.fix.incoming.strategies import STRATEGIES
from brokerfix.tools.client import Message

CODES = {name: code for code, (name, _) in STRATEGIES.items() if name}
ROUTED = "1010"
"""An order that is not worked over time; its parameter RouteMode says how it is routed."""
NAMES = {
    "start": "StartTime", "end": "EndTime", "interval_seconds": "Interval", "participation_rate": "ParticipationRate",
    "urgency": "Urgency", "catch_up": "CatchUp", "style": "Style", "route_mode": "RouteMode",
}  # fmt: skip
NUMBERS = ("interval_seconds", "participation_rate", "urgency")


def fix_time(moment: datetime) -> str:
    """A time -> UTCTimestamp with milliseconds. Raises OverflowError where it is none in UTC."""
    utc = moment.astimezone(UTC)
    return f"{utc.year:04d}{utc:%m%d-%H:%M:%S}.{utc.microsecond // 1000:03d}"


def strategy_fields(strategy: Strategy | None) -> list[tuple[int, str]]:
    """The fields that ask for it. Raises OverflowError for what is no time in UTC."""
    if strategy is None:
        return []
    given = {name: value for name in NAMES if (value := getattr(strategy, name)) is not None}
    told = ";".join(f"{NAMES[name]}={_value(value)}" for name, value in given.items())
    return [(847, CODES[strategy.name] if strategy.name else ROUTED), *([(848, told)] if told else [])]


def _value(value: str | bool | datetime) -> str:
    if isinstance(value, datetime):
        return fix_time(value)
    return value if isinstance(value, str) else "NY"[value]


def strategy_of(message: Message) -> Strategy | None:
    """The strategy that a report tells of."""
    if 847 not in message:
        return None
    name, mode = STRATEGIES.get(message[847], ("", ""))
    told = dict(part.partition("=")[::2] for part in message.get(848, "").split(";"))
    given = {ours: told[theirs] for ours, theirs in NAMES.items() if theirs in told}
    if mode:
        given.setdefault("route_mode", mode)
    if name in CODES:
        given["name"] = name
    if "catch_up" in given:
        given["catch_up"] = "true" if given["catch_up"] == "Y" else "false"
    for moment in ("start", "end"):
        if moment in given:
            given[moment] = f"{datetime.strptime(given[moment], '%Y%m%d-%H:%M:%S.%f').isoformat()}Z"
    return msgspec.convert(given, Strategy, strict=False)


def exact(strategy: Strategy | None) -> Strategy | None:
    """It with its numbers and times written in one way."""
    if strategy is None:
        return None
    given = {name: getattr(strategy, name) for name in NAMES}
    numbers = {name: str(Decimal(given[name]).normalize()) for name in NUMBERS if given[name] is not None}
    times = {name: _to_ms(given[name]) for name in ("start", "end") if given[name] is not None}
    return msgspec.structs.replace(strategy, **numbers, **times)


def _to_ms(moment: datetime) -> datetime:
    utc = moment.astimezone(UTC)
    return utc.replace(microsecond=utc.microsecond // 1000 * 1000)


def is_as_asked(told: Strategy | None, asked: Strategy | None) -> bool:
    """Whether a report tells of the strategy asked for: in all that was asked, as it says the rest too."""
    if told is None or asked is None:
        return told is asked
    known, wanted = exact(told), exact(asked)
    # To the others than "is" an urgency means nothing.
    skipped = () if asked.name == "is" else ("urgency",)
    names = [name for name in NAMES if name not in skipped and getattr(wanted, name) not in (None, "0")]
    return told.name == asked.name and all(getattr(known, name) == getattr(wanted, name) for name in names)
