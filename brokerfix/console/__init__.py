"""The console in a browser: a process of its own that reads the journal and the database, and acts through the
operator's door."""

from importlib.util import find_spec

from brokerfix.settings.base import ConfigError

LIBRARIES = ("nicegui", "pyotp")


def check_installed() -> None:
    """Raises ConfigError where a library of the console's is not installed: nothing else needs them."""
    missing = [name for name in LIBRARIES if find_spec(name) is None]
    if missing:
        raise ConfigError(f"the console needs libraries: pip install 'brokerfix[console]' ({', '.join(missing)})")
