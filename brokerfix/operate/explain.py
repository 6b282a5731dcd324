"""Stories out of a journal's folder, as plain dictionaries for programs: of an order, a fill, a refused request, an
account, a trading day. Which of these a name is, see `explain_names`; every sentence has the numbers of the facts that
it rests on.

    told = explain(folder, "20261127-00-23")
    for sentence in told["story"]:
        print(sentence["time"], sentence["what happened"], sentence["facts"])
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

from brokerfix.domain import id_text
from brokerfix.operate.account_told import account_told, explain_account
from brokerfix.operate.explain_day import day_told
from brokerfix.operate.explain_exec import exec_told
from brokerfix.operate.explain_names import ACCOUNT, DAY, EXEC, ORDER, Ambiguous, Named, named
from brokerfix.operate.explain_orders import order_evidence, orders_evidence
from brokerfix.operate.explain_request import request_told
from brokerfix.operate.order_told import told as order_told
from brokerfix.operate.sentences import Row, Told

__all__ = ["Ambiguous", "Told", "explain", "explain_account", "explain_orders", "order_evidence", "told_of"]


def explain(folder: Path, name: str, kind: str = "") -> Row:
    """The story of what a name is; `kind` ("order", "exec", "account", "day") where that is said besides. Its key
    "kind" says which it is, "story" has the sentences. Raises JournalError, Ambiguous, and LookupError where there is
    no such thing."""
    return told_of(folder, named(folder, name, kind))


def told_of(folder: Path, found: Named) -> Row:
    """The same of what is known to be one."""
    if found.kind == ORDER:
        return order_told(order_evidence(folder, id_text(found.number)))
    if found.kind == EXEC:
        return exec_told(folder, found.number)
    if found.kind == ACCOUNT:
        return account_told(folder, found.account)
    return day_told(folder, found.number) if found.kind == DAY else request_told(folder, found.number)


def explain_orders(folder: Path, order_ids: Iterable[int]) -> Iterator[tuple[int, Row]]:
    """The stories of many orders by their numbers, in one pass over the journal; those that it does not have are left
    out. Raises JournalError."""
    for order_id, evidence in orders_evidence(folder, list(order_ids)).items():
        yield order_id, order_told(evidence)
