"""A symbol's day: candles, volume, the market's prints and our fills, which fetches by itself what is new."""

import nicegui.elements.echart  # noqa: F401  (has ECharts served)
from nicegui.element import Element


class MarketChart(Element, component="market_chart.js"):
    """`minutes` is how wide a candle is, `kind` what it is of: "trades" or "mid". Times are told in `zone`."""

    def __init__(self, symbol: str, minutes: int, kind: str, zone: str) -> None:
        super().__init__()
        self._props.update(symbol=symbol, minutes=minutes, kind=kind, zone=zone)

    def show(self, symbol: str, minutes: int, kind: str) -> None:
        """Show others."""
        wanted = {"symbol": symbol, "minutes": minutes, "kind": kind}
        if any(self._props[name] != value for name, value in wanted.items()):
            self._props.update(wanted)
            self.update()
