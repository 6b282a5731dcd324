"""The market around an order as a chart: best prices, its fills, its price."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from brokerfix.console.pages.orders_read import fewer, nanoseconds
from brokerfix.projections.reading import Row

MS = 10**6
BID, ASK, LIMIT, INK = "#2f9e6b", "#d0483a", "#9a5fc4", "#8494a1"
EXCHANGES = ("#2c7fb8", "#e08214", "#b9509b", "#00897b", "#8d6e63", "#7cb342")
SYMBOLS = ("circle", "rect", "triangle", "diamond", "pin", "arrow")
OWN_BOOK = "our book"
MOST_POINTS = 1_500
FAR = 1.5
"""A price is in the picture if it is no further away than so many times what else is to be seen is high."""
LEAST_SIZE, MOST_SIZE = 8, 22


def offset(zone: ZoneInfo, at: int) -> int:
    """How far a zone is from UTC at a time (ns), in ms. Charts have times of one zone, the desk's."""
    shift = datetime.fromtimestamp(at / 10**9, zone).utcoffset()
    return round(shift.total_seconds() * 1000) if shift is not None else 0


def options(
    terms: Row, fills: Sequence[Row], quotes: Sequence[Row], span: tuple[int, int], zone: ZoneInfo, ended: int
) -> dict[str, Any]:
    """ECharts' options. `terms` has the order's symbol, side, price (text, "": none) and `entered` (ms); `span` is from
    when to when (ns), `ended` when it was over (ns; 0: it works)."""
    shift = offset(zone, span[0])
    quotes = fewer(quotes, MOST_POINTS)
    series = [_best("Best bid", "bid_px", BID, quotes, shift), _best("Best ask", "ask_px", ASK, quotes, shift)]
    series += _fills(fills, shift)
    series.append(_lines(terms, shift, ended))
    low, high = _bounds(terms, fills, quotes)
    return {
        "useUTC": True,
        "animation": False,
        "aria": {"enabled": True},
        "textStyle": {"fontFamily": "inherit"},
        "legend": {"top": 0, "textStyle": {"color": INK}, "data": [one["name"] for one in series if one.get("name")]},
        "grid": {"left": 8, "right": 16, "top": 34, "bottom": 8, "containLabel": True},
        "tooltip": {"trigger": "axis", "renderMode": "richText", "axisPointer": {"type": "cross"}},
        "xAxis": {
            "type": "time", "min": span[0] // MS + shift, "max": span[1] // MS + shift, "axisLabel": {"color": INK},
            "splitLine": {"show": False},
        },
        "yAxis": {
            "type": "value", "min": low, "max": high,
            "axisLabel": {"color": INK, "showMinLabel": False, "showMaxLabel": False},
            "splitLine": {"lineStyle": {"color": INK, "opacity": 0.2}},
        },
        "series": series,
    }  # fmt: skip


def _ms(text: str, shift: int) -> int:
    return nanoseconds(text) // MS + shift


def _best(name: str, field: str, colour: str, quotes: Sequence[Row], shift: int) -> dict[str, Any]:
    data = [[_ms(row["at"], shift), float(row[field]) if row[field] else None] for row in quotes]
    return {
        "name": name, "type": "line", "step": "end", "showSymbol": False, "data": data, "color": colour,
        "lineStyle": {"width": 1.5, "type": "solid" if field == "bid_px" else "dashed"},
    }  # fmt: skip


def _fills(fills: Sequence[Row], shift: int) -> list[dict[str, Any]]:
    """The fills of each exchange, with a sign of its own. A larger one has a larger sign."""
    standing = [fill for fill in fills if fill["state"] != "busted" and float(fill["last_qty"])]
    most = max((float(fill["last_qty"]) for fill in standing), default=1.0)
    names = dict.fromkeys(fill["venue"] or OWN_BOOK for fill in reversed(standing))
    found = []
    for number, name in enumerate(names):
        data = [
            {
                "value": [_ms(fill["at"], shift), float(fill["last_px"]), fill["last_qty"]],
                "symbolSize": LEAST_SIZE + (MOST_SIZE - LEAST_SIZE) * float(fill["last_qty"]) / most,
            }
            for fill in standing
            if (fill["venue"] or OWN_BOOK) == name
        ]
        found.append(
            {
                "name": f"Fills at {name}" if name != OWN_BOOK else "Fills in our book", "type": "scatter",
                "symbol": SYMBOLS[number % len(SYMBOLS)], "color": EXCHANGES[number % len(EXCHANGES)], "data": data,
                "itemStyle": {"opacity": 0.85},
            }
        )  # fmt: skip
    return found


def _lines(terms: Row, shift: int, ended: int) -> dict[str, Any]:
    """The order's price across, its begin and end upright."""
    lines: list[dict[str, Any]] = [_upright("entered", int(terms["entered"]) + shift)]
    if ended:
        lines.append(_upright("over", ended // MS + shift, "insideEndTop"))
    if terms["price"]:
        told = f"{terms['side'].lower()} at {terms['price']}"
        label = {"formatter": told, "color": LIMIT, "position": "insideEndTop"}
        lines.append({"yAxis": float(terms["price"]), "lineStyle": {"color": LIMIT, "type": "dashed"}, "label": label})
    return {
        "type": "line", "data": [], "silent": True,
        "markLine": {"symbol": "none", "silent": True, "animation": False, "data": lines},
    }  # fmt: skip


def _upright(name: str, at: int, position: str = "insideStartTop") -> dict[str, Any]:
    label = {"formatter": name, "color": INK, "position": position, "rotate": 0}
    return {"xAxis": at, "lineStyle": {"color": INK, "type": "dotted"}, "label": label}


def _bounds(terms: Row, fills: Sequence[Row], quotes: Sequence[Row]) -> tuple[float | None, float | None]:
    """Between which prices all is that is to be seen."""
    seen = [float(row[field]) for row in quotes for field in ("bid_px", "ask_px") if row[field]]
    seen += [float(fill["last_px"]) for fill in fills]
    price = float(terms["price"]) if terms["price"] else None
    if not seen and price is None:
        return None, None
    low, high = (min(seen), max(seen)) if seen else (price or 0.0, price or 0.0)
    far = FAR * max(high - low, abs(high) * 0.001)
    if price is not None and low - far <= price <= high + far:
        low, high = min(low, price), max(high, price)
    edge = max((high - low) * 0.08, abs(high) * 0.0002)
    return round(low - edge, 8), round(high + edge, 8)
