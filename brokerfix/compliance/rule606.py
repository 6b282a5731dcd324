"""The public report of Rule 606(a)(1) of Regulation NMS (17 CFR 242.606) for a quarter, in the form of the SEC's
schema: held, non-directed orders by month and section, and what each venue got of them and paid or took."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

from brokerfix.compliance.day import orders_of
from brokerfix.compliance.rule606_fields import KINDS, VERSION, wrong
from brokerfix.compliance.written import LABEL, Problems, element, sidecar, write, xml_text
from brokerfix.domain import MONEY_DIGITS
from brokerfix.operate.order_routing import MARKET, MARKETABLE, NON_MARKETABLE, OTHER, UNKNOWN, Place, Section
from brokerfix.operate.quality_orders import Order
from brokerfix.operate.quality_read import Orders
from brokerfix.operate.quality_words import OWN_BOOK, decimal
from brokerfix.settings.sections import Config

SPECIFICATION = "17 CFR 242.606(a)(1), the SEC's order handling schema oh-20191231"
NOTES = (
    "Held orders of customers: those that are worked by an algorithm or an operator, or whose client says so "
    "(compliance.clients.not_held), are not held; a market maker's and the firm's own accounts' are no customer's.",
    "Venues are the ten largest of a section, and those with 5 percent of its non-directed orders or more. An order "
    "that was split counts at each venue that got a part of it.",
    "Limit orders without a quote on record at their receipt are in 'other', with stops, pegs and auctions.",
    "Net payments are by the exchanges' configured fees: above 0 received, below 0 paid.",
    "The elements are checked against our own description of the schema. Its timestamp, which may be left out, is: the "
    "same journal gives the same file.",
)
OWN = ("O", "P", "X")
USD = ("", "USD")
UNKNOWN_INSTRUMENT = "of an instrument from before the journal"
LARGEST = 10
LEAST_SHARE = Fraction(5, 100)
SECTIONS = ("rSP500", "rOtherStocks", "rOptions")
GROUPS = ((MARKET,), (MARKETABLE,), (NON_MARKETABLE,), (OTHER, UNKNOWN))
"""Of the rule's four kinds: which of ours are in it."""


def quarter_of(day: int) -> tuple[int, int, int, int]:
    """A day's year and quarter, and the first and last day (YYYYMMDD) that there may be in it."""
    year, month = day // 10_000, day // 100 % 100
    quarter = (month + 2) // 3
    first = year * 10_000 + (quarter * 3 - 2) * 100 + 1
    return year, quarter, first, year * 10_000 + quarter * 300 + 31


def is_own(config: Config, found: Orders, order: Order) -> bool:
    """Whether it is a market maker's, of now or of then, or an account's of the firm itself."""
    return order.client in {*config.makers, *found.makers} or config.compliance.account(order.account).holder in OWN


def is_held(config: Config, order: Order) -> bool:
    return not order.is_worked and not config.compliance.client(order.client).not_held


def percent(part: Fraction | int, of: Fraction | int) -> str:
    """With two decimals; empty where there is nothing that it is of."""
    return decimal(Fraction(part) / of * 100, 2) or "" if of else ""


def cents_per_hundred(money: int, shares: Fraction) -> str:
    """With four decimals; empty where there are no shares."""
    return decimal(Fraction(money, 10**MONEY_DIGITS) / shares * 10_000, 4, least=4) or "" if shares else ""


def usd(money: int) -> str:
    return decimal(Fraction(money, 10**MONEY_DIGITS), 2) or ""


