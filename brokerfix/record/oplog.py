"""What the operator reads: one line for each event that an operator cares about."""

import logging
from collections.abc import Callable
from typing import Any

from brokerfix import facts as f
from brokerfix.domain import id_text

Line = tuple[Any, ...]
"""(level, format, *arguments), as logging.log takes it."""


LINES: dict[type[Any], Callable[[Any], Line]] = {
    f.DayRolled: lambda fact: (logging.INFO, "trading day %d", fact.day),
    f.VenueUp: lambda fact: (logging.INFO, "exchange %s is up", fact.venue),
    f.VenueDown: lambda fact: (logging.WARNING, "exchange %s is down; its quotes are gone", fact.venue),
    f.ClientUp: lambda fact: (logging.INFO, "client %s has logged on", fact.client),
    f.ClientDown: lambda fact: (logging.INFO, "client %s is gone", fact.client),
    f.AccountDefined: lambda fact: (logging.INFO, "account %s: cash %s", fact.account, fact.cash),
    f.OrderRejected: lambda fact: (
        logging.INFO,
        "order %s of %s rejected: %s",
        fact.cl_ord_id,
        fact.client,
        fact.text,
    ),
    f.OrderRefused: lambda fact: (
        logging.WARNING,
        "order %s rejected by an exchange: %s",
        id_text(fact.order_id),
        fact.text,
    ),
    f.MessageRefused: lambda fact: (logging.INFO, "message of %s refused: %s", fact.client, fact.text),
    f.AlertDisposed: lambda fact: (
        logging.INFO,
        "alert %s is %s, %s says: %s",
        fact.alert,
        fact.status,
        fact.operator,
        fact.text,
    ),
    f.RecordsDeleted: lambda fact: (logging.WARNING, "%s deletes %s (%s)", fact.operator, fact.file.name, fact.rule),
    f.PersonalErased: lambda fact: (logging.WARNING, "%s erases the personal data of %s", fact.operator, fact.name),
    f.Alerted: lambda fact: (logging.WARNING, "ALERT %s from %s: %s | %s", fact.code, fact.source, fact.text, fact.raw),
}
"""The log line of each kind of fact that has one; the many others only the journal keeps."""
