"""What can be asked of the market as it is this moment. All of it only reads."""

from collections.abc import Callable

from brokerfix.domain import Instrument, Side, to_scaled
from brokerfix.operate.admin import ActionRefused, Answer, Request
from brokerfix.operate.depth import MOST_LEVELS, depth
from brokerfix.operate.running import Running
from brokerfix.operate.would_route import would_route


class MarketActions:
    """The actions, by name."""

    def __init__(self, broker: Running) -> None:
        self.broker = broker
        self.actions: dict[str, Callable[[str, Request], Answer]] = {
            "depth": self._depth,
            "would-route": self._would_route,
        }

    def _instrument(self, request: Request) -> Instrument:
        instrument = self.broker.state.instruments.get(request["symbol"])
        if instrument is None:
            raise ActionRefused(f"there is no symbol {request['symbol']!r}")
        return instrument

    def _depth(self, operator: str, request: Request) -> Answer:
        """The best levels of a symbol, by exchange and together."""
        levels = request.get("levels", MOST_LEVELS)
        if not 1 <= levels <= MOST_LEVELS:
            raise ActionRefused(f"levels are 1 to {MOST_LEVELS}")
        return depth(self.broker, self._instrument(request).symbol, levels)

    def _would_route(self, operator: str, request: Request) -> Answer:
        """What the router would do with an order now; `client` decides whose orders it must not meet, and how it is
        routed."""
        state, instrument = self.broker.state, self._instrument(request)
        side = {"buy": Side.BUY, "sell": Side.SELL}.get(request["side"])
        if side is None:
            raise ActionRefused("side is buy or sell")
        name = request.get("client") or next(iter(state.clients), "")
        client = state.clients.get(name)
        if client is None:
            raise ActionRefused(f"there is no client {name!r}")
        account = request.get("account") or next(iter(client.accounts), "")
        price = request.get("price")
        qty = to_scaled(request["qty"], instrument.qty_digits)
        limit = to_scaled(price, instrument.price_digits) if price else 0
        if qty <= 0 or limit < 0:
            raise ActionRefused("qty is more than 0, and price is too where it is given")
        return would_route(state, name, account, instrument.symbol, side, qty, limit, self.broker.clock())
