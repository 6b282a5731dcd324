"""What bad input gets, as data: (what it is, MsgType, fields, the tags that its answer must carry).

A field of None is left out of an otherwise good message; every row is sent over a real socket.
"""

from brokerfix.client import utc_now

Fields = dict[int, str | None]

GOOD: dict[str, dict[int, str]] = {
    "D": {55: "AAPL", 54: "1", 38: "100", 40: "2", 44: "150.00", 59: "0"},
    "F": {41: "never", 55: "AAPL", 54: "1"},
    "G": {41: "never", 55: "AAPL", 54: "1", 38: "100", 40: "2", 44: "150.00"},
    "H": {55: "AAPL", 54: "1"},
}

ROWS: list[tuple[str, str, Fields, dict[int, str]]] = [
    ("required tag missing", "D", {54: None}, {35: "3", 371: "54", 373: "1"}),
    ("required symbol missing", "D", {55: None}, {35: "3", 371: "55", 373: "1"}),
    ("required ClOrdID missing", "D", {11: None}, {35: "3", 371: "11", 373: "1"}),
    ("required OrigClOrdID missing", "F", {41: None}, {35: "3", 371: "41", 373: "1"}),
    ("a side that FIX does not know", "D", {54: "Z"}, {35: "3", 371: "54", 373: "5"}),
    ("an order type that FIX does not know", "D", {40: "x"}, {35: "3", 371: "40", 373: "5"}),
    ("a quantity that is no number", "D", {38: "many"}, {35: "3", 371: "38", 373: "6"}),
    ("a price that is no number", "D", {44: "1e5"}, {35: "3", 371: "44", 373: "6"}),
    ("a tag without a value", "D", {44: ""}, {35: "3", 371: "44", 373: "4"}),
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
    ("a side that we do not take", "D", {54: "5"}, {35: "8", 39: "8", 103: "11", 58: "tag 54"}),
    ("an order type that we do not take", "D", {40: "6"}, {35: "8", 39: "8", 103: "11", 58: "tag 40"}),
    ("a time in force that we do not take", "D", {59: "5"}, {35: "8", 39: "8", 103: "11", 58: "tag 59"}),
    ("an instruction that we do not take", "D", {18: "W"}, {35: "8", 39: "8", 103: "11", 58: "tag 18"}),
    ("a tag that we do not take", "D", {388: "0"}, {35: "8", 39: "8", 103: "11", 58: "tag 388"}),
    ("too many", "D", {38: "10001"}, {35: "8", 39: "8", 103: "3", 58: "MAX_ORDER_QTY: limit=10000.00, value=10001"}),
    ("beyond the collar", "D", {44: "200.00"}, {35: "8", 39: "8", 103: "99", 58: "COLLAR"}),
    ("cancel of an unknown order", "F", {}, {35: "9", 102: "1", 434: "1", 39: "8", 37: "NONE"}),
    ("replace of an unknown order", "G", {}, {35: "9", 102: "1", 434: "2", 39: "8", 37: "NONE"}),
    ("status of an unknown order", "H", {}, {35: "8", 150: "I", 39: "8", 103: "5"}),
]


def body(message_type: str, fields: Fields, cl_ord_id: str) -> list[tuple[int, str]]:
    """The fields of a row's message."""
    tags: Fields = {11: cl_ord_id, **GOOD.get(message_type, {})}
    if message_type in "DFG":
        tags[60] = utc_now()
    if message_type not in GOOD:
        tags = {}
    return [(tag, value) for tag, value in {**tags, **fields}.items() if value is not None]
