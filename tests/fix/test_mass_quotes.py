"""Quotes of clients as FIX text: what is read of their messages, and what they are told in each version."""

import pytest

from brokerfix.commands import AskQuoteStatus, CancelQuotes, PullQuotes, RefuseMessage, SetQuotes
from brokerfix.domain import ClientQuoting, Instrument, Maker, Protection, QuoteEntry, QuoteReject, id_text
from brokerfix.fix.incoming.decode import from_client
from brokerfix.fix.outgoing import encode
from brokerfix.fix.text import pairs
from brokerfix.fix.versions.recode import outgoing
from tests.engine.making.test_maker import market, quoting
from tests.engine.making.test_rfq import answer, ask, given_one
from tests.scenario import World, run_step

SOH = "\x01"
INSTRUMENTS = {symbol: Instrument(symbol, 2, 0, 1, 1, "always", "book") for symbol in ("AAPL", "MSFT")}
VERSIONS = ("FIX.4.2", "FIX.4.4", "FIXT.1.1")
ENTRIES = (
    "296=2|302=A|311=AAPL|304=2|295=2|299=1|55=AAPL|132=149.90|133=150.10|134=100|135=50|299=2|132=149.80|"
    "302=B|311=MSFT|304=1|295=1|299=1|55=MSFT|133=400.10|135=0|"
)


def read(kind: str, body: str, fix: str = "FIX.4.4") -> object:
    text = f"8={fix}|9=0|35={kind}|34=2|49=MM|52=t|56=BROKER|{body}10=000|".replace("|", SOH)
    return from_client(text, "MM", 1, INSTRUMENTS, fix)


def as_told(out: encode.Out, fix: str = "FIX.4.4") -> str:
    """A message without header, trailer and times."""
    recode = outgoing(fix)
    text = recode(out.text) if recode is not None else out.text
    return "|".join(f"{tag}={value}" for tag, value in pairs(text) if tag not in ("8", "9", "10", "60"))


@pytest.mark.parametrize("fix", VERSIONS)
def test_a_mass_quote_is_read_set_by_set(fix: str) -> None:
    told = read("i", f"117=Q1|293=70|{ENTRIES}301=2|", fix)
    assert told == SetQuotes(
        1,
        "MM",
        "Q1",
        (
            QuoteEntry("A", "1", "AAPL", 14990, 100, 15010, 50),
            QuoteEntry("A", "2", "AAPL", 14980, 70, 0, 0),
            QuoteEntry("B", "1", "MSFT", 0, 70, 40010, 0),
        ),
        "2",
    )


def test_what_of_an_entry_can_not_be_read_refuses_that_entry() -> None:
    told = read("i", "117=Q1|296=1|302=A|304=2|295=3|299=1|55=X|299=2|55=AAPL|132=1.001|299=3|55=AAPL|132=1|40=1|")
    assert isinstance(told, SetQuotes)
    reasons = [entry.reason for entry in told.entries]
    assert reasons == [QuoteReject.UNKNOWN_SYMBOL, QuoteReject.PRICE, QuoteReject.OTHER]


def test_a_tag_that_means_more_refuses_the_message() -> None:
    assert isinstance(read("i", f"117=Q1|{ENTRIES}62=20261122-10:00:00|"), RefuseMessage)
    assert isinstance(read("i", f"117=Q1|{ENTRIES}301=3|"), RefuseMessage)


@pytest.mark.parametrize("fix", VERSIONS)
def test_single_quotes_cancels_and_questions_are_read(fix: str) -> None:
    assert read("S", "55=AAPL|117=one|132=149.90|134=100|", fix) == SetQuotes(
        1, "MM", "one", (QuoteEntry("", "one", "AAPL", 14990, 100, 0, 0),), is_single=True
    )
    two = "117=X|295=2|55=AAPL|55=MSFT|298=1|"
    assert read("Z", two, fix) == CancelQuotes(1, "MM", "X", "1", ("AAPL", "MSFT"))
    assert read("Z", "117=X|298=4|301=0|", fix) == CancelQuotes(1, "MM", "X", "4", (), "0")
    assert read("a", "55=AAPL|117=Q1|", fix) == AskQuoteStatus(1, "MM", "Q1", "AAPL")


def world(**more: str) -> World:
    made = World(quoters=(ClientQuoting("ALICE", protection=Protection(10**9, fills=2)),), **{"post": "book", **more})
    run_step(made, "client ALICE up")
    return made


def told_of(made: World, body: str, kind: str = "i", fix: str = "FIX.4.4") -> list[str]:
    """What a message of ALICE has her told."""
    made.sent.clear()
    text = f"8={fix}|9=0|35={kind}|34=2|49=ALICE|52=t|56=BROKER|{body}10=000|".replace("|", SOH)
    command = from_client(text, "ALICE", made.now, made.state.instruments, fix)
    assert isinstance(command, SetQuotes | CancelQuotes | AskQuoteStatus)
    made.submit(command)
    return [as_told(out, fix) for out in made.sent]


