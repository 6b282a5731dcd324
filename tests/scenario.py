"""Scenarios: readable text tables run through codec, engine and journal encoding, without sockets.

A line without an arrow is something done; the `->` lines below it are the complete list of messages that leave:

    venue XNAS up
    quote XNAS AAPL bid 500@149.90 ask 500@150.10
    client ALICE new C1 buy 100 AAPL 150.00
      -> XNAS D c1 buy 100 AAPL 150.00 DAY
      -> ALICE NEW NEW C1 cum 0 leaves 100

Children are named c1, c2, ... and their cancels and replaces as well, in the order in which they are sent.
"""

import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import msgspec

from brokerfix.commands import (
    AskAgain,
    ChangePhase,
    ClientAway,
    Command,
    ExpireOrders,
    MarketMoved,
    MarketUpdate,
    NewOrder,
    OperatorBust,
    OperatorCancel,
    OperatorCorrect,
    OperatorHalt,
    OperatorRelease,
    OperatorResolve,
    OperatorResume,
    OperatorSplit,
    RecordQuotes,
    ReviewAccount,
    RollDay,
    SessionDown,
    SessionUp,
    Start,
    WorkOff,
)
from brokerfix.domain import (
    Charge,
    ClientOptions,
    ClientQuoting,
    Currency,
    ExecType,
    Instrument,
    Level,
    Limits,
    Maker,
    MarginPolicy,
    MarginTerms,
    OrdStatus,
    OrdType,
    Phase,
    PlacementTerms,
    Side,
    TimeInForce,
    Venue,
    id_number,
    to_scaled,
)  # fmt: skip
from brokerfix.engine import parts
from brokerfix.engine.engine import State, decide, done, evolve, follow_up, observe
from brokerfix.engine.evolve import note
from brokerfix.engine.invariants import broken_in_state
from brokerfix.engine.touched import Touched
from brokerfix.facts import AnyFact, Fact, OperatorRefused, Trade
from brokerfix.fix.incoming.decode import from_client
from brokerfix.fix.incoming.reports import from_venue
from brokerfix.fix.outgoing import encode
from brokerfix.fix.text import pairs
from brokerfix.settings.schedule import Hours

SCENARIO_FILES = sorted((Path(__file__).parent / "scenarios").glob("*.txt"))
DAY = 20261122
SOH = "\x01"
SIDES = {"buy": "1", "sell": "2", "short": "5", "exempt": "6"}
SIDE_NAMES = {value: name for name, value in SIDES.items()}
TIFS = {"DAY": "0", "GTC": "1", "OPG": "2", "IOC": "3", "FOK": "4", "GTD": "6", "CLS": "7"}
TIF_NAMES = {value: name for name, value in TIFS.items()}
EXEC_TYPES = {str(kind): kind.name for kind in ExecType}
STATUSES = {str(status): status.name for status in OrdStatus}
STATUS_OF = {name: value for value, name in STATUSES.items()}
MOST_FOLLOW_UPS = 10_000
Words = TypeVar("Words")
FACTS = msgspec.msgpack.Decoder(list[AnyFact])
FACTS_ENCODER = msgspec.msgpack.Encoder()


def words_as(kind: type[Words], text: str) -> Words:
    """`warning=0.1,grace_seconds=5` -> a struct of these values."""
    return msgspec.convert(dict(word.split("=") for word in text.split(",") if word), kind, strict=False)


def limits_of(text: str) -> tuple[Level, Limits]:
    """`account ALICE AAPL max_long=500 long_only=true` -> the level and its limits."""
    words = text.split()
    level = [word for word in words if "=" not in word]
    told = dict(word.split("=") for word in words if "=" in word)
    return Level(*level), msgspec.convert(told, Limits, strict=False)


