"""The command line: thin commands over the modules that do the work, a file for each topic."""

from brokerfix.cli import (
    cluster,
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
    simulate,
    trades,
)
from brokerfix.cli.base import main

__all__ = [
    "cluster", "desk", "explain", "feed", "main", "making", "making_desk", "market", "order", "orders",
    "report_making", "reports", "risk", "run", "setup", "simulate", "trades",
]  # fmt: skip
