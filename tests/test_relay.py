"""What a logged-on client's messages become on their way to the broker. Time is an argument; nothing is mocked."""

import time

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokerfix.access.vouch import REFUSED_BY
from brokerfix.gateway.budgets import Bucket, Budgets
from brokerfix.gateway.framing import Framer, frame
from brokerfix.gateway.messages import Bad, Names, data_tags, split
from brokerfix.gateway.relay import PIECE, Relay
from brokerfix.settings.sections import Budget, BudgetsSection

NAMES = Names("FIX.4.4", "ALICE", "BROKER")
STAMP = b"20260101-10:00:00.000"


def relay(**budgets: Budget | int) -> Relay:
    section = msgspec.structs.replace(BudgetsSection(), **budgets)
    made = Relay(NAMES, Budgets(section, 0.0), 1)
    made.last_out = 1
    return made


def message(kind: bytes, number: int, body: bytes = b"", sender: bytes = b"ALICE", target: bytes = b"BROKER") -> bytes:
    head = b"35=%b\x0149=%b\x0156=%b\x0134=%d\x0152=%b\x01" % (kind, sender, target, number, STAMP)
    return frame("FIX.4.4", head + body)


ORDER = b"11=c1\x0155=AAPL\x0154=1\x0138=1\x0140=2\x0144=1\x0160=%b\x01" % STAMP


def order(number: int) -> bytes:
    return message(b"D", number, ORDER)


def answers(passed: bytes) -> list[tuple[str, str, str]]:
    """(how it is refused, MsgSeqNum, text) of each refusal that goes to the broker."""
    framer = Framer(65_536)
    framer.feed(passed)
    found = []
    while (one := framer.next()) is not None:
        tags = {tag: value.decode() for tag, value in split(one)}
        found.append((tags.get(REFUSED_BY, tags[35]), tags[34], tags.get(58, "")))
    assert framer.fault is None
    return found


def from_broker(kind: bytes, number: int, body: bytes = b"") -> bytes:
    return message(kind, number, body, b"BROKER", b"ALICE")


def test_what_is_right_goes_on_as_it_is() -> None:
    door = relay()
    quick_fix = frame("FIX.4.4", b"35=D\x0134=3\x0149=ALICE\x0152=%b\x0156=BROKER\x01%b" % (STAMP, ORDER))
    for one in (order(2), quick_fix, message(b"0", 4), message(b"F", 5, b"11=x\x0141=c1\x01"), message(b"5", 6)):
        assert door.message(one, 0.0) == one
    assert not door.ending


@pytest.mark.parametrize(
    ("kind", "body", "answer", "text"),
    [
        (b"D", b"95=-5\x0196=x\x01", "3 6", "Incorrect data format"),
        (b"D", b"95=99999999\x0196=x\x01", "3 6", "the length of tag 96"),
        (b"D", b"95=2\x0196=abc\x01", "3 6", "the length of tag 96"),
        (b"D", b"354=1\x0158=x\x01", "3 1", "tag 355 must follow"),
        (b"D", b"95=1\x01", "3 1", "tag 96 must follow"),
        (b"D", b"95=3\x0196=a\x01b\x01", "3 17", "holds the field separator"),
        (b"D", b"0=x\x01", "3 0", "Invalid tag number"),
        (b"D", b"x=x\x01", "3 0", "does not begin with a tag"),
        (b"D", b"100000=x\x01", "3 0", "Invalid tag number"),
        (b"D", b"=x\x01", "3 0", "does not begin with a tag"),
        (b"D", b"58=\x01", "3 4", "Tag specified without a value"),
        (b"D", b"453=99999\x01448=x\x01", "3 16", "more than 1000"),
        (b"D", b"453=2\x01448=x\x01447=D\x01", "3 16", "Incorrect NumInGroup count"),
        (b"D", b"453=x\x01", "3 6", "Incorrect data format"),
        (b"D", b"453=-1\x01", "3 16", "Incorrect NumInGroup count"),
        (b"D", b"34=7\x01", "3 13", "Tag appears more than once"),
        (b"ZZ", b"", "3 11", "Invalid MsgType"),
        (b"UREF", b"20002=5\x01", "3 11", "Invalid MsgType"),
        (b"A", b"98=0\x01108=30\x01554=x\x01", "3 99", "logged on already"),
        (b"2", b"7=12345678901\x0116=0\x01", "3 6", "Incorrect data format"),
        (b"D", b"11=%b\x01" % (b"x" * 65), "3 5", "tag 11 is too long"),
        (b"D", b"107=%b\x01" % (b"x" * 257), "3 5", "tag 107 is too long"),
    ],
)
def test_what_is_wrong_gets_its_reject_and_never_passes(kind: bytes, body: bytes, answer: str, text: str) -> None:
    door = relay()
    [(refused_by, number, told)] = answers(door.message(message(kind, 2, body), 0.0))
    assert (refused_by, number) == (answer, "2")
    assert text in told
    assert door.message(order(3), 0.0) == order(3), "the session goes on"