class World:
    """A broker without sockets: what goes in as FIX text, what comes out as readable lines."""

    def __init__(
        self, instruments: tuple[Instrument, ...] = (), makers: tuple[Maker, ...] = (),
        quoters: tuple[ClientQuoting, ...] = (), **settings: str,
    ) -> None:  # fmt: skip
        self.instruments = instruments
        self.makers = makers
        self.quoters = quoters
        self.state = State()
        self.now = 1_000_000_000_000_000_000
        self.records: list[bytes] = []
        self.facts: list[Fact] = []
        self.last_facts: list[Fact] = []
        self.touched = Touched()
        self.drain = True
        self.names: dict[str, str] = {}
        self.execs: dict[str, str] = {}
        self.orders: dict[str, str] = {}
        self.sent: list[encode.Out] = []
        self.numbers = itertools.count(1)
        self.exec_ids = itertools.count(1)
        self.limits = Limits(settings.get("max_qty", "10000"), settings.get("max_notional", "1000000"))
        self.settings = settings
        self.commission: Charge | None = None
        self.start()

    def start(self) -> list[str]:
        """The process starts (again)."""
        s = self.settings
        instruments = self.instruments or tuple(
            Instrument(
                symbol, 2, int(s.get("qty_digits", "0")), int(s.get("tick", "1")), int(s.get("lot", "1")),
                s.get("cross", "at-or-better"), s.get("post", "venue"), int(s.get("collar_bps", "1000")),
                reference, int(s.get("opens", "0")), int(s.get("closes", "0")), s.get("halted") == "yes",
                margin=words_as(MarginTerms, s.get("terms", "")), trigger=s.get("trigger", "last"),
                peg_interval=int(s.get("peg_interval", "0")),
                currency=s.get("currency", ""), route_mode=s.get("route_mode", "best"),
                route_by=s.get("route_by", "price"), latency_cost=int(s.get("latency_cost", "0")),
                trade_through=s.get("trade_through", "off"), cross_share=int(s.get("cross_share", "0")),
                repost_interval=int(s.get("repost", "0")),
                placement=PlacementTerms("0.05", "100") if s.get("placement") else None,
            )
            for symbol, reference in (("AAPL", 15000), ("MSFT", 40000))
        )  # fmt: skip
        supports = tuple(s.get("supports", "").split())
        halt = s.get("halt_on_break", "")
        venues = tuple(
            Venue(
                name,
                *fees,
                supports=supports if name == "XNYS" else (),
                halt_on_break=halt,
                dark=name == s.get("dark"),
                circuit_failures=int(s.get("failures", "0")),
                circuit_time=10 * 10**9,
            )
            for name, fees in FEES.items()
            if name in s.get("venues", "XNAS XNYS")
        )
        if "drop_copies" in s:
            venues = (*venues, Venue("COPY", drop_copy=True))
        self.hours = {one.symbol: Hours(one) for one in instruments if one.opens != one.closes}
        phases = tuple((symbol, hours.phase(self.now)) for symbol, hours in self.hours.items())
        options = ClientOptions(
            s.get("pending", "reject"), s.get("acknowledge", "accepted"), s.get("on_disconnect", "none"),
            int(s.get("grace", "0")) * 10**9, most_following=int(s.get("most_following", "500")),
            self_match=s.get("self_match", "none"), self_match_scope=s.get("scope", "client"),
            commission=self.commission,
        )  # fmt: skip
        clients = tuple((name, (name, "SHARED"), int(s.get("rate", "0")), options) for name in ("ALICE", "BOB"))
        accounts = tuple((name, s.get("cash", "1000000"), self.limits) for name in ("ALICE", "BOB", "SHARED"))
        for maker in self.makers:
            own = ClientOptions(self_match="cancel-oldest")
            clients = (*clients, (maker.maker, (maker.account,), int(s.get("maker_rate", "0")), own))
            accounts = (*accounts, (maker.account, s.get("maker_cash", "100000000"), self.limits))
        levels = tuple(limits_of(text) for text in s.get("limits", "").split(";") if text)
        groups = (("DESK", ("ALICE", "BOB")),) if levels or "scope" in s else ()
        symbol_groups = (("TECH", tuple(s.get("tech", "AAPL MSFT").split())),) if levels else ()
        kinds = (("ALICE", s["margin"]),) if s.get("margin", "cash") != "cash" else ()
        policy = words_as(MarginPolicy, s.get("policy", ""))
        start = Start(
            self.now, DAY, instruments, accounts, clients, venues, phases, groups=groups, limits=levels, kinds=kinds,
            margin=policy, symbol_groups=symbol_groups,
            currencies=(("EUR", Currency(s.get("fx", "1.1"), s.get("haircut", "0.05"))),) if s.get("currency") else (),
            makers=self.makers, quoters=self.quoters, shard=int(s.get("shard", "0")), divided="shard" in s,
            placed=tuple((name, int(shard)) for name, shard in re.findall(r"(\w+)=(\d+)", s.get("placed", ""))),
        )  # fmt: skip
        return self.submit(start)

    def submit(self, command: Command) -> list[str]:
        """Run a command and what follows from it; returns the messages that leave, exchanges' first."""
        lines = self._submit(command)
        return lines + self.follow_up()

    def follow_up(self) -> list[str]:
        lines: list[str] = []
        turns = itertools.count()
        while (command := follow_up(self.state, self.now)) is not None:
            assert next(turns) < MOST_FOLLOW_UPS, f"the agenda does not end: {self.facts[-8:]}"
            more = self._submit(command)
            if not self.last_facts:
                done(self.state)
            lines += more
        while self.state.jobs and self.drain:
            lines += self._submit(WorkOff(self.now))
        return lines + self.follow_up() if self.state.agenda else lines

    def _submit(self, command: Command) -> list[str]:
        before = self.state.hash()
        facts = decide(self.state, command)
        assert self.state.hash() == before, f"decide has changed the state: {command}"
        if facts:
            self.records.append(FACTS_ENCODER.encode(facts))
        outs = []
        self.last_facts = facts
        for fact in facts:
            assert fact.id == self.state.last_id + 1 or fact.id % 10**9 == 0 or isinstance(fact, Trade), fact
            evolve(self.state, fact)
            note(self.state, fact, self.touched)
            self.facts.append(fact)
            outs += encode.messages(self.state, fact)
        broken = list(broken_in_state(self.state))
        assert broken == [], (command, facts, broken)
        self.sent += outs
        return [self.line(out) for out in sorted(outs, key=lambda out: not out.to_venue)]

    def recovered(self) -> State:
        """A second broker, made from what the journal would hold."""
        state = State()
        for record in self.records:
            for fact in FACTS.decode(record):
                evolve(state, fact)
        return state

    def die_and_recover(self) -> None:
        """The broker dies, and another takes over from the journal. The exchanges send their books again."""
        before = self.state
        self.state = self.recovered()
        assert self.state.hash() == before.hash()
        kept = State()
        parts.load(parts.dump(self.state), kept)
        assert kept.hash() == before.hash()
        if len(self.records) % 2:
            # Half of the times it goes on from the state that was kept, without the journal.
            self.state = kept
        self.state.market = before.market
        assert self.follow_up() == [], "what was decided before is decided again"

    def client(self, name: str, message_type: str, *fields: tuple[int, str], header: str = "") -> list[str]:
        text = self.text(message_type, name, fields, header)
        told = from_client(text, name, self.now, self.state.instruments)
        commands = told if isinstance(told, list) else [told]
        lines = []
        for command in commands:
            assert isinstance(command, Command)
            lines += self.submit(command)
        return lines

    def venue(self, name: str, message_type: str, *fields: tuple[int, str], header: str = "") -> list[str]:
        told = from_venue(self.text(message_type, name, fields, header), name, self.now, self.state.instruments)
        assert isinstance(told, Command)
        return self.submit(told)

    def text(self, message_type: str, sender: str, fields: tuple[tuple[int, str], ...], header: str) -> str:
        """A message as QuickFIX hands it over: the body in ascending order."""
        if message_type not in ("E", "s", "AF"):
            fields = tuple(sorted(fields, key=lambda field: field[0]))
        body = "".join(f"{tag}={value}{SOH}" for tag, value in fields)
        head = f"34={next(self.numbers)}|{header}49={sender}|52=20261122-10:00:00.000|56=BROKER|"
        return f"8=FIX.4.4|9=99|35={message_type}|{head}".replace("|", SOH) + body + f"10=000{SOH}"

    def child(self, name: str) -> str:
        """c1 -> the ClOrdID it stands for."""
        return next((cl_ord_id for cl_ord_id, known in self.names.items() if known == name), name)

    def line(self, out: encode.Out) -> str:
        """A message as a line of a scenario."""
        tags = dict(field.split("=", 1) for field in reversed(out.text.rstrip(SOH).split(SOH)))
        why = f" {tags['58'].split(':')[0]}" if "58" in tags else ""
        kind = tags["35"]
        if out.to_venue:
            return f"{out.comp_id} {self._to_venue(kind, tags)}"
        if kind == "8":
            last = f" last {tags['32']}@{tags['31']}" if "32" in tags else ""
            last += f" on {tags['30']}" if "30" in tags else ""
            average = f" avg {tags['6']}" if tags["6"] != "0" else ""
            reason = f" reason {tags['103']}" if "103" in tags else ""
            reason += f" restated {tags['378']}" if "378" in tags else ""
            reason += f" {tags.get('911')}/{tags['912']}" if "912" in tags else ""
            reason += f" ref {self.execs.get(tags['19'], '?')}" if "19" in tags else ""
            reason += f" day {tags['425']}/{tags['424']}" if "424" in tags else ""
            assert tags["17"] not in self.execs, "an ExecID is unique for ever"
            self.execs[tags["17"]] = f"e{len(self.execs) + 1}"
            own = tags.get("11", "-")
            orig = f"<{tags['41']}" if "41" in tags else ""
            return (
                f"{out.comp_id} {EXEC_TYPES[tags['150']]} {STATUSES[tags['39']]} {own}{orig}"
                f"{self._ids(tags)}"
                f" cum {tags['14']} leaves {tags['151']}{last}{average}{reason}{why}"
            )
        if kind == "9":
            what = {"1": "CANCEL", "2": "REPLACE"}[tags["434"]]
            status = STATUSES[tags["39"]]
            ids = self._ids({"17": "", **tags}).split("/")[0]
            return f"{out.comp_id} {what}-REJECT {status} {tags['11']}<{tags['41']}{ids} reason {tags['102']}{why}"
        if kind in SUMMARIES:
            told = " ".join(f"{tag}={value}" for tag, value in pairs(out.text) if int(tag) in SUMMARIES[kind])
            return f"{out.comp_id} {kind} {told}{why}"
        return f"{out.comp_id} {kind} {tags.get('380', '')}{why}"

    def _ids(self, tags: dict[str, str]) -> str:
        """With `full=yes`: OrderID as o1, o2, ..., ExecID as e1, e2, ... and OrderQty."""
        if not self.settings.get("full"):
            return ""
        order_id = (
            tags["37"] if tags["37"] == "NONE" else self.orders.setdefault(tags["37"], f"o{len(self.orders) + 1}")
        )
        return f" id {order_id}/{self.execs.get(tags['17'], '')} qty {tags.get('38', '-')}"

    def _to_venue(self, kind: str, tags: dict[str, str]) -> str:
        if kind == "V":
            return "V"
        name = self.names.setdefault(tags["11"], f"c{len(self.names) + 1}")
        orig = f"<{self.names[tags['41']]}" if "41" in tags else ""
        terms = ""
        if kind in "DG":
            price = tags.get("44", "market")
            terms = f" {SIDE_NAMES[tags['54']]} {tags['38']} {tags['55']} {price} {TIF_NAMES[tags['59']]}"
            terms += f" type {tags['40']}" if tags["40"] not in "12" else ""
            terms += "".join(f" {name} {tags[tag]}" for tag, name in ASKED.items() if tag in tags)
        return f"{kind} {name}{orig}{terms}"