def entries(*prices: str, sizes: str = "100") -> str:
    """AAPL, an entry for each bid/offer."""
    found = [one.split("/") for one in prices]
    told = "".join(
        f"299={n}|55=AAPL|132={bid}|133={ask}|134={sizes}|135={sizes}|" for n, (bid, ask) in enumerate(found, 1)
    )
    return f"296=1|302=A|311=AAPL|304={len(found)}|295={len(found)}|{told}"


BOTH = entries("149.90/150.10", "150.20/150.10")
STANDS = "299=1|55=AAPL|132=149.90|133=150.10|134=100|135=100"
REFUSED = "58=SPREAD: the bid is not below the offer"


def test_the_acknowledgement_says_what_its_level_asks_for() -> None:
    made = world()
    assert told_of(made, f"117=Q1|{BOTH}") == [], "without a level nothing is told"
    head = f"35=b|117=Q1|297=0|301=1|{REFUSED}|296=1|302=A"
    assert told_of(made, f"117=Q1|{BOTH}301=1|") == [f"{head}|304=1|295=1|299=2|55=AAPL|368=7"]
    assert told_of(made, f"117=Q1|{entries('149.90/150.10')}301=1|") == []
    head = f"35=b|117=Q1|297=0|301=2|{REFUSED}|296=1|302=A"
    assert told_of(made, f"117=Q1|{BOTH}301=2|") == [f"{head}|304=2|295=2|{STANDS}|299=2|55=AAPL|368=7"]
    head = f"35=b|117=Q1|297=0|301=2|{REFUSED}|296=1|302=A"
    assert told_of(made, f"117=Q1|{BOTH}301=2|", fix="FIX.4.2") == [
        f"{head}|304=2|295=2|299=1|55=AAPL|299=2|55=AAPL|368=7"
    ]


def test_fills_alone_are_reported_as_executions_with_their_quote() -> None:
    made = world()
    told_of(made, f"117=Q1|{entries('149.90/150.10')}")
    told_of(made, f"117=Q2|{entries('149.90/150.10')}")
    made.sent.clear()
    run_step(made, "client BOB new C1 buy 30 AAPL 150.10")
    (fill,) = [dict(pairs(out.text)) for out in made.sent if out.comp_id == "ALICE"]
    assert (fill["35"], fill["150"], fill["32"], fill["31"]) == ("8", "F", "30", "150.10")
    assert (fill["117"], fill["302"], fill["299"]) == ("Q2", "A", "1"), "of the message that has last named it"
    assert "11" not in fill


@pytest.mark.parametrize(
    ("fix", "told"),
    [
        ("FIX.4.4", "35=AI|117=one|55=AAPL|132=149.90|134=100|297=0"),
        ("FIXT.1.1", "35=AI|117=one|55=AAPL|132=149.90|134=100|297=0"),
        ("FIX.4.2", "35=b|117=one|297=0|58=AAPL bid 100@149.90"),
    ],
)
def test_a_single_quote_is_answered_by_its_status(fix: str, told: str) -> None:
    made = world()
    assert told_of(made, "55=AAPL|117=one|132=149.90|134=100|301=2|", "S", fix) == [told]


def test_a_pull_is_told_and_how_it_is_reset() -> None:
    made = world()
    told_of(made, f"117=Q1|{entries('149.90/150.10')}")
    run_step(made, "client BOB new C1 buy 30 AAPL 150.10")
    made.sent.clear()
    run_step(made, "client BOB new C2 buy 30 AAPL 150.10")
    reports = [out for out in made.sent if out.comp_id == "ALICE"]
    fill, pull = (dict(pairs(out.text)) for out in reports)
    assert (fill["35"], pull["35"], pull["55"], pull["297"]) == ("8", "AI", "[N/A]", "4")
    assert pull["58"] == (
        "PROTECTION: fills: limit=2, value=2, in 1 s; until it is reset "
        f"(QuoteCancel, QuoteCancelType 4, QuoteID {pull['117']})"
    )
    assert as_told(reports[1], "FIX.4.2").startswith(f"35=b|117={pull['117']}|297=4|58=PROTECTION: fills")
    (refused,) = told_of(made, f"117=Q2|{entries('149.90/150.10')}")
    assert refused.startswith("35=b|117=Q2|297=5|300=99|301=0|58=PROTECTION")
    (refused,) = told_of(made, f"117=Q2|{entries('149.90/150.10')}", fix="FIX.4.2")
    assert refused.startswith("35=b|117=Q2|297=5|300=4|301=0|58=PROTECTION")
    assert told_of(made, f"117={pull['117']}|298=4|", "Z") == [
        f"35=AI|117={pull['117']}|55=[N/A]|297=4|58=RESET: protection"
    ]
    assert told_of(made, f"117=Q3|{entries('149.90/150.10')}301=1|") == []