def test_every_data_field_of_the_dictionaries_is_measured() -> None:
    wanted = {90, 93, 95, 212, 348, 350, 352, 354, 356, 358, 360, 362, 364, 445, 618, 621}
    assert wanted <= set(data_tags())
    for length, data in data_tags().items():
        assert split(message(b"D", 2, b"%d=3\x01%d=abc\x01" % (length, data)))
        with pytest.raises(Bad):
            split(message(b"D", 2, b"%d=4\x01%d=abc\x01" % (length, data)))


@pytest.mark.parametrize("names", [(b"EVE", b"BROKER"), (b"ALICE", b"EVE")])
def test_other_names_end_the_session(names: tuple[bytes, bytes]) -> None:
    door = relay()
    found = answers(door.message(message(b"D", 2, ORDER, *names), 0.0))
    assert [refused_by for refused_by, _, _ in found] == ["3 9", "5"]
    assert door.message(order(3), 0.0) == b"", "nothing passes any more"
    assert door.message(message(b"5", 3), 0.0), "but the client's Logout"


def test_orders_above_the_budget_are_refused_and_far_above_it_the_session_ends() -> None:
    door = relay(orders=Budget(10, 3))
    passed = [door.message(order(number), 0.0) for number in range(2, 9)]
    assert passed[:3] == [order(2), order(3), order(4)]
    for number, refused in zip(range(5, 8), passed[3:6], strict=True):
        assert answers(refused) == [("j 4", str(number), "too many orders; this message was not taken")]
        assert b"\x01379=c1\x01" in refused, "the order is named"
    assert answers(passed[6]) == [("5", "8", "far too many orders")]
    assert door.ending == "far too many orders"


def test_cancels_are_not_starved_by_orders() -> None:
    door = relay(orders=Budget(1, 1))
    for number in range(2, 4):
        door.message(order(number), 0.0)
    cancel = message(b"F", 4, b"11=x\x0141=c1\x0154=1\x0155=AAPL\x0160=%b\x01" % STAMP)
    assert door.message(cancel, 0.0) == cancel


def test_work_is_counted_and_not_only_messages() -> None:
    door = relay(subscriptions=Budget(1, 3))
    body = b"262=%d\x01263=1\x01264=0\x01146=%d\x01%b"
    two = message(b"V", 2, body % (1, 2, b"55=A\x0155=B\x01"))
    assert door.message(two, 0.0) == two
    assert answers(door.message(message(b"V", 3, body % (2, 2, b"55=A\x0155=B\x01")), 0.0))[0][0] == "j 4"
    assert door.message(message(b"V", 4, body % (3, 2, b"55=A\x0155=B\x01")), 1.0), "a second later there is one more"


def test_a_mass_quote_counts_by_the_entries_of_all_its_sets() -> None:
    door = relay(quotes=Budget(1, 5))
    entry = b"299=1\x01132=1\x01134=1\x01"
    two_sets = b"117=Q\x01296=2\x01302=A\x01304=2\x01295=2\x01" + entry * 2
    two_sets += b"302=B\x01304=2\x01295=2\x01" + entry * 2
    assert door.message(message(b"i", 2, two_sets), 0.0) == message(b"i", 2, two_sets)
    [(refused_by, _, _)] = answers(door.message(message(b"i", 3, two_sets), 0.0))
    assert refused_by.startswith("j"), "of five entries one is left"
    assert door.message(message(b"i", 4, two_sets), 4.0) == message(b"i", 4, two_sets)