SUMMARIES = {"r": (11, 530, 531, 532, 533), "N": (66, 431, 68, 11, 39, 14, 151)}
"""The tags that a scenario shows of messages that are no reports."""
ASKED = {"18": "inst", "99": "stop", "110": "min", "111": "show", "126": "until", "211": "offset", "432": "until"}
FEES = {"XNAS": ("0.0030", "-0.0020"), "XNYS": ("0.0025", "-0.0015")}


def run_step(world: World, step: str) -> list[str]:
    """Do what a scenario's line says. Returns the lines of what leaves."""
    words = step.split()
    world.now += 1_000_000
    match words:
        case ["restart"]:
            world.state = world.recovered()
            return world.start()
        case ["wait", seconds]:
            world.now += int(float(seconds) * 10**9)
            return _clock(world)
        case ["phase", phase]:
            return world.submit(ChangePhase(world.now, "AAPL", Phase(phase.replace("-auction", " auction"))))
        case ["day", day]:
            return world.submit(RollDay(world.now, int(day)))
        case ["record"]:
            return world.submit(RecordQuotes(world.now))
        case ["client", name, "up" | "down" as change]:
            return world.submit((SessionUp if change == "up" else SessionDown)(world.now, name, False))
        case ["venue", name, "up", *anew]:
            return world.submit(SessionUp(world.now, name, True, anew == ["anew"]))
        case ["venue", name, "down"]:
            return world.submit(SessionDown(world.now, name, True))
        case ["quote", venue, symbol, *levels]:
            observe(world.state, MarketUpdate(venue, symbol, True, tuple(_levels(levels))))
            return world.follow_up()
        case ["print", venue, symbol, trade]:
            ((_, price, qty),) = _levels([trade])
            observe(world.state, MarketUpdate(venue, symbol, False, (), ((price, qty),)))
            return world.follow_up()
        case ["operator", name, *rest]:
            return _operator(world, name, rest)
        case ["client", name, *rest]:
            return _client(world, name, rest)
        case ["venue", name, *rest]:
            return _venue(world, name, rest)
    raise AssertionError(f"no such step: {step}")


