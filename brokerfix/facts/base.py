"""What every fact is."""

import msgspec


class Fact(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=True):
    """`at`: when (ns UTC). `id`: the fact's own number, one more than the fact's before (a Trade has two numbers, a
    DayRolled begins the day's).

    Facts are written to disk by position: a field may be added at the end of a class (with a default), never moved. One
    with more than five fields takes them by name only.
    """

    at: int
    id: int
