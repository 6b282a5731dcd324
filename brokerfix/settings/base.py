"""What every table of a configuration is made of."""

import re
from typing import Annotated

import msgspec
from msgspec import Meta

COMP_ID = re.compile(r"[A-Za-z0-9._-]{1,32}")
CompId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{1,32}$")]


class ConfigError(Exception):
    """What is wrong with a configuration: file, key, reason."""


class StartError(Exception):
    """Why a broker can't start: for the operator, in one line."""


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A table of the file: unknown keys are errors."""
