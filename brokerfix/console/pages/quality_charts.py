"""Distributions as ECharts options, plain JSON."""

from collections.abc import Sequence
from typing import Any

Row = dict[str, Any]
WAITS = (
    ("under_100us", "< 0.1 ms"), ("under_1ms", "< 1 ms"), ("under_10ms", "< 10 ms"), ("under_1s", "< 1 s"),
    ("under_10s", "< 10 s"), ("under_30s", "< 30 s"), ("under_5m", "< 5 min"), ("from_5m", "5 min +"),
)  # fmt: skip
GREY, BLUE = "#8795a1", "#3b8fc4"
"""Readable on dark and light ground alike."""


def bars(names: Sequence[str], values: Sequence[float], unit: str) -> Row:
    """A histogram of shares."""
    axis = {"axisLine": {"lineStyle": {"color": GREY}}, "axisLabel": {"color": GREY, "fontSize": 11}}
    return {
        "animation": False,
        "backgroundColor": "transparent",
        "grid": {"left": 8, "right": 12, "top": 26, "bottom": 24, "containLabel": True},
        "tooltip": {"trigger": "axis", "axisPointer": {"type": "shadow"}},
        "xAxis": {
            "type": "category", "data": list(names), "name": unit, "nameLocation": "middle", "nameGap": 28,
            "nameTextStyle": {"color": GREY}, **axis,
        },
        "yAxis": {
            "type": "value", "name": "shares", "nameTextStyle": {"color": GREY}, "minInterval": 1,
            "splitLine": {"lineStyle": {"color": GREY, "opacity": 0.25}}, **axis,
        },
        "series": [{"type": "bar", "name": "shares", "data": list(values), "itemStyle": {"color": BLUE}}],
    }  # fmt: skip


def slippage_bars(parts: Sequence[Row]) -> Row:
    """The report's `slippage_bps`."""
    names = [
        f"< {one['below']}" if one["from"] is None else f"{one['from']} +" if one["below"] is None
        else f"{one['from']} to {one['below']}"
        for one in parts
    ]  # fmt: skip
    return bars(names, [float(one["shares"] or 0) for one in parts], "basis points")


def wait_bars(every: Sequence[Row]) -> Row:
    """The rows of all orders: shares by the time from receipt to fill."""
    values = [sum(float(row[field] or 0) for row in every) for field, _ in WAITS]
    return bars([name for _, name in WAITS], values, "time to fill")
