"""TargetStrategy(847) and its parameters -> how an order is worked over time and routed.

Parameters come as StrategyParameterName(958) and StrategyParameterValue(960) in the group NoStrategyParameters(957), or
as NAME=VALUE;NAME=VALUE in TargetStrategyParameters(848); the rate also as ParticipationRate(849), in percent.
"""

from collections.abc import Callable, Iterable
from functools import partial

from brokerfix.domain import ROUTE_MODES, Strategy, to_scaled
from brokerfix.fix.text import LATEST, Fields, at_of

STRATEGIES = {
    "1": ("vwap", ""),
    "2": ("pov", ""),
    "3": ("is", ""),
    "1001": ("twap", ""),
    "1002": ("iceberg", ""),
    "1010": ("", "best"),
    "1011": ("", "pro-rata"),
    "1012": ("", "sequential"),
    "1013": ("", "spray"),
    "1014": ("", "dark-first"),
    "1015": ("", "split"),
}
"""TargetStrategy(847) -> algorithm and routing mode. 1 to 3 are the standard's VWAP, participate and minimize market
impact."""
SECOND = 10**9
DAY = 86_400 * SECOND
PARTS = 20
"""An order is worked in so many slices, where it names no interval."""
FLAGS = {"Y": True, "N": False}
STYLES = {"take": False, "post": True}


def parameters_text(every: Iterable[list[str]]) -> str:
    """The group NoStrategyParameters(957) of a message's [tag, value] pairs in the form of
    TargetStrategyParameters(848)."""
    names, found = "", []
    for tag, value in every:
        if tag == "958":
            names = value
        elif tag == "960":
            # A value is one value, whatever is in it.
            found.append(f"{names}={value.replace(';', ',')}")
    return ";".join(found)


def strategy(message: Fields, at: int) -> tuple[Strategy, str]:
    """(what a message asks for, an iceberg's DisplayQty as text). `at` is when it came (ns). Raises ValueError, or
    Inexact, that say what is wrong."""
    code = message.get("847") or ""
    if not code:
        raise ValueError("there are parameters, and no TargetStrategy(847)")
    if code not in STRATEGIES:
        raise ValueError(f"TargetStrategy {code} is none of {', '.join(STRATEGIES)}")
    name, mode = STRATEGIES[code]
    given = dict(_given(message.get("848") or ""))
    if message.get("849"):
        given.setdefault("ParticipationRate", message["849"] or "")
    display = given.pop("DisplayQty", "")
    if name == "iceberg":
        name = ""
        if not display.strip("0."):
            raise ValueError("an iceberg needs the parameter DisplayQty")
    mode = given.pop("RouteMode", mode)
    if mode and mode not in ROUTE_MODES:
        raise ValueError(f"RouteMode {mode} is none of {', '.join(ROUTE_MODES)}")
    if not name:
        _none_left(given)
        return Strategy(mode=mode), display
    start = _read("StartTime", given.pop("StartTime"), at_of) if "StartTime" in given else at
    if "EndTime" not in given and name != "pov":
        raise ValueError("the parameter EndTime is missing")
    end = _read("EndTime", given.pop("EndTime"), at_of) if "EndTime" in given else min(start + DAY, LATEST - 1)
    if end <= max(start, at):
        raise ValueError("EndTime is not after StartTime and now")
    rate = _rate(given.pop("ParticipationRate", "0"))
    if name == "pov" and not rate:
        raise ValueError("the parameter ParticipationRate is missing")
    interval = _read("Interval", given.pop("Interval", "0"), partial(to_scaled, digits=9)) or max(
        SECOND, (end - start) // PARTS if name != "pov" else SECOND
    )
    result = Strategy(
        name,
        start,
        end,
        min(interval, end - start),
        rate,
        _read("Urgency", given.pop("Urgency", "2"), partial(to_scaled, digits=4)),
        _one_of(FLAGS, "CatchUp", given.pop("CatchUp", "Y")),
        _one_of(STYLES, "Style", given.pop("Style", "take")),
        mode,
    )
    if interval < SECOND // 10:
        raise ValueError("Interval is less than 0.1 seconds")
    if result.urgency < 0 or result.urgency > MOST_URGENT:
        raise ValueError(f"Urgency is not between 0 and {MOST_URGENT // 10_000}")
    _none_left(given)
    return result, ""


MOST_URGENT = 1_000_000


def _given(text: str) -> Iterable[tuple[str, str]]:
    for part in filter(None, text.split(";")):
        name, equals, value = part.partition("=")
        if not equals:
            raise ValueError(f"{part!r} is not NAME=VALUE")
        yield name.strip(), value.strip()


def _none_left(given: dict[str, str]) -> None:
    if given:
        raise ValueError(f"there is no parameter {min(given)}")


def _read(name: str, value: str, reader: Callable[[str], int]) -> int:
    try:
        return reader(value)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error


def _rate(text: str) -> int:
    rate = _read("ParticipationRate", text, partial(to_scaled, digits=2))
    if not 0 <= rate <= 10_000:
        raise ValueError("ParticipationRate is not between 0 and 100 percent")
    return rate


def _one_of(known: dict[str, bool], name: str, value: str) -> bool:
    if value not in known:
        raise ValueError(f"{name} {value} is none of {', '.join(known)}")
    return known[value]
