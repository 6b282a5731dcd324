"""Which shard an account is on: as configured, until a shard tells of another."""

from collections.abc import Mapping
from typing import Protocol


class Where(Protocol):
    """Where accounts are."""

    def shard(self, account: str) -> int: ...
    def learn(self, account: str, shard: int) -> None: ...


class Configured:
    """The configuration's accounts, and what shards have told since."""

    def __init__(self, accounts: Mapping[str, int]) -> None:
        self._accounts = dict(accounts)

    def shard(self, account: str) -> int:
        """The shard of an account; 0 of one that is not known, e.g. of a client that was added while brokers run."""
        return self._accounts.get(account, 0)

    def learn(self, account: str, shard: int) -> None:
        """A shard has told that the account is on another."""
        self._accounts[account] = shard
