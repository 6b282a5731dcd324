"""Exact numbers as text and as scaled ints, and the numbers of facts."""

from decimal import Decimal, InvalidOperation
from functools import lru_cache

MONEY_DIGITS = 12
AVG_PX_DIGITS = 6
"""Decimals of an average price beyond the instrument's price digits."""
SEQUENCES = 10**9
"""Numbers that a day and shard have."""
SHARDS = 100
LAST_DAY = 99_999_999
MOST_AT_HAND = 512
"""How many ids' texts are kept. Each is used within a moment and never again: more would only be cold memory."""
MAX_TEXT = 64
"""Longest text of a number that is looked at."""
MAX_DIGITS = 15
"""Longest scaled price or quantity taken, in decimal digits: a product of two fits no float but is exact here."""


class Inexact(ValueError):
    """A decimal text that has no exact scaled value: not a number, too many digits, or enormous."""


@lru_cache(maxsize=1 << 16)
def to_scaled(text: str, digits: int) -> int:
    """Decimal text -> int of 10**-digits. Never rounds: raises Inexact where it would have to."""
    if len(text) > MAX_TEXT:
        raise Inexact(f"{text[:MAX_TEXT]}... is too large")
    whole, _, part = text.partition(".")
    bare = whole[1:] if whole[:1] == "-" else whole
    part = part.rstrip("0")
    if not (bare + part).isdecimal() or not text.isascii():
        raise Inexact(f"{text!r} is not a decimal number")
    if len(part) > digits:
        raise Inexact(f"{text} has more than {digits} decimals")
    if len(bare.lstrip("0")) + digits > MAX_DIGITS:
        raise Inexact(f"{text} is too large")
    return int(whole + part + "0" * (digits - len(part)))


@lru_cache(maxsize=1 << 16)
def to_text(value: int, digits: int) -> str:
    """Int of 10**-digits -> decimal text with exactly `digits` decimals."""
    if not digits:
        return str(value)
    if value < 0:
        return "-" + to_text(-value, digits)
    text = str(value)
    if len(text) <= digits:
        text = text.zfill(digits + 1)
    return f"{text[:-digits]}.{text[-digits:]}"


def to_money(text: str) -> int:
    """Decimal text -> money. Raises Inexact. Unlike a price it may be of any size."""
    try:
        scaled = Decimal(text).scaleb(MONEY_DIGITS)
        whole = int(scaled)
    except (InvalidOperation, ValueError, OverflowError) as error:
        raise Inexact(f"{text!r} is not a decimal number") from error
    if whole != scaled:
        raise Inexact(f"{text} has more than {MONEY_DIGITS} decimals")
    return whole


def money_text(money: int) -> str:
    """Money -> decimal text without trailing zeros (at least two decimals)."""
    text = to_text(money, MONEY_DIGITS).rstrip("0")
    whole, _, part = text.partition(".")
    return f"{whole}.{part.ljust(2, '0')}"


def average_text(notional: int, cum: int, price_digits: int) -> str:
    """AvgPx(6): the fills' notional (price x quantity) by their quantity, half up, to AVG_PX_DIGITS more decimals than
    a price has."""
    if not cum:
        return "0"
    scaled = (2 * notional * 10**AVG_PX_DIGITS + cum) // (2 * cum)
    text = to_text(scaled, price_digits + AVG_PX_DIGITS)
    return text[:-AVG_PX_DIGITS] + text[-AVG_PX_DIGITS:].rstrip("0") if price_digits else text.rstrip("0").rstrip(".")


def first_of_day(day: int, shard: int) -> int:
    """The number with which a trading day (YYYYMMDD) of a shard begins."""
    return (day * SHARDS + shard) * SEQUENCES


def day_of(number: int) -> int:
    """The trading day (YYYYMMDD) of a number."""
    head = number // SEQUENCES
    return head // SHARDS if head > LAST_DAY else head


def shard_of(number: int) -> int:
    """The shard of a number; 0 for those of before shards."""
    head = number // SEQUENCES
    return head % SHARDS if head > LAST_DAY else 0


def sequence_of(number: int) -> int:
    """A number within its day and shard."""
    return number % SEQUENCES


@lru_cache(maxsize=MOST_AT_HAND)
def id_text(number: int) -> str:
    """2026112203000000017 -> '20261122-03-17', and of before shards 20261122000000017 -> '20261122-17'."""
    head, sequence = divmod(number, SEQUENCES)
    return f"{head}-{sequence}" if head <= LAST_DAY else f"{head // SHARDS}-{head % SHARDS:02}-{sequence}"


def id_number(text: str) -> int:
    """The number that `id_text` makes this text of; 0, which numbers nothing, for any other text."""
    if not text or not text.isascii():
        return 0
    head, _, sequence = text.rpartition("-")
    day, _, shard = head.partition("-")
    if not (len(day) == 8 and (day + shard + sequence).isdecimal()):
        return 0
    number = int(day + shard) * SEQUENCES + int(sequence) if sequence else 0
    return number if id_text(number) == text else 0
