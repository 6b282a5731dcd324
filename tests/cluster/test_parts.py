"""Shards divide a limit: whatever is lost, late or killed, they never use more than it; and what is free can be had."""

from collections.abc import Callable
from typing import Any

import hypothesis.strategies as st
from hypothesis import given, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from brokerfix.cluster import parts
from brokerfix.cluster.parts import Entry, SetPart, View, Write, dumps, loads, step, wanted

LIMIT = 100
SHARDS = ("0", "1", "2")
EVERYBODY = frozenset(SHARDS)


class Document:
    """The limit's document at the servers."""

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}
        self.revision = 0

    def write(self, entries: dict[str, Entry], over: int) -> bool:
        if over != self.revision:
            return False
        self.entries, self.revision = entries, self.revision + 1
        return True


class Broker:
    """A broker: it takes orders up to its part, and listens to the latest agent in the order of its requests."""

    def __init__(self) -> None:
        self.limit, self.part, self.used, self.needs = LIMIT, 0, 0, 0
        self.epoch = self.number = 0
        self.idle = False

    @property
    def most(self) -> int:
        return min(self.part, self.limit)

    def order(self, qty: int) -> bool:
        if self.used + qty > self.most:
            self.needs = self.used + qty if self.used + qty <= self.limit else 0
            return False
        self.used += qty
        return True

    def set_part(self, amount: int, epoch: int, number: int) -> int | None:
        if epoch != self.epoch or number <= self.number:
            return None
        self.number = number
        if amount < self.part:
            amount = min(self.part, max(amount, self.used))
        self.part = amount
        return self.part

    def start(self) -> None:
        self.part, self.epoch, self.number = min(0, self.part), 0, 0


class Agent:
    """The agent of a shard, which goes on effect by effect."""

    def __init__(self, name: str, broker: Broker, document: Document, epoch: int) -> None:
        self.name, self.broker, self.document, self.epoch = name, broker, document, epoch
        self.number = 0
        self.running: parts.Effects | None = None
        self.effect: Write | SetPart | None = None
        self.read = 0
        if epoch > broker.epoch:
            broker.epoch, broker.number = epoch, 0

    def begin(self, alive: frozenset[str]) -> None:
        broker, document = self.broker, self.document
        view = View(broker.limit, broker.part, broker.used, broker.needs, 1, idle=broker.idle)
        self.read = document.revision
        self.running = step(document.entries, self.name, self.epoch, view, alive)
        self._go_on(None)

    def _go_on(self, answer: int | None) -> None:
        assert self.running is not None
        try:
            self.effect = self.running.send(answer)
        except StopIteration:
            self.stop()

    def stop(self) -> None:
        self.running = self.effect = None

    def act(self) -> Callable[[], Any]:
        """The effect that is due, to be done now, later or never."""
        effect, document, over = self.effect, self.document, self.read
        if isinstance(effect, Write):
            return lambda: document.write(effect.entries, over)
        assert isinstance(effect, SetPart)
        self.number += 1
        number = self.number
        return lambda: self.broker.set_part(effect.amount, self.epoch, number)

    def answered(self, found: Any) -> None:
        """The answer to the effect that was due; one that refused it ends the look."""
        if isinstance(self.effect, Write):
            self._go_on(None) if found else self.stop()
        elif found is None:
            self.stop()
        else:
            self._go_on(found)


def settle(agents: dict[str, Agent], turns: int = 12) -> None:
    """Everybody looks, again and again, and nothing is lost."""
    alive = frozenset(agents)
    for _ in range(turns):
        for agent in agents.values():
            agent.stop()
            agent.begin(alive)
            while agent.effect is not None:
                agent.answered(agent.act()())


