"""The fields of CAT's order events, in their order in a CSV file, and what they may be, by the Reporting Technical
Specifications for Industry Members 4.0.0-r18."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from brokerfix.compliance.fields import Check, Fields, described, is_flag, matching, number, one_of, problems, text

HEAD = "actionType! errorROEID firmROEID! type! CATReporterIMID "
ORDER = HEAD + "orderKeyDate! orderID! symbol! "
BEST = "nbbPrice nbbQty nboPrice nboQty nbboSource nbboTimestamp "
ATS = "atsDisplayInd displayPrice workingPrice displayQty atsOrderType "
TERMS = "side! price quantity! minQty "
KIND = "orderType! timeInForce! tradingSession! "
TO = "senderIMID destination destinationType! "
CHANGED = ORDER + "originatingIMID eventTimestamp! manualFlag! electronicTimestamp "
REFUSED = ORDER + "originatingIMID eventTimestamp! manualFlag! " + TO + "routedOrderID session routeRejectedFlag! "
FIELDS: dict[str, str] = {
    "MENO": ORDER + "eventTimestamp! manualFlag! electronicDupFlag! electronicTimestamp manualOrderKeyDate "
    "manualOrderID deptType! solicitationFlag! RFQID " + TERMS + KIND + "handlingInstructions custDspIntrFlag! "
    "firmDesignatedID! accountHolderType! affiliateFlag! infoBarrierID aggregatedOrders negotiatedTradeFlag! "
    "representativeInd! seqNum " + ATS + BEST + "netPrice",
    "MEOA": ORDER + "eventTimestamp! manualFlag! electronicDupFlag! electronicTimestamp receiverIMID! senderIMID! "
    "senderType! routedOrderID manualOrderKeyDate manualOrderID affiliateFlag! deptType! " + TERMS + KIND + "isoInd! "
    "handlingInstructions custDspIntrFlag! infoBarrierID seqNum " + ATS + BEST + "solicitationFlag! pairedOrderID "
    "netPrice",
    "MEOR": ORDER + "originatingIMID eventTimestamp! manualFlag! electronicDupFlag! electronicTimestamp " + TO
    + "routedOrderID session " + TERMS + KIND + "affiliateFlag! isoInd! handlingInstructions routeRejectedFlag! "
    "dupROIDCond! seqNum multiLegInd! pairedOrderID infoBarrierID netPrice quoteKeyDate quoteID",
    "MEORS": REFUSED,
    "MEMR": CHANGED + TO + "routedOrderID priorRoutedOrderID session " + TERMS + "retired " + KIND + "affiliateFlag! "
    "isoInd! handlingInstructions routeRejectedFlag! dupROIDCond! seqNum netPrice multiLegInd!",
    "MEMRS": REFUSED + "multiLegInd!",
    "MECR": CHANGED + "cancelQty! retired " + TO + "routedOrderID session routeRejectedFlag! seqNum multiLegInd!",
    "MECRS": REFUSED + "multiLegInd!",
    "MEIR": ORDER + "parentOrderKeyDate parentOrderID originatingIMID eventTimestamp! manualFlag! electronicTimestamp "
    "deptType! receivingDeskType! infoBarrierID " + TERMS + "orderType! handlingInstructions timeInForce! "
    "tradingSession! multiLegInd! netPrice deskOrderID",
    "MEOM": ORDER + "priorOrderKeyDate priorOrderID originatingIMID eventTimestamp! manualFlag! manualOrderKeyDate "
    "manualOrderID electronicDupFlag! electronicTimestamp receiverIMID senderIMID senderType routedOrderID "
    "requestTimestamp retired retired retired initiator! " + TERMS + "leavesQty! " + KIND + "isoInd! "
    "handlingInstructions custDspIntrFlag! infoBarrierID aggregatedOrders representativeInd! seqNum " + ATS + BEST
    + "netPrice",
    "MEOMR": CHANGED + "receiverIMID senderIMID senderType retired retired " + TERMS + KIND + "isoInd! "
    "handlingInstructions custDspIntrFlag! infoBarrierID retired retired seqNum " + ATS + BEST + "netPrice",
    "MEOC": CHANGED + "cancelQty! leavesQty! initiator! seqNum requestTimestamp infoBarrierID",
    "MEOCR": CHANGED + "cancelQty! seqNum infoBarrierID",
    "MEOE": ORDER + "priorOrderKeyDate priorOrderID originatingIMID eventTimestamp! timeInForce tradingSession retired "
    "side price quantity minQty orderType seqNum atsDisplayInd displayPrice workingPrice displayQty " + BEST
    + "triggerPrice netPrice",
    "MEOT": HEAD + "tradeKeyDate! tradeID! symbol! eventTimestamp! manualFlag! electronicTimestamp cancelFlag! "
    "cancelTimestamp retired retired quantity! price! capacity! tapeTradeID marketCenterID sideDetailsInd! buyDetails "
    "sellDetails reportingExceptionCode seqNum " + BEST + "retired clearingFirm counterparty multiLegInd! "
    "infoBarrierID",
    "MEOF": HEAD + "fillKeyDate! fulfillmentID! symbol! eventTimestamp! manualFlag! electronicTimestamp "
    "fulfillmentLinkType! cancelFlag! cancelTimestamp quantity! price! capacity! clientDetails! firmDetails "
    "infoBarrierID",
}  # fmt: skip
"""Event type -> its fields. A retired or reserved one has its place, and never a value."""
DETAILS = "orderKeyDate orderID side! retired firmDesignatedID accountHolderType originatingIMID"
"""The fields of an element of a trade's or fill's details."""


def _pairs(value: Any) -> bool:
    """Name/value pairs: flags that are true, and names with a value."""
    return isinstance(value, dict) and all(
        one is True or isinstance(one, str | int | Decimal) for one in value.values()
    )


def _in_force(value: Any) -> bool:
    if not (_pairs(value) and len(value) == 1):
        return False
    ((name, of),) = value.items()
    return bool(IN_FORCE[name](of)) if name in IN_FORCE else False


def _instructions(value: Any) -> bool:
    return _pairs(value) and bool(value) and all(name in INSTRUCTIONS or name in VALUED for name in value)


def _details(value: Any) -> bool:
    return isinstance(value, list) and all(not [*problems(one, DETAIL_FIELDS)] for one in value)


TIME: Check = matching(r"\d{8}T\d{6}(\.\d{1,9})?")
IN_FORCE: dict[str, Check] = {
    "DAY": matching(r"\d{8}"), "GTD": matching(r"\d{8}"), "GTX": matching(r"\d{8}"), "GTT": TIME,
    "GTC": is_flag, "GTM": is_flag, "IOC": is_flag, "IOR": is_flag, "GFD": number(9, 0),
}  # fmt: skip
INSTRUCTIONS = frozenset(
    ("ALG", "ALO", "AON", "DIR", "FOK", "PEG", "M", "P", "R", "TS", "MTL", "MOO", "MOC", "LOO", "LOC", "RSV", "NH")
)
"""The ones that the broker can tell; the specification has more."""
VALUED = frozenset(["STOP", "CASH"])
PRICE, QTY = (number(10, 8, negative=True), "a number of 10 digits and 8 decimals"), (number(12, 6), "a quantity")
CHECKS: dict[str, tuple[Check, str]] = {
    "actionType": (one_of("NEW COR RPR DEL"), "NEW, COR, RPR or DEL"),
    "errorROEID": (number(18, 0), "a number"),
    "firmROEID": (text(64, r"\d{8}_\S+"), "a date, _ and an id"),
    "type": (one_of(" ".join(FIELDS)), "an event type"),
    "CATReporterIMID": (text(7, "[A-Za-z0-9]+"), "an IMID"),
    "symbol": (text(22), "a symbol"),
    "deptType": (one_of("A ATS DMA O SA T"), "a department type"),
    "receivingDeskType": (
        one_of("A AR B C CR D EC FB IN IS O PF PR PT S SW T TR"), "a desk type",
    ),
    "side": (one_of("B SL SS SX"), "B, SL, SS or SX"),
    "orderType": (one_of("LMT MKT CAB"), "LMT, MKT or CAB"),
    "timeInForce": (_in_force, "one of DAY, GTD, GTX, GTT, GTC, GTM, IOC, IOR, GFD"),
    "tradingSession": (one_of("FOR PRE PREREG REG REGPOST POST PREPOST ALL"), "a trading session"),
    "handlingInstructions": (_instructions, "known handling instructions"),
    "firmDesignatedID": (text(40), "text of 40 characters"),
    "accountHolderType": (one_of("A E F I O V P X"), "an account holder type"),
    "representativeInd": (one_of("N"), "N"),
    "destinationType": (text(2, "[A-Z]+"), "a destination type"),
    "senderType": (text(2, "[A-Z]+"), "a sender type"),
    "destination": (text(16), "an exchange or IMID"),
    "session": (text(40), "text of 40 characters"),
    "isoInd": (one_of("ISOD ISOI NA"), "ISOD, ISOI or NA"),
    "initiator": (one_of("C F"), "C or F"),
    "capacity": (one_of("A P R"), "A, P or R"),
    "sideDetailsInd": (one_of("BUY SELL NA"), "BUY, SELL or NA"),
    "fulfillmentLinkType": (one_of("FOR O Y YE YP YS"), "a link type"),
    "reportingExceptionCode": (one_of("C F N P"), "an exception code"),
    "marketCenterID": (text(10, "[A-Za-z0-9]+"), "a market center"),
    "triggerPrice": PRICE, "retired": (lambda value: False, "empty"),
    "minQty": QTY, "quantity": QTY, "leavesQty": QTY, "cancelQty": QTY, "price": PRICE, "netPrice": PRICE,
    **dict.fromkeys(("senderIMID", "receiverIMID", "originatingIMID", "clearingFirm", "counterparty"),
                    (text(16, r"(\d+:)?[A-Za-z0-9]+"), "CRD:IMID")),
    **dict.fromkeys(("buyDetails", "sellDetails", "clientDetails", "firmDetails"), (_details, "details")),
}  # fmt: skip
IDS = (text(64), "text of 64 characters")


def _check_of(name: str) -> tuple[Check, str]:
    """What is known by a field's name, or else by how it ends."""
    if name in CHECKS:
        return CHECKS[name]
    if name.endswith(("Timestamp", "KeyDate")):
        return TIME, "a time, YYYYMMDDTHHMMSS.nnnnnnnnn"
    if name.endswith(("Flag", "Cond", "LegInd")):
        return is_flag, "true or false"
    return (PRICE if name.endswith("Price") else QTY) if name.endswith(("Price", "Qty")) else IDS


def _fields(names: str) -> Fields:
    return described(names, {name.rstrip("!"): _check_of(name.rstrip("!")) for name in names.split()})


DETAIL_FIELDS = _fields(DETAILS)
OF_TYPE: dict[str, Fields] = {kind: _fields(names) for kind, names in FIELDS.items()}


def wrong(record: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(field, what is wrong with it) of an event, those that hang on one another with it."""
    if record["actionType"] == "DEL":
        return
    yield from problems(record, OF_TYPE[record["type"]])
    if record.get("orderType") == "LMT" and "price" not in record:
        yield "price", "is missing of a limit order"
    if "electronicTimestamp" in record and not record.get("manualFlag"):
        yield "electronicTimestamp", "is of a manual event only"
    if (record["actionType"] == "RPR") != ("errorROEID" in record):
        yield "errorROEID", "is of a repair, and every repair has it"
    if record["type"] == "MEOT":
        if ("tapeTradeID" in record) == ("reportingExceptionCode" in record):
            yield "tapeTradeID", "is missing, and no reportingExceptionCode says why"
        if record["cancelFlag"] != ("cancelTimestamp" in record):
            yield "cancelTimestamp", "is of a canceled trade"
