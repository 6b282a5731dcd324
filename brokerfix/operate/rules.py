"""The rules of engagement: what a broker tells a client of its FIX session, made from the configuration and from the
tables that the codec itself works with, with messages that the codec itself has made."""

import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from markdown_it import MarkdownIt

from brokerfix import commands as cmd
from brokerfix.domain import (
    BusinessRejectReason,
    ClientOptions,
    CxlRejReason,
    Instrument,
    Level,
    Limits,
    Maker,
    OrdRejReason,
    to_text,
)
from brokerfix.engine.engine import State, decide, evolve
from brokerfix.engine.risk.controls import CONTROLS, number
from brokerfix.fix.incoming.decode import from_client
from brokerfix.fix.outgoing.encode import messages
from brokerfix.fix.session.settings import HEARTBEAT_SECONDS
from brokerfix.fix.text import SOH, printable
from brokerfix.fix.versions.dialect import Dialect, Taken, dialect, standard_dictionary, write_dictionary
from brokerfix.fix.versions.recode import outgoing
from brokerfix.settings.sections import ClientSection, Config

REQUIRED, CONDITIONAL, OPTIONAL, IGNORED = "required", "conditional", "optional", "taken, ignored"
VERSIONS = {"FIX.4.2": "FIX 4.2", "FIX.4.4": "FIX 4.4", "FIXT.1.1": "FIX 5.0 SP2 over FIXT 1.1"}
EXAMPLE_AT = 1_767_279_600_000_000_000
EXAMPLE_DAY = 20260101
ADMIN = (
    ("A", "Logon"), ("0", "Heartbeat"), ("1", "TestRequest"), ("2", "ResendRequest"), ("3", "Reject"),
    ("4", "SequenceReset"), ("5", "Logout"),
)  # fmt: skip
PENDING = {
    "queue": "waits for its turn",
    "announce": "waits for its turn, and a Pending report says so at once",
    "reject": "is refused (CxlRejReason 3)",
}
LOST = {
    "none": "orders stay",
    "day": "orders that are not good till cancel or a date are canceled",
    "all": "all orders are canceled",
}


class Words:
    """The names that the standard dictionary of a version has for tags and values."""

    def __init__(self, name: str) -> None:
        root = ET.parse(standard_dictionary(name)).getroot()
        fields = root.find("fields")
        assert fields is not None
        self.tags = {int(field.get("number") or 0): field.get("name") or "" for field in fields}
        self.values = {
            int(field.get("number") or 0): {
                value.get("enum"): (value.get("description") or "").replace("_", " ").lower() for value in field
            }
            for field in fields
        }

    def tag(self, tag: int) -> str:
        return self.tags.get(tag, "")

    def value(self, tag: int, value: str) -> str:
        return self.values.get(tag, {}).get(value, "")


@cache
def words_of(spoken_dictionary: str) -> Words:
    return Words(spoken_dictionary)


