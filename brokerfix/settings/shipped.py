"""The folders that come with the package: `specs` and `config`, in a checkout or an installation."""

from pathlib import Path


def folder(name: str) -> Path:
    """Where a shipped folder is. Raises FileNotFoundError."""
    checkout, *above = Path(__file__).resolve().parents[2:]
    # An installation has it under share, of the environment, of the user, of pip's --prefix or its --target.
    for place in (checkout / name, *(parent / "share" / "brokerfix" / name for parent in (checkout, *above))):
        if (place / MARKS[name]).is_file():
            return place
    raise FileNotFoundError(
        f"brokerfix's {name} folder is neither at {checkout} nor under a share folder above; install it again"
    )


MARKS = {"specs": "FIX44.toml", "config": "broker.toml"}
"""A file by which each folder is known."""
