"""What a report says of how an order is worked is what asks for it again."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokerfix.domain import ALGORITHMS, ROUTE_MODES, Strategy
from brokerfix.doors.strategies import strategy_fields, strategy_of
from brokerfix.fix.incoming.strategies import strategy
from brokerfix.fix.outgoing.strategies import strategy_tags

MILLISECOND = 10**6
SECOND = 10**9
NOW = int(datetime(2026, 1, 5, 15, tzinfo=UTC).timestamp()) * SECOND
MODES = st.sampled_from(("", *ROUTE_MODES))
ALGORITHMIC = st.builds(
    lambda name, start, seconds, rate, urgency, catch_up, passive, mode: Strategy(
        name, NOW + start * MILLISECOND, NOW + (start + seconds * 1000) * MILLISECOND, SECOND // 4, rate,
        urgency if name == "is" else 20_000, catch_up, passive, mode,
    ),
    st.sampled_from(ALGORITHMS), st.integers(-10_000, 10**7), st.integers(11, 10**5), st.integers(1, 10_000),
    st.integers(0, 1_000_000), st.booleans(), st.booleans(), MODES,
)  # fmt: skip


def fields_of(tags: str) -> dict[int, str]:
    return {int(tag): value for tag, _, value in (field.partition("=") for field in tags.split("\x01") if field)}


def asked(told: dict[int, str]) -> Strategy:
    return strategy({str(tag): value for tag, value in told.items()}, NOW)[0]


@given(ALGORITHMIC)
def test_a_report_repeats_what_was_asked_for(worked: Strategy) -> None:
    told = fields_of(strategy_tags(worked))
    assert asked(told) == worked
    # So it does when the HTTP door has been between.
    assert asked(dict(strategy_fields(strategy_of(told)))) == worked


@pytest.mark.parametrize("mode", ROUTE_MODES)
def test_a_routing_mode_is_repeated(mode: str) -> None:
    told = fields_of(strategy_tags(Strategy(mode=mode)))
    assert asked(told) == Strategy(mode=mode)
    assert asked(dict(strategy_fields(strategy_of(told)))) == Strategy(mode=mode)


def test_an_iceberg_is_told_by_its_max_floor_alone() -> None:
    assert strategy_tags(Strategy()) == ""