class Shards(RuleBasedStateMachine):
    """Three shards, whose agents and servers do everything that can go wrong."""

    @initialize()
    def begin(self) -> None:
        self.document = Document()
        self.brokers = {name: Broker() for name in SHARDS}
        self.epochs = dict.fromkeys(SHARDS, 1)
        self.agents = {name: Agent(name, self.brokers[name], self.document, 1) for name in SHARDS}
        self.old: list[Agent] = []
        self.late: list[Callable[[], Any]] = []
        self.most = LIMIT
        """The highest limit that any order may have been taken by."""

    @rule(name=st.sampled_from(SHARDS), qty=st.integers(1, 40))
    def order(self, name: str, qty: int) -> None:
        used = sum(broker.used for broker in self.brokers.values())
        if self.brokers[name].order(qty):
            assert used + qty <= self.most

    @rule(name=st.sampled_from(SHARDS), qty=st.integers(1, 60))
    def cancel(self, name: str, qty: int) -> None:
        broker = self.brokers[name]
        broker.used = max(0, broker.used - qty)

    @rule(name=st.sampled_from(SHARDS), gone=st.sampled_from(("", *SHARDS)))
    def look(self, name: str, gone: str) -> None:
        """An agent begins a look, by whom it takes to be alive."""
        if self.agents[name].running is None:
            self.agents[name].begin(EVERYBODY - {gone})

    @rule(name=st.sampled_from(SHARDS), what=st.sampled_from(("done", "done", "done", "lost", "late", "unknown")))
    def go_on(self, name: str, what: str) -> None:
        self._go_on(self.agents[name], what)

    @precondition(lambda self: self.old)
    @rule(data=st.data(), what=st.sampled_from(("done", "late")))
    def an_old_agent_goes_on(self, data: Any, what: str) -> None:
        agent = data.draw(st.sampled_from(self.old))
        if agent.effect is None:
            agent.begin(EVERYBODY)
        self._go_on(agent, what)

    def _go_on(self, agent: Agent, what: str) -> None:
        if agent.effect is None:
            return
        act = agent.act()
        if what == "done":
            agent.answered(act())
        elif what == "unknown":
            # It is done, and nobody hears of it.
            act()
            agent.stop()
        else:
            if what == "late":
                self.late.append(act)
            agent.stop()

    @precondition(lambda self: self.late)
    @rule(data=st.data())
    def something_late_arrives(self, data: Any) -> None:
        self.late.pop(data.draw(st.integers(0, len(self.late) - 1)))()

    @rule(name=st.sampled_from(SHARDS), hangs=st.booleans())
    def the_agent_is_replaced(self, name: str, hangs: bool) -> None:
        """By one with a higher epoch; the old one is killed, or hangs and goes on later."""
        if hangs:
            self.old.append(self.agents[name])
        self.epochs[name] += 1
        self.agents[name] = Agent(name, self.brokers[name], self.document, self.epochs[name])

    @rule(name=st.sampled_from(SHARDS))
    def the_broker_starts_anew(self, name: str) -> None:
        self.brokers[name].start()
        self.epochs[name] += 1
        self.agents[name] = Agent(name, self.brokers[name], self.document, self.epochs[name])

    @rule(name=st.sampled_from(SHARDS), idle=st.booleans())
    def the_last_account_leaves_or_one_comes(self, name: str, idle: bool) -> None:
        self.brokers[name].idle = idle

    @rule(limit=st.integers(0, 150), name=st.sampled_from(SHARDS))
    def an_operator_sets_the_limit_at_one_shard(self, limit: int, name: str) -> None:
        self.brokers[name].limit = limit
        self.most = max(self.most, limit)

    @rule(limit=st.integers(0, 150))
    def an_operator_sets_the_limit_everywhere(self, limit: int) -> None:
        for broker in self.brokers.values():
            broker.limit = limit
        self.most = max(self.most, limit)

    @invariant()
    def no_broker_takes_more_than_the_document_gives_it(self) -> None:
        for name, broker in self.brokers.items():
            entry = self.document.entries.get(name)
            assert broker.part <= (entry.amount if entry is not None else 0)

    @rule(qty=st.integers(1, 40), name=st.sampled_from(SHARDS))
    def what_is_free_can_be_had(self, qty: int, name: str) -> None:
        """Once nothing is lost any more, an order that the limit allows is taken when it is sent again."""
        for broker in self.brokers.values():
            broker.needs, broker.idle = 0, False
        settle(self.agents)
        limit = min(broker.limit for broker in self.brokers.values())
        used = sum(broker.used for broker in self.brokers.values())
        taken = self.brokers[name].order(qty)
        if not taken:
            settle(self.agents, 6)
            taken = self.brokers[name].order(qty)
        assert taken == (used + qty <= limit)
        # A limit that was lowered counts now.
        self.most = max(limit, used + qty * taken)
        assert sum(broker.most for broker in self.brokers.values()) <= self.most


Shards.TestCase.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
TestShards = Shards.TestCase


def entry(amount: int, used: int = 0, needs: int = 0, since: int = 0) -> Entry:
    return Entry(amount, used, max(needs, used), since, LIMIT, 1)


def test_all_have_the_same_left() -> None:
    document = {"0": entry(0, 0), "1": entry(0, 0)}
    assert wanted(document, "0", frozenset("01")) == 50
    # 40 are left, 20 for each.
    document = {"0": entry(55, 50), "1": entry(45, 10)}
    assert wanted(document, "1", frozenset("01")) == 45 - 15
    document["1"] = entry(30, 10)
    assert wanted(document, "0", frozenset("01")) == 55 + 15


