"""Quotes in FIX 4.2, 4.4 and 5.0 SP2: what is read of them, and that what is written is as the standard has it."""

from pathlib import Path

import pytest
import quickfix

from brokerfix.commands import AnswerQuote, AskQuote, NewOrder, PullQuotes, RefuseMessage, TakeQuote
from brokerfix.domain import AskedQuote, Instrument, OrdType, Side, id_number, id_text
from brokerfix.fix.incoming.decode import from_client
from brokerfix.fix.outgoing.encode import messages
from brokerfix.fix.text import SOH, pairs
from brokerfix.fix.versions.dialect import dialect, standard_dictionary, write_groups_dictionary
from brokerfix.fix.versions.recode import outgoing
from tests.engine.making.test_rfq import SECOND, answer, ask, desk, given_one, take

VERSIONS = ("FIX.4.2", "FIX.4.4", "FIXT.1.1")
INSTRUMENTS = {"AAPL": Instrument("AAPL", 2, 0, 1, 1, "never", "venue")}
QUOTE = "20261122-07-5"
AT = 1_795_341_600_000_000_000


def read(kind: str, body: str, version: str = "FIX.4.4", header: str = "") -> object:
    text = f"8=X|9=1|35={kind}|34=1|{header}49=ALICE|52=t|56=BROKER|{body}10=000|".replace("|", SOH)
    return from_client(text, "ALICE", AT, INSTRUMENTS, version)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_request_asks_for_each_of_its_symbols(version: str) -> None:
    told = read("R", "131=R1|146=3|55=AAPL|54=1|38=250|55=NONE|55=AAPL|", version)
    assert isinstance(told, AskQuote)
    assert (told.quote_req_id, told.possible_duplicate) == ("R1", False)
    assert told.asked == (AskedQuote("AAPL", "1", 250), AskedQuote("NONE"), AskedQuote("AAPL"))
    again = read("R", "131=R1|146=1|55=AAPL|", version, "97=Y|")
    assert isinstance(again, AskQuote)
    assert again.possible_duplicate


