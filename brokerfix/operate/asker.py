"""Who asks at the operators' door, and by which role."""

import os

from brokerfix.access.roles import ACTIONS, Role, may, who_may
from brokerfix.operate.admin import ActionRefused, Request, name_of
from brokerfix.settings.sections import Config

MOST_NAME = 64


def who_asks(config: Config, operator: str, request: Request) -> tuple[str, Role]:
    """The name and the role of who asks; takes `by` and `role` out of the request. `operator` is the login name that
    the kernel knows.

    The broker's own user and root are administrators, and so is who is listed in broker.operators without a table
    [operators.NAME]. The broker's own user, as the cluster's agent or the console's process is, may ask in another's
    name (`by`), whom it knows: with the `role` that it knows of him, else with his table's, else with its own. Raises
    ActionRefused.
    """
    is_ours = operator in (name_of(os.getuid()), name_of(0))
    if "by" not in request:
        if "role" in request:
            raise ActionRefused("role: a role is for who asks in another's name (by)")
        return operator, Role.ADMINISTRATOR if is_ours else role_of(config, operator)
    if not is_ours:
        raise ActionRefused("only the broker's own user may ask in another's name")
    by, role = request.pop("by"), request.pop("role", None)
    if not isinstance(by, str) or not by or not by.isprintable() or len(by) > MOST_NAME:
        raise ActionRefused(f"by is a name of 1 to {MOST_NAME} characters")
    if role is None:
        return by, role_of(config, by)
    try:
        return by, Role(role)
    except ValueError as error:
        raise ActionRefused(f"role: there is no role {role!r}; there are {', '.join(one.value for one in Role)}") from (
            error
        )


def role_of(config: Config, name: str) -> Role:
    """The role that the configuration gives a login name."""
    section = config.operators.get(name)
    return Role(section.role) if section is not None else Role.ADMINISTRATOR


def why_not(role: Role, action: str) -> str:
    """Why a role may not do a known action, "" if it may."""
    return "" if may(role, action) else f"the role {role.value} may not do this; {who_may(ACTIONS[action])} may"
