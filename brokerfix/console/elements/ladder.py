"""The depth of a symbol: a ladder of prices, and the exchanges behind it, which fetches by itself what is new."""

from nicegui.element import Element


class Ladder(Element, component="ladder.js"):
    """`symbol` is the one that is shown. It asks while its page is seen, and no more than four times a second."""

    def __init__(self, symbol: str) -> None:
        super().__init__()
        self._props["symbol"] = symbol

    def show(self, symbol: str) -> None:
        """Show another symbol."""
        if self._props["symbol"] != symbol:
            self._props["symbol"] = symbol
            self.update()
