"""Who may do what at the operators' door, and who may read which records: one table each.

A role is what a person is there for; it includes no other but for what the tables say, and an administrator may do all.
Who trades can't raise a limit, and who sets limits can't enter an order (SEC Rule 15c3-5 (d): pre-trade controls are
not in the hands of those whose orders they check). COMPLIANCE stands beside the desk: it reads all that it must, stops
what it must, and has the records kept, erased and exported.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from types import MappingProxyType


class Role(StrEnum):
    """What a person is there for."""

    VIEWER = "viewer"
    TRADER = "trader"
    RISK = "risk"
    OPERATOR = "operator"
    COMPLIANCE = "compliance"
    ADMINISTRATOR = "administrator"


class Kind(StrEnum):
    """A kind of records that are read outside of the door's actions: by the console, and by commands for others."""

    JOURNAL = "journal"
    REPORTS = "reports"
    SURVEILLANCE = "surveillance"
    PERSONAL = "personal"
    EXPORT = "export"


def _table(rows: Iterable[tuple[str, str]]) -> Mapping[str, frozenset[Role]]:
    """Rows of (roles, names), each some words; administrators are in each."""
    found: dict[str, frozenset[Role]] = {}
    for roles, names in rows:
        for name in names.split():
            if name in found:
                raise ValueError(f"{name} stands in the table twice")
            found[name] = frozenset({Role.ADMINISTRATOR, *map(Role, roles.split())})
    return MappingProxyType(found)


ALL = "viewer trader risk operator compliance"
QUESTIONS = (
    "status", "exchanges", "limits", "pending-limits", "margin", "credits", "breaks", "fx", "killed", "sessions",
    "makers", "cluster", "api-keys", "parts", "placed", "can-take", "positions", "working", "depth", "would-route",
)  # fmt: skip
"""The actions that change nothing and are for all."""

ACTIONS = _table(
    (
        (ALL, " ".join(QUESTIONS)),
        # `read` looks into the table of what is read.
        (ALL, "read"),
        # Orders.
        ("trader operator", "cancel release pause"),
        ("trader", "enter"),
        ("operator", "resolve reverse bust correct resolve-break"),
        # Stops: whoever sees the need may stop, and fewer may go on.
        ("trader risk operator compliance", "halt kill"),
        ("risk operator", "resume"),
        # Limits, margin and credit.
        ("risk", "set-limits answer-limits hold-margin score"),
        ("risk operator", "set-fx"),
        # Market making.
        ("trader risk operator", "stop-maker"),
        ("trader", "start-maker set-maker"),
        ("trader operator", "calibration set-profile"),
        # The day, the sessions, the records.
        ("operator", "split roll disconnect reset"),
        ("trader risk operator compliance", "alert acknowledge"),
        (ALL, "note"),
        ("compliance", "delete-records personal-show personal-erase"),
        ("operator compliance", "personal-list personal-set"),
        # Alerts about clients' conduct: what people make of them, and that surveillance, which runs as the broker's own
        # user, raises them.
        ("risk compliance", "dispose-alert surveillance"),
        ("", "raise-alert"),
        # Who is connected, and the cluster.
        ("", "add-client add-exchange add-api-key revoke-api-key switch"),
        ("", "hold-parts set-parts place move-account move-out move-in end-move"),
    )
)
"""The action -> who may do it. An action that is not here nobody may do."""

READS = _table(
    (
        ("trader risk operator compliance", "journal"),
        ("risk operator compliance", "reports"),
        ("risk compliance", "surveillance"),
        ("compliance", "personal export"),
    )
)
"""The kind of records -> who may read them. `journal`: facts, and what is told of them (explain, prove, verify);
`reports`: the regulatory files and execution quality; `surveillance`: alerts about clients' conduct; `personal`: the
personal data of clients; `export`: all that there is of one client."""


def may(role: Role, action: str) -> bool:
    """Whether a role may do an action of the operators' door."""
    return role in ACTIONS.get(action, frozenset())


def may_read(role: Role, kind: Kind | str) -> bool:
    """Whether a role may read a kind of records."""
    return role in READS.get(kind.value if isinstance(kind, Kind) else kind, frozenset())


def who_may(roles: frozenset[Role]) -> str:
    """The roles as words, in their order: "trader, operator and administrator"."""
    names = [role.value for role in Role if role in roles]
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def markdown(table: Mapping[str, frozenset[Role]], head: str) -> list[str]:
    """A table's lines for the guide: a row for each action or kind, a column for each role."""
    roles = tuple(Role)
    lines = [f"| {head} | {' | '.join(role.value for role in roles)} |", "|---|" + ":-:|" * len(roles)]
    lines += [
        f"| `{name}` | {' | '.join('x' if role in allowed else '' for role in roles)} |"
        for name, allowed in table.items()
    ]
    return lines
