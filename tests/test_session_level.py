"""The session level over the wire, with raw sockets, in every version: gaps, resends, test requests, wrong numbers and
names, heartbeats, logouts."""

import socket
from collections.abc import Iterator

import pytest

from brokerfix.tools.client import utc_now
from tests.live import UNSTORED, Market, Wire

VERSIONS = {"R42": "FIX.4.2", "R44": "FIX.4.4", "R50": "FIXT.1.1"}


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    clients = "".join(f'[clients.{name}]\nfix = "{fix}"\naccounts = ["ALICE"]\n' for name, fix in VERSIONS.items())
    market = Market(tmp_path_factory.mktemp("wire"), broker=UNSTORED + clients)
    market.start()
    yield market
    market.stop()


class Session(Wire):
    """A client's connection, in the version of its name."""

    def __init__(self, market: Market, name: str) -> None:
        super().__init__(socket.create_connection(("127.0.0.1", market.broker.port), 10), name, VERSIONS[name])

    def log_on(self, number: int, *body: tuple[int, str]) -> None:
        more = ((1137, "9"),) if self.version == "FIXT.1.1" else ()
        self.send("A", number, (98, "0"), (108, "30"), *more, *body)

    def order(self, number: int, cl_ord_id: str, *head: tuple[int, str]) -> None:
        terms = ((55, "AAPL"), (54, "1"), (60, utc_now()), (38, "1"), (40, "2"), (44, "140.00"), (21, "1"))
        self.send("D", number, *head, (11, cl_ord_id), *terms)

    def close(self) -> None:
        self.socket.close()


@pytest.fixture(params=VERSIONS)
def wire(market: Market, request: pytest.FixtureRequest) -> Iterator[Session]:
    """A connection that has logged on with numbers that begin anew."""
    connection = Session(market, request.param)
    connection.log_on(1, (141, "Y"))
    answer = connection.read()
    assert (answer[35], answer[34], answer[141]) == ("A", "1", "Y")
    yield connection
    connection.close()


def test_a_test_request_is_answered(wire: Session) -> None:
    wire.send("1", 2, (112, "are you there"))
    answer = wire.read_until("0")
    assert answer[112] == "are you there"


def test_a_gap_is_asked_for_and_what_came_early_waits(wire: Session) -> None:
    wire.order(3, f"early-{utc_now()}")
    asked = wire.read_until("2")
    assert (asked[7], asked[16]) in (("2", "0"), ("2", "2"))
    first = f"late-{utc_now()}"
    wire.order(2, first, (43, "Y"), (122, utc_now()))
    assert wire.read_until("8")[11] == first, "the message that was missing is taken first"
    wire.order(3, f"again-{utc_now()}", (43, "Y"), (122, utc_now()))
    assert wire.read_until("8")[11].startswith(("early", "again"))


def test_a_resend_request_is_answered_with_possible_duplicates(wire: Session) -> None:
    name = f"resend-{utc_now()}"
    wire.order(2, name)
    report = wire.read_until("8")
    wire.send("2", 3, (7, "1"), (16, "0"))
    filled = wire.read_until("4")
    assert (filled[43], filled[123]) == ("Y", "Y"), "the Logon is gap filled"
    again = wire.read_until("8")
    assert (again[34], again[43], again[17], again[11]) == (report[34], "Y", report[17], name)
    assert 122 in again


def test_a_message_that_came_before_is_ignored_when_it_says_so(wire: Session) -> None:
    wire.send("0", 2)
    wire.send("0", 2, (43, "Y"), (122, utc_now()))
    wire.send("1", 3, (112, "still here"))
    assert wire.read_until("0")[112] == "still here"


def test_a_low_sequence_number_ends_the_session(wire: Session) -> None:
    wire.send("0", 2)
    wire.send("0", 2)
    bye = wire.read_until("5")
    assert "too low" in bye[58]
    assert wire.read() == {}


@pytest.mark.parametrize(("names", "what"), [({"sender": "EVE"}, "sender"), ({"target": "OTHER"}, "target")])
def test_wrong_comp_ids_end_the_session(wire: Session, names: dict[str, str], what: str) -> None:
    wire.send("0", 2, **names)
    refused = wire.read_until("3")
    assert (refused[373], refused[45]) == ("9", "2"), what
    assert wire.read_until("5")[35] == "5"


def test_a_sequence_reset_moves_on(wire: Session) -> None:
    wire.send("4", 2, (123, "N"), (36, "10"))
    wire.send("1", 10, (112, "ten"))
    assert wire.read_until("0")[112] == "ten"
    wire.send("4", 11, (123, "N"), (36, "5"))
    assert wire.read_until("3")[45] == "11", "it can't go back"


def test_a_logout_is_answered(wire: Session) -> None:
    wire.send("5", 2)
    assert wire.read_until("5")[35] == "5"
    assert wire.read() == {}


def test_sequence_numbers_go_on_over_a_logon(market: Market, wire: Session) -> None:
    wire.send("1", 2, (112, "x"))
    last = int(wire.read_until("0")[34])
    wire.send("5", 3)
    wire.read_until("5")
    again = Session(market, wire.name)
    again.log_on(4)
    assert int(again.read()[34]) == last + 2
    again.close()


def test_a_logon_with_a_low_number_is_refused(market: Market, wire: Session) -> None:
    wire.send("0", 2)
    wire.send("5", 3)
    wire.read_until("5")
    again = Session(market, wire.name)
    again.log_on(1)
    told = again.read()
    assert told == {} or (told[35] == "5" and "too low" in told[58])
    again.close()


def test_a_stranger_and_a_wrong_version_get_no_session(market: Market, wire: Session) -> None:
    stranger = Session(market, wire.name)
    stranger.send("A", 1, (98, "0"), (108, "30"), sender="EVE")
    assert stranger.read() == {}
    stranger.close()
    other = Session(market, wire.name)
    other.version = "FIX.4.3"
    other.log_on(1)
    assert other.read() == {}
    other.close()
    wire.send("1", 2, (112, "unharmed"))
    assert wire.read_until("0")[112] == "unharmed"


def test_what_is_beyond_all_that_was_sent_can_not_be_had(wire: Session) -> None:
    wire.send("2", 2, (7, "900"), (16, "0"))
    wire.send("1", 3, (112, "still here"))
    assert wire.read_until("0")[112] == "still here"


def test_a_message_with_groups_is_sent_again_as_it_was(wire: Session) -> None:
    """As the last part of what is asked for, and before others."""
    name = utc_now()
    body: list[tuple[int, str]] = [(66, f"L-{name}"), (394, "3"), (68, "2"), (73, "2")]
    for at in "12":
        terms = ((55, "AAPL"), (54, "1"), (60, utc_now()), (38, "1"), (40, "2"), (44, "140.00"), (21, "1"))
        body += [(11, f"{name}-{at}"), (67, at), *terms]
    wire.send("E", 2, *body)
    told = wire.read_until("N")
    entries = wire.last[[tag for tag, _ in wire.last].index(73) : -1]
    assert len(entries) > 10
    for turn in range(2):
        wire.send("2", 3 + 2 * turn, (7, told[34]), (16, "0"))
        again = wire.read_until("N")
        assert (again[34], again[43]) == (told[34], "Y")
        assert wire.last[[tag for tag, _ in wire.last].index(73) : -1] == entries
        wire.send("1", 4 + 2 * turn, (112, "more"))
        assert wire.read_until("0")
