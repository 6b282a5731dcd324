"""Who may connect, by source: limits, lockouts, and the PROXY protocol that says who a source is."""

import socket
import struct
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokerfix.access.redact import redacted
from brokerfix.gateway import proxy
from brokerfix.gateway.sources import Sources, source_of, to_address
from brokerfix.settings.sections import BrokerSection, Budget, ClientSection, Config, GatewaySection

A, B = to_address("192.0.2.1"), to_address("192.0.2.2")


def sources(known: str = "", **limits: object) -> Sources:
    section = msgspec.structs.replace(GatewaySection("127.0.0.1", connects_per_source=Budget(0)), **limits)
    client = ClientSection(("X",), addresses=(known,) if known else ())
    broker = BrokerSection("BROKER", 1, "data")
    return Sources(Config(Path("x"), Path("x"), broker, {}, {}, {"X": client}, {}, gateway=section))


def test_a_source_has_so_many_connections_and_fewer_that_have_not_logged_on() -> None:
    door = sources(max_connections_per_source=3, max_half_open_per_source=2)
    assert [door.admit(A, 0.0) for _ in range(2)] == ["", ""]
    assert "not logged on" in door.admit(A, 0.0)
    assert door.admit(B, 0.0) == ""
    door.settled(A, 0.0)
    assert door.admit(A, 0.0) == ""
    door.settled(A, 0.0)
    assert "from this source" in door.admit(A, 0.0)
    door.gone(A, True, 0.0)
    assert door.admit(A, 0.0) == ""


def test_places_are_kept_for_those_who_are_known() -> None:
    door = sources("192.0.2.2/32", max_connections=3, reserved_connections=1, max_half_open_per_source=9)
    assert [door.admit(A, 0.0) for _ in range(3)] == ["", "", "too many connections"]
    assert door.admit(B, 0.0) == ""
    assert door.admit(B, 0.0) == "too many connections"


def test_a_source_connects_only_so_fast() -> None:
    door = sources(connects_per_source=Budget(1, 2))
    assert [door.admit(A, 0.0) for _ in range(3)] == ["", "", "too many connections in a short time"]
    assert door.admit(A, 1.0) == ""


def test_failures_lock_a_source_out_for_longer_each_time() -> None:
    door = sources(failures_before_lockout=2, lockout_seconds=10.0)
    assert [door.failed(A, 0.0), door.failed(A, 1.0)] == [0.0, 10.0]
    assert "locked out" in door.admit(A, 10.0)
    assert not door.is_locked(B, 10.0)
    assert not door.is_locked(A, 11.5)
    assert door.failed(A, 12.0) == 20.0
    assert door.failed(A, 200.0) == 0.0, "long ago counts no more"


def test_a_right_password_in_between_forgives_nothing() -> None:
    door = sources(failures_before_lockout=3, lockout_seconds=10.0)
    for _ in range(2):
        door.failed(A, 0.0)
        door.admit(A, 0.0)
        door.settled(A, 0.0)
    assert door.failed(A, 0.0) == 10.0


def test_the_owner_of_an_ipv6_network_is_one_source() -> None:
    assert source_of(to_address("2001:db8::1")) == source_of(to_address("2001:db8::ffff:1"))
    assert source_of(to_address("2001:db8::1")) != source_of(to_address("2001:db8:0:1::1"))
    assert to_address("::ffff:192.0.2.1") == A


@given(st.lists(st.sampled_from(["admit", "settle", "drop"]), max_size=60))
def test_the_counts_come_back_to_nothing(steps: list[str]) -> None:
    door = sources(max_half_open_per_source=5, max_connections_per_source=8)
    waiting = settled = 0
    for step in steps:
        if step == "admit":
            waiting += door.admit(A, 0.0) == ""
        elif step == "settle" and waiting:
            door.settled(A, 0.0)
            waiting, settled = waiting - 1, settled + 1
        elif step == "drop" and waiting + settled:
            door.gone(A, not waiting, 0.0)
            waiting, settled = (waiting - 1, settled) if waiting else (0, settled - 1)
        assert door.connections == waiting + settled
    for _ in range(waiting):
        door.gone(A, False, 0.0)
    for _ in range(settled):
        door.gone(A, True, 0.0)
    assert [door.admit(A, 0.0) for _ in range(5)] == [""] * 5


def header(family: int, body: bytes, version: int = 0x21) -> tuple[bytes, bytes]:
    return proxy.SIGNATURE + struct.pack("!BBH", version, family, len(body)), body


def test_a_proxy_header_names_the_client() -> None:
    four = socket.inet_aton("192.0.2.1") + socket.inet_aton("10.0.0.1") + bytes(4)
    six = socket.inet_pton(socket.AF_INET6, "2001:db8::5") + bytes(20)
    assert proxy.source(*header(0x11, four)) == A
    assert proxy.source(*header(0x21, six)) == to_address("2001:db8::5")
    assert proxy.source(*header(0x11, four + b"\x04\x00\x00")) == A, "more that follows is left alone"
    assert proxy.source(*header(0x00, b"", 0x20)) is None, "the load balancer itself"


@pytest.mark.parametrize(
    ("head", "body"),
    [header(0x11, b"short"), header(0x31, bytes(216)), header(0x12, bytes(12)), header(0x00, b"")],
)
def test_a_proxy_header_without_the_addresses_of_tcp_is_none(head: bytes, body: bytes) -> None:
    with pytest.raises(proxy.NoProxyHeader):
        proxy.source(head, body)


@given(st.binary(min_size=16, max_size=16))
def test_other_bytes_are_no_proxy_header(head: bytes) -> None:
    if not head.startswith(proxy.SIGNATURE):
        with pytest.raises(proxy.NoProxyHeader):
            proxy.length(head)


def test_a_proxy_header_is_not_long() -> None:
    with pytest.raises(proxy.NoProxyHeader):
        proxy.length(proxy.SIGNATURE + struct.pack("!BBH", 0x21, 0x11, 2000))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("8=FIX|553=bob|554=a=b c|10=1|", "8=FIX|553=bob|554=***|10=1|"),
        (
            "35=A\x01554=with|bar\x01925=new\x0196=raw\x011554=kept\x01",
            "35=A\x01554=***\x01925=***\x0196=***\x011554=kept\x01",
        ),
        ("no message at all", "no message at all"),
    ],
)
def test_secrets_are_taken_out_of_what_people_read(text: str, told: str) -> None:
    assert redacted(text) == told


def test_a_lockout_is_not_forgotten_while_there_is_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has many addresses makes nobody's failures forgotten before all places are taken."""
    monkeypatch.setattr("brokerfix.gateway.sources.MOST_SOURCES", 100)
    door = sources(failures_before_lockout=1, lockout_seconds=60.0)
    assert door.failed(A, 0.0) == 60
    for number in range(99):
        door.failed(to_address(f"198.51.100.{number}"), 0.0)
    assert door.is_locked(A, 1.0)