def test_who_needed_first_is_served_first() -> None:
    document = {"0": entry(50, 45, needs=60, since=2), "1": entry(50, 45, needs=55, since=1)}
    assert wanted(document, "0", frozenset("01")) == 45
    document["0"] = entry(45, 45, needs=60, since=2)
    assert wanted(document, "1", frozenset("01")) == 55


def test_what_is_not_there_for_anybody_is_not_waited_for() -> None:
    document = {"0": entry(50, 50, needs=90, since=1), "1": entry(45, 45, needs=50, since=2)}
    assert wanted(document, "1", frozenset("01")) == 50


def test_a_shard_that_is_gone_keeps_what_it_has() -> None:
    document = {"0": entry(50, 50, needs=60, since=1), "1": entry(50, 0)}
    assert wanted(document, "0", frozenset("0")) == 50
    assert wanted(document, "0", frozenset("01")) == 50
    assert wanted(document, "1", frozenset("01")) == 40


def test_nobody_grows_while_more_is_used_than_the_limit_allows() -> None:
    document = {"0": entry(50, 80), "1": entry(40, 10), "2": entry(10, 10, needs=12, since=1)}
    assert wanted(document, "2", EVERYBODY) == 10
    assert wanted(document, "1", EVERYBODY) == 10
    assert wanted(document, "0", EVERYBODY) == 50


def test_what_the_broker_has_used_meanwhile_stays_in_the_document() -> None:
    document = {"0": entry(80, 10), "1": entry(20, 20, needs=50, since=1)}
    running = step(document, "0", 1, View(LIMIT, 80, 10), frozenset("01"))
    assert next(running) == SetPart(50)
    # By the time it was asked it used 70.
    written = running.send(70)
    assert isinstance(written, Write)
    assert written.entries["0"].amount == 70


def test_a_request_that_comes_late_does_not_raise_a_part() -> None:
    """The document gives 80, the broker was to be told and may not have been: before the document gives less, the
    broker has taken a later request, after which it does not listen to the one that is late."""
    document = {"0": entry(80, 10), "1": entry(20, 20, needs=50, since=1)}
    broker = Broker()
    broker.epoch, broker.used, broker.part = 1, 10, 30
    running = step(document, "0", 1, View(LIMIT, 30, 10), frozenset("01"))
    effect = next(running)
    assert effect == SetPart(30)
    assert broker.set_part(30, 1, 2) == 30
    assert isinstance(running.send(30), Write)
    assert broker.set_part(80, 1, 1) is None
    assert broker.part == 30


def test_a_document_that_was_lost_gives_nothing() -> None:
    broker = Broker()
    broker.epoch, broker.part, broker.used = 1, 60, 20
    running = step({}, "0", 1, View(LIMIT, 60, 20), frozenset("01"))
    assert next(running) == SetPart(0)
    written = running.send(broker.set_part(0, 1, 1))
    assert isinstance(written, Write)
    assert written.entries["0"].amount >= broker.part == 20


def test_a_shard_without_accounts_leaves_nothing_behind() -> None:
    """It can be stopped for good: others have what it had ahead, and a limit that is raised counts without it."""
    document = Document()
    brokers = {name: Broker() for name in "01"}
    agents = {name: Agent(name, broker, document, 1) for name, broker in brokers.items()}
    settle(agents)
    assert brokers["1"].part == 50
    brokers["1"].idle = True
    settle(agents)
    assert (brokers["1"].part, list(document.entries)) == (0, ["0"])
    brokers["0"].limit = 120
    agents["1"].stop()
    del agents["1"]
    settle(agents)
    assert brokers["0"].part == 120
    # It comes back, with the limit that it had, and gets an account.
    brokers["1"].start()
    brokers["1"].idle = False
    agents["1"] = Agent("1", brokers["1"], document, 2)
    settle(agents)
    assert (brokers["0"].part, brokers["1"].part) == (50, 50)


def test_an_agent_of_an_earlier_epoch_does_nothing() -> None:
    document = {"0": Entry(10, 0, 0, 0, LIMIT, 7)}
    assert list(step(document, "0", 6, View(LIMIT, 10, 0), frozenset("0"))) == []


@given(st.dictionaries(st.sampled_from(SHARDS), st.builds(Entry, *[st.integers(0, 10**24)] * 6)))
def test_a_document_is_what_was_written(entries: dict[str, Entry]) -> None:
    assert loads(dumps({name: one for name, one in entries.items() if one.since < 2**63 and one.epoch < 2**63})) == {
        name: one for name, one in entries.items() if one.since < 2**63 and one.epoch < 2**63
    }
