"""Who may operate a broker, beside the user that it runs as: [operators.NAME]."""

from typing import Literal

from brokerfix.settings.base import Section


class OperatorSection(Section, frozen=True):
    """A person, by the login name that the kernel knows, and what he may do: see `access.roles`."""

    role: Literal["viewer", "trader", "risk", "operator", "compliance", "administrator"]
