"""The people of the console's tests, each of a role, all with one password."""

import os
import tempfile
from functools import cache
from pathlib import Path

from brokerfix.access.people import People
from brokerfix.access.roles import Role

PASSWORD = "correct horse 77"
PEOPLE = {
    "vera": Role.VIEWER, "tom": Role.TRADER, "rita": Role.RISK, "rob": Role.RISK, "olga": Role.OPERATOR,
    "carl": Role.COMPLIANCE, "ada": Role.ADMINISTRATOR,
}  # fmt: skip


def everybody(path: Path) -> People:
    """A file of all of them, who log in without a second factor."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
        file.write(_written())
    return People(path, second_factor=False)


@cache
def _written() -> bytes:
    """The file, made once: seven hashes of passwords take half a second."""
    with tempfile.TemporaryDirectory() as folder:
        people = People(Path(folder) / "people.json", second_factor=False)
        for name, role in PEOPLE.items():
            people.add(name, role, PASSWORD, second_factor=False)
        return people.path.read_bytes()