def test_only_so_many_subscriptions_are_held_at_once() -> None:
    door = relay(subscriptions=Budget(0), active_subscriptions=2)
    ask = b"262=%d\x01263=%d\x01264=0\x01146=1\x0155=A\x01"
    for number in (2, 3):
        assert door.message(message(b"V", number, ask % (number, 1)), 0.0).count(b"35=V") == 1
    assert "more than 2" in answers(door.message(message(b"V", 4, ask % (4, 1)), 0.0))[0][2]
    door.message(message(b"V", 5, ask % (2, 2)), 0.0)
    assert b"35=V" in door.message(message(b"V", 6, ask % (6, 1)), 0.0), "one was given back"


def test_the_status_of_all_orders_has_a_budget_of_its_own() -> None:
    door = relay(mass_requests=Budget(1, 1))
    everything = message(b"H", 2, b"790=a\x01")
    assert door.message(everything, 0.0) == everything
    assert answers(door.message(message(b"H", 3, b"790=b\x01"), 0.0))[0][0] == "j 4"
    one = message(b"H", 4, b"11=c1\x0154=1\x0155=AAPL\x01")
    assert door.message(one, 0.0) == one


def test_messages_beyond_a_gap_are_bounded() -> None:
    door = relay(beyond_gap=3)
    for number in (5, 6, 7):
        assert door.message(order(number), 0.0) == order(number)
    assert "beyond a gap: 2 was expected" in answers(door.message(order(8), 0.0))[0][2]


@pytest.mark.parametrize(
    ("kind", "body"), [(b"A", b"98=0\x01"), (b"0", b"58=\x01"), (b"B", b"58=%b\x01" % (b"x" * 60_000))]
)
def test_so_is_what_is_refused_beyond_a_gap_and_what_is_long(kind: bytes, body: bytes) -> None:
    door = relay(beyond_gap=100, others=Budget(0))
    number = 5
    while not door.ending:
        door.message(message(kind, number, body), 0.0)
        number += 1
        assert number < 200
    assert "beyond a gap" in door.ending


def test_a_message_without_a_number_is_known_in_no_time() -> None:
    door = relay()
    started = time.process_time()
    door.message(frame("FIX.4.4", b"35=A\x01" * 13_000), 0.0)
    assert time.process_time() - started < 0.2
    assert "MsgSeqNum" in door.ending


def test_a_resend_that_has_to_wait_holds_no_number_back() -> None:
    door = relay(replayed_messages=Budget(10, 5))
    door.last_out = 100
    door.budgets.replayed.take(0.0, 5)
    assert answers(door.message(message(b"2", 2, b"7=1\x0116=0\x01"), 0.0)) == [("4", "2", "")]
    assert asked(door.replay(10.0)) == (1, PIECE)


def test_mass_cancels_have_a_budget_of_their_own() -> None:
    door = relay(mass_cancels=Budget(1, 1))
    every = b"11=q%d\x01530=7\x0160=%b\x01"
    assert b"35=q" in door.message(message(b"q", 2, every % (2, STAMP)), 0.0)
    assert answers(door.message(message(b"q", 3, every % (3, STAMP)), 0.0))[0][0] == "j 4"


def test_a_subscription_that_the_broker_refuses_takes_no_room() -> None:
    door = relay(active_subscriptions=1)
    ask = b"262=%d\x01263=1\x01264=0\x01146=1\x0155=A\x01"
    door.message(message(b"V", 2, ask % 1), 0.0)
    door.outgoing(from_broker(b"Y", 2, b"262=1\x01281=0\x01"))
    assert b"35=V" in door.message(message(b"V", 3, ask % 2), 0.0)


def test_a_gap_that_is_filled_is_none() -> None:
    door = relay(beyond_gap=3)
    for number in (4, 5, 6, 2, 3, 9, 7, 8, 10):
        assert door.message(order(number), 0.0) == order(number)
    assert door.expected == 11


def test_a_gap_of_before_the_logon_is_learned_from_the_broker() -> None:
    door = relay(beyond_gap=3)
    door.message(order(2), 0.0)
    door.outgoing(from_broker(b"2", 2, b"7=1\x0116=0\x01"))
    assert door.expected == 1
    fill = message(b"4", 1, b"43=Y\x01122=%b\x01123=Y\x0136=2\x01" % STAMP)
    assert door.message(fill, 0.0) == fill
    assert door.expected == 3, "what waited has been taken"


