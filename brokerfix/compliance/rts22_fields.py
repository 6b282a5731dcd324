"""The elements of a transaction report by RTS 22 (Regulation (EU) 2017/590) as ISO 20022's auth.016 has them, in their
order, and what they may be. Its schema is not public in a form that could be had here: this is our own description.

A name is the path of elements; what is behind an @ is an attribute.
"""

from collections.abc import Iterator, Mapping
from typing import Any
from xml.sax.saxutils import escape

from brokerfix.compliance.fields import Check, described, matching, number, one_of, problems, text
from brokerfix.compliance.written import cell, xml_able

NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:auth.016.001.01"
Kind = tuple[Check, str]
LEI: Kind = matching(r"[A-Z0-9]{18}\d{2}"), "an LEI"
MIC: Kind = matching("[A-Z0-9]{4}"), "a MIC"
COUNTRY: Kind = matching("[A-Z]{2}"), "a country"
WHEN: Kind = matching(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z"), "a time in UTC"
FLAG: Kind = one_of("true false"), "true or false"
NAME: Kind = text(140, without=""), "a name"
TRN: Kind = matching("[A-Z0-9]{1,52}"), "up to 52 capitals and digits"
ALGO: Kind = text(50, "[A-Z0-9]+", ""), "an algorithm's id, up to 50 capitals and digits"


def _party(name: str) -> dict[str, Kind]:
    """A buyer or seller: who owns the account."""
    owner = f"{name}/AcctOwnr"
    return {
        f"{owner}/Id/LEI": LEI, f"{owner}/Id/Prsn/FrstNm": NAME, f"{owner}/Id/Prsn/Nm": NAME,
        f"{owner}/Id/Prsn/BirthDt": (matching(r"\d{4}-\d\d-\d\d"), "a date"),
        f"{owner}/Id/Prsn/Othr/Id": (matching("[A-Z]{2}[A-Za-z0-9+]{1,33}"), "a person's id"),
        f"{owner}/Id/Prsn/Othr/SchmeNm/Cd": (one_of("NIDN CCPT"), "NIDN or CCPT"),
        f"{owner}/Id/Prsn/Othr/SchmeNm/Prtry": (one_of("CONCAT"), "CONCAT"), f"{owner}/CtryOfBrnch": COUNTRY,
    }  # fmt: skip


NEW: dict[str, Kind] = {
    "TxId!": TRN, "ExctgPty!": LEI, "InvstmtPtyInd!": FLAG, "SubmitgPty!": LEI, **_party("Buyr"), **_party("Sellr"),
    "OrdrTrnsmssn/TrnsmssnInd!": FLAG, "Tx/TradDt!": WHEN, "Tx/TradgCpcty!": (one_of("DEAL MTCH AOTC"), "a capacity"),
    "Tx/Qty/Unit!": (number(18, 17), "a quantity"), "Tx/Pric/Pric/MntryVal/Amt!": (number(18, 13), "a price"),
    "Tx/Pric/Pric/MntryVal/Amt@Ccy!": (matching("[A-Z]{3}"), "a currency"), "Tx/TradVn!": MIC,
    "Tx/CtryOfBrnch": COUNTRY, "Tx/TradPlcMtchgId": TRN,
    "FinInstrm/Id!": (matching(r"[A-Z]{2}[A-Z0-9]{9}\d"), "an ISIN"),
    "InvstmtDcsnPrsn/Algo": ALGO, "ExctgPrsn/Algo": ALGO, "ExctgPrsn/Clnt": (one_of("NORE"), "NORE"),
    "AddtlAttrbts/ShrtSellgInd": (one_of("SESH SSEX SELL UNDI"), "a short-selling mark"),
    "AddtlAttrbts/SctiesFincgTxInd!": FLAG,
}  # fmt: skip
CANCEL: dict[str, Kind] = {"TxId!": TRN, "ExctgPty!": LEI, "SubmitgPty!": LEI}
FIELDS = {
    kind: described(" ".join(names), {name.rstrip("!"): check for name, check in names.items()})
    for kind, names in (("New", NEW), ("Cxl", CANCEL))
}


def wrong(kind: str, report: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(element, what is wrong with it) of a report, New or Cxl, those that hang on one another with it."""
    yield from problems(report, FIELDS[kind])
    if kind == "Cxl":
        return
    for party in ("Buyr", "Sellr"):
        owner = f"{party}/AcctOwnr/Id"
        if f"{owner}/LEI" in report:
            continue
        if f"{owner}/Prsn/Othr/Id" not in report:
            yield f"{owner}", "is missing"
            continue
        for name in ("FrstNm", "Nm", "BirthDt"):
            if f"{owner}/Prsn/{name}" not in report:
                yield f"{owner}/Prsn/{name}", "is missing of a person"
        if not any(name.startswith(f"{owner}/Prsn/Othr/SchmeNm") for name in report):
            yield f"{owner}/Prsn/Othr/SchmeNm", "is missing of a person"
    if "ExctgPrsn/Algo" not in report and "ExctgPrsn/Clnt" not in report:
        yield "ExctgPrsn", "is missing"
    if report.get("Tx/TradgCpcty") == "DEAL" and "InvstmtDcsnPrsn/Algo" not in report:
        yield "InvstmtDcsnPrsn", "is missing of a deal on own account"


BEGIN = f'<Document xmlns="{NAMESPACE}">\n  <FinInstrmRptgTxRpt>\n'
END = "  </FinInstrmRptgTxRpt>\n</Document>\n"
"""What is around the reports of a document."""


def as_xml(report: tuple[str, dict[str, Any]]) -> str:
    """A report, New or Cxl, as its lines in the document. Elements of the same parent stand together, as the order of
    paths has them."""
    kind, values = report
    lines = ["    <Tx>", f"      <{kind}>"]
    within: list[str] = []
    for path, value in values.items():
        *parents, name = path.split("/")
        if "@" in name:
            continue
        shared = 0
        while shared < min(len(within), len(parents)) and within[shared] == parents[shared]:
            shared += 1
        lines += _closed(within, shared)
        for depth in range(shared, len(parents)):
            lines.append(f"{'  ' * (depth + 4)}<{parents[depth]}>")
        within = parents
        currency = f' Ccy="{values[f"{path}@Ccy"]}"' if f"{path}@Ccy" in values else ""
        lines.append(f"{'  ' * (len(parents) + 4)}<{name}{currency}>{escape(xml_able(cell(value)))}</{name}>")
    lines += [*_closed(within, 0), f"      </{kind}>", "    </Tx>", ""]
    return "\n".join(lines)


def _closed(within: list[str], until: int) -> list[str]:
    """The ends of elements, the innermost first, down to a depth."""
    return [f"{'  ' * (depth + 4)}</{within[depth]}>" for depth in reversed(range(until, len(within)))]
