"""Trial 11: sequence numbers that begin anew while a session is up: a Logon with ResetSeqNumFlag(141)=Y in it, through
the gateway, as desks that trade around the clock send it."""

import time
from collections.abc import Iterator

import pytest

from brokerfix.tools.client import Client, utc_now
from tests.live import SECRET, Wire, run_cli
from tests.test_gateway import BOBS, ORDER, Place, is_locked_out, place, report, until

__all__ = ["place"]
Fields = tuple[tuple[int, str], ...]
ANEW: Fields = ((98, "0"), (108, "30"), (141, "Y"))
CREDENTIALS: dict[str, Fields] = {
    "DAVE": ((95, str(len(SECRET))), (96, SECRET)),
    "KATE": ((554, SECRET),),
    "JOAN": ((554, SECRET),),
    "HANS": ((553, "hans"), (554, SECRET), (1137, "9")),
}
VERSIONS = {"DAVE": "FIX.4.2", "HANS": "FIXT.1.1"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    made = Place(tmp_path_factory.mktemp("anew"))
    yield made
    made.process.stop()


def logged_on(place: Place, name: str, how: str = "plain") -> Wire:
    """A session that has just logged on, with numbers that begin anew."""
    wire = Wire(place.connect() if how == "plain" else place.secured(), name, VERSIONS.get(name, "FIX.4.4"))
    answer = wire.logon(1, (141, "Y"), *CREDENTIALS.get(name, ()))
    assert (answer[35], answer[34]) == ("A", "1")
    return wire


def log_out(wire: Wire, number: int) -> None:
    wire.send("5", number)
    assert wire.read_until("5")
    assert wire.is_cut()


def order(wire: Wire, number: int, cl_ord_id: str) -> bytes:
    return wire.pack("D", number, (11, cl_ord_id), (21, "1"), *ORDER)


@pytest.mark.parametrize("how", ["plain", "tls"])
@pytest.mark.parametrize("name", ["DAVE", "KATE", "HANS"])
def test_a_session_begins_anew_several_times(place: Place, name: str, how: str) -> None:
    wire = logged_on(place, name, how)
    for turn in range(3):
        wire.socket.sendall(order(wire, 2, f"{name}-{how}-{turn}"))
        taken = wire.read()
        assert (taken[11], taken[34]) == (f"{name}-{how}-{turn}", "2")
        wire.send("A", 1, *ANEW, *CREDENTIALS[name])
        answer = wire.read()
        assert (answer[35], answer[34], answer[141]) == ("A", "1", "Y")
        assert place.numbers(name) == (2, 2)
    wire.socket.sendall(order(wire, 2, f"{name}-{how}-last"))
    last = wire.read()
    wire.send("2", 3, (7, "1"), (16, "0"))
    filled, again = wire.read(), wire.read()
    assert (filled[35], filled[34], filled[36]) == ("4", "1", "2")
    assert (again[34], again[43], again[17]) == ("2", "Y", last[17]), "what is sent again has the new numbers"
    wire.send("1", 4, (112, "three"))
    assert wire.read()[34] == "3"
    log_out(wire, 5)


def test_what_comes_before_and_behind_it_keeps_its_place(place: Place) -> None:
    """All in one piece: nothing behind the Logon is looked at before it is answered."""
    wire = logged_on(place, "KATE")
    logon = wire.pack("A", 1, *ANEW, *CREDENTIALS["KATE"])
    told = [order(wire, 2, "before"), logon, order(wire, 2, "behind"), wire.pack("1", 3, (112, "behind too"))]
    wire.socket.sendall(b"".join(told))
    answers = [wire.read() for _ in range(4)]
    assert [(answer[35], answer[34]) for answer in answers] == [("8", "2"), ("A", "1"), ("8", "2"), ("0", "3")]
    assert (answers[0][11], answers[2][11], answers[3][112]) == ("before", "behind", "behind too")
    log_out(wire, 4)


def test_what_waits_beyond_a_gap_is_not_taken_for_another_message(place: Place) -> None:
    wire = logged_on(place, "KATE")
    wire.socket.sendall(order(wire, 4, "early"))
    assert wire.read_until("2")[7] == "2"
    wire.send("A", 1, *ANEW, *CREDENTIALS["KATE"])
    taken, answer = wire.read(), wire.read()
    assert (taken[11], answer[35], answer[34]) == ("early", "A", "1")
    wire.send("0", 2)
    wire.send("0", 4)
    assert wire.read_until("2")[7] == "3", "a gap in the new numbers is asked for"
    wire.send("4", 3, (43, "Y"), (122, utc_now()), (123, "Y"), (36, "5"))
    for number in range(5, 8):
        wire.send("1", number, (112, str(number)))
        assert wire.read()[112] == str(number)
    log_out(wire, 8)


def test_nor_are_numbers_that_the_broker_has_asked_for_meanwhile(place: Place) -> None:
    """All in one piece: the broker asks for what is missing, and then its numbers begin anew."""
    wire = logged_on(place, "KATE")
    wire.socket.sendall(order(wire, 4, "early too") + wire.pack("A", 1, *ANEW, *CREDENTIALS["KATE"]))
    assert wire.read_until("A")[34] == "1"
    wire.send("0", 2)
    wire.send("4", 3, (123, "Y"), (36, "10"))
    # A gateway that takes them for new ones would end the session: it holds 1,000 messages beyond a gap.
    for number in range(10, 1020):
        wire.socket.sendall(order(wire, number, f"anew-{number}"))
        assert wire.read_until("8")[11] == f"anew-{number}"
    log_out(wire, 1020)


def test_nor_is_what_the_client_has_gone_over(place: Place) -> None:
    wire = logged_on(place, "KATE")
    wire.socket.sendall(order(wire, 4, "gone over"))
    assert wire.read_until("2")[7] == "2"
    wire.send("4", 2, (43, "Y"), (122, utc_now()), (123, "Y"), (36, "6"))
    wire.send("A", 1, *ANEW, *CREDENTIALS["KATE"])
    assert wire.read()[35] == "A"
    for number in range(2, 8):
        wire.send("1", number, (112, str(number)))
        assert wire.read()[112] == str(number)
    log_out(wire, 8)


def test_a_logon_that_waits_beyond_a_gap_is_none_of_the_new_numbers(place: Place) -> None:
    """A client that has lost its place logs on with a number that is too high, and fills the gap."""
    log_out(logged_on(place, "KATE"), 2)
    wire = Wire(place.connect(), "KATE")
    assert wire.logon(5, *CREDENTIALS["KATE"])[35] == "A"
    assert wire.read_until("2")[7] == "3"
    wire.send("4", 3, (43, "Y"), (122, utc_now()), (123, "Y"), (36, "6"))
    wire.send("A", 1, *ANEW, *CREDENTIALS["KATE"])
    assert wire.read_until("A")[34] == "1"
    for number in range(2, 8):
        wire.send("1", number, (112, str(number)))
        assert wire.read()[112] == str(number)
    log_out(wire, 8)


REFUSED: dict[str, tuple[str, int, Fields, str]] = {
    "a wrong password": ("HANS", 1, ((553, "hans"), (554, "wrong"), (1137, "9")), "Logon refused"),
    "no password": ("HANS", 1, ((1137, "9"),), "Logon refused"),
    "another number than 1": ("HANS", 2, CREDENTIALS["HANS"], "Logon refused"),
    "a possible duplicate": ("HANS", 1, ((43, "Y"), (122, utc_now()), *CREDENTIALS["HANS"]), "Logon refused"),
    "ResetSeqNumFlag against the policy": ("BOB", 1, BOBS, "ResetSeqNumFlag(141)=Y is not allowed"),
}


@pytest.mark.parametrize("why", REFUSED)
def test_one_that_is_refused_resets_nothing_and_ends_the_session(place: Place, why: str) -> None:
    name, number, body, told = REFUSED[why]
    ours, theirs = place.numbers(name)
    right = BOBS if name == "BOB" else CREDENTIALS[name]
    wire = Wire(place.connect("127.0.7.1"), name, VERSIONS.get(name, "FIX.4.4"))
    assert wire.logon(theirs, *right)[34] == str(ours)
    wire.socket.sendall(wire.pack("A", number, *ANEW, *body) + order(wire, 2, f"behind {why}"))
    bye = wire.read()
    assert (bye[35], bye[34], bye[58]) == ("5", str(ours + 1), told)
    wire.send("5", theirs + 1)
    assert wire.is_cut()
    until(lambda: place.numbers(name) == (ours + 2, theirs + 2))


def test_a_wrong_password_in_it_counts_towards_the_lockout_and_a_right_one_does_not(place: Place) -> None:
    def tried(source: str, password: str) -> str:
        wire = Wire(place.connect(source), "HANS", "FIXT.1.1")
        assert wire.logon(place.numbers("HANS")[1], *CREDENTIALS["HANS"])[35] == "A"
        wire.send("A", 1, *ANEW, (553, "hans"), (554, password), (1137, "9"))
        answer = wire.read()
        wire.socket.close()
        until(lambda: "HANS" not in place.page("sessions"))
        return answer[35]

    assert [tried("127.0.7.2", SECRET) for _ in range(4)] == ["A"] * 4
    assert not is_locked_out(place, "127.0.7.2")
    assert [tried("127.0.7.3", "wrong") for _ in range(3)] == ["5"] * 3
    assert is_locked_out(place, "127.0.7.3")


def test_the_same_bytes_in_the_same_second_are_no_replay_in_a_session_that_is_up(place: Place) -> None:
    wire = logged_on(place, "DAVE")
    logon = wire.pack("A", 1, *ANEW, *CREDENTIALS["DAVE"], sent=utc_now()[:17])
    for _ in range(3):
        wire.socket.sendall(logon)
        assert wire.read()[35] == "A"
    log_out(wire, 2)
    again = Wire(place.connect("127.0.7.4"), "DAVE", "FIX.4.2")
    again.socket.sendall(logon)
    assert again.is_cut(), "but they are on a new connection"


def test_above_the_budget_of_logons_it_waits(place: Place) -> None:
    wire = logged_on(place, "JOAN")
    started = time.monotonic()
    for _ in range(4):
        wire.send("A", 1, *ANEW, (554, SECRET))
        assert wire.read()[35] == "A"
    assert 0.5 < time.monotonic() - started < 5.0
    log_out(wire, 2)


def test_a_session_that_the_operator_begins_anew_comes_back_in_either_way(place: Place) -> None:
    for anew in (True, False):
        wire = logged_on(place, "HANS")
        wire.send("1", 2, (112, "x"))
        wire.read()
        done = run_cli("sessions", "reset", "HANS", "--config", str(place.config))
        assert done.returncode == 0, done.stderr
        assert wire.read_until("5")
        assert wire.is_cut()
        assert place.numbers("HANS") == (1, 1)
        back = Wire(place.connect(), "HANS", "FIXT.1.1")
        answer = back.logon(1, *(((141, "Y"),) if anew else ()), *CREDENTIALS["HANS"])
        assert (answer[35], answer[34]) == ("A", "1")
        log_out(back, 2)


def test_what_the_client_missed_is_not_lost_by_it(place: Place) -> None:
    """It begins anew before it has asked for what it missed."""
    wire = logged_on(place, "ALICE")
    wire.socket.sendall(order(wire, 2, "missed"))
    assert wire.read()[11] == "missed"
    log_out(wire, 3)
    assert run_cli("orders", "cancel", "missed", "--client", "ALICE", "--config", str(place.config)).returncode == 0
    wire = Wire(place.connect(), "ALICE")
    assert wire.logon(4)[35] == "A"
    wire.send("A", 1, *ANEW)
    assert wire.read_until("A")[34] == "1"
    told = wire.read_until("8")
    assert (told[11], told[39], told[97]) == ("missed", "4", "Y")
    log_out(wire, 2)


def test_the_next_logon_does_not_begin_anew_once_more(place: Place) -> None:
    """Reports of while the client was away come once, when it asks for them, and not a second time by themselves."""
    wire = logged_on_again(place, place.client("ALICE"))
    wire.socket.sendall(order(wire, 2, "away"))
    assert wire.read()[11] == "away"
    log_out(wire, 3)
    done = run_cli("orders", "cancel", "away", "--client", "ALICE", "--config", str(place.config))
    assert done.returncode == 0, done.stderr
    back = Wire(place.connect(), "ALICE")
    assert back.logon(4)[34] == "5"
    back.send("1", 5, (112, "nothing more"))
    assert back.read().get(112) == "nothing more"
    back.send("2", 6, (7, "4"), (16, "4"))
    canceled = back.read()
    assert (canceled[11], canceled[39], canceled[43]) == ("away", "4", "Y")
    log_out(back, 7)


def logged_on_again(place: Place, client: Client) -> Wire:
    """The client's session, with an order in it, begun anew while it is up."""
    client.new_order("old", "1", "1", "AAPL", "140.00")
    assert report(client, "old", "0")
    assert client._socket is not None
    wire = Wire(client._socket, client.comp_id)
    wire.send("A", 1, *ANEW)
    assert wire.read()[35] == "A"
    return wire