def _clock(world: World) -> list[str]:
    """What the broker's timers do."""
    lines = []
    for symbol, hours in world.hours.items():
        lines += world.submit(ChangePhase(world.now, symbol, hours.phase(world.now)))
    lines += world.submit(ExpireOrders(world.now))
    for client in world.state.clients:
        lines += world.submit(ClientAway(world.now, client))
    for account in list(world.state.called):
        lines += world.submit(ReviewAccount(world.now, account))
    for symbol in world.state.instruments:
        lines += world.submit(MarketMoved(world.now, symbol))
    return lines + world.submit(AskAgain(world.now))


TYPES = {"stop": "3", "stop-limit": "4", "to-limit": "K", "peg": "P"}


def _levels(words: list[str]) -> Iterator[tuple[Side, int, int]]:
    side = Side.BUY
    for word in words:
        if word in ("bid", "ask"):
            side = Side.BUY if word == "bid" else Side.SELL
        else:
            qty, price = word.split("@")
            yield side, to_scaled(price, 2), int(qty)


def _operator(world: World, name: str, words: list[str]) -> list[str]:
    state, now = world.state, world.now

    def order_id(cl_ord_id: str) -> int:
        return next(order.order_id for order in state.orders.values() if order.cl_ord_id == cl_ord_id)

    def exec_id(short: str) -> int:
        return id_number(next(full for full, known in world.execs.items() if known == short))

    match words:
        case ["enter", client, cl_ord_id, side, qty, symbol, price]:
            named = "" if cl_ord_id == "-" else cl_ord_id
            terms = Side(SIDES[side]), OrdType.LIMIT, TimeInForce.DAY, int(qty), to_scaled(price, 2)
            lines = world.submit(NewOrder(now, client, named, "", symbol, *terms, operator=name))
        case ["cancel", cl_ord_id, reason]:
            lines = world.submit(OperatorCancel(now, name, order_id(cl_ord_id), reason))
        case ["resolve", child, *told]:
            fills = [word.split("@") for word in told if "@" in word]
            qty, price = (int(fills[0][0]), to_scaled(fills[0][1], 2)) if fills else (0, 0)
            child_id = id_number(world.child(child))
            said = OperatorResolve(now, name, child_id, qty, price, "canceled" in told, refused="refused" in told)
            lines = world.submit(said)
        case ["release", cl_ord_id]:
            lines = world.submit(OperatorRelease(now, name, order_id(cl_ord_id)))
        case ["bust", short]:
            lines = world.submit(OperatorBust(now, name, exec_id(short)))
        case ["correct", short, fill]:
            qty, price = fill.split("@")
            lines = world.submit(OperatorCorrect(now, name, exec_id(short), int(qty), to_scaled(price, 2)))
        case ["halt", kind, *target]:
            lines = world.submit(OperatorHalt(now, name, kind, "".join(target)))
        case ["kill", kind, *target]:
            lines = world.submit(OperatorHalt(now, name, kind, "".join(target), True))
        case ["resume", kind, *target]:
            lines = world.submit(OperatorResume(now, name, kind, "".join(target)))
        case ["split", symbol, new, old]:
            lines = world.submit(OperatorSplit(now, name, symbol, int(new), int(old)))
        case _:
            raise AssertionError(f"no such operator step: {words}")
    refused = [fact.text for fact in world.facts[-1:] if isinstance(fact, OperatorRefused) and fact.at == now]
    return [*lines, *[f"refused: {text}" for text in refused]]