def test_a_request_says_for_whom_and_until_when() -> None:
    told = read("R", "131=R1|146=1|55=AAPL|54=7|1=SHARED|62=20261122-10:00:05|126=20261122-10:00:01.500|")
    assert isinstance(told, AskQuote)
    asked = AskedQuote("AAPL", "", 0, "SHARED", AT + 5 * SECOND, AT + 3 * SECOND // 2)
    assert told.asked[0].account == asked.account
    assert told.asked[0].until - told.asked[0].expires == asked.until - asked.expires


@pytest.mark.parametrize(
    ("entry", "defect"),
    [("54=8|", "UNSUPPORTED"), ("38=1.5|", "QUOTE"), ("62=tomorrow|", "QUOTE"), ("38=" + "9" * 40 + "|", "QUOTE")],
)
def test_what_is_wrong_with_an_entry_is_told_with_it(entry: str, defect: str) -> None:
    told = read("R", f"131=R1|146=1|55=AAPL|{entry}")
    assert isinstance(told, AskQuote)
    assert told.asked[0].defect.startswith(defect)


def test_requests_that_are_refused_whole() -> None:
    for body in ("131=R1|146=0|", "131=R1|146=51|" + "55=AAPL|" * 51, "131=R1|146=1|55=AAPL|711=1|"):
        told = read("R", body)
        assert isinstance(told, RefuseMessage), body
        assert told.ref_id == "R1"


@pytest.mark.parametrize("version", VERSIONS)
def test_an_order_with_a_quote_id_takes_the_quote(version: str) -> None:
    body = f"11=C1|21=1|38=60|40=D|44=150.05|54=1|55=AAPL|60=t|117={QUOTE}|"
    told = read("D", body, version)
    assert isinstance(told, TakeQuote)
    assert (told.quote_id, told.cl_ord_id) == (id_number(QUOTE), "C1")
    order = told.order
    assert (order.ord_type, order.side, order.qty, order.price) == (OrdType.PREVIOUSLY_QUOTED, Side.BUY, 60, 15005)
    assert (order.defect, order.instructions) == (None, None)
    foreign = read("D", body.replace(QUOTE, "theirs"), version)
    assert isinstance(foreign, TakeQuote)
    assert (foreign.quote_id, foreign.order.told["117"]) == (0, "theirs")
    plain = read("D", body.replace("40=D", "40=2"), version)
    assert isinstance(plain, NewOrder)
    assert plain.defect is not None
    assert plain.defect.text == "UNSUPPORTED: tag 117 needs tag 40=D"
    without = read("D", body.replace(f"117={QUOTE}|", ""), version)
    assert isinstance(without, RefuseMessage)
    assert without.text.endswith("RefTagID=117")


@pytest.mark.parametrize("version", VERSIONS[1:])
def test_answers(version: str) -> None:
    hit = read("AJ", f"11=C1|54=2|55=AAPL|117={QUOTE}|693=A1|694=1|", version)
    assert isinstance(hit, AnswerQuote)
    assert (hit.quote_resp_id, hit.quote_id, hit.kind, hit.named, hit.side) == ("A1", id_number(QUOTE), "1", QUOTE, "2")
    assert (hit.order.cl_ord_id, hit.order.side, hit.order.qty, hit.order.price) == ("C1", Side.SELL, 0, 0)
    assert hit.order.tags is not None
    assert hit.order.tags.quote_resp_id == "A1"
    for terms, side, qty, price in (
        ("54=1|133=150.04|", "1", 0, 15004), ("132=150.01|134=50|", "2", 50, 15001),
        ("133=150.01|135=7|", "1", 7, 15001), ("38=50|44=150.02|54=2|", "2", 50, 15002), ("44=150.02|", "", 0, 15002),
    ):  # fmt: skip
        counter = read("AJ", f"11=C1|55=AAPL|117={QUOTE}|{terms}693=A1|694=2|", version)
        assert isinstance(counter, AnswerQuote)
        assert (counter.side, counter.order.qty, counter.order.price) == (side, qty, price), terms
    passed = read("AJ", f"55=AAPL|117={QUOTE}|693=A1|694=6|", version)
    assert isinstance(passed, AnswerQuote)
    assert passed.kind == "6"
    for body in ("55=AAPL|693=A1|694=6|", f"55=AAPL|117={QUOTE}|693=A1|694=1|", f"55=AAPL|117={QUOTE}|693=A1|694=3|"):
        assert isinstance(read("AJ", body, version), RefuseMessage), body


def test_fix_42_has_no_answers() -> None:
    assert isinstance(read("AJ", f"55=AAPL|117={QUOTE}|693=A1|694=6|", "FIX.4.2"), RefuseMessage)


def told(version: str = "FIX.4.4") -> dict[str, str]:
    """What a client is told in a life of quotes, the last message of each type; without the header."""
    made = desk()
    sent: list[str] = []
    start = len(made.sent)
    quote = given_one(made, 100, "1")
    both = given_one(made, 100)
    answer(made, both.id, "2", "C1", "1", 50, 14000)
    other = made.state.given[both.id].next_id
    answer(made, other, "1", "C2", resp="A2")
    take(made, quote.id, "C3", Side.BUY, 100)
    ask(made, symbol="NONE", req="R9", side="1")
    third = given_one(made)
    answer(made, third.id, "6", resp="A3")
    answer(made, third.id, "6", resp="A4")
    answer(made, 0, "6", resp="A5")
    last = given_one(made)
    made.submit(PullQuotes(made.now, "jo", "MM"))
    ask(made, req=last.quote_req_id, again=True)
    recode = outgoing(version)
    for out in made.sent[start:]:
        if out.comp_id == "ALICE":
            sent.append(recode(out.text) if recode is not None else out.text)
    return {dict(pairs(text))["35"]: text for text in sent}


def test_what_clients_are_told() -> None:
    made = desk()
    quote = given_one(made, 100, "1")
    text = messages(made.state, quote)[0].text
    body = f"131={quote.quote_req_id}|117={id_text(quote.id)}|537=1|55=AAPL|54=1|133=150.05|135=100|"
    assert text == (
        f"8=FIX.4.4|9=0|35=S|{body}62=20010909-01:46:45.003|60=20010909-01:46:40.003|10=000|".replace("|", SOH)
    )


def test_reports_of_an_order_that_an_answer_has_made_name_it() -> None:
    made = desk()
    quote = id_text(given_one(made).id)
    made.client("ALICE", "AJ", (11, "C1"), (54, "1"), (55, "AAPL"), (117, quote), (693, "A7"), (694, "1"))
    reports = [out.text for out in made.sent if out.comp_id == "ALICE" and "\x0111=C1\x01" in out.text]
    assert len(reports) == 2
    assert all("\x01693=A7\x01" in text and "\x0140=D\x01" in text for text in reports)
    recode = outgoing("FIX.4.2")
    assert recode is not None
    assert "\x01693=" not in recode(reports[0])


def test_the_words_of_each_version_for_what_is_over() -> None:
    assert "\x01297=1\x01" in told("FIX.4.4")["AI"], "canceled for the symbol"
    assert "\x01297=17\x01" in told("FIXT.1.1")["AI"], "canceled"
    assert "\x01298=1\x01" in told("FIX.4.4")["Z"]
    assert "\x01298=5\x01" in told("FIXT.1.1")["Z"]
    of_42 = told("FIX.4.2")
    assert of_42.keys() == {"S", "Z", "b", "8"}
    assert "\x01297=5\x01" in of_42["b"]


@pytest.mark.parametrize("version", VERSIONS)
def test_what_is_written_is_as_the_standard_has_it(version: str, tmp_path: Path) -> None:
    """QuickFIX takes all of it by the standard's own dictionary, and it has no tag but the dialect's."""
    write_groups_dictionary(tmp_path / "groups.xml")
    groups = quickfix.DataDictionary(str(tmp_path / "groups.xml"))
    spoken = dialect(version)
    standard = quickfix.DataDictionary(str(standard_dictionary(spoken.dictionary)))
    for kind, text in told(version).items():
        tags = {int(tag) for tag, _ in pairs(text)} - {8, 9, 10, 35}
        assert tags <= {20, *spoken.outgoing[kind].tags}, kind
        message = quickfix.Message(text, groups, False)
        message.getHeader().setField(49, "BROKER")
        message.getHeader().setField(56, "ALICE")
        message.getHeader().setField(34, "1")
        message.getHeader().setField(52, "20261122-10:00:00.000")
        if kind != "8":
            standard.validate(message, True)
