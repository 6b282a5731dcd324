"""Market making: what its makers do, what its models need."""

from brokerfix.cli.base import main


@main.group()
def making() -> None:
    """Market makers of the running broker: how they stand, stop and start them, set by what terms they quote."""
