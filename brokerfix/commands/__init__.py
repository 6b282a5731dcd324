"""What somebody asks or tells, at a time. Scales and numbers are told in `domain`."""

from brokerfix.commands.base import Command as Command
from brokerfix.commands.base import MarketStatus as MarketStatus
from brokerfix.commands.base import MarketUpdate as MarketUpdate
from brokerfix.commands.making import *
from brokerfix.commands.market import *
from brokerfix.commands.operator import *
from brokerfix.commands.orders import *
from brokerfix.commands.process import *
from brokerfix.commands.records import *
from brokerfix.commands.shards import *
from brokerfix.commands.venues import *
