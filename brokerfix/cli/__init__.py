"""The command line: thin commands over the modules that do the work, a file for each topic."""

from brokerfix.cli.base import Commands, main

Commands.topics = {
    "backups": "backup restore",
    "cluster": "cluster switch",
    "console": "console people",
    "depth": "depth",
    "desk": "halt resume roll split sessions clients exchanges",
    "events": "events schema search",
    "explain": "explain",
    "feed": "feed",
    "intake": "orders-from dead-letters",
    "making": "making",
    "making_desk": "making",
    "market": "market",
    "order": "order",
    "personal": "personal",
    "orders": "orders executions positions book",
    "proof": "keys verify prove check-proof",
    "records": "retention export",
    "report_filings": "report",
    "report_making": "report",
    "reports": "report",
    "risk": "kill fx breaks supervise limits margin risk-test credit credit-score reconcile",
    "run": "start standby gateway router http demo check status",
    "setup": "rules certify password certificates key",
    "shards": "shards move-account",
    "simulate": "simulate",
    "store": "rebuild",
    "surveillance": "surveillance",
    "trades": "trades",
}
"""A command stands behind each file that has something of it."""

__all__ = ["main"]
