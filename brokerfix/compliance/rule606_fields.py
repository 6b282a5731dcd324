"""The elements of Rule 606's reports by the SEC's schema for order handling (oh-20191231), in their order, and what
they may be. The schema itself is not with us: this is our own description of it."""

from collections.abc import Iterator
from typing import NamedTuple
from xml.etree import ElementTree as Xml

from brokerfix.compliance.fields import Check, matching, text

VERSION = "1.3"
PCT: Check = matching(r"(100(\.0{2,})|\d{1,2}\.\d{2,})?")
USD: Check = matching(r"(-?\d+(\.\d+)?)?")
CPH: Check = matching(r"(-?\d*\.\d{4,})?")
SHARES: Check = matching(r"(\d+(\.\d+)?)?")
WHOLE: Check = matching(r"(\d+)?")
NAME: Check = text(80, without="")
YEAR: Check = matching(r"\d{4}")
DATE: Check = matching(r"\d{4}-\d\d-\d\d")
STAMP: Check = matching(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
ANY: Check = lambda value: isinstance(value, str)  # noqa: E731
KINDS = ("MarketOrders", "MarketableLimitOrders", "NonMarketableLimitOrders", "OtherOrders")


class Part(NamedTuple):
    """An element: what its text has to be (None: it has elements), how often it stands there at least and at most."""

    name: str
    check: Check | None
    least: int = 1
    most: int = 1


def _parts(check: Check, names: str, least: int = 1) -> list[Part]:
    return [Part(name, check, least) for name in names.split()]


MANY = 1 << 30
SECTION = [Part("rSP500", None, 0), Part("rOtherStocks", None, 0), Part("rOptions", None, 0)]
IN_SECTION = [
    *_parts(PCT, "ndoPct ndoMarketPct ndoMarketableLimitPct ndoNonmarketableLimitPct ndoOtherPct"),
    Part("rVenues", None),
]
STRUCTURE: dict[str, list[Part]] = {
    "heldOrderRoutingPublicReport": [
        Part("version", matching("1.[23]")), Part("bd", NAME), Part("year", YEAR), Part("qtr", matching("[1-4]")),
        Part("timestamp", STAMP, 0), Part("rMonthly", None, 1, 3),
    ],
    "rMonthly": [Part("year", YEAR), Part("mon", matching("[1-9]|1[0-2]")), *SECTION],
    "rSP500": IN_SECTION, "rOtherStocks": IN_SECTION, "rOptions": IN_SECTION,
    "rVenues": [Part("rVenue", None, 0, MANY)],
    "rVenue": [
        Part("name", NAME, 0), Part("mic", matching("([A-Z0-9]{4})?"), 0),
        *_parts(PCT, "orderPct marketPct marketableLimitPct nonMarketableLimitPct otherPct"),
        *(part for kind in KINDS for part in (
            Part(f"netPmtPaidRecv{kind}Usd", USD), Part(f"netPmtPaidRecv{kind}Cph", CPH))),
        Part("materialAspects", ANY),
    ],
    "notHeldOrderHandlingCustomerReport": [
        Part("version", matching("1.[23]")), Part("customer", ANY), Part("bd", NAME), Part("timestamp", STAMP, 0),
        Part("startDate", DATE), Part("endDate", DATE), Part("hDirected", None, 0), Part("hNondirected", None, 0),
    ],
    "hDirected": [Part("hMonthly", None, 0, MANY)], "hNondirected": [Part("hMonthly", None, 0, MANY)],
    "hMonthly": [
        Part("year", YEAR), Part("mon", matching("[1-9]|1[0-2]")), *_parts(SHARES, "sentShr executedAsPrincipalShr"),
        Part("ioiExposedOrd", WHOLE), Part("ioiExposedVenueList", None), Part("routingVenueList", None),
    ],
    "ioiExposedVenueList": [], "routingVenueList": [Part("iVenue", None, 0, MANY)],
    "iVenue": [
        Part("venueName", NAME), Part("mic", matching("([A-Z0-9]{4})?"), 0),
        *_parts(SHARES, "routedShr iocRoutedShr furtherRoutableShr orderSizeShr executedShr"), Part("filledPct", PCT),
        Part("fillSizeShr", SHARES), Part("netFeeOrRebateCph", CPH),
        *(part for name in ("midpoint", "nearside", "farside") for part in (
            Part(f"{name}Shr", SHARES), Part(f"{name}Pct", PCT))),
        Part("providedLiqudityShr", SHARES), Part("providedLiquidityPct", PCT), Part("orderDurationMsec", WHOLE),
        Part("providedLiquidityNetCph", CPH), Part("removedLiquidityShr", SHARES), Part("removedLiquidityPct", PCT),
        Part("removedLiquidityNetCph", CPH),
    ],
}  # fmt: skip
"""Element -> what is in it, in this order."""


def wrong(root: Xml.Element) -> Iterator[tuple[str, str]]:
    """(element, what is wrong with it) of a report and all that is in it."""
    parts = STRUCTURE[root.tag]
    names = [part.name for part in parts]
    found = [child.tag for child in root]
    for name in found:
        if name not in names:
            yield name, f"does not belong into {root.tag}"
    if found != sorted(found, key=lambda name: names.index(name) if name in names else 0):
        yield root.tag, "has its elements in another order"
    for part in parts:
        if not part.least <= found.count(part.name) <= part.most:
            yield part.name, f"stands {found.count(part.name)} times in {root.tag}"
    checks = {part.name: part.check for part in parts}
    for child in root:
        check = checks.get(child.tag)
        if check is not None and child.text and not check(child.text):
            yield child.tag, f"is not as it should be: {child.text}"
        elif check is NAME and not child.text:
            yield child.tag, "is empty"
        elif child.tag in STRUCTURE:
            yield from wrong(child)
    if root.tag == "rVenues":
        mics = [mic.text for mic in root.iter("mic") if mic.text]
        if len(set(mics)) < len(mics):
            yield "mic", "is that of several venues"
    if root.tag == "rVenue" and not any(child.tag in ("name", "mic") and child.text for child in root):
        yield "rVenue", "has no name and no mic"
