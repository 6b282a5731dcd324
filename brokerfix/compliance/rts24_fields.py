"""The fields of order records by the annex of RTS 24 (Regulation (EU) 2017/580), table 2, and what they may be.

A field's name has its number there and a short one of ours.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from brokerfix.compliance.fields import Check, described, matching, number, one_of, problems, text

LEI: tuple[Check, str] = matching(r"[A-Z0-9]{18}\d{2}"), "an LEI"
PARTY: tuple[Check, str] = (
    matching(r"[A-Z0-9]{18}\d{2}|[A-Z]{2}[A-Za-z0-9+]{1,33}|AGGR|PNAL"),
    "an LEI or a person's id",
)
MIC: tuple[Check, str] = matching("[A-Z0-9]{4}"), "a MIC"
WHEN: tuple[Check, str] = matching(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"), "a time in UTC to the microsecond"
FLAG: tuple[Check, str] = one_of("true false"), "true or false"
PRICE: tuple[Check, str] = number(18, 13, negative=True), "a price of 18 digits and 13 decimals"
QTY: tuple[Check, str] = number(18, 17), "a quantity"
COUNT: tuple[Check, str] = number(50, 0), "a whole number"
CURRENCY: tuple[Check, str] = matching("[A-Z]{3}"), "a currency"


def _text(most: int) -> tuple[Check, str]:
    return text(most, without=""), f"text of {most} characters"


def _one(words: str) -> tuple[Check, str]:
    return one_of(words), f"one of {words}"


CHECKS: dict[str, tuple[Check, str]] = {
    "01_submitting_entity!": LEI, "02_direct_electronic_access!": FLAG, "03_client_id": PARTY,
    "04_investment_decision": PARTY, "05_execution_within_firm": PARTY, "06_non_executing_broker": LEI,
    "07_trading_capacity!": _one("DEAL MTCH AOTC"), "08_liquidity_provision!": FLAG, "09_date_and_time!": WHEN,
    "10_validity_period!": _one("DAVY GTCV GTTV GTDV GTSV GATV GADV GASV IOCV FOKV"),
    "11_order_restriction": _one("SESR VFAR VFCR"), "12_validity_until": WHEN, "13_priority_time": WHEN,
    "14_priority_size": QTY, "15_sequence_number!": COUNT, "16_segment_mic!": MIC, "17_order_book_code!": _text(35),
    "18_instrument!": (matching(r"[A-Z]{2}[A-Z0-9]{9}\d"), "an ISIN"), "19_date_of_receipt!": WHEN,
    "20_order_id!": _text(50),
    "21_event!": _one("NEWO TRIG REME REMA REMH CHME CHMO CAME CAMO REMO EXPI PARF FILL"),
    "22_order_type!": _text(50), "23_order_type_classification!": _one("LMTO STOP"), "24_limit_price": PRICE,
    "25_additional_limit_price": PRICE, "26_stop_price": PRICE, "27_pegged_limit_price": PRICE,
    "28_transaction_price": PRICE, "29_price_currency!": CURRENCY, "30_currency_leg_2": CURRENCY,
    "31_price_notation!": _one("MONE PERC YIEL BAPO"), "32_buy_sell!": _one("BUYI SELL"),
    "33_order_status!": (matching("(ACTI|INAC|SUSP)(,(FIRM|IMPL|INDI|ROUT))?"), "a status"),
    "34_quantity_notation!": _one("UNIT NOML MONE"), "35_quantity_currency": CURRENCY, "36_initial_quantity!": QTY,
    "37_remaining_quantity!": QTY, "38_displayed_quantity": QTY, "39_traded_quantity": QTY,
    "40_minimum_acceptable_quantity": QTY, "41_minimum_executable_size": QTY, "42_mes_first_execution_only": FLAG,
    "43_passive_only!": FLAG, "44_passive_or_aggressive": _one("PASV AGRE"), "45_self_execution_prevention": FLAG,
    "46_strategy_linked_order_id": _text(50), "47_routing_strategy": _text(50), "48_transaction_id": _text(52),
    "49_trading_phase": _text(50), "50_indicative_auction_price": PRICE, "51_indicative_auction_volume": QTY,
}  # fmt: skip
NAMES = tuple(name.rstrip("!") for name in CHECKS)
FIELDS = described(" ".join(CHECKS), {name.rstrip("!"): check for name, check in CHECKS.items()})


def wrong(record: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(field, what is wrong with it) of a record, those that hang on one another with it."""
    yield from problems(record, FIELDS)
    is_fill = record["21_event"] in ("PARF", "FILL")
    for name in ("28_transaction_price", "39_traded_quantity", "44_passive_or_aggressive", "48_transaction_id"):
        if is_fill != (name in record):
            yield name, "is of a fill, and every fill has it"
    if record.get("10_validity_period") in ("GTDV", "GTTV") and "12_validity_until" not in record:
        yield "12_validity_until", "is missing of an order that is good till a time"
