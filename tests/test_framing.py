"""The gateway's framer: any split of the bytes gives the same messages, and nothing a stranger sends can hurt it."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokerfix.gateway.framing import Fault, Framer, checksum, frame

MOST = 512
BODIES = st.lists(
    st.tuples(st.integers(1, 999), st.binary(min_size=1, max_size=60).filter(lambda value: b"\x01" not in value)),
    max_size=6,
).map(lambda fields: b"35=D\x01" + b"".join(b"%d=%b\x01" % field for field in fields))
MESSAGES = st.builds(frame, st.sampled_from(["FIX.4.2", "FIX.4.4", "FIXT.1.1"]), BODIES)


def taken(framer: Framer) -> list[bytes]:
    found = []
    while (message := framer.next()) is not None:
        found.append(message)
    return found


def fed(pieces: list[bytes], most: int = MOST) -> tuple[list[bytes], Fault | None]:
    framer, found = Framer(most), []
    for piece in pieces:
        framer.feed(piece)
        found += taken(framer)
    return found, framer.fault


def naive(data: bytes) -> list[bytes]:
    """The messages of a valid stream, by the specification's words."""
    found = []
    while data:
        _, length, rest = data.split(b"\x01", 2)
        size = len(data) - len(rest) + int(length.removeprefix(b"9=")) + 7
        assert sum(data[: size - 7]) % 256 == int(data[size - 4 : size - 1])
        found.append(data[:size])
        data = data[size:]
    return found


@given(st.lists(MESSAGES, max_size=5), st.data())
def test_any_split_gives_the_messages_that_a_naive_parser_finds(messages: list[bytes], data: st.DataObject) -> None:
    whole = b"".join(messages)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=8)))
    pieces = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    assert fed(pieces) == (naive(whole), None)
    assert fed([whole[i : i + 1] for i in range(len(whole))]) == (naive(whole), None)


@given(st.lists(st.one_of(st.binary(max_size=200), MESSAGES), max_size=6), st.integers(1, 50))
def test_no_bytes_raise_and_none_are_hoarded(parts: list[bytes], step: int) -> None:
    whole = b"".join(parts)
    pieces = [whole[i : i + step] for i in range(0, len(whole), step)]
    framer = Framer(MOST)
    for piece in pieces:
        framer.feed(piece)
        taken(framer)
        assert framer.waiting <= MOST + 64
    assert fed(pieces)[0] == fed([whole])[0], "the split makes no difference to what is found"


@given(st.binary(max_size=3000))
def test_the_checksum_is_the_sum_of_the_bytes(data: bytes) -> None:
    assert checksum(data) == sum(data) % 256


GOOD = frame("FIX.4.4", b"35=0\x0149=A\x0156=B\x01")


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"GET / HTTP/1.1\r\n", Fault.NOT_FIX),
        (b"8=FIX.4.5\x01", Fault.NOT_FIX),
        (b"8=FIX.4.4\x0135=A\x01", Fault.NOT_FIX),
        (b"8=FIX.4.4\x019=-5\x01", Fault.NOT_FIX),
        (b"8=FIX.4.4\x019=0\x01", Fault.NOT_FIX),
        (b"8=FIX.4.4\x019=99999999999\x01", Fault.NOT_FIX),
        (b"8=FIX.4.4\x019=2147483647\x01", Fault.TOO_LONG),
        (b"8=FIX.4.4\x019=513\x01", Fault.TOO_LONG),
        (b"8=FIX.4.4\x019=20\x0149=", Fault.NOT_FIX),
        (b"8=FIX.4.4\x019=4\x0135=0", Fault.NOT_FIX),
        (GOOD.replace(b"\x019=15", b"\x019=14"), Fault.BODY_LENGTH),
        (GOOD.replace(b"\x019=15", b"\x019=16"), Fault.BODY_LENGTH),
        (GOOD[:-4] + b"00x\x01", Fault.BODY_LENGTH),
        (GOOD[:-4] + b"%03d\x01" % ((int(GOOD[-4:-1]) + 1) % 256), Fault.CHECKSUM),
        (GOOD[:-1] + b"0", Fault.BODY_LENGTH),
    ],
)
def test_what_can_be_no_message_is_known_at_once(data: bytes, fault: Fault) -> None:
    assert fed([data]) == ([], fault)
    assert fed([data, GOOD]) == ([], fault), "and nothing comes after it"