def test_the_state_of_quotes_is_told_one_by_one() -> None:
    made = world()
    told_of(made, f"117=Q1|{entries('149.90/150.10', '149.80/150.20')}")
    assert told_of(made, "55=AAPL|649=R1|", "a") == [
        "35=AI|649=R1|117=Q1|55=AAPL|132=149.90|133=150.10|134=100|135=100|297=0|302=A|299=1",
        "35=AI|649=R1|117=Q1|55=AAPL|132=149.80|133=150.20|134=100|135=100|297=0|302=A|299=2",
    ]
    assert told_of(made, "55=AAPL|", "a", "FIX.4.2")[0] == (
        "35=b|117=Q1|297=0|58=bid 100@149.90 offer 100@150.10|296=1|302=A|304=1|295=1|299=1|55=AAPL"
    )
    assert told_of(made, "55=MSFT|649=R2|", "a") == [
        "35=AI|649=R2|117=NONE|55=MSFT|297=9|58=UNKNOWN_QUOTE: none stands"
    ]


def test_what_ends_a_quote_besides_is_told_as_its_status() -> None:
    made = world()
    told_of(made, f"117=Q1|{entries('149.90/150.10')}")
    made.sent.clear()
    run_step(made, "operator jo kill symbol AAPL")
    assert [as_told(out).split("|58=")[0] for out in made.sent if out.comp_id == "ALICE"] == [
        "35=AI|117=Q1|55=AAPL|54=1|297=6",
        "35=AI|117=Q1|55=AAPL|54=2|297=6",
    ]
    made.sent.clear()
    run_step(made, "operator jo resume symbol AAPL")
    told_of(made, f"117=Q2|{entries('149.90/150.10')}")
    made.sent.clear()
    made.submit(PullQuotes(made.now, "jo", "ALICE", "AAPL"))
    (pull,) = [as_told(out) for out in made.sent]
    assert pull.endswith("|55=AAPL|297=1|58=STOPPED: by an operator; until it is reset")
    run_step(made, "day 20261123")
    assert made.state.quoters["ALICE"].quotes == {}


def test_quotes_expire_with_their_day() -> None:
    made = world()
    told_of(made, f"117=Q1|{entries('149.90/150.10')}")
    made.sent.clear()
    run_step(made, "day 20261123")
    assert [as_told(out).split("|58=")[0] for out in made.sent] == [
        "35=AI|117=Q1|55=AAPL|54=1|297=7",
        "35=AI|117=Q1|55=AAPL|54=2|297=7",
    ]


@pytest.mark.parametrize(
    ("fix", "kind", "own", "asked"),
    [("FIX.4.2", "b", "1", "5"), ("FIX.4.4", "AI", "6", "1"), ("FIXT.1.1", "AI", "6", "17")],
)
def test_reports_of_a_quote_that_was_asked_for_name_the_request_or_the_answer_and_of_ones_own_neither(
    fix: str, kind: str, own: str, asked: str
) -> None:
    """Even where both are of one QuoteID. A quote of one's own that is removed is not said to have traded."""
    makers = (Maker("MM", "MM", (quoting(),), valid=5 * 10**9),)
    made = World(makers=makers, quoters=(ClientQuoting("ALICE"),), venues="XNAS")
    run_step(made, "client ALICE up")
    run_step(made, "venue XNAS up")
    market(made, 14990, 15010)
    quote = given_one(made)
    told_of(made, f"55=MSFT|117={id_text(quote.id)}|132=399.00|134=100|", "S", fix)
    run_step(made, "operator jo kill symbol MSFT")
    made.submit(PullQuotes(made.now, "jo", "MM"))
    ask(made, req=quote.quote_req_id, again=True)
    answer(made, quote.id, "6", resp="A1")
    sent = [dict(pair.split("=", 1) for pair in as_told(out, fix).split("|")) for out in made.sent]
    reports = [one for one in sent if one["35"] in ("AI", "b")]
    assert [one["35"] for one in reports] == [kind] * 3
    assert [one["297"] for one in reports] == [own, asked, asked]
    assert ["131" in one for one in reports] == [False, True, False]
    assert ["693" in one for one in reports] == [False, False, fix != "FIX.4.2"], "which has no QuoteResponse(AJ)"


@pytest.mark.parametrize("fix", VERSIONS)
def test_a_pull_of_a_symbol_is_said_so_in_each_version(fix: str) -> None:
    made = world()
    told_of(made, f"117=Q1|{entries('149.90/150.10')}", fix=fix)
    made.submit(PullQuotes(made.now, "jo", "ALICE", "AAPL"))
    (pull,) = [as_told(out, fix) for out in made.sent]
    assert "|297=1|" in pull
