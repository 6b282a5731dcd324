"""Places in a journal, as they are named and as one number that grows with the journal."""

from typing import NamedTuple

OFFSET_BITS = 39
"""A position is the segment's day above these bits, and the offset in it below: it fits 64 bits."""


class Place(NamedTuple):
    """A byte of a segment, by the segment's name."""

    segment: str
    offset: int


def position_of(place: Place) -> int:
    """A place as one number: of two places, the later one's is larger. The one before all segments is 0."""
    return int(place.segment.removesuffix(".journal")) << OFFSET_BITS | place.offset if place.segment else 0


def spoken(position: int) -> str:
    """A position, for people."""
    place = place_at(position)
    return f"byte {place.offset} of {place.segment}" if position else "nothing"


def place_at(position: int) -> Place:
    """The place that a position names."""
    return (
        Place(f"{position >> OFFSET_BITS}.journal", position & ((1 << OFFSET_BITS) - 1)) if position else Place("", 0)
    )
