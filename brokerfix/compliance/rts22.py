"""Transaction reports by RTS 22 (Regulation (EU) 2017/590): one for each fill, in the form of ISO 20022's auth.016."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from brokerfix import facts as f
from brokerfix.compliance.day import Walk, count
from brokerfix.compliance.events import Deal, Event, Order
from brokerfix.compliance.ledger import Ledger
from brokerfix.compliance.rts22_fields import BEGIN, END, NEW, as_xml, wrong
from brokerfix.compliance.words import price_of, qty_of, utc
from brokerfix.compliance.written import LABEL, XML_HEAD, Output, Problems, csv_lines, sidecar, write_beside
from brokerfix.domain import Side
from brokerfix.settings.compliance import ComplianceSection

SPECIFICATION = "Commission Delegated Regulation (EU) 2017/590 (RTS 22), as ISO 20022's auth.016"
NOTES = (
    "One report for each fill: the client's account on its side, on the other who stands there of the exchange "
    "(compliance.venues) or the other client. Where an account of the firm's own is a side, that is the firm.",
    "The elements are checked against our own description of them: the schema that authorities use could not be had.",
    "A correction cancels the report that it corrects, and is a new one of another TxId; a bust is a cancellation.",
    "The capacity is OrderCapacity(528); of a market maker's fill it is DEAL, decided by the algorithm of its name.",
    "Left out, because the broker does not know them: who decided on a client's investment, transmitted orders, "
    "waivers and post-trade flags, the venue's transaction id of fills at exchanges.",
)
DEALS = (f.Trade, f.ChildFilled, f.TradeBusted, f.TradeCorrected, f.FillReversed)
CAPACITIES = {"A": "AOTC", "P": "DEAL", "R": "MTCH"}
OWN = ("O", "P", "X")
NAMES = tuple(name.rstrip("!") for name in NEW)
UNKNOWN = "of a fill from before the journal"
OTHER_SIDE = "says no more of the trade than the report of its other side"
Report = tuple[str, dict[str, Any]]
"""New or Cxl, and the elements by their paths."""


class Rts22:
    """Takes the events of a walk."""

    def __init__(self, section: ComplianceSection, walk: Walk, put: Callable[[Report], None] | None = None) -> None:
        self.section, self.walk = section, walk
        self.ledger = Ledger()
        self.reports: list[Report] = []
        self._put = put or self.reports.append

    def take(self, event: Event) -> None:
        if not isinstance(event.fact, DEALS):
            return
        found = self._made(event)
        if isinstance(found, str):
            self.ledger.left_out(event.fact, found)
            return
        for kind, report in found:
            known = {name: value for name, value in report.items() if value not in ("", None)}
            self._put((kind, {name: known[name] for name in NAMES if name in known}))
        self.ledger.made(event.fact, " and ".join(kind for kind, _ in found))

    def _made(self, event: Event) -> list[Report] | str:
        deal = event.deal
        if deal is None or deal.symbol not in self.walk.instruments:
            return UNKNOWN
        if isinstance(event.fact, f.Trade | f.ChildFilled):
            return [("New", self._report(deal))]
        if event.had == deal.told:
            return OTHER_SIDE
        canceled: list[Report] = [("Cxl", self._head(event.prior))] if event.had[0] else []
        return canceled + ([("New", self._report(deal))] if deal.told[0] else [])

    def _head(self, number: int) -> dict[str, Any]:
        return {"TxId": str(number), "ExctgPty": self.section.lei, "SubmitgPty": self.section.lei}

    def _report(self, deal: Deal) -> dict[str, Any]:
        section, instrument = self.section, self.walk.instruments[deal.symbol]
        qty, price = deal.told
        venue = section.venue(deal.child.venue) if deal.child is not None else None
        buyer, seller = deal.order(Side.BUY), deal.order(Side.SELL)
        other = venue.lei if venue is not None else ""
        told = self._head(deal.name) | {
            "InvstmtPtyInd": "true" if section.mifid_firm else "false",
            **self._party("Buyr", buyer, other), **self._party("Sellr", seller, other),
            "OrdrTrnsmssn/TrnsmssnInd": "false", "Tx/TradDt": utc(deal.at), "Tx/TradgCpcty": self._capacity(deal),
            "Tx/Qty/Unit": qty_of(qty, instrument), "Tx/Pric/Pric/MntryVal/Amt": price_of(price, instrument),
            "Tx/Pric/Pric/MntryVal/Amt@Ccy": instrument.currency or section.currency,
            "Tx/TradVn": section.mic if venue is None else venue.mic,
            "Tx/CtryOfBrnch": section.country, "FinInstrm/Id": section.instrument(deal.symbol).isin,
            "AddtlAttrbts/SctiesFincgTxInd": "false",
        }  # fmt: skip
        if venue is None:
            told["Tx/TradPlcMtchgId"] = str(deal.number)
        if seller is not None:
            told["AddtlAttrbts/ShrtSellgInd"] = {"5": "SESH", "6": "SSEX"}.get(seller.tags.short_sale, "SELL")
        return told | self._deciders(deal)

    def _is_own(self, order: Order) -> bool:
        return order.client in self.walk.makers or self.section.account(order.account).holder in OWN

    def _party(self, side: str, order: Order | None, other: str) -> dict[str, Any]:
        owner = f"{side}/AcctOwnr"
        if order is None:
            return {f"{owner}/Id/LEI": other}
        if self._is_own(order):
            return {f"{owner}/Id/LEI": self.section.lei}
        account = self.section.account(order.account)
        branch = {f"{owner}/CtryOfBrnch": account.country or self.section.country}
        if account.lei or not account.person:
            return {f"{owner}/Id/LEI": account.lei} | branch
        scheme = "Prtry" if account.person_scheme == "CONCAT" else "Cd"
        return branch | {
            f"{owner}/Id/Prsn/FrstNm": account.first_name, f"{owner}/Id/Prsn/Nm": account.surname,
            f"{owner}/Id/Prsn/BirthDt": account.born, f"{owner}/Id/Prsn/Othr/Id": account.person,
            f"{owner}/Id/Prsn/Othr/SchmeNm/{scheme}": account.person_scheme,
        }  # fmt: skip

    def _capacity(self, deal: Deal) -> str:
        """Own account where one of the firm's is a side; else what the orders say, where they say the same."""
        if any(self._is_own(order) for order in deal.orders):
            return "DEAL"
        told = {CAPACITIES.get(order.capacity, "") for order in deal.orders}
        return told.pop() if len(told) == 1 else ""

    def _deciders(self, deal: Deal) -> dict[str, Any]:
        """Which algorithm decided and executed, as far as it was one; else as the firm says."""
        own = next((order for order in deal.orders if order.client in self.walk.makers), None)
        if own is not None:
            name = _code(own.client)
            return {"InvstmtDcsnPrsn/Algo": name, "ExctgPrsn/Algo": name}
        worked = (order.instructions.strategy for order in deal.orders)
        name = next((strategy.name for strategy in worked if strategy is not None and strategy.name), "")
        if name:
            return {"ExctgPrsn/Algo": _code(name)}
        executing = self.section.executing
        return {"ExctgPrsn/Clnt" if executing == "NORE" else "ExctgPrsn/Algo": executing}


