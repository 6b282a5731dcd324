"""The folders that come with the package: `specs` and `config`, in a checkout or an installation."""

import sysconfig
from pathlib import Path


def folder(name: str) -> Path:
    """Where a shipped folder is. Raises FileNotFoundError."""
    checkout = Path(__file__).resolve().parents[1] / name
    installed = Path(sysconfig.get_path("data")) / "share" / "brokerfix" / name
    for place in (checkout, installed):
        if (place / MARKS[name]).is_file():
            return place
    raise FileNotFoundError(f"brokerfix's {name} folder is neither at {checkout} nor at {installed}; install it again")


MARKS = {"specs": "FIX44.toml", "config": "broker.toml"}
"""A file by which each folder is known."""
