"""PartyRiskLimitsReport(CM): what an account may do, and how much of it is used. FIX 5.0 SP2 only."""

from brokerfix.domain import money_text, to_text
from brokerfix.engine.state import State
from brokerfix.fix.outgoing.base import Out
from brokerfix.fix.text import timestamp
from brokerfix.live.limits import Limit, RiskLimitsRequest, limits_of

VALID, NO_DATA, NOT_AUTHORIZED = "0", "2", "3"
"""RequestResult(1511)."""
DEFINITIONS, UTILISATION = ("1", "3"), ("2", "3")
"""RiskLimitRequestType(1760)."""


def risk_limits(state: State, request: RiskLimitsRequest, at: int) -> list[Out]:
    """A report for each account that was asked about, or one that says why there is none."""
    own = [name for name in state.clients[request.client].accounts if name in state.accounts]
    wrong = [name for name in request.accounts if name not in own]
    if wrong:
        return [_report(request, "N", NOT_AUTHORIZED, 0, True, f"\x0158=UNKNOWN_ACCOUNT: value={wrong[0]}", at)]
    outs = []
    names = list(dict.fromkeys(request.accounts or own))
    found = [
        (name, [one for one in limits_of(state, request.client, state.accounts[name]) if _is_asked(request, one)])
        for name in names
    ]
    found = [(name, limits) for name, limits in found if limits]
    for number, (name, limits) in enumerate(found, 1):
        party = f"\x011677=1\x011671=1\x011691={name}\x011692=D\x011693=24\x011669={len(limits)}"
        told = party + "".join(_limit(request, one) for one in limits)
        outs.append(_report(request, str(number), VALID, len(found), number == len(found), told, at))
    return outs or [_report(request, "N", NO_DATA, 0, True, "", at)]


def _is_asked(request: RiskLimitsRequest, limit: Limit) -> bool:
    return not request.types or limit.kind in request.types


def _limit(request: RiskLimitsRequest, limit: Limit) -> str:
    text = f"\x011529=1\x011530={limit.kind}"
    if request.request_type in DEFINITIONS:
        text += f"\x011531={money_text(limit.amount)}"
    if request.request_type in UTILISATION and limit.used is not None:
        text += f"\x011766={money_text(limit.used)}"
        if limit.amount > 0:
            text += f"\x011765={to_text(limit.used * 10**4 // limit.amount, 4)}"
    return text + (f"\x011534=1\x011535=1\x011536={limit.symbol}" if limit.symbol else "")


def _report(
    request: RiskLimitsRequest, number: str, result: str, parties: int, is_last: bool, told: str, at: int
) -> Out:
    head = f"35=CM\x011667={request.request_id}-{number}\x011666={request.request_id}\x011760={request.request_type}"
    body = f"\x011511={result}\x011512={parties}\x01893={'Y' if is_last else 'N'}"
    # A text stands behind the limits, and the time before it.
    limits, text = (told, "") if not told.startswith("\x0158=") else ("", told)
    return Out(
        False, request.client,
        f"8=FIX.4.4\x019=0\x01{head}{body}{limits}\x0160={timestamp(at)}{text}\x0110=000\x01", True,
    )  # fmt: skip
