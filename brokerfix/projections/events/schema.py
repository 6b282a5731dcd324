"""JSON Schema of the stream, made from the facts themselves."""

from typing import Any

import msgspec

from brokerfix.projections.events.form import (
    CHECKPOINT,
    MARKET,
    TOLD,
    VERSION,
    CheckpointEvent,
    MarketEvent,
    envelope,
)

DIALECT = "https://json-schema.org/draft/2020-12/schema"
TEMPLATE = "#/$defs/{name}"
OTHERS: dict[str, type[msgspec.Struct]] = {MARKET: MarketEvent, CHECKPOINT: CheckpointEvent}
"""The kinds that are no facts'."""


def kinds() -> list[str]:
    """All kinds of messages that there are."""
    return [*TOLD, MARKET, CHECKPOINT]


def _type_of(kind: str) -> type[msgspec.Struct]:
    return OTHERS[kind] if kind in OTHERS else envelope(TOLD[kind])


def schema(kind: str = "") -> dict[str, Any]:
    """The schema of a kind's messages, or of all. Raises KeyError for a kind that is not there."""
    wanted = [kind] if kind else kinds()
    types = [_type_of(name) for name in wanted]
    roots, defs = msgspec.json.schema_components(types, ref_template=TEMPLATE)
    what = f"the kind {kind}" if kind else "all kinds"
    found: dict[str, Any] = {
        "$schema": DIALECT,
        "$id": f"brokerfix/events/{VERSION}" + (f"/{kind}" if kind else ""),
        "title": f"brokerfix events, version {VERSION}: {what}",
    }
    alternatives = list(roots)
    return found | (alternatives[0] if kind else {"oneOf": alternatives}) | {"$defs": defs}
