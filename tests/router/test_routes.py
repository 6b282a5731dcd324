"""Where a client's messages go."""

import pytest

from brokerfix.router.routes import ALL, ANY, NoRoute, Routes
from brokerfix.router.state import FORWARD, State
from brokerfix.router.where import Configured
from tests.router.hubs import ACCOUNTS, fields

LIST = "66=L|68=2|394=3|73=2|11=A|67=1|1={}|55=AAPL|54=1|11=B|67=2|1={}|55=AAPL|54=1"


@pytest.fixture
def routes() -> Routes:
    return Routes(list(ACCOUNTS), Configured(ACCOUNTS).shard, [0, 3])


@pytest.mark.parametrize(
    ("kind", "text", "shard"),
    [
        ("D", "11=A|1=NORTH", 0),
        ("D", "11=A|1=SOUTH", 3),
        ("D", "11=A|55=AAPL", 0),  # the client's first account, as with one broker
        ("D", "11=A|1=NOBODY", 0),  # which refuses it
        ("D", "11=A|40=D|117=20261127-03-12|1=NORTH", 3),  # it takes a quote of that shard
        ("F", "11=B|41=A|37=20261127-03-12", 3),
        ("F", "11=B|41=A|1=SOUTH", 3),
        ("H", "11=A|37=20261127-03-12", 3),
        ("H", "55=AAPL", ALL),
        ("H", "1=SOUTH", 3),
        ("AF", "584=M|585=7", ALL),
        ("AF", "584=M|585=8|453=1|448=SOUTH|452=38", 3),
        ("q", "11=A|530=7", ALL),
        ("q", "11=A|530=7|1=SOUTH", 3),
        ("CL", "1666=R", ALL),
        ("V", "262=M", ANY),
        ("x", "320=S", ANY),
        ("E", LIST.format("SOUTH", "SOUTH"), 3),
        ("s", "548=X|552=2|54=1|11=A|1=SOUTH|54=2|11=B|1=SOUTH", 3),
        ("Q", "37=20261127-03-12|17=20261127-03-13|127=A", 3),
        ("AJ", "693=A|694=1|117=20261127-03-12", 3),
        ("Z", "117=mine|298=4", 0),
        ("n", "58=what is this", 0),
    ],
)
def test_a_message_goes_to(routes: Routes, kind: str, text: str, shard: int) -> None:
    assert routes.to(kind.encode(), fields(text), State()) == shard


def test_an_order_is_known_by_its_clordid_and_those_of_its_replaces(routes: Routes) -> None:
    state = State()
    sent = (("D", "11=A|1=SOUTH"), ("G", "11=B|41=A"), ("F", "11=C|41=B"))
    for number, (kind, text) in enumerate(sent, 1):
        state.apply((FORWARD, 3, number, number, 0, 0, kind.encode(), fields(text)), 0)
    for name in ("A", "B", "C"):
        assert routes.to(b"H", fields(f"11={name}"), state) == 3
        assert routes.to(b"F", fields(f"11=X|41={name}|1=NORTH"), state) == 3


def test_a_list_or_cross_of_several_shards_is_refused_with_what_to_do(routes: Routes) -> None:
    with pytest.raises(NoRoute, match=r"LIST: its orders are of accounts on several shards \(0, 3\)"):
        routes.to(b"E", fields(LIST.format("NORTH", "SOUTH")), State())


def test_a_shard_that_the_router_does_not_know_is_told(routes: Routes) -> None:
    elsewhere = Routes(list(ACCOUNTS), Configured({"NORTH": 0, "SOUTH": 7}).shard, [0, 3])
    assert elsewhere.shards == [0]
    with pytest.raises(NoRoute, match="account SOUTH is on shard 7, which this router does not know"):
        elsewhere.to(b"D", fields("11=A|1=SOUTH"), State())


def test_a_client_of_one_shard_needs_no_ids() -> None:
    routes = Routes(["SOUTH"], Configured(ACCOUNTS).shard, [0, 3])
    assert routes.to(b"F", fields("11=B|41=unknown"), State()) == 3
