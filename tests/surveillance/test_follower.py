"""The process that looks: each alert is on record once, wherever it is killed; and the register that people read."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from brokerfix.commands import CheckClock, Command, DisposeAlert, RaiseAlert
from brokerfix.domain import Disposition, Finding
from brokerfix.engine.engine import decide, evolve
from brokerfix.facts import Alerted, OperatorRefused, SurveillanceAlerted
from brokerfix.operate.day_story import tell
from brokerfix.record.journal import Journal, read
from brokerfix.settings.surveillance import SurveillanceSection
from brokerfix.surveillance import follower as module
from brokerfix.surveillance.follower import Follower
from brokerfix.surveillance.kept import FILE, read_kept
from brokerfix.surveillance.reading import alert, alert_with_evidence, alerts
from brokerfix.surveillance.scan import scanned
from tests.surveillance.looked import HOUR, Quick, play

SECTION = SurveillanceSection(quiet_seconds=0)


class Desk:
    """A broker with a journal, in whose book ALICE trades with itself."""

    def __init__(self, data: Path) -> None:
        self.data, self.world, self.number = data, Quick(venues="none", post="book"), 0
        self.journal = Journal(data / "journal")
        self.journal.open(20261122)
        self.written = 0
        self.write()

    def write(self) -> None:
        """The start is a record, and then each fact."""
        new = self.world.facts[self.written :]
        for facts in ([one] for one in new) if self.written else (new,):
            self.journal.append(facts)
        self.written = len(self.world.facts)

    def trade(self, count: int = 1) -> None:
        for _ in range(count):
            self.number += 1
            play(self.world, f"client ALICE new S{self.number} sell 10 AAPL 150.00 +1=SHARED")
            play(self.world, f"client ALICE new B{self.number} buy 10 AAPL 150.00")
        self.write()

    def submit(self, command: Command) -> list[Any]:
        facts = decide(self.world.state, command)
        for fact in facts:
            evolve(self.world.state, fact)
            self.world.facts.append(fact)
        self.write()
        return facts

    def tell(self, found: Finding) -> bool:
        self.submit(RaiseAlert(self.world.now, "broker", found))
        return True

    def follower(self, **more: Any) -> Follower:
        return Follower(self.data, SECTION, {}, more.pop("tell", self.tell))

    def on_record(self) -> list[str]:
        return [
            fact.finding.alert
            for record in read(self.data / "journal")
            for fact in record.facts
            if isinstance(fact, SurveillanceAlerted)
        ]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    desk.journal.close()


def test_what_is_found_is_raised_once_and_then_known(desk: Desk) -> None:
    follower = desk.follower()
    desk.trade(2)
    follower.follow()
    assert len(desk.on_record()) == 2
    follower.follow()
    desk.trade()
    follower.follow()
    assert follower.follow() == 2, "the alert, and what all see of it"
    assert follower.follow() == 0
    assert not follower.pending
    assert desk.on_record() == [one.alert for one in scanned(desk.data / "journal", SECTION, {})]
    told = [fact for fact in desk.world.facts if isinstance(fact, Alerted)]
    assert [(fact.source, fact.code) for fact in told] == [("surveillance", "WASH_TRADES")] * 3
    assert told[0].text.startswith(f"{desk.on_record()[0]}, low (50): `brokerfix surveillance show ")
    assert "ALICE" not in told[0].text, "everybody sees it"


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("kept", [False, True], ids=["nothing kept", "kept"])
@pytest.mark.parametrize("written", [False, True], ids=["before the broker has it", "before it is seen"])
@pytest.mark.parametrize("after", range(4))
def test_a_kill_anywhere_leaves_each_alert_once(desk: Desk, kept: bool, written: bool, after: int) -> None:
    calls = Counter[str]()

    def tell(found: Finding) -> bool:
        calls["told"] += 1
        if calls["told"] > after:
            if written:
                desk.tell(found)
            raise Killed
        return desk.tell(found)

    first = desk.follower(tell=tell)
    desk.trade()
    if after:
        first.follow()
    if kept:
        first.keep()
    desk.trade(3)
    with pytest.raises(Killed):
        first.follow()
    desk.trade()
    second = desk.follower()
    assert (second.last_id > 0) is (kept and read_kept(desk.data) is not None)
    second.follow()
    second.follow()
    counted = Counter(desk.on_record())
    assert set(counted.values()) == {1}
    assert sorted(counted) == sorted(one.alert for one in scanned(desk.data / "journal", SECTION, {}))
    assert len(counted) == 5


def test_the_broker_takes_no_alert_twice(desk: Desk) -> None:
    desk.trade()
    (found,) = scanned(desk.data / "journal", SECTION, {})
    assert len(desk.submit(RaiseAlert(1, "broker", found))) == 2
    assert desk.submit(RaiseAlert(2, "broker", found)) == []


def test_while_no_broker_answers_it_waits(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.trade()
    follower = Follower(desk.data, SECTION, {})
    follower.follow()
    follower.keep()
    assert (desk.on_record(), len(follower.pending)) == ([], 1)
    again = desk.follower()
    again.follow()
    assert len(desk.on_record()) == 1


def test_with_other_thresholds_nothing_is_raised_of_what_was_looked_at(desk: Desk) -> None:
    strict = SurveillanceSection(quiet_seconds=0, wash_crosses=2)
    first = Follower(desk.data, strict, {}, desk.tell)
    desk.trade()
    first.follow()
    first.keep()
    assert desk.on_record() == []
    second = desk.follower()
    second.follow()
    assert desk.on_record() == [], "it was not against the rules then"
    desk.trade()
    second.follow()
    assert len(desk.on_record()) == 1


def test_a_file_of_another_journal_is_not_used(desk: Desk) -> None:
    follower = desk.follower()
    desk.trade()
    follower.follow()
    follower.follow()
    follower.keep()
    kept = (desk.data / FILE).read_bytes()
    assert read_kept(desk.data) is not None
    path = next((desk.data / "journal").glob("*.journal"))
    whole = path.read_bytes()
    path.write_bytes(whole[:-7])
    assert read_kept(desk.data) is None
    path.write_bytes(whole)
    (desk.data / FILE).write_bytes(kept[:50])
    assert read_kept(desk.data) is None
    (desk.data / FILE).unlink()


def test_the_register_has_what_people_made_of_it(desk: Desk) -> None:
    follower = desk.follower()
    desk.trade(2)
    follower.follow()
    follower.follow()
    follower.keep()
    first, second = desk.on_record()
    now = desk.world.now
    assert isinstance(desk.submit(DisposeAlert(now, "eve", first, Disposition.ESCALATED))[0], OperatorRefused)
    assert isinstance(desk.submit(DisposeAlert(now, "eve", "wash-1", Disposition.OPEN, "x"))[0], OperatorRefused)
    desk.submit(DisposeAlert(now, "eve", first, Disposition.REVIEWING))
    desk.submit(DisposeAlert(now, "adam", first, Disposition.CLOSED_NO_ISSUE, "a test"))
    assert [one["alert"] for one in alerts(desk.data)] == [first, second]
    assert [one["alert"] for one in alerts(desk.data, only_open=True)] == [second]
    assert (
        alerts(desk.data, day=20261123) == alerts(desk.data, rule="layering") == alerts(desk.data, account="BOB") == []
    )
    assert len(alerts(desk.data, day=20261122, rule="wash-trades", account="SHARED", symbol="AAPL")) == 2
    one = alert_with_evidence(desk.data, first, {})
    assert [(step["status"], step["by"], step["text"]) for step in one["dispositions"]] == [
        ("reviewing", "eve", ""), ("closed-no-issue", "adam", "a test"),
    ]  # fmt: skip
    assert [fact["kind"] for fact in one["facts"]] == ["OrderAccepted", "OrderAccepted", "Trade"]
    assert one["facts"][0]["what happened"] == "ALICE sends S1 for account SHARED: sell 10 AAPL at 150.00, DAY"
    assert "trade 10 AAPL at 150.00 in our book" in one["facts"][2]["what happened"]
    assert desk.world.state.watched[first].status is Disposition.CLOSED_NO_ISSUE
    told = [tell(desk.world.state, fact)[1] for fact in desk.world.facts[-2:]]
    assert told == [f"eve: alert {first} is reviewing", f"adam: alert {first} is closed-no-issue"], "without the why"
    with pytest.raises(LookupError, match="there is no alert x"):
        alert(desk.data, "x")


def test_what_is_over_for_long_leaves_the_state_and_stays_on_record(desk: Desk) -> None:
    follower = desk.follower()
    desk.trade(2)
    follower.follow()
    first, second = desk.on_record()
    desk.submit(DisposeAlert(desk.world.now, "eve", first, Disposition.REPORTED, "to the regulator"))
    play(desk.world, "day 20261230")
    desk.trade()
    follower.follow()
    assert list(desk.world.state.watched) == [second, desk.on_record()[2]]
    assert alert(desk.data, first)["status"] == "reported"
    follower.follow()
    assert len(desk.on_record()) == 3


def test_it_goes_on_batch_by_batch(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BATCH", 3)
    desk.trade(3)
    desk.submit(CheckClock(desk.world.now + HOUR, True, 0, 0))
    there = sum(1 for _ in read(desk.data / "journal"))
    assert desk.follower().follow() == there > 10
