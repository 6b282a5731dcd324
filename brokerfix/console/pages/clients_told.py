"""What the page "Clients" says: rows of sessions and budgets."""

from typing import Any

from brokerfix.engine.state import State
from brokerfix.settings.sections import Budget, BudgetsSection, Config

Row = dict[str, Any]
CLIENTS = (
    ("name", "Client"), ("state", "State"), ("fix", "FIX"), ("#next_in", "Next in"), ("#next_out", "Next out"),
    ("accounts", "Accounts"), ("#working", "Working"), ("from", "Address"), ("certificate", "Certificate"),
    ("since", "Logged on"), ("#messages_in", "In"), ("#messages_out", "Out"), ("#refused", "Refused"),
)  # fmt: skip
BUDGETS = (
    ("name", "Messages"), ("#rate", "A second"), ("#burst", "At once"), ("#left", "Left now"), ("used", "Used"),
)  # fmt: skip
FINGERPRINT = 16


def client_rows(sessions: list[Row], gateway: dict[str, Row], config: Config, state: State) -> list[Row]:
    """The clients' sessions with what gateway and state know of them."""
    rows = []
    for row in sessions:
        if row["kind"] != "client":
            continue
        name, client = row["name"], state.clients.get(row["name"])
        met, section = gateway.get(name, {}), config.clients.get(name)
        rows.append(
            {
                "name": name, "state": row["state"], "fix": row["fix"],
                "next_in": row["next_in"], "next_out": row["next_out"],
                "accounts": ", ".join(section.accounts) if section is not None else "",
                "working": len(client.working) if client is not None else 0,
                "from": met.get("from", ""), "certificate": met.get("certificate", "")[:FINGERPRINT],
                "since": span(met["seconds"]) if met else "",
                **{key: met.get(key, "") for key in ("messages_in", "messages_out", "refused")},
            }
        )  # fmt: skip
    return rows


def budget_rows(section: BudgetsSection, used: dict[str, Row]) -> list[Row]:
    """A client's budgets, and what is left of each where that is known."""
    rows = []
    for name in sorted(section.__struct_fields__):
        budget = getattr(section, name)
        if not isinstance(budget, Budget):
            continue
        left = used.get(name, {}).get("left") if budget.rate else None
        rows.append(
            {
                "name": name.replace("_", " "),
                "rate": f"{budget.rate:,}" if budget.rate else "no limit",
                "burst": f"{budget.burst:,}" if budget.rate else "",
                "left": f"{left:,}" if left is not None else "",
                "used": f"{100 - 100 * left // max(budget.burst, 1)} %" if left is not None else "",
            }
        )
    return rows


def span(seconds: int) -> str:
    """For how long, for people."""
    minutes, hours = seconds // 60, seconds // 3600
    return f"{seconds} s" if seconds < 120 else f"{minutes} min" if minutes < 120 else f"{hours} h"


def key_rows(keys: list[Row]) -> list[Row]:
    """API keys as the broker tells them, for a table."""
    return [
        {
            "key": f"{one['name']} {number}", "name": one["name"], "client": one["client"],
            "scopes": ", ".join(one["scopes"]), "accounts": ", ".join(one["accounts"]) or "all of the client",
            "made": one["made"], "door": one["door"], "state": "revoked" if one["revoked"] else "counts",
        }
        for number, one in enumerate(keys)
    ]  # fmt: skip


def as_settings(digest: str, client: str, scopes: list[str], accounts: list[str]) -> Row:
    """What the broker gets of a new key."""
    return {"hash": digest, "client": client, "scopes": scopes, "accounts": accounts}
