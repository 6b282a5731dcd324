"""The report that a customer may ask for under Rule 606(b)(3) of Regulation NMS (17 CFR 242.606): how the not held
orders of six months were handled, by month and venue, in the form of the SEC's schema."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree as Xml

from brokerfix.compliance.kept_days import check_kept
from brokerfix.compliance.rule606 import cents_per_hundred, is_held, is_own, percent
from brokerfix.compliance.rule606_fields import VERSION, wrong
from brokerfix.compliance.words import dashed
from brokerfix.compliance.written import LABEL, Problems, element, sidecar, write, xml_text
from brokerfix.domain import IMMEDIATE, Side
from brokerfix.operate.quality_orders import Child, Fill, Order
from brokerfix.operate.quality_read import Orders
from brokerfix.operate.quality_words import OWN_BOOK, decimal
from brokerfix.settings.sections import Config

SPECIFICATION = "17 CFR 242.606(b)(3), the SEC's order handling schema oh-20191231"
MONTHS = 6
NOTES = (
    "Not held orders are those that are worked by an algorithm or an operator, or all of a client that says so "
    "(compliance.clients.not_held); by month of the trading day of receipt, until the day that was asked for.",
    "Left out, because the broker does not know it: what a venue may have routed further. Nothing is exposed by "
    "indications of interest, so that these are none.",
    "Midpoint, near and far side are by the consolidated quote on record at the fill, our own book's with it. Fees and "
    "rebates are by the exchanges' configured fees: a rebate is above 0, a fee below 0.",
    "The duration of orders that provided liquidity is from route to end, of those that have ended.",
    "Fills in our own book have a row of its name, without routes; those against the firm's own accounts are as "
    "principal.",
    "The schema's timestamp, which may be left out, is: the same journal gives the same file.",
)
MS = 10**6


class NoCustomer(ValueError):
    """The journal knows no such client."""


class Routes:
    """What a venue got of orders, and what came of it."""

    def __init__(self) -> None:
        self.children: list[tuple[Child, Fraction]] = []
        self.fills: list[tuple[Fill, Order, Fraction]] = []

    def shares(self, wanted: Sequence[tuple[Fill, Order, Fraction]]) -> Fraction:
        return sum((fill.qty * unit for fill, _, unit in wanted), Fraction(0))


class Handling:
    """A customer's not held orders of six months."""

    def __init__(self, config: Config, found: Orders, client: str, day: int) -> None:
        if client not in found.clients:
            raise NoCustomer(f"there is no client {client!r} in the journal")
        self.config, self.found, self.client, self.day = config, found, client, day
        self.first = first_day(day)
        self.orders: dict[tuple[bool, int, int], list[Order]] = defaultdict(list)
        self.counts: Counter[str] = Counter()
        for order in found.orders.values():
            if order.client == client and self.first <= order.day <= day and order.symbol in found.instruments:
                held = is_held(config, order)
                self.counts["held" if held else "not held, in the report"] += 1
                if not held:
                    self.orders[order.is_directed, order.day // 10_000, order.day // 100 % 100].append(order)

    def document(self) -> Xml.Element:
        root = Xml.Element("notHeldOrderHandlingCustomerReport")
        for name, text in (
            ("version", VERSION), ("customer", self.client), ("bd", self.config.compliance.broker),
            ("startDate", dashed(self.first)), ("endDate", dashed(self.day)),
        ):  # fmt: skip
            element(root, name, text)
        for name, directed in (("hDirected", True), ("hNondirected", False)):
            months = sorted(key for key in self.orders if key[0] is directed)
            if months:
                parent = element(root, name)
                for key in months:
                    self._month(element(parent, "hMonthly"), key)
        return root

    def _unit(self, order: Order) -> Fraction:
        return Fraction(1, 10 ** self.found.instruments[order.symbol].qty_digits)

    def _month(self, parent: Xml.Element, key: tuple[bool, int, int]) -> None:
        orders = self.orders[key]
        element(parent, "year", str(key[1]))
        element(parent, "mon", str(key[2]))
        element(parent, "sentShr", _shares(sum((one.first_qty * self._unit(one) for one in orders), Fraction(0))))
        principal = sum(
            (fill.qty * self._unit(one) for one in orders for fill in one.fills if self._is_principal(fill)),
            Fraction(0),
        )
        element(parent, "executedAsPrincipalShr", _shares(principal))
        element(parent, "ioiExposedOrd", "0")
        element(parent, "ioiExposedVenueList")
        venues = element(parent, "routingVenueList")
        routes: dict[str, Routes] = defaultdict(Routes)
        for one in orders:
            unit = self._unit(one)
            for child in one.children:
                routes[child.venue].children.append((child, unit))
            for fill in one.fills:
                if fill.qty:
                    routes[fill.venue or OWN_BOOK].fills.append((fill, one, unit))
        for venue, found in sorted(routes.items()):
            self._venue(element(venues, "iVenue"), venue, found)

    def _is_principal(self, fill: Fill) -> bool:
        other = self.found.orders.get(fill.other)
        return other is not None and is_own(self.config, self.found, other)

    def _venue(self, parent: Xml.Element, venue: str, routes: Routes) -> None:
        section = self.config.compliance
        codes = section.venue(venue)
        is_ours = venue == OWN_BOOK
        element(parent, "venueName", (section.broker or OWN_BOOK) if is_ours else codes.name or venue)
        mic = section.mic if is_ours else codes.mic
        if mic:
            element(parent, "mic", mic)
        routed = sum((child.qty * unit for child, unit in routes.children), Fraction(0))
        at_once = sum((c.qty * unit for c, unit in routes.children if c.time_in_force in IMMEDIATE), Fraction(0))
        executed = routes.shares(routes.fills)
        told: dict[str, str] = {
            "routedShr": "" if is_ours else _shares(routed), "iocRoutedShr": "" if is_ours else _shares(at_once),
            "furtherRoutableShr": "", "orderSizeShr": _average(routed, len(routes.children)),
            "executedShr": _shares(executed), "filledPct": percent(min(executed, routed), routed),
            "fillSizeShr": _average(executed, len(routes.fills)), "netFeeOrRebateCph": self._net(routes.fills),
        }  # fmt: skip
        for name, wanted in self._by_side(routes).items():
            told[f"{name}Shr"] = _shares(routes.shares(wanted))
            told[f"{name}Pct"] = percent(routes.shares(wanted), executed)
        provided = [one for one in routes.fills if one[0].is_maker]
        removed = [one for one in routes.fills if not one[0].is_maker]
        told |= {
            "providedLiqudityShr": _shares(routes.shares(provided)),
            "providedLiquidityPct": percent(routes.shares(provided), executed),
            "orderDurationMsec": _duration(routes), "providedLiquidityNetCph": self._net(provided),
            "removedLiquidityShr": _shares(routes.shares(removed)),
            "removedLiquidityPct": percent(routes.shares(removed), executed),
            "removedLiquidityNetCph": self._net(removed),
        }  # fmt: skip
        for name, text in told.items():
            element(parent, name, text)

    def _net(self, wanted: Sequence[tuple[Fill, Order, Fraction]]) -> str:
        """What exchanges gave (above 0) or took for a hundred shares, in cents."""
        shares = sum((fill.qty * unit for fill, _, unit in wanted), Fraction(0))
        money = -sum(fill.exchange_fee(self.found.instruments[order.symbol]) for fill, order, _ in wanted)
        return cents_per_hundred(money, shares)

    def _by_side(self, routes: Routes) -> dict[str, list[tuple[Fill, Order, Fraction]]]:
        """The fills at the midpoint, and at the best price of the order's own and of the other side."""
        found: dict[str, list[tuple[Fill, Order, Fraction]]] = {"midpoint": [], "nearside": [], "farside": []}
        for fill, order, unit in routes.fills:
            timeline = self.found.timelines.get(order.symbol)
            quote = timeline.quote(fill.at) if timeline is not None else None
            if quote is None:
                continue
            near, far = (quote.bid, quote.ask) if order.side is Side.BUY else (quote.ask, quote.bid)
            name = {near: "nearside", far: "farside"}.get(fill.price)
            if 2 * fill.price == quote.twice_mid:
                name = "midpoint"
            if name is not None:
                found[name].append((fill, order, unit))
        return found


def first_day(day: int) -> int:
    """The first day (YYYYMMDD) of the six months that end with a day's."""
    number = (day // 10_000) * 12 + day // 100 % 100 - MONTHS
    return (number // 12) * 10_000 + (number % 12 + 1) * 100 + 1


def _shares(value: Fraction) -> str:
    return decimal(value, least=0) or "0"


def _average(total: Fraction, of: int) -> str:
    return decimal(total / of, 2, least=0) or "" if of else ""


def _duration(routes: Routes) -> str:
    """ms, on average, of those that gave liquidity and have ended; empty where there are none."""
    spans = [
        child.until - child.at
        for child, _ in routes.children
        if child.until and child.time_in_force not in IMMEDIATE and any(fill.is_maker for fill in child.fills)
    ]
    return str(sum(spans) // len(spans) // MS) if spans else ""


def write_customer(folder: Path, config: Config, client: str, day: int) -> tuple[list[Path], dict[str, Any]]:
    """Returns the files that are written, and what is told of them. Raises JournalError and NoCustomer."""
    journal = config.data / "journal"
    check_kept(journal, first_day(day), day)
    made = Handling(config, Orders(0, day).read(journal), client, day)
    root = made.document()
    problems = Problems()
    problems.add("606(b)(3)", wrong(root))
    told = sidecar("606", SPECIFICATION, day, NOTES, problems, orders=dict(made.counts), customer=client)
    name = f"606b3-{quote(client, safe='')}-{day}-{LABEL}"
    return write(folder, {f"{name}.xml": xml_text(root)}, f"{name}.meta.json", told), told
