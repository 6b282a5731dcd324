"""The book against a list that is sorted from scratch."""

from hypothesis import given
from hypothesis import strategies as st

from brokerfix.domain import Side
from brokerfix.engine.matching.book import Book, at_least_as_good

ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.sampled_from(Side), st.integers(1, 8), st.integers(1, 50)),
        st.tuples(st.just("remove"), st.integers(0, 30)),
        st.tuples(st.sampled_from(["reduce", "increase"]), st.integers(0, 30), st.integers(1, 50)),
    ),
    max_size=60,
)


class NaiveBook:
    """Entries in the order in which they came: [key, side, price, qty]."""

    def __init__(self) -> None:
        self.entries: list[list[object]] = []

    def walk(self, side: Side) -> list[tuple[object, object, object]]:
        sign = -1 if side is Side.BUY else 1
        mine = [entry for entry in self.entries if entry[1] is side]
        return [(entry[0], entry[2], entry[3]) for entry in sorted(mine, key=lambda entry: sign * entry[2])]  # type: ignore[operator]


@given(ACTIONS)
def test_it_is_the_sorted_list(actions: list[tuple[object, ...]]) -> None:
    book, naive = Book[int](), NaiveBook()
    for key, (name, *arguments) in enumerate(actions):
        if name == "add":
            side, price, qty = arguments
            book.add(key, side, price, qty)  # type: ignore[arg-type]
            naive.entries.append([key, side, price, qty])
        elif naive.entries:
            entry = naive.entries[arguments[0] % len(naive.entries)]  # type: ignore[operator]
            if name == "increase":
                book.increase(entry[0], arguments[1])  # type: ignore[arg-type]
                naive.entries.remove(entry)
                naive.entries.append([*entry[:3], entry[3] + arguments[1]])  # type: ignore[operator]
            elif name == "remove" or arguments[1] >= entry[3]:  # type: ignore[operator]
                book.remove(entry[0])  # type: ignore[arg-type]
                naive.entries.remove(entry)
            else:
                book.reduce(entry[0], arguments[1])  # type: ignore[arg-type]
                entry[3] -= arguments[1]  # type: ignore[operator]
        for side in Side:
            expected = naive.walk(side)
            assert [(entry.key, entry.price, entry.qty) for entry in book.walk(side)] == expected
            assert book.best(side) == (expected[0][1] if expected else None)
            levels: dict[object, int] = {}
            for _, price, qty in expected:
                levels[price] = levels.get(price, 0) + qty  # type: ignore[operator]
            assert list(book.levels(side)) == list(levels.items())
    assert len(book) == len(naive.entries)


def test_reducing_to_nothing_removes_the_entry_and_its_level() -> None:
    book = Book[str]()
    book.add("a", Side.SELL, 100, 10)
    book.reduce("a", 10)
    assert "a" not in book
    assert book.best(Side.SELL) is None


def test_a_partly_reduced_entry_keeps_its_place() -> None:
    book = Book[str]()
    book.add("first", Side.BUY, 100, 10)
    book.add("second", Side.BUY, 100, 10)
    book.reduce("first", 5)
    assert [entry.key for entry in book.walk(Side.BUY)] == ["first", "second"]


def test_at_least_as_good() -> None:
    assert at_least_as_good(Side.BUY, 99, 100)
    assert not at_least_as_good(Side.BUY, 101, 100)
    assert at_least_as_good(Side.SELL, 101, 100)
    assert not at_least_as_good(Side.SELL, 99, 100)
