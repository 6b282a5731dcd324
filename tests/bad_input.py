"""What bad input gets, as data: (what it is, MsgType, fields, the tags that its answer must carry).

A field of None is left out of an otherwise good message; every row is sent over a real socket.
"""

from brokerfix.tools.client import utc_now

Fields = dict[int, str | None]

GOOD: dict[str, dict[int, str]] = {
    "D": {55: "AAPL", 54: "1", 38: "100", 40: "2", 44: "150.00", 59: "0"},
    "F": {41: "never", 55: "AAPL", 54: "1"},
    "G": {41: "never", 55: "AAPL", 54: "1", 38: "100", 40: "2", 44: "150.00"},
    "H": {55: "AAPL", 54: "1"},
    "AF": {584: "m", 585: "7"},
    "q": {530: "7"},
    "Q": {37: "1", 17: "1", 127: "A", 55: "AAPL", 54: "1"},
    "g": {335: "g", 263: "0"},
    "x": {320: "l", 559: "4"},
    "c": {320: "d", 321: "0", 55: "AAPL"},
    "e": {324: "s", 263: "0", 55: "AAPL"},
}
HAS_CL_ORD_ID = "DFGHq"
HAS_TRANSACT_TIME = "DFGq"

ORDER_KINDS = {
    "char": (21, 40, 54, 59),
    "several": (18,),
    "number": (38, 44, 99, 110, 111, 211),
    "time": (60, 126),
    "date": (432,),
}
KINDS: dict[str, dict[str, tuple[int, ...]]] = {
    "D": {"text": (1, 11, 55, 100), **ORDER_KINDS},
    "F": {"text": (1, 11, 37, 41, 55), "char": (54,), "number": (38,), "time": (60,)},
    "G": {"text": (1, 11, 37, 41, 55), **ORDER_KINDS},
    "H": {"text": (1, 11, 37, 55, 790), "char": (54,)},
    "AF": {"text": (1, 55, 584), "char": (54,), "integer": (585,)},
    "q": {"text": (1, 11, 55), "char": (54, 530), "time": (60,)},
    "Q": {"text": (17, 37, 55, 58), "char": (54, 127)},
    "g": {"text": (335, 336), "char": (263,)},
    "x": {"text": (55, 320), "integer": (559,)},
    "c": {"text": (55, 320), "integer": (321,)},
    "e": {"text": (55, 324), "char": (263,)},
}
"""Every field that we take of each message, by what it must look like."""

MALFORMED: dict[str, tuple[tuple[str, str, str], ...]] = {
    "text": (("empty", "", "4"),),
    "char": (("empty", "", "4"), ("no such value", "~", "5")),
    "several": (("empty", "", "4"), ("no such value", "~", "5"), ("one such value, one not", "G ~", "5")),
    "integer": (("empty", "", "4"), ("no number", "x", "6"), ("no such value", "99", "5")),
    "number": (
        ("empty", "", "4"),
        ("no number", "many", "6"),
        ("two points", "1.2.3", "6"),
        ("an exponent", "1e5", "6"),
    ),
    "time": (("empty", "", "4"), ("no time", "yesterday", "6"), ("no such time", "20260101-25:00:00", "6")),
    "date": (("empty", "", "4"), ("no date", "tomorrow", "6"), ("no such date", "20261399", "6")),
}
"""What may be wrong with a field of a kind: (what, value, SessionRejectReason(373))."""

REQUIRED: dict[str, tuple[int, ...]] = {
    "D": (11, 40, 54, 55, 60),
    "F": (11, 41, 54, 55, 60),
    "G": (11, 40, 41, 54, 55, 60),
    "AF": (584, 585),
    "q": (11, 530, 60),
    "Q": (17, 37, 54, 55, 127),
    "g": (335, 263),
    "x": (320, 559),
    "c": (320, 321),
    "e": (324, 263, 55),
}