def told(passed: bytes) -> list[tuple[str, int, int]]:
    """(MsgType, MsgSeqNum, NewSeqNo) of each message that goes to the broker."""
    framer = Framer(65_536)
    framer.feed(passed)
    found = []
    while (one := framer.next()) is not None:
        tags = dict(split(one))
        found.append((tags[35].decode(), int(tags[34]), int(tags.get(36, b"0"))))
    return found


@pytest.mark.parametrize("body", [b"123=Y\x0136=9\x01", b"36=9\x01"])
def test_what_waits_beyond_a_gap_that_is_gone_over_does_not_wait_for_ever(body: bytes) -> None:
    door = relay()
    for number in (4, 5, 7):
        door.message(order(number), 0.0)
    passed = door.message(message(b"4", 2, b"43=Y\x01122=%b\x01%b" % (STAMP, body)), 0.0)
    emptied = [("0", number, 0) for number in (4, 5, 7)]
    assert told(passed) == [*emptied, ("4", 2, 4), ("4", 6, 7), ("4", 8, 9)]
    assert door.expected == 9
    assert door.message(order(9), 0.0) == order(9)


RESET = b"98=0\x01108=30\x01141=Y\x01"


def test_what_waits_beyond_a_gap_is_taken_before_the_numbers_begin_anew() -> None:
    door = relay()
    for number in (4, 5, 7):
        door.message(order(number), 0.0)
    logon = message(b"A", 1, RESET)
    assert door.message(logon, 0.0) == b"", "it is to be authenticated"
    assert (door.take_logon(), door.logon) == (logon, b"")
    assert told(door.begin_anew()) == [("4", 2, 4), ("4", 6, 7)]
    door.outgoing(from_broker(b"2", 50, b"7=1\x0116=0\x01"))
    door.outgoing(from_broker(b"A", 1, RESET))
    assert (door.expected, door.last_out) == (2, 1)
    assert door.message(order(2), 0.0) == order(2)


def test_a_resend_that_is_under_way_ends_when_the_numbers_begin_anew() -> None:
    door = relay()
    door.last_out = 170
    door.message(message(b"2", 2, b"7=1\x0116=0\x01"), 0.0)
    door.message(message(b"A", 1, RESET), 0.0)
    door.begin_anew()
    for number in range(1, PIECE + 1):
        door.outgoing(from_broker(b"8", number, b"43=Y\x01"))
    door.outgoing(from_broker(b"A", 1, RESET))
    assert (door.replay(1.0), door.replay_due(1.0)) == (b"", None)
    for number in range(2, 5):
        door.outgoing(from_broker(b"8", number))
    again = message(b"2", 2, b"7=1\x0116=0\x01")
    assert door.message(again, 1.0) == again


def test_a_short_resend_is_asked_for_as_the_client_asks() -> None:
    door = relay()
    door.last_out = PIECE
    request = message(b"2", 2, b"7=1\x0116=0\x01")
    assert door.message(request, 0.0) == request
    door.outgoing(from_broker(b"8", PIECE, b"43=Y\x01"))
    assert door.replay(0.0) == b""
    assert not door.replaying


def test_a_refusal_brings_the_route_of_what_it_refuses() -> None:
    door = relay(orders=Budget(1, 1))
    route = b"115=J\x01116=S\x01144=C\x01128=K\x01"
    for kind, body in ((b"ZZ", b""), (b"D", b"453=2\x01448=x\x01447=D\x01"), (b"D", ORDER), (b"D", ORDER)):
        passed = door.message(message(kind, door.expected, route + body), 0.0)
        assert route in passed
    assert b"\x01115=x\x01" not in door.message(message(b"ZZ", 6, b"115=%b\x01" % (b"x" * 65)), 0.0)


@pytest.mark.parametrize("kind", [b"*", b"ZZZ", b"n-ame", b"x" * 32])
def test_a_refusal_says_which_type_it_refuses(kind: bytes) -> None:
    assert b"\x01372=%b\x01" % kind in relay().message(message(kind, 2), 0.0)


def test_what_is_garbled_has_a_budget() -> None:
    door = relay(others=Budget(1, 3))
    assert [door.garbled(0.0) for _ in range(3)] == [b"", b"", b""]
    assert "no FIX message" in answers(door.garbled(0.0))[0][2]