def _client(world: World, name: str, words: list[str]) -> list[str]:
    header, extra = "", []
    left_out = {int(word[1:]) for word in words if word.startswith("~")}
    words = [word for word in words if not word.startswith("~")]
    while words[-1].startswith("+"):
        word = words.pop()[1:]
        if word in ("PossDup", "PossResend"):
            header = "43=Y|" if word == "PossDup" else "97=Y|"
        else:
            tag, value = word.split("=", 1)
            extra.append((int(tag), value.replace("_", " ")))
    given = {tag for tag, _ in extra} | left_out

    def send(message_type: str, *fields: tuple[int, str]) -> list[str]:
        kept = [field for field in fields if field[0] not in given]
        return world.client(name, message_type, *kept, *extra, header=header)

    match words:
        case ["new", cl_ord_id, side, qty, symbol, price, *rest]:
            tif = TIFS[rest[0]] if rest else "0"
            fields = [(11, cl_ord_id), (38, qty), (54, SIDES[side]), (55, symbol), (59, tif), (60, "t")]
            return send("D", *fields, *_priced(price))
        case ["cancel", cl_ord_id, orig, side, symbol]:
            fields = [(11, cl_ord_id), (41, orig), (54, SIDES[side]), (55, symbol), (60, "t")]
            return send("F", *fields)
        case ["replace", cl_ord_id, orig, side, qty, symbol, price]:
            fields = [(11, cl_ord_id), (41, orig), (38, qty), (54, SIDES[side]), (55, symbol), (60, "t")]
            return send("G", *fields, *_priced(price))
        case ["status", cl_ord_id, side, symbol]:
            return send("H", (11, cl_ord_id), (54, SIDES[side]), (55, symbol))
        case ["status"]:
            return send("H")
        case ["mass-status", *where]:
            return send("AF", (584, "M1"), (585, "1" if where else "7"), *((55, symbol) for symbol in where))
        case ["mass-cancel", cl_ord_id, *where]:
            return send("q", (11, cl_ord_id), (530, "1" if where else "7"), (60, "t"), *((55, name) for name in where))
        case ["list", list_id, *orders]:
            fields = [(66, list_id), (394, "3"), (68, str(len(orders) // 5)), (73, str(len(orders) // 5))]
            for n, (cl_ord_id, side, qty, symbol, price) in enumerate(_batched(orders, 5), 1):
                fields += [(11, cl_ord_id), (67, str(n)), (55, symbol), (54, SIDES[side]), (60, "t"), (38, qty)]
                fields += [(59, "0"), *_priced(price)]
            return send("E", *fields)
        case ["cross", symbol, price, *sides]:
            fields = [(55, symbol), (60, "t"), (40, "2"), (44, price), (548, "X1"), (549, "1"), (550, "0"), (552, "2")]
            for cl_ord_id, side, qty, account in _batched(sides, 4):
                fields += [(54, SIDES[side]), (11, cl_ord_id), (1, account), (38, qty)]
            return send("s", *fields)
        case ["message", message_type]:
            return send(message_type)
    raise AssertionError(f"no such client step: {words}")


def _batched(words: list[str], size: int) -> Iterator[list[str]]:
    for at in range(0, len(words), size):
        yield words[at : at + size]


def _priced(word: str) -> list[tuple[int, str]]:
    """market, 150.00, stop:150.00, stop-limit:150.00/150.10, to-limit, peg, peg:150.00 -> OrdType, Price, StopPx."""
    kind, _, prices = word.partition(":")
    if kind == "market":
        return [(40, "1")]
    if kind not in TYPES:
        return [(40, "2"), (44, word)]
    stop, _, limit = prices.partition("/")
    if kind == "peg":
        stop, limit = "", stop
    return [(40, TYPES[kind])] + ([(99, stop)] if stop else []) + ([(44, limit)] if limit else [])


def _venue(world: World, name: str, words: list[str]) -> list[str]:
    header = ""
    if words[-1] == "+PossDup":
        header = "43=Y|"
        words = words[:-1]
    exec_id = next((word[5:] for word in words if word.startswith("exec=")), f"E{next(world.exec_ids)}")
    words = [word for word in words if not word.startswith("exec=")]
    extra = [word[1:].split("=") for word in words if word.startswith("+")]
    words = [word for word in words if not word.startswith("+")]
    common = [(17, exec_id), (55, "AAPL"), *((int(tag), value) for tag, value in extra)]

    def report(exec_type: str, status: str, child: str, *more: tuple[int, str]) -> list[str]:
        fields = [(11, world.child(child)), (37, f"V-{child}"), (39, status), (150, exec_type), *common, *more]
        return world.venue(name, "8", *fields, header=header)

    match words:
        case ["ack", child]:
            return report("0", "0", child, (14, "0"), (151, "0"))
        case ["fill", child, fill, "cum", cum]:
            qty, price = fill.split("@")
            return report("F", "1", child, (32, qty), (31, price), (14, cum))
        case ["bust", child, ref, *leaves]:
            return report("H", "1", child, (19, ref), *([(151, leaves[1])] if leaves else []))
        case ["correct", child, ref, fill]:
            qty, price = fill.split("@")
            return report("G", "1", child, (19, ref), (32, qty), (31, price))
        case ["done-for-day", child]:
            return report("3", "3", child)
        case ["calculated", child]:
            return report("B", "B", child)
        case ["suspended", child]:
            return report("9", "9", child)
        case ["stopped", child, guarantee]:
            qty, price = guarantee.split("@")
            return report("7", "7", child, (32, qty), (31, price))
        case ["restated", child, terms, reason]:
            qty, price = terms.split("@")
            return report("D", "0", child, (38, qty), (44, price), (378, reason))
        case ["canceled", child, "because", reason]:
            return report("4", "4", child, (378, reason))
        case ["canceled", request, child]:
            return report("4", "4", request, (41, world.child(child)))
        case ["canceled", child]:
            return report("4", "4", child)
        case ["expired", child]:
            return report("C", "C", child)
        case ["rejected", child, "because", reason]:
            return report("8", "8", child, (103, reason), (58, "not today"))
        case ["rejected", child]:
            return report("8", "8", child, (58, "not today"))
        case ["replaced", request, child]:
            return report("5", "0", request, (41, world.child(child)))
        case ["cancel-reject", request, child, reason, *status]:
            told = STATUS_OF[status[0]] if status else "0"
            fields = ((11, world.child(request)), (41, world.child(child)), (39, told), (102, reason), (37, "V"))
            return world.venue(name, "9", *fields, header=header)
        case ["status", child, status, "has", terms, "cum", cum]:
            qty, price = terms.split("@")
            return report("I", STATUS_OF[status], child, (14, cum), (6, price), (38, qty), (44, price))
        case ["status", child, status, "cum", cum, *average]:
            avg = (6, average[0]) if average else (6, "0")
            return report("I", STATUS_OF[status], child, (14, cum), avg)
        case ["unknown", child]:
            return report("I", "8", child, (103, "5"))
        case ["answers-no-status", child]:
            return world.venue(name, "j", (372, "H"), (379, world.child(child)), (380, "3"), (58, "not supported"))
        case ["refuses", child]:
            return world.venue(name, "j", (372, "D"), (379, world.child(child)), (380, "0"), (58, "no"))
    raise AssertionError(f"no such venue step: {words}")


class Scenario(msgspec.Struct):
    """A titled list of (step, the messages it must give), and its world's settings."""

    file: str
    title: str
    settings: dict[str, str]
    steps: list[tuple[str, list[str]]]


def load(path: Path) -> Iterator[Scenario]:
    """The scenarios of a file; each begins with a `# title` line, perhaps followed by `with key=value ...`."""
    scenario: Scenario | None = None
    for line in path.read_text().splitlines():
        text = line.strip()
        if text.startswith("# "):
            if scenario is not None:
                yield scenario
            scenario = Scenario(path.stem, text[2:], {}, [])
        elif scenario is None or not text:
            continue
        elif text.startswith("with "):
            for item in re.findall(r'(\w+)=("[^"]*"|\S+)', text):
                scenario.settings[item[0]] = item[1].strip('"')
        elif text.startswith("->"):
            scenario.steps[-1][1].append(text[2:].strip())
        else:
            scenario.steps.append((text, []))
    if scenario is not None:
        yield scenario
