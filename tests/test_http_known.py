"""Trial 27: what the HTTP door remembers of orders: whose a ClOrdID is, once the broker takes it for another order."""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import msgspec
import pytest

from brokerfix.doors import known
from brokerfix.doors.known import Orders
from brokerfix.doors.model import Execution, NewOrder, Order, Replace
from brokerfix.doors.terms import changed
from brokerfix.doors.users import User
from brokerfix.doors.waiting import MassCancel, RequestRefused, Unavailable
from brokerfix.settings.load import load
from tests.door import CONFIG
from tests.live import INSTRUMENT


def made(order_id: str, cl_ord_id: str = "N", leaves_qty: str = "0", status: str = "filled") -> Order:
    return Order(
        cl_ord_id, order_id, "BOB", "AAPL", "buy", "10", "140.00", status, "0", leaves_qty, "0"  # type: ignore[arg-type]
    )  # fmt: skip


def test_a_name_that_is_used_again_is_the_newer_orders() -> None:
    orders = Orders()
    orders.note(made("20261125-9"), "N")
    orders.note(made("20261126-10", leaves_qty="10", status="new"), "N")
    orders.note(made("20261125-9"), "N", is_theirs=False)
    found = orders.named("N")
    assert found is not None
    assert found.order_id == "20261126-10", "a late fill of the older order does not take it back"
    assert list(orders.by_number) == [20261125000000009, 20261126000000010]


def test_an_older_order_may_get_the_name_of_a_newer_one_that_has_ended() -> None:
    orders = Orders()
    orders.note(made("20261125-9", "GTC", "10", "new"), "GTC")
    orders.note(made("20261126-10"), "N")
    orders.note(made("20261125-9", "N", "10", "new"), "N", "GTC")
    found = orders.named("N")
    assert found is not None
    assert found.order_id == "20261125-9"


def test_what_is_forgotten_takes_no_name_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known, "MOST_ORDERS", 10)
    orders = Orders()
    for number in range(1, 11):
        orders.note(made(f"20261125-{number}", f"N{number}"), f"N{number}")
    orders.note(made("20261126-1", "N1", "10", "new"), "N1")
    assert len(orders.by_id) == len(orders.by_number) == 10
    found = orders.named("N1")
    assert found is not None
    assert found.order_id == "20261126-1"


def test_open_orders_do_not_keep_finished_ones_from_being_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known, "MOST_ORDERS", 10)
    orders = Orders()
    for number in range(1, 9):
        orders.note(made(f"20261125-{number}", f"G{number}", "10", "new"), f"G{number}")
    for number in range(1, 6):
        orders.note(made(f"20261126-{number}", f"N{number}"), f"N{number}")
    orders.note(made("20261126-4", "N4", "5", "partially_filled"), "N4")
    for number in range(6, 9):
        orders.note(made(f"20261126-{number}", f"N{number}"), f"N{number}")
    assert list(orders.by_id) == [*(f"20261125-{number}" for number in range(1, 9)), "20261126-4", "20261126-8"]
    assert list(orders.by_id.values()) == list(orders.by_number.values())
    assert orders.named("N7") is None


@pytest.mark.parametrize(("response_to", "is_waiting"), [("2", True), ("2", False), ("1", True)])
def test_what_a_refused_replace_asked_for_is_forgotten(tmp_path: Path, response_to: str, is_waiting: bool) -> None:
    """Also where its answer comes too late for who asked. What a refused cancel of that name was is nothing to it."""
    config = tmp_path / "broker.toml"
    config.write_text(CONFIG.format(port=1, http=2, instrument=INSTRUMENT))

    async def refuse() -> None:
        user = User(load(config), "DESK", 5)
        user._send = lambda send: 1  # type: ignore[method-assign]
        order = made("20261126-1", "A", "10", "new")
        user.orders.note(order, "A")
        if response_to == "2":
            asking = asyncio.create_task(user.replace(order, Replace("K", price="139.00")))
        else:
            user.orders.asked["K"] = Replace("K", price="139.00")
            asking = asyncio.create_task(user.cancel(order, "K"))
        await asyncio.sleep(0)
        assert "K" in user.orders.asked
        if not is_waiting:
            user._ended()
        user._cancel_reject({11: "K", 41: "A", 434: response_to, 58: "too late"}, [])
        with pytest.raises(RequestRefused if is_waiting else Unavailable):
            await asking
        assert ("K" in user.orders.asked) == (response_to == "1")

    asyncio.run(refuse())


