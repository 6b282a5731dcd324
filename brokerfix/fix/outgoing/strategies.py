"""How an order is worked over time and routed -> the tags that ask for it, as reports on the order repeat them."""

from brokerfix.domain import Strategy, to_text
from brokerfix.fix.incoming.strategies import FLAGS, STRATEGIES, STYLES
from brokerfix.fix.text import timestamp

CODES = {asked: code for code, asked in STRATEGIES.items()}


def strategy_tags(strategy: Strategy) -> str:
    """TargetStrategy(847) and all its parameters, as TargetStrategyParameters(848). Nothing for an iceberg: MaxFloor
    tells of it."""
    if not strategy.name:
        return f"\x01847={CODES['', strategy.mode]}" if strategy.mode else ""
    given = {
        "StartTime": timestamp(strategy.start),
        "EndTime": timestamp(strategy.end),
        "Interval": _short(strategy.interval, 9),
        "ParticipationRate": _short(strategy.rate, 2) if strategy.rate else "",
        "Urgency": _short(strategy.urgency, 4) if strategy.name == "is" else "",
        "CatchUp": _word(FLAGS, strategy.catch_up),
        "Style": _word(STYLES, strategy.passive),
        "RouteMode": strategy.mode,
    }
    told = ";".join(f"{name}={value}" for name, value in given.items() if value)
    return f"\x01847={CODES[strategy.name, '']}\x01848={told}"


def _short(value: int, digits: int) -> str:
    text = to_text(value, digits)
    return text.rstrip("0").rstrip(".") if "." in text else text


def _word(words: dict[str, bool], value: bool) -> str:
    return next(word for word, means in words.items() if means is value)