def test_a_length_may_be_padded() -> None:
    padded = GOOD[:-7].replace(b"\x019=15", b"\x019=00015")
    padded += b"10=%03d\x01" % checksum(padded)
    assert fed([padded]) == ([padded], None)


def test_a_long_message_that_drips_in_costs_no_more_than_its_bytes() -> None:
    message = frame("FIX.4.4", b"35=B\x0158=" + b"x" * 60_000 + b"\x01")
    assert fed([message[i : i + 1] for i in range(len(message))], 65_536) == ([message], None)


def test_coverage_guided_fuzzing_finds_nothing() -> None:
    """A short run; `python -m tests.fuzz_gateway` goes on for as long as you like."""
    command = [sys.executable, "-m", "tests.fuzz_gateway", "-runs=20000", "-seed=1", "-max_len=600"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Done 20000" in done.stderr


# In a session, what is garbled is left out


def forgiving(*pieces: bytes, most: int = 1000) -> tuple[list[bytes], Framer]:
    """The messages that come out of the pieces, and the framer."""
    framer = Framer(most)
    framer.forgives = True
    found = []
    for piece in pieces:
        framer.feed(piece)
        while (message := framer.next()) is not None:
            found.append(message)
    return found, framer


NEXT = frame("FIX.4.4", b"35=0\x0134=3\x01")
GARBLED = {
    "a wrong sum": frame("FIX.4.4", b"35=0\x0134=2\x01")[:-4] + b"999\x01",
    "a sum that is none": frame("FIX.4.4", b"35=0\x0134=2\x01")[:-4] + b"xyz\x01",
    "a short sum": b"8=FIX.4.4\x019=10\x0135=0\x0134=2\x0110=0\x01",
    "a length that is too short": b"8=FIX.4.4\x019=5\x0135=0\x0134=2\x0149=A\x0110=100\x01",
    "no type": b"8=FIX.4.4\x019=10\x0134=2\x0135=0\x0110=100\x01",
    "another version": b"8=FIX.9.9\x019=10\x0135=0\x0134=2\x0110=100\x01",
    "no length": b"8=FIX.4.4\x0135=0\x0134=2\x0110=100\x01",
    "a field before": b"35=0\x01",
    "garbage": b"GET / HTTP/1.1\r\n\r\n",
}


@pytest.mark.parametrize("what", GARBLED)
@pytest.mark.parametrize("step", [1, 7, 1000])
def test_what_is_garbled_is_left_out_and_counted(what: str, step: int) -> None:
    data = GARBLED[what] + NEXT + NEXT
    found, framer = forgiving(*(data[at : at + step] for at in range(0, len(data), step)))
    assert found == [NEXT, NEXT]
    assert framer.garbled >= 1
    assert framer.fault is None


def test_a_length_that_is_too_long_takes_the_next_message_with_it() -> None:
    found, framer = forgiving(b"8=FIX.4.4\x019=30\x0135=0\x0134=2\x0110=100\x01", NEXT, NEXT)
    assert (found, framer.garbled) == ([NEXT], 1)


def test_a_length_beyond_what_is_taken_is_never_forgiven() -> None:
    for version in (b"FIX.4.4", b"FIX.9.9"):
        found, framer = forgiving(b"8=%b\x019=1001\x01" % version, NEXT)
        assert (found, framer.fault) == ([], Fault.TOO_LONG)


def test_what_is_garbled_takes_bounded_memory() -> None:
    framer = Framer(1000)
    framer.forgives = True
    framer.feed(b"8=FIX.4.4\x019=5\x0134=2\x01")
    for _ in range(100):
        framer.feed(b"58=x\x01" * 20)
        assert framer.next() is None
        assert framer.waiting < 1200
    assert framer.fault is Fault.TOO_LONG


@given(
    st.lists(st.one_of(st.binary(max_size=40), st.sampled_from([NEXT, *GARBLED.values()])), max_size=12),
    st.integers(1, 50),
)
def test_whatever_comes_what_is_given_out_is_framed_well(parts: list[bytes], step: int) -> None:
    data = b"".join(parts)
    found, framer = forgiving(*(data[at : at + step] for at in range(0, len(data), step)))
    for message in found:
        strict = Framer(1000)
        strict.feed(message)
        assert strict.next() == message
    assert framer.fault in (None, Fault.TOO_LONG)
