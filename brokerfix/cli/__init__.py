"""The command line: thin commands over the modules that do the work, a file for each topic."""

from brokerfix.cli import (
    desk,
    explain,
    feed,
    making,
    making_desk,
    market,
    order,
    orders,
    report_making,
    reports,
    risk,
    run,
    setup,
    shards,
    simulate,
    trades,
)
from brokerfix.cli.base import main

__all__ = [
    "desk", "explain", "feed", "main", "making", "making_desk", "market", "order", "orders", "report_making", "reports",
    "risk", "run", "setup", "shards", "simulate", "trades",
]  # fmt: skip