def asked(passed: bytes) -> tuple[int, int]:
    tags = dict(split(passed))
    assert tags[35] == b"2"
    return int(tags[7]), int(tags[16])


def test_a_long_resend_is_asked_for_in_pieces_and_a_second_request_for_it_is_merged() -> None:
    door = relay(replayed_messages=Budget(1000, 120))
    door.last_out = 170
    assert asked(door.message(message(b"2", 2, b"7=1\x0116=0\x01"), 0.0)) == (1, PIECE)
    assert answers(door.message(message(b"2", 3, b"7=10\x0116=0\x01"), 0.0)) == [("4", "3", "")], "a gap fill"
    assert door.replay(0.0) == b"", "the first piece is under way"
    for number in range(1, PIECE + 1):
        door.outgoing(from_broker(b"8", number, b"43=Y\x01"))
    assert asked(door.replay(0.0)) == (PIECE + 1, 2 * PIECE)
    door.outgoing(from_broker(b"4", PIECE + 1, b"43=Y\x01123=Y\x0136=%d\x01" % (2 * PIECE + 1)))
    assert door.replay(0.0) == b"", "120 were to be had at once, and these would be more"
    assert door.replay_due(0.0) == pytest.approx(0.03)
    assert asked(door.replay(0.04)) == (2 * PIECE + 1, 3 * PIECE)
    door.outgoing(from_broker(b"8", 3 * PIECE, b"43=Y\x01"))
    assert asked(door.replay(1.0)) == (3 * PIECE + 1, 170)
    door.outgoing(from_broker(b"8", 170, b"43=Y\x01"))
    assert door.replay(1.0) == b""
    assert door.replay_due(1.0) is None


def test_a_resend_that_stalls_does_not_hold_the_next() -> None:
    door = relay()
    door.last_out = 60
    door.message(message(b"2", 2, b"7=1\x0116=0\x01"), 0.0)
    assert door.replay(1.0) == b""
    assert asked(door.replay(6.0)) == (51, 60)


def test_resends_have_a_budget_too() -> None:
    door = relay(resend_requests=Budget(1, 2))
    door.last_out = 10
    found = [door.message(message(b"2", number, b"7=1\x0116=0\x01"), 0.0) for number in range(2, 7)]
    assert [answers(one)[0][0] for one in found] == ["2", "4", "3 99", "3 99", "5"]


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(1, 4)), max_size=60), st.integers(1, 20), st.integers(1, 10))
def test_a_bucket_never_gives_more_than_its_burst_and_rate(takes: list[tuple[int, int]], rate: int, burst: int) -> None:
    bucket, now, given_out = Bucket(Budget(rate, burst), 0.0), 0.0, 0
    for wait, cost in takes:
        now += wait / 10
        given_out += cost if bucket.take(now, cost) else 0
        # What costs more than is in a full bucket is given once, and paid off.
        assert given_out <= burst + rate * now + 4


BYTES = st.binary(max_size=120)


@given(st.lists(st.one_of(BYTES, st.builds(lambda n, b: message(b"D", n, b), st.integers(0, 9), BYTES)), max_size=8))
def test_nothing_framed_raises(bodies: list[bytes]) -> None:
    door = relay()
    for body in bodies:
        framed = (
            body if body.startswith(b"8=FIX") else frame("FIX.4.4", b"35=" + body.replace(b"\x01\x01", b"") + b"\x01")
        )
        framer = Framer(65_536)
        framer.feed(framed)
        while (one := framer.next()) is not None:
            passed = door.message(one, 0.0)
            check = Framer(65_536)
            check.feed(passed)
            while check.next() is not None:
                pass
            assert check.fault is None, "what goes to the broker is framed well"


@given(
    st.lists(st.tuples(st.sampled_from([b"8", b"0", b"2", b"A"]), st.integers(1, 99)), max_size=8), st.integers(1, 40)
)
def test_the_brokers_messages_are_followed_whatever_the_split(told: list[tuple[bytes, int]], step: int) -> None:
    door = relay()
    whole = b"".join(from_broker(kind, number, b"7=1\x0116=0\x0158=x\x01") for kind, number in told)
    found = [kind for at in range(0, len(whole), step) for kind in door.outgoing(whole[at : at + step])]
    assert found == [kind for kind, _ in told]
