"""The picture of an order: the market around it, its fills, and how much of it was filled when."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from brokerfix.domain import OrdType, Side, to_text
from brokerfix.operate import plots
from brokerfix.operate.order_evidence import Evidence
from brokerfix.operate.order_market import Best, span
from brokerfix.operate.order_told import by_exchange
from brokerfix.operate.quality_words import OWN_BOOK

NS = 10**9
BID, ASK, OURS, LIMIT, SOFT = "#3a9d6e", "#c0392b", "#1d2730", "#8e5bb5", "#8b97a2"
EXCHANGES = ("#2c7fb8", "#e08214", "#7b3294", "#00897b", "#c2185b", "#6d4c41", "#558b2f", "#5c6bc0")
LEAST_AREA, MOST_AREA = 22.0, 260.0
"""Of a fill's marker, in square points: it grows with the fill's quantity."""
MOST_LINES = 60
"""Decisions that are told by a line each; of more there would be nothing else to be seen."""
APART = 0.022
"""Share of the picture's width that a decision's number takes."""
SECONDS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)
MOST_TICKS = 8
FAR = 1.5
"""A limit price is in the picture if it is no further away than so many times what else is to be seen is high."""


def plot_order(found: Evidence, market: Sequence[Best]) -> bytes:
    """A PNG of the market around an order that was accepted. Raises NoPlots."""
    pyplot = plots.drawing()
    figure, (top, bottom) = pyplot.subplots(
        2, 1, figsize=(12.5, 6.6), height_ratios=(3, 1), sharex=True, layout="constrained"
    )
    since, until = span(found)
    _market(top, found, market, until)
    _fills(top, found)
    _limit(top, found)
    _times(top, bottom, found, (until - since) * APART)
    _filled(bottom, found, until)
    _axes(top, bottom, found, since, until)
    return plots.png(pyplot, figure)


def _x(found: Evidence, at: int) -> float:
    """Seconds since the order came."""
    return (at - found.began) / NS


def _price(found: Evidence, price: int) -> float:
    return float(price / 10**found.of.instrument.price_digits)


def _market(axes: Any, found: Evidence, market: Sequence[Best], until: int) -> None:
    points = [*market, market[-1]._replace(at=until)] if market else []
    times = [_x(found, best.at) for best in points]
    bids, asks = (
        [_price(found, price) if price is not None else float("nan") for price in side]
        for side in ([best.bid for best in points], [best.ask for best in points])
    )
    is_normal = [bid <= ask for bid, ask in zip(bids, asks, strict=True)]
    axes.fill_between(times, bids, asks, where=is_normal, step="post", color="#eef2f5", linewidth=0)
    for name, prices, colour in (("best ask", asks, ASK), ("best bid", bids, BID)):
        if any(price == price for price in prices):
            axes.step(times, prices, where="post", color=colour, linewidth=1.4, label=name)
        else:
            axes.plot([], [], color=colour, linewidth=1.4, label=f"{name}: none on record")


def _fills(axes: Any, found: Evidence) -> None:
    most = max((fill.qty for fill in found.fills), default=0)
    many = len(found.fills) > 50
    for number, (name, fills) in enumerate(by_exchange(found)):
        colour = OURS if name == OWN_BOOK else EXCHANGES[number % len(EXCHANGES)]
        areas = [LEAST_AREA + (MOST_AREA / (2 if many else 1) - LEAST_AREA) * fill.qty / most for fill in fills]
        total = found.of.qty(sum(fill.qty for fill in fills))
        axes.scatter(
            [_x(found, fill.at) for fill in fills], [_price(found, fill.price) for fill in fills], s=areas,
            color=colour, alpha=0.55 if many else 0.8, edgecolor="white", linewidth=0.7, zorder=5,
        )  # fmt: skip
        told = f"{name}: {total} in {len(fills)} {'fill' if len(fills) == 1 else 'fills'}"
        axes.scatter([], [], s=55, color=colour, edgecolor="white", linewidth=0.7, label=told)


def _limit(axes: Any, found: Evidence) -> None:
    """A limit far from the market is told at the edge: drawn, it would leave the market no space."""
    assert found.accepted is not None
    if not found.price or found.accepted.ord_type is OrdType.MARKET:
        return
    price, told = _price(found, found.price), f"limit {found.of.price(found.price)}"
    low, high = axes.get_ylim() if axes.has_data() else (price, price)
    if not low - FAR * (high - low) <= price <= high + FAR * (high - low):
        is_above = price > high
        axes.annotate(
            f"{told} is {'above' if is_above else 'below'}", (0.995, 0.98 if is_above else 0.02),
            xycoords="axes fraction", ha="right", va="top" if is_above else "bottom", fontsize=8, color=LIMIT,
        )  # fmt: skip
        return
    axes.axhline(price, color=LIMIT, linewidth=1.1, linestyle="--", label=told)


def _times(top: Any, bottom: Any, found: Evidence, apart: float) -> None:
    """Decisions and the end as thin lines. Decisions have their numbers above, where they are so far `apart` (ns)."""
    lines = found.decisions if len(found.decisions) <= MOST_LINES else []
    for axes in (top, bottom):
        for one in lines:
            axes.axvline(_x(found, one.fact.at), color=SOFT, linewidth=0.8, zorder=1)
        if found.ended:
            axes.axvline(_x(found, found.ended), color=OURS, linewidth=0.9, linestyle=":", zorder=1)
    named = float("-inf")
    for one in lines:
        if one.fact.at - named >= apart:
            named = one.fact.at
            top.annotate(
                str(one.number), (_x(found, one.fact.at), 1), xycoords=("data", "axes fraction"), xytext=(0, 2),
                textcoords="offset points", ha="center", va="bottom", fontsize=8, color=SOFT,
            )  # fmt: skip
    if lines:
        top.plot([], [], color=SOFT, linewidth=0.8, label="decision, by number")
    if found.ended:
        top.plot([], [], color=OURS, linewidth=0.9, linestyle=":", label=f"end: {found.status}")


def _filled(axes: Any, found: Evidence, until: int) -> None:
    scale = 10**found.of.instrument.qty_digits
    times, totals, total = [0.0], [0.0], 0
    for fill in sorted((fill for fill in found.fills if fill.qty), key=lambda fill: fill.at):
        total += fill.qty
        times.append(_x(found, fill.at))
        totals.append(total / scale)
    times.append(_x(found, until))
    totals.append(total / scale)
    axes.fill_between(times, totals, step="post", color=plots.WITHIN, alpha=0.18, linewidth=0)
    axes.step(times, totals, where="post", color=plots.WITHIN, linewidth=1.4)
    axes.axhline(found.qty / scale, color=SOFT, linewidth=0.9, linestyle="--")
    axes.annotate(
        f"ordered {found.of.qty(found.qty)}", (0.005, found.qty / scale), xycoords=("axes fraction", "data"),
        xytext=(0, -3), textcoords="offset points", va="top", fontsize=8, color=SOFT,
    )  # fmt: skip
    axes.set_ylim(0, max(found.qty, total) / scale * 1.12)


def _axes(top: Any, bottom: Any, found: Evidence, since: int, until: int) -> None:
    digits = found.of.instrument.price_digits
    low, high = top.get_ylim()
    least = 6 * found.of.instrument.tick / 10**digits
    if high - low < least:
        middle = (high + low) / 2
        top.set_ylim(middle - least / 2, middle + least / 2)
    else:
        top.margins(y=0.12)
    top.yaxis.set_major_formatter(lambda value, _: f"{value:.{digits}f}")
    top.yaxis.get_major_locator().set_params(min_n_ticks=3, steps=[1, 2, 5, 10])
    bottom.set_xlim(_x(found, since), _x(found, until))
    ticks = time_ticks(since, until)
    bottom.set_xticks([_x(found, at) for at, _ in ticks], [label for _, label in ticks])
    first, last = (f"{datetime.fromtimestamp(at // NS, UTC):%Y-%m-%d}" for at in (since, until))
    bottom.set_xlabel(f"UTC, {first}" if first == last else f"UTC, {first} to {last}")
    top.set_ylabel("price")
    bottom.set_ylabel("filled")
    side = "buy" if found.side is Side.BUY else "sell"
    title = f"{side} {found.of.qty(found.qty)} {found.of.symbol}: the market around it, and its fills"
    top.set_title(title, loc="left", fontsize=11, fontweight="bold", pad=16)
    for axes in (top, bottom):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", color="#edf0f3", linewidth=0.8)
        axes.set_axisbelow(True)
    top.legend(frameon=False, fontsize=8.5, loc="upper left", bbox_to_anchor=(1.0, 1.0), borderaxespad=0.4)


def time_ticks(since: int, until: int) -> list[tuple[int, str]]:
    """Round times of a span (ns UTC) with what they are called: as many parts of a second as the steps have, dates
    where a step is a day."""
    step = _step(until - since)
    decimals = max(0, 9 - (len(str(step)) - 1)) if step < NS else 0
    first = -(-since // step) * step
    return [(at, _called(at, step, decimals)) for at in range(first, until + 1, step)]


def _step(length: int) -> int:
    small: Iterator[int] = (lead * 10**power for power in range(3, 9) for lead in (1, 2, 5))
    steps: tuple[int, ...] = (*small, *(second * NS for second in SECONDS))
    days = steps[-1] * (1 + length // (MOST_TICKS * steps[-1]))
    return next((step for step in steps if length <= MOST_TICKS * step), days)


def _called(at: int, step: int, decimals: int) -> str:
    second, part = divmod(at, NS)
    when = datetime.fromtimestamp(second, UTC)
    if step >= SECONDS[-1] * NS:
        return f"{when:%m-%d}"
    if step >= 60 * NS:
        return f"{when:%H:%M}"
    return f"{when:%H:%M:%S}" + (f".{to_text(part, 9)[2:][:decimals]}" if decimals else "")