def test_fills_are_remembered_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known, "MOST_FILLS", 3)
    orders = Orders()
    for number in (5, 3, 4, 6):
        orders.note_fill(Execution(f"20261126-{number}", "", "", "N", "BOB", "AAPL", "buy", "1", "140.00", ""))
    assert [number % 10 for number in orders.fills] == [4, 5, 6]


def test_a_correction_of_a_correction_is_about_the_fill(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known, "MOST_FILLS", 2)
    orders = Orders()

    def tell(exec_id: str, exec_type: str, ref: str) -> None:
        fill = orders.fill(ref)
        if fill is not None:
            orders.change_fill(changed(fill, {17: exec_id, 150: exec_type, 32: "0.7", 31: "139.00"}), fill)

    for number in (1, 2):
        orders.note_fill(
            Execution(f"20261126-{number}", "", "", "N", "BOB", "AAPL", "buy", "1.00000000", "140.00", "")
        )  # fmt: skip
    tell("20261126-3", "G", "20261126-1")
    tell("20261126-4", "G", "20261126-3")
    tell("20261126-5", "H", "20261126-9")
    now = [(one.state, one.last_qty, one.last_px, one.changed_by) for one in orders.fills.values()]
    assert now == [("corrected", "0.7", "139.00", "20261126-4"), ("booked", "1.00000000", "140.00", "")]
    tell("20261126-6", "H", "20261126-2")
    assert orders.fills[20261126000000002].last_qty == "0.00000000"
    orders.note_fill(Execution("20261126-7", "", "", "N", "BOB", "AAPL", "buy", "1", "140.00", ""))
    tell("20261126-8", "H", "20261126-4")
    assert [number % 10 for number in orders.fills] == [2, 7], "what is forgotten stays so"


def test_a_mass_cancel_ends_with_the_last_of_its_orders() -> None:
    async def cancel() -> None:
        mass = MassCancel(lambda order: order.is_open)
        mass.take([made("20261126-1", leaves_qty="5"), made("20261126-2", leaves_qty="5"), made("20261126-3")])
        assert list(mass.orders) == ["20261126-1", "20261126-2"]
        mass.tell(made("20261126-1", leaves_qty="4"))
        mass.tell(made("20261126-2"))
        mass.tell(made("20261126-4"))
        assert not mass.done.done(), "a fill is not the end"
        mass.tell(made("20261126-1"))
        assert mass.done.done()
        assert [order.leaves_qty for order in mass.orders.values()] == ["0", "0"]

    asyncio.run(cancel())


def test_what_ended_while_the_session_was_away_is_asked_for(tmp_path: Path) -> None:
    """Of three orders that were open, the broker's answer to the mass status request tells of one."""
    config = tmp_path / "broker.toml"
    config.write_text(CONFIG.format(port=1, http=2, instrument=INSTRUMENT))

    async def come_back() -> None:
        user = User(load(config), "DESK", 5)
        for number in (1, 2, 3):
            user.orders.note(made(f"20261125-{number}", f"N{number}", "10", "new"), f"N{number}")

        async def asked_status(cl_ord_id: str, tells_rejected: bool = False) -> Order | None:
            assert cl_ord_id in ("N2", "N3"), "the one that works is known"
            ended = made("20261125-2", "N2") if cl_ord_id == "N2" else None
            if ended is not None:
                user.orders.note(ended, "N2")
            return ended

        user.asked_status = asked_status  # type: ignore[method-assign]
        user._mass_status = "m"
        report = {
            37: "20261125-1",
            17: "20261126-9",
            150: "I",
            39: "0",
            11: "N1",
            54: "1",
            151: "10",
            584: "m",
            912: "Y",
        }
        user._execution_report(report, [])
        await user.know_all()
        assert {name: one and one.status for name in ("N1", "N2", "N3") for one in [user.orders.named(name)]} == {
            "N1": "new", "N2": "filled", "N3": None,
        }  # fmt: skip

    asyncio.run(come_back())


