"""Which orders have changed since when, against a model that remembers everything."""

from hypothesis import given
from hypothesis import strategies as st

from brokerfix.console.feed import LEAST_LOG, Changes

orders = st.integers(1, 12)


class Naive:
    """All changes, in their order."""

    def __init__(self) -> None:
        self.all: list[int] = []

    def since(self, version: int) -> list[int]:
        last = {order: at for at, order in enumerate(self.all, 1)}
        return sorted((order for order, at in last.items() if at > version), key=last.__getitem__)


@given(st.lists(orders, max_size=60), st.integers(1, 5))
def test_who_takes_a_part_at_a_time_has_all_that_changed_last(changed: list[int], most: int) -> None:
    changes, naive = Changes(), Naive()
    taken: list[int] = []
    version = 0
    for order in changed:
        changes.changed(order)
        naive.all.append(order)
        part, version = changes.since(version, most)
        taken += part
    while True:
        part, version = changes.since(version, most)
        if not part:
            break
        taken += part
    assert version == changes.version == len(changed)
    # Of each order its last change was told after everything before it.
    assert list(dict.fromkeys(reversed(taken)))[::-1] == naive.since(0)


@given(st.lists(orders, min_size=1, max_size=60), st.integers(0, 60))
def test_what_changed_after_a_version_is_told_in_its_order(changed: list[int], version: int) -> None:
    changes, naive = Changes(), Naive()
    for order in changed:
        changes.changed(order)
        naive.all.append(order)
    assert changes.since(version, 1000) == (naive.since(version), max(version, len(changed)))


def test_the_log_stays_as_long_as_there_are_orders() -> None:
    changes = Changes()
    for at in range(50 * LEAST_LOG):
        changes.changed(at % 10)
    assert len(changes._log) <= LEAST_LOG + 2 * len(changes)
    generation = changes.generation
    assert changes.since(changes.version - 10, 100)[0] == list(range(10))
    assert changes.since(changes.version - 3, 100)[0] == [7, 8, 9]
    assert changes.generation == generation


def test_a_new_day_makes_all_that_was_told_void() -> None:
    changes = Changes()
    changes.changed(1)
    before = changes.generation
    changes.anew([2, 3])
    assert changes.generation != before
    assert changes.since(0, 10)[0] == [2, 3]
    assert changes.version_of(1) == 0