def document(config: Config, client: str) -> str:
    """The rules of engagement for one client, as Markdown. Raises KeyError for a client that there is not."""
    section = config.clients[client]
    spoken = dialect(section.fix)
    words = words_of(spoken.dictionary)
    parts = [
        f"# Rules of engagement: {config.broker.name} for {client}",
        _session(config, client, section),
        _behaviour(section),
        _quotes(config, section),
        _instruments(config),
        _accounts(config, section),
        _limits(config, client, section),
        "## Messages that you send",
        *[_incoming(kind, taken, words) for kind, taken in spoken.incoming.items()],
        "## Messages that you get",
        *[
            f"### {sent.name} ({kind})\n\n" + _table(("tag", "name"), ((str(tag), words.tag(tag)) for tag in sent.tags))
            for kind, sent in spoken.outgoing.items()
        ],
        _reasons(spoken),
        _examples(config, client, section),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def html(markdown: str, title: str) -> str:
    """A Markdown document as a page of its own."""
    body = MarkdownIt("commonmark").enable("table").render(markdown)
    style = (
        "body{font:15px/1.5 sans-serif;max-width:60em;margin:2em auto;padding:0 1em}table{border-collapse:collapse}"
        "td,th{border:1px solid #bbb;padding:.2em .6em;text-align:left;vertical-align:top}"
        "pre{background:#f4f4f4;padding:.6em;overflow-x:auto}"
    )
    return f'<!doctype html><meta charset="utf-8"><title>{title}</title><style>{style}</style>\n{body}'


def write_client_dictionary(config: Config, client: str, path: Path) -> None:
    """The QuickFIX dictionary of the client's version, as this broker checks messages with it."""
    write_dictionary(path, config.clients[client].fix)


def _table(head: Sequence[str], rows: Iterator[Sequence[str]] | Sequence[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    lines += [f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in rows]
    return "\n".join(lines)


def _session(config: Config, client: str, section: ClientSection) -> str:
    reset = {"daily": "begin anew with the trading day", "never": "go on over the days"}[config.broker.session_reset]
    zone = config.broker.time_zone
    rows = [
        ("version", VERSIONS[section.fix]),
        ("BeginString(8)", section.fix),
        ("your SenderCompID(49)", client),
        ("your TargetCompID(56)", config.broker.name),
        ("port", str(section.port or config.broker.port)),
        ("Username(553), Password(554)", _logon(client, section)),
        ("HeartBtInt(108)", f"yours; {HEARTBEAT_SECONDS} is usual"),
        ("sequence numbers", f"{reset}; ResetSeqNumFlag(141)=Y is taken"),
        ("trading day", f"begins at {config.broker.trading_day_start} {zone}"),
        ("session messages", ", ".join(f"{name} ({kind})" for kind, name in ADMIN)),
    ]
    if section.fix == "FIXT.1.1":
        rows.insert(2, ("DefaultApplVerID(1137) at Logon", "9"))
    return "## Session\n\n" + _table(("what", "value"), rows)


def _logon(client: str, section: ClientSection) -> str:
    return f"required, Username {section.username or client}" if section.password_hash else "not asked for"


def _behaviour(section: ClientSection) -> str:
    copies = ", ".join(section.drop_copy)
    after = f", after {section.grace_seconds} s" if section.grace_seconds else ""
    lines = [
        f"- New is reported when the order is {section.acknowledge}.",
        f"- A cancel or replace that comes while a replace is pending {PENDING[section.pending_requests]}.",
        f"- When the session is lost {LOST[section.cancel_on_disconnect]}{after}. ExecInst(18) H keeps an order, o "
        "cancels it, whatever this says.",
        "- An order with PossDupFlag(43) or PossResend(97) whose ClOrdID is known is answered with its status.",
        "- What you missed comes by resend; if you begin your sequence numbers anew it comes with PossResend(97)=Y.",
        "- A new order's ClOrdID must not have been used before. OrderID stays the same over replaces.",
    ]
    if section.max_orders_per_second:
        lines.append(
            f"- At most {section.max_orders_per_second} orders and replaces a second; cancels are not counted."
        )
    if copies:
        lines.append(f"- You get copies of what {copies} is told, with CopyMsgIndicator(797)=Y.")
    return "## How we behave\n\n" + "\n".join(lines)


def _quotes(config: Config, section: ClientSection) -> str:
    """How quotes are given, where somebody gives them."""
    seconds = {symbol: one.valid / 10**9 for one in config.makers.values() if one.valid for symbol in _quoted(one)}
    if not seconds:
        return ""
    refusal = "QuoteAcknowledgement(b)" if section.fix == "FIX.4.2" else "QuoteRequestReject(AG)"
    lines = [
        "- Firm for so many seconds: " + ", ".join(f"{symbol} {valid:g}" for symbol, valid in seconds.items()) + ".",
        f"- Each symbol of a QuoteRequest(R) gets a Quote(S) for all of its OrderQty, or a {refusal}. Side(54) is what "
        "you would do; without one both sides are quoted. A QuoteReqID is used once; the same request again with "
        "PossDupFlag(43) or PossResend(97) is told how its quotes stand.",
        "- You take a quote with a NewOrderSingle of OrdType(40) D and its QuoteID(117). It trades at the quote's "
        "price at once, or is refused. A quote may be taken in parts; what you take on one side is no longer there on "
        "the other.",
        "- Until its ValidUntilTime(62) a quote stays whatever the market does. A QuoteCancel(Z) takes it back early. "
        "No message tells that its time is over, or that all of it is taken. A Quote that comes by resend may be over.",
    ]
    if section.fix != "FIX.4.2":
        lines.append(
            "- QuoteResponse(AJ): 1 is an order as above (of all that is left, without OrderQty). 2 trades at your "
            "price if the market maker would quote it now; else the quote is over and you get another one, with your "
            "QuoteRespID(693). 6 ends the quote. An answer that comes too late gets a rejected ExecutionReport(8) "
            "where it has a ClOrdID, else a QuoteStatusReport(AI)."
        )
    return "## Quotes\n\n" + "\n".join(lines)


def _quoted(maker: Maker) -> Iterator[str]:
    return (one.symbol for one in maker.quoting if one.qty)


def _instruments(config: Config) -> str:
    rows = [_instrument(config, instrument) for instrument in config.instruments.values()]
    head = ("Symbol(55)", "tick", "lot", "decimals of a price, a quantity", "hours", "stops look at", "collar")
    return "## Instruments\n\n" + _table(head, rows)


def _instrument(config: Config, one: Instrument) -> tuple[str, ...]:
    hours = config.calendars.get(one.symbol, "")
    if hours:
        hours = f"those of {hours}"
    elif one.opens != one.closes:
        hours = f"{_clock(one.opens)}-{_clock(one.closes)} {one.zone}"
    tick, lot = to_text(one.tick, one.price_digits), to_text(one.lot, one.qty_digits)
    collar = f"{to_text(one.collar_bps, 2)} %" if one.collar_bps else "none"
    halted = ", halted" if one.halted else ""
    digits = f"{one.price_digits}, {one.qty_digits}"
    return one.symbol, tick, lot, digits, (hours or "always") + halted, f"the {one.trigger}", collar


def _clock(seconds: int) -> str:
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


def _accounts(config: Config, section: ClientSection) -> str:
    rows = []
    for name in section.accounts:
        limits = config.accounts[name].limits
        power = "checked" if limits.buying_power else "not checked"
        kind = config.accounts[name].margin
        rows.append((name, limits.max_order_qty or "none", limits.max_order_notional or "none", power, kind))
    text = "Account(1) may be left out: then it is the first of these."
    table = _table(("Account(1)", "largest order", "largest notional", "buying power", "kind"), rows)
    with_margin = any(config.accounts[name].margin != "cash" for name in section.accounts)
    return f"## Accounts\n\n{text}\n\n{table}" + (f"\n\n{_margin(config)}" if with_margin else "")


def _margin(config: Config) -> str:
    """What becomes of an account with margin."""
    policy = config.margin
    rows = [
        (symbol, terms.initial, terms.maintenance, terms.short_initial, terms.short_maintenance)
        for symbol, terms in ((symbol, one.margin) for symbol, one in config.instruments.items())
    ]
    text = (
        "An account with margin may open positions while its available funds (equity less initial margin, with what is "
        "open filled on the worse side) allow it; else an order is refused with `MARGIN` (OrdRejReason 3). What only "
        f"closes a position passes. At an excess liquidity (equity less maintenance margin) of {policy.warning} of the "
        "equity or less there is a warning to the operator. Below 0 there is a margin call: what would open more is "
        f"refused with `REDUCE_ONLY` (0) and canceled, and {policy.grace_seconds} s later all orders are canceled and "
        f"positions closed, until the excess is {policy.buffer} of the maintenance margin. Such an order is reported "
        "to the account's client without a ClOrdID."
    )
    return f"{text}\n\n" + _table(
        ("Symbol(55)", "initial", "maintenance", "initial, short", "maintenance, short"), rows
    )


def _limits(config: Config, client: str, section: ClientSection) -> str:
    """What every order is weighed against, and the code that begins the Text(58) of each refusal."""
    limits = {**config.limits, **{Level("account", name): config.accounts[name].limits for name in section.accounts}}
    groups = [name for name, group in config.groups.items() if not set(group.accounts).isdisjoint(section.accounts)]
    names = {"firm": [""], "client": [client], "group": groups, "account": section.accounts}
    rows = [
        (str(level), name, number(value))
        for level, one in sorted(limits.items())
        if level.name in names[level.kind]
        for name, value in one.numbers().items()
    ]
    text = (
        "An order, and a replace by what it adds, is weighed against the limits of every level that it belongs to. "
        "Text(58) of a refusal is `CODE: limit=.., value=.., at=LEVEL`; of several limits the tightest is named. What "
        "only closes a position passes all but the first two. The operator may set other limits at any time."
    )
    reasons = dialect(section.fix).recode.reasons
    codes = [
        (
            control.code,
            reasons.get(control.code, str(control.reason)),
            control.words,
            "yes" if control.closing_too else "no",
        )
        for control in CONTROLS.values()
    ]
    set_now = _table(("level", "limit", "value"), rows) if rows else "None is set now."
    told = _table(("code", "OrdRejReason(103)", "what is compared with the limit", "what only closes too"), codes)
    return f"## Limits\n\n{text}\n\n{set_now}\n\n{told}"


def tag_rows(taken: Taken) -> list[tuple[int, str]]:
    """(tag, REQUIRED, CONDITIONAL, OPTIONAL or IGNORED) of each tag that we take of a message."""
    conditional = {rule.tag for rule in taken.conditional}
    rows = []
    for tag in sorted({*taken.taken, *taken.required}):
        need = REQUIRED if tag in taken.required else CONDITIONAL if tag in conditional else OPTIONAL
        rows.append((tag, need))
    return rows + [(tag, IGNORED) for tag in sorted(taken.ignored)]


def _incoming(kind: str, taken: Taken, words: Words) -> str:
    rows = []
    for tag, need in tag_rows(taken):
        values = "; ".join(f"{value} {words.value(tag, value)}".strip() for value in taken.values.get(str(tag), ()))
        rows.append((str(tag), words.tag(tag), need, values))
    rules = []
    for rule in taken.conditional:
        name = f"{words.tag(rule.tag)}({rule.tag})"
        when = f"where {words.tag(rule.when)}({rule.when}) is {' or '.join(rule.value_in)}" if rule.when else "always"
        unless = f", unless {words.tag(rule.unless)}({rule.unless}) is there" if rule.unless else ""
        rules.append(f"- {name} must be there {when}{unless}.")
    text = f"### {taken.name} ({kind})\n\n" + _table(("tag", "name", "", "values"), rows)
    return text + ("\n\n" + "\n".join(rules) if rules else "")


def _reasons(spoken: Dialect) -> str:
    """The reject codes, as they are told in the client's version."""
    parts = [
        "## Reject codes",
        "Text(58) begins with a word for programs, and says limit and value where there are some.",
    ]
    for tag, name, reasons in (
        (103, "OrdRejReason", OrdRejReason),
        (102, "CxlRejReason", CxlRejReason),
        (380, "BusinessRejectReason", BusinessRejectReason),
    ):
        told = spoken.recode.outgoing.get(str(tag), {})
        rows = [(told.get(reason.value, reason.value), reason.name.replace("_", " ").lower()) for reason in reasons]
        parts.append(f"### {name}({tag})\n\n" + _table(("value", "why"), rows))
    return "\n\n".join(parts)


def _examples(config: Config, client: str, section: ClientSection) -> str:
    """Messages that our codec reads and writes: an order, its cancel, and one that is refused."""
    instrument = next(iter(config.instruments.values()))
    price = to_text(instrument.reference or instrument.tick * 100, instrument.price_digits)
    lot, far = to_text(instrument.lot, instrument.qty_digits), to_text(instrument.tick, instrument.price_digits)
    common = {55: instrument.symbol, 54: "1", 60: "20260101-15:00:00.000", 21: "1"}
    order = {11: "EXAMPLE-1", 38: lot, 40: "2", 44: price, 59: "0", **common}
    cancel = {key: value for key, value in {11: "EXAMPLE-2", 41: "EXAMPLE-1", **common}.items() if key != 21}
    steps = (
        ("A limit order", "D", order),
        ("Its cancel", "F", cancel),
        ("An order for an unknown symbol", "D", {**order, 11: "EXAMPLE-3", 55: "NO-SUCH", 44: far}),
    )
    state = example_state(config, client, section, instrument)
    parts = ["## Examples", "Header fields that the session fills in are left out; | is the field separator."]
    for title, kind, fields in steps:
        lines = [f"> {_line(kind, fields)}"]
        lines += [f"< {text}" for text in _answers(state, client, section.fix, kind, fields)]
        parts.append(f"{title}:\n\n```\n" + "\n".join(lines) + "\n```")
    return "\n\n".join(parts)


def example_state(config: Config, client: str, section: ClientSection, instrument: Instrument) -> State:
    """A broker of the configuration, without exchanges, before anything has happened."""
    state = State()
    accounts = tuple((name, config.accounts[name].cash, Limits()) for name in section.accounts)
    known = ((client, section.accounts, 0, ClientOptions()),)
    for fact in decide(state, cmd.Start(EXAMPLE_AT, EXAMPLE_DAY, (instrument,), accounts, known)):
        evolve(state, fact)
    return state


def _line(kind: str, fields: dict[int, str]) -> str:
    return f"35={kind}|" + "".join(f"{tag}={value}|" for tag, value in fields.items())


def _answers(state: State, client: str, fix: str, kind: str, fields: dict[int, str]) -> Iterator[str]:
    """What the engine and the codec answer to a message."""
    body = "".join(f"{tag}={value}{SOH}" for tag, value in sorted(fields.items()))
    text = f"8={fix}{SOH}9=0{SOH}35={kind}{SOH}34=1{SOH}{body}10=000{SOH}"
    command = from_client(text, client, EXAMPLE_AT, state.instruments, fix)
    assert isinstance(command, cmd.Command)
    recode = outgoing(fix)
    for fact in decide(state, command):
        evolve(state, fact)
        for out in messages(state, fact):
            told = recode(out.text) if recode is not None else out.text
            yield printable(told).split("9=0|", 1)[1].removesuffix("10=000|")