class Quarter:
    """The orders of a quarter: by month and section those that are held, and how many were left out, and why."""

    def __init__(self, config: Config, found: Orders, day: int) -> None:
        self.config, self.found = config, found
        self.year, self.quarter, self.first, self.last = quarter_of(day)
        self.sections: dict[tuple[int, str], Section] = defaultdict(Section)
        self.counts: Counter[str] = Counter()
        for order in found.orders.values():
            if self.first <= order.day <= self.last:
                self.counts[self._add(order)] += 1

    def _add(self, order: Order) -> str:
        instrument = self.found.instruments.get(order.symbol)
        if instrument is None:
            return UNKNOWN_INSTRUMENT
        if is_own(self.config, self.found, order):
            return "the firm's own"
        if not is_held(self.config, order):
            return "not held"
        if instrument.currency not in USD:
            return "not in US dollars"
        self.sections[order.day // 100 % 100, self._section(order.symbol)].add(order, instrument)
        return "held, in the report"

    def _section(self, symbol: str) -> str:
        if self.found.instruments[symbol].option is not None:
            return "rOptions"
        group = self.config.symbol_groups.get(self.config.compliance.sp500)
        return "rSP500" if group is not None and symbol in group.symbols else "rOtherStocks"

    def document(self) -> Xml.Element:
        section = self.config.compliance
        root = Xml.Element("heldOrderRoutingPublicReport")
        for name, text in (
            ("version", VERSION), ("bd", section.broker), ("year", str(self.year)), ("qtr", str(self.quarter)),
        ):  # fmt: skip
            element(root, name, text)
        for month in self._months():
            monthly = element(root, "rMonthly")
            element(monthly, "year", str(self.year))
            element(monthly, "mon", str(month))
            for name in SECTIONS:
                if (month, name) in self.sections:
                    self._tell(element(monthly, name), self.sections[month, name])
        return root

    def _months(self) -> list[int]:
        """Those of the quarter that had begun when the journal ends; a trading day may begin the evening before."""
        ends = datetime.fromtimestamp(self.found.until // 10**9, UTC)
        months, told = range(self.quarter * 3 - 2, self.quarter * 3 + 1), {month for month, _ in self.sections}
        begun = [month for month in months if (self.year, month) <= (ends.year, ends.month) or month in told]
        return begun or [months[0]]

    def _tell(self, parent: Xml.Element, section: Section) -> None:
        undirected = sum(section.orders.values())
        element(parent, "ndoPct", percent(undirected, section.total))
        names = ("ndoMarketPct", "ndoMarketableLimitPct", "ndoNonmarketableLimitPct", "ndoOtherPct")
        for name, kinds in zip(names, GROUPS, strict=True):
            element(parent, name, percent(sum(section.orders[kind] for kind in kinds), undirected))
        venues = element(parent, "rVenues")
        for venue, place in largest(section):
            self._tell_venue(element(venues, "rVenue"), venue, place, section)

    def _tell_venue(self, parent: Xml.Element, venue: str, place: Place, section: Section) -> None:
        name, mic, aspects = self.named(venue)
        element(parent, "name", name)
        if mic:
            element(parent, "mic", mic)
        element(parent, "orderPct", percent(sum(place.orders.values()), sum(section.orders.values())))
        for told, kinds in zip(
            ("marketPct", "marketableLimitPct", "nonMarketableLimitPct", "otherPct"), GROUPS, strict=True
        ):
            got, of = (sum(counts[kind] for kind in kinds) for counts in (place.orders, section.orders))
            element(parent, told, percent(got, of))
        for told, kinds in zip(KINDS, GROUPS, strict=True):
            money = sum(place.net[kind] for kind in kinds)
            shares = sum((place.shares[kind] for kind in kinds), Fraction(0))
            element(parent, f"netPmtPaidRecv{told}Usd", usd(money) if shares else "")
            element(parent, f"netPmtPaidRecv{told}Cph", cents_per_hundred(money, shares))
        element(parent, "materialAspects", aspects)

    def named(self, venue: str) -> tuple[str, str, str]:
        """A venue's name, MIC, and the material aspects of the relationship."""
        section = self.config.compliance
        if venue == OWN_BOOK:
            return section.broker or OWN_BOOK, section.mic, "The firm's own book."
        codes = section.venue(venue)
        return codes.name or venue, codes.mic, codes.material_aspects


def largest(section: Section) -> Iterator[tuple[str, Place]]:
    undirected = sum(section.orders.values())
    ordered = sorted(section.places.items(), key=lambda item: (-sum(item[1].orders.values()), item[0]))
    for number, (venue, place) in enumerate(ordered):
        if number < LARGEST or sum(place.orders.values()) >= LEAST_SHARE * undirected:
            yield venue, place


def write_public(folder: Path, config: Config, day: int) -> tuple[list[Path], dict[str, Any]]:
    """Returns the files that are written, and what is told of them. Raises JournalError."""
    journal = config.data / "journal"
    first, last = quarter_of(day)[2:]
    found, counted = orders_of(journal, first, last)
    made = Quarter(config, found, day)
    root = made.document()
    problems = Problems()
    problems.add("606(a)(1)", wrong(root))
    if not config.compliance.sp500:
        problems.add("606(a)(1)", [("rSP500", "compliance.sp500 is empty: all stocks are in rOtherStocks")])
    differences = [] if made.counts.total() == counted else [f"{made.counts.total()} orders told, {counted} accepted"]
    told = sidecar(
        "606", SPECIFICATION, day, NOTES, problems, differences=differences, orders=dict(made.counts), accepted=counted
    )
    name = f"606a1-{made.year}Q{made.quarter}-{LABEL}"
    return write(folder, {f"{name}.xml": xml_text(root)}, f"{name}.meta.json", told), told
