"""What happened. Facts are the journal, the audit trail, the event stream and the recovery, all four.

Each subject's facts stand in a module of their own. Scales and numbers are told in `domain`.
"""

from functools import reduce
from operator import or_
from typing import TYPE_CHECKING

from brokerfix.facts.base import Fact as Fact
from brokerfix.facts.children import *
from brokerfix.facts.making import *
from brokerfix.facts.market import *
from brokerfix.facts.operator import *
from brokerfix.facts.orders import *
from brokerfix.facts.process import *
from brokerfix.facts.records import *
from brokerfix.facts.reference import *
from brokerfix.facts.risk import *
from brokerfix.facts.shards import *
from brokerfix.facts.surveillance import *

KINDS: tuple[type[Fact], ...] = tuple(Fact.__subclasses__())
"""Every kind of fact."""
if TYPE_CHECKING:
    AnyFact = Fact
else:
    AnyFact = reduce(or_, KINDS)
    """The union of all kinds, for decoders."""