ROWS: list[tuple[str, str, Fields, dict[int, str]]] = [
    ("a tag of another message", "D", {41: "x"}, {35: "3", 371: "41", 373: "2"}),
    ("a tag that FIX does not know", "D", {4999: "x"}, {35: "3", 371: "4999", 373: "0"}),
    ("limit without Price", "D", {44: None}, {35: "j", 380: "5", 372: "D", 58: "RefTagID=44"}),
    ("no quantity", "D", {38: None}, {35: "j", 380: "5", 58: "RefTagID=38"}),
    ("replace to a limit without Price", "G", {44: None}, {35: "j", 380: "5", 58: "RefTagID=44"}),
    ("a message of FIX that we do not take", "BE", {923: "1", 924: "1", 553: "x"}, {35: "j", 380: "3", 372: "BE"}),
    ("zero quantity", "D", {38: "0"}, {35: "8", 39: "8", 103: "13", 58: "QUANTITY"}),
    ("negative quantity", "D", {38: "-5"}, {35: "8", 39: "8", 103: "13", 58: "QUANTITY"}),
    ("over-precise quantity", "D", {38: "1.5"}, {35: "8", 39: "8", 103: "13", 58: "more than 0 decimals"}),
    ("enormous quantity", "D", {38: "9" * 40}, {35: "8", 39: "8", 103: "13", 58: "too large"}),
    ("zero price", "D", {44: "0"}, {35: "8", 39: "8", 103: "99", 58: "PRICE"}),
    ("negative price", "D", {44: "-1"}, {35: "8", 39: "8", 103: "99", 58: "PRICE"}),
    ("over-precise price", "D", {44: "150.001"}, {35: "8", 39: "8", 103: "99", 58: "more than 2 decimals"}),
    ("enormous price", "D", {44: "9" * 40}, {35: "8", 39: "8", 103: "99", 58: "too large"}),
    ("unknown symbol", "D", {55: "NOPE"}, {35: "8", 39: "8", 103: "1"}),
    ("foreign account", "D", {1: "BOB"}, {35: "8", 39: "8", 103: "15"}),
    ("a side that we do not take", "D", {54: "8"}, {35: "8", 39: "8", 103: "11", 58: "tag 54"}),
    ("an order type that we do not take", "D", {40: "6"}, {35: "8", 39: "8", 103: "11", 58: "tag 40"}),
    ("a time in force that we do not take", "D", {59: "5"}, {35: "8", 39: "8", 103: "11", 58: "tag 59"}),
    ("an instruction that we do not take", "D", {18: "W"}, {35: "8", 39: "8", 103: "11", 58: "tag 18"}),
    ("a tag that we do not take", "D", {388: "0"}, {35: "8", 39: "8", 103: "11", 58: "tag 388"}),
    (
        "too many",
        "D",
        {38: "10001"},
        {35: "8", 39: "8", 103: "3", 58: "MAX_ORDER_QTY: limit=10000, value=10001, at="},
    ),
    ("beyond the collar", "D", {44: "200.00"}, {35: "8", 39: "8", 103: "99", 58: "COLLAR"}),
    ("cancel of an unknown order", "F", {}, {35: "9", 102: "1", 434: "1", 39: "8", 37: "NONE"}),
    ("replace of an unknown order", "G", {}, {35: "9", 102: "1", 434: "2", 39: "8", 37: "NONE"}),
    ("status of an unknown order", "H", {}, {35: "8", 150: "I", 39: "8", 103: "5"}),
    ("stop without StopPx", "D", {40: "3", 44: None}, {35: "j", 380: "5", 58: "RefTagID=99"}),
    ("stop limit without Price", "D", {40: "4", 44: None, 99: "151"}, {35: "j", 380: "5", 58: "RefTagID=44"}),
    ("stop limit without StopPx", "D", {40: "4"}, {35: "j", 380: "5", 58: "RefTagID=99"}),
    ("stop at zero", "D", {40: "3", 44: None, 99: "0"}, {35: "8", 39: "8", 103: "99", 58: "STOP"}),
    ("stop below zero", "D", {40: "3", 44: None, 99: "-1"}, {35: "8", 39: "8", 103: "99", 58: "TICK"}),
    ("over-precise stop", "D", {40: "3", 44: None, 99: "1.001"}, {35: "8", 39: "8", 103: "99", 58: "more than 2 dec"}),
    ("a limit order with StopPx", "D", {99: "151.00"}, {35: "8", 39: "8", 103: "99", 58: "STOP"}),
    ("replace to a stop without StopPx", "G", {40: "3", 44: None}, {35: "j", 380: "5", 58: "RefTagID=99"}),
    ("peg without instruction", "D", {40: "P"}, {35: "j", 380: "5", 58: "RefTagID=18"}),
    ("peg with another instruction", "D", {40: "P", 18: "6"}, {35: "8", 39: "8", 103: "99", 58: "PEG"}),
    ("peg to two things", "D", {40: "P", 18: "R P"}, {35: "8", 39: "8", 103: "99", 58: "PEG"}),
    ("peg, immediate or cancel", "D", {40: "P", 18: "R", 59: "3"}, {35: "8", 39: "8", 103: "99", 58: "PEG"}),
    ("a limit order with a peg's instruction", "D", {18: "R"}, {35: "8", 39: "8", 103: "99", 58: "PEG"}),
    ("an offset without a peg", "D", {211: "0.05"}, {35: "8", 39: "8", 103: "99", 58: "PEG"}),
    ("an over-precise offset", "D", {40: "P", 18: "R", 211: "0.001"}, {35: "8", 39: "8", 103: "99", 58: "INSTR"}),
    ("trailing stop without offset", "D", {40: "P", 18: "a"}, {35: "8", 39: "8", 103: "99", 58: "TRAILING_STOP"}),
    ("trailing limit order", "D", {18: "a", 211: "1"}, {35: "8", 39: "8", 103: "99", 58: "TRAILING_STOP"}),
    ("GTD without a date", "D", {59: "6"}, {35: "j", 380: "5", 58: "RefTagID=432"}),
    ("GTD till yesterday", "D", {59: "6", 432: "20200101"}, {35: "8", 39: "8", 103: "99", 58: "GTD"}),
    (
        "GTD till a time that is over",
        "D",
        {59: "6", 126: "20200101-10:00:00"},
        {35: "8", 39: "8", 103: "99", 58: "GTD"},
    ),
    ("a date without GTD", "D", {432: "20991231"}, {35: "8", 39: "8", 103: "99", 58: "GTD"}),
    ("at the opening of what has none", "D", {59: "2"}, {35: "8", 39: "8", 103: "11", 58: "AUCTION"}),
    ("at the close of what has none", "D", {59: "7"}, {35: "8", 39: "8", 103: "11", 58: "AUCTION"}),
    ("a stop at the close", "D", {40: "3", 44: None, 99: "151", 59: "7"}, {35: "8", 39: "8", 103: "99", 58: "AUCTION"}),
    ("MaxFloor above the quantity", "D", {111: "101"}, {35: "8", 39: "8", 103: "99", 58: "MAX_FLOOR"}),
    ("MaxFloor below zero", "D", {111: "-1"}, {35: "8", 39: "8", 103: "99", 58: "MAX_FLOOR"}),
    ("an immediate iceberg", "D", {111: "10", 59: "3"}, {35: "8", 39: "8", 103: "99", 58: "MAX_FLOOR"}),
    ("a market iceberg", "D", {111: "10", 40: "1", 44: None}, {35: "8", 39: "8", 103: "99", 58: "MAX_FLOOR"}),
    ("MinQty above the quantity", "D", {110: "101"}, {35: "8", 39: "8", 103: "99", 58: "MIN_QTY"}),
    ("MinQty below zero", "D", {110: "-1"}, {35: "8", 39: "8", 103: "99", 58: "MIN_QTY"}),
    ("MinQty and MaxFloor", "D", {110: "5", 111: "10"}, {35: "8", 39: "8", 103: "99", 58: "MIN_QTY"}),
    ("all or none with MinQty", "D", {110: "5", 18: "G"}, {35: "8", 39: "8", 103: "99", 58: "ALL_OR_NONE"}),
    ("post only, immediate or cancel", "D", {18: "6", 59: "3"}, {35: "8", 39: "8", 103: "99", 58: "POST_ONLY"}),
    ("post only at the market", "D", {18: "6", 40: "1", 44: None}, {35: "8", 39: "8", 103: "99", 58: "POST_ONLY"}),
    ("cash for nothing", "D", {38: None, 152: "0"}, {35: "8", 39: "8", 103: "13", 58: "QUANTITY"}),
    ("negative cash", "D", {38: None, 152: "-100"}, {35: "8", 39: "8", 103: "13", 58: "QUANTITY"}),
    ("cash for less than a lot", "D", {38: None, 152: "1"}, {35: "8", 39: "8", 103: "13", 58: "QUANTITY"}),
    ("mass status of a symbol that is not named", "AF", {585: "1"}, {35: "j", 380: "5", 58: "RefTagID=55"}),
    ("mass status of a kind that we do not take", "AF", {585: "3"}, {35: "j", 380: "0", 58: "tag 585"}),
    (
        "mass status where nothing works",
        "AF",
        {1: "NOBODY"},
        {35: "8", 150: "I", 39: "8", 103: "5", 911: "0", 912: "Y"},
    ),
    ("mass cancel of a symbol that is not named", "q", {530: "1"}, {35: "j", 380: "5", 58: "RefTagID=55"}),
    ("mass cancel of a kind that we do not take", "q", {530: "3"}, {35: "j", 380: "0", 58: "tag 530"}),
    ("mass cancel of an unknown symbol", "q", {530: "1", 55: "NOPE"}, {35: "r", 531: "0", 532: "1"}),
    ("the phase of an unknown symbol", "g", {336: "NOPE"}, {35: "h", 340: "6"}),
]
for kind, tags in REQUIRED.items():
    ROWS += [(f"{kind}: {tag} missing", kind, {tag: None}, {35: "3", 371: str(tag), 373: "1"}) for tag in tags]
for kind, kinds in KINDS.items():
    for looks, tags in kinds.items():
        for tag in tags:
            for what, value, reason in MALFORMED[looks]:
                ROWS.append((f"{kind}: {tag} {what}", kind, {tag: value}, {35: "3", 371: str(tag), 373: reason}))


def body(message_type: str, fields: Fields, cl_ord_id: str) -> list[tuple[int, str]]:
    """The fields of a row's message."""
    tags: Fields = dict(GOOD.get(message_type, {}))
    if message_type in HAS_CL_ORD_ID:
        tags[11] = cl_ord_id
    if message_type in HAS_TRANSACT_TIME:
        tags[60] = utc_now()
    return [(tag, value) for tag, value in {**tags, **fields}.items() if value is not None]