def _code(name: str) -> str:
    """A name as capitals and digits only."""
    return "".join(letter for letter in name.upper() if letter.isascii() and letter.isalnum())


def write_rts22(
    folder: Path, journal: Path, day: int, section: ComplianceSection, form: str
) -> tuple[list[Path], dict[str, Any]]:
    """Returns the files that are written, and what is told of them. Raises JournalError."""
    problems = Problems()
    counted = count(journal, day, DEALS)
    name = f"rts22-transactions-{day}-{LABEL}"
    if form == "xml":
        output = Output(folder / f"{name}.xml", as_xml, XML_HEAD + BEGIN, END, other_form="csv")
    else:
        output = Output(folder / f"{name}.csv", _as_csv, csv_lines([["Kind", *NAMES]]), other_form="xml")

    def put(report: Report) -> None:
        problems.add(report[0], wrong(*report))
        output.put(report)

    walk = Walk(day, counted.changed)
    made = Rts22(section, walk, put)
    with output:
        for event in walk.read(journal, counted.records):
            made.take(event)
    differences = made.ledger.differences(counted.facts)
    told = sidecar(
        "rts22", SPECIFICATION, day, NOTES, problems, made.ledger, differences, count=output.count,
        day_is_over=counted.is_over,
    )  # fmt: skip
    return write_beside(output.close(), folder / f"{name}.meta.json", told), told


def _as_csv(report: Report) -> str:
    kind, values = report
    return csv_lines([[kind, *(values.get(name) for name in NAMES)]])
