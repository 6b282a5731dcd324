"""Market data of the stream: of each symbol what its last recorded quote says."""

from collections.abc import Mapping

from brokerfix.domain import Instrument, id_text, shard_of, to_text
from brokerfix.facts import Quoted
from brokerfix.projections.events.form import ENCODERS, MARKET, VERSION, Message
from brokerfix.projections.events.values import moment_text
from brokerfix.projections.published import published

TOLD = ("state", "mid", "volume", "vwap")
"""What is told of `published`."""


class Market:
    """Gathers the latest quotes of symbols, and makes messages of them in a format."""

    def __init__(self, instruments: Mapping[str, Instrument], format: str) -> None:
        self._instruments = instruments
        self._encode = ENCODERS[format]
        self._latest: dict[str, Quoted] = {}

    def note(self, fact: Quoted) -> None:
        self._latest[fact.symbol] = fact

    def take(self) -> list[Message]:
        """The latest of each symbol that has changed since it was last taken."""
        facts, self._latest = self._latest.values(), {}
        return [self._message(fact) for fact in facts]

    def _message(self, fact: Quoted) -> Message:
        instrument = self._instruments[fact.symbol]
        price, qty = instrument.price_digits, instrument.qty_digits
        bids, asks = (
            [(to_text(level[0], price), to_text(level[1], qty), level[2]) for level in levels]
            for levels in (fact.bids, fact.asks)
        )
        whole = published(fact, instrument)
        row = {
            "v": VERSION, "id": id_text(fact.id), "at": moment_text(fact.at), "kind": MARKET,
            "shard": shard_of(fact.id), "symbol": fact.symbol, "bids": bids, "asks": asks,
            "last": None if fact.last is None else (to_text(fact.last[0], price), to_text(fact.last[1], qty)),
            "mark": to_text(fact.mark, price), **{name: whole[name] for name in TOLD},
        }  # fmt: skip
        return Message(fact.id, fact.at, MARKET, "", fact.symbol, self._encode(row))