@pytest.mark.parametrize(
    ("leaves_qty", "said_by_broker", "expected"),
    [
        ("10", None, "20261125-9"),  # it works: nobody needs to be asked
        ("0", made("20261125-9"), "20261125-9"),  # it has ended, and its name is not free yet
        ("0", None, None),  # its name is free
    ],
)
def test_the_broker_says_whether_the_name_of_an_order_that_has_ended_is_free(
    tmp_path: Path, leaves_qty: str, said_by_broker: Order | None, expected: str | None
) -> None:
    config = tmp_path / "broker.toml"
    config.write_text(CONFIG.format(port=1, http=2, instrument=INSTRUMENT))

    async def ask(set_up: Callable[[User], None]) -> Order | None:
        user = User(load(config), "DESK", 5)
        set_up(user)
        found = await user.holder("N")
        assert (user.orders.named("N") is None) == (expected is None)
        assert ("N" in user.orders.asked) == (expected is not None)
        return found

    def set_up(user: User) -> None:
        user.orders.note(made("20261125-9", leaves_qty=leaves_qty), "N")
        user.orders.asked["N"] = NewOrder("N", "AAPL", "buy", "10", price="140.00")

        async def asked_status(cl_ord_id: str, tells_rejected: bool = False) -> Order | None:
            return said_by_broker

        user.asked_status = asked_status  # type: ignore[method-assign]

    found = asyncio.run(ask(set_up))
    assert (found and found.order_id) == expected


def test_what_waits_is_the_same_only_if_all_of_it_is(tmp_path: Path) -> None:
    """A ClOrdID that is under way is another request's if its kind, its order, its account or its terms are others."""
    config = tmp_path / "broker.toml"
    config.write_text(CONFIG.format(port=1, http=2, instrument=INSTRUMENT))
    first, second = made("20261126-1", "A1", "10", "new"), made("20261126-2", "A2", "10", "new")
    entered, replaced = NewOrder("K", "AAPL", "buy", "10", price="140.00"), Replace("K", price="139.00")
    same_again = msgspec.structs.replace(entered, qty="10.0", account="BOB")

    async def ask() -> None:
        user = User(load(config), "DESK", 5)
        sent: list[object] = []
        user._send = lambda send: sent.append(send) or len(sent)  # type: ignore[method-assign, func-returns-value]
        kinds: list[list[Callable[[], Coroutine[Any, Any, Order]]]] = [
            [lambda: user.cancel(first, "K")] * 2,
            [lambda: user.cancel(second, "K")],
            [lambda: user.replace(first, replaced)] * 2,
            [lambda: user.replace(second, replaced)],
            [lambda: user.replace(first, Replace("K", price="138.00"))],
            [lambda one=one: user.new_order(one, "BOB", [], True) for one in (entered, same_again)],
            [lambda: user.new_order(entered, "CAROL", [], True)],
            [lambda: user.new_order(msgspec.structs.replace(entered, qty="11"), "BOB", [], True)],
        ]
        for kind in kinds:
            waiting = [asyncio.create_task(one()) for one in kind]  # type: ignore[call-overload]
            await asyncio.sleep(0)
            asked = user.orders.asked.get("K")
            for other in (one for others in kinds if others is not kind for one in others):
                with pytest.raises(RequestRefused, match="there is another request K already") as refused:
                    await other()
                assert refused.value.status == 409
            assert user.orders.asked.get("K") is asked, "what was asked first stays known"
            user._answer("K", made("20261126-9"))
            assert [one.order_id for one in await asyncio.gather(*waiting)] == ["20261126-9"] * len(kind)
        assert len(sent) == len(kinds)

    asyncio.run(ask())
