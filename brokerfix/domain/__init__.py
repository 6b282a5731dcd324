"""The words that commands and facts are made of, in FIX's own names.

Scales. A price is an int of 10**-price_digits, a quantity an int of 10**-qty_digits of its
instrument; money (cash, notional) is an int of 10**-MONEY_DIGITS. `at` is nanoseconds UTC since 1970.

Numbers. Facts are numbered without a gap: trading day (8 digits), shard (2) and sequence (9) are held as one int
(20261122-03-17 -> 2026112203000000017). Journals of before shards have day and sequence only (20261122-17 ->
20261122000000017): such a number is of shard 0, and smaller than any with one. An order's OrderID is the number of its
OrderAccepted, a child's ClOrdID that of its OrderRouted, an ExecID that of the fact it reports.
"""

from brokerfix.domain.days import *
from brokerfix.domain.making import *
from brokerfix.domain.numbers import *
from brokerfix.domain.records import *
from brokerfix.domain.reference import *
from brokerfix.domain.risk import *
from brokerfix.domain.surveillance import *
from brokerfix.domain.words import *
