"""A broker that is one of several shards: which accounts it has, and its parts of the limits that all share.

A limit of the firm, or of a client or a group whose accounts are on several shards, is one for all of them. What is a
sum over accounts is divided: each shard checks against its part alone, and the sum of the parts is not above the limit.
That bounds the whole also where quantities have signs: what each shard's accounts come to, long less short, is at most
its part, so all together are at most the sum. One shard's shorts give another one no room.
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from brokerfix.domain import Level, OrdRejReason, Reject, to_money
from brokerfix.engine.step import Step
from brokerfix.facts import PartLacked

if TYPE_CHECKING:
    from brokerfix.engine.state import State

DIVIDED = frozenset(
    ("max_window_qty", "max_window_notional", "max_long", "max_short", "max_gross", "max_net", "located")
)
"""The limits that are sums over accounts."""
DIVIDED_KINDS = ("firm", "client", "group")
"""The levels whose accounts may be on several shards."""
OTHER_SHARD = "OTHER_SHARD"
"""Before the words that something is about an account of another shard."""
Amounts = tuple[tuple[str, str, str, str], ...]
LACKED_AGAIN = 10**9 // 2
"""Nanoseconds until what a refused order would have needed is put on record again though it is not more."""


class Handed(msgspec.Struct, frozen=True, gc=False):
    """A move of an account that the `other` shard, or the cluster, may not have on record yet; `out`: it has left."""

    move: int
    other: int
    out: bool
    holdings: str
    carried: Amounts


class Sharing(msgspec.Struct, gc=False):
    """`divided`: this broker is one of several. `parts` are what it may use of limits, as whoever holds the `epoch` has
    last told it, with the request of this `number`; `lacking` what refused orders would have needed, and when. `here`
    are the accounts that are on this shard, each with whether the cluster has said so since the start, `elsewhere`
    those on others (account -> shard), `moving` those that leave (-> shard), `moves` the number of each account's last
    move, and `handed` the moves that are not over."""

    divided: bool = False
    epoch: int = 0
    number: int = 0
    parts: dict[Level, dict[str, int]] = {}
    lacking: dict[tuple[Level, str], tuple[int, int]] = {}
    here: dict[str, bool] = {}
    elsewhere: dict[str, int] = {}
    moving: dict[str, int] = {}
    moves: dict[str, int] = {}
    handed: dict[str, Handed] = {}


class SharingImage(msgspec.Struct):
    """`Sharing` as it is kept: numbers of money as text."""

    divided: bool
    epoch: int
    number: int
    parts: list[tuple[Level, dict[str, str]]]
    lacking: list[tuple[Level, str, str, int]]
    here: dict[str, bool]
    elsewhere: dict[str, int]
    moving: dict[str, int]
    moves: dict[str, int]
    handed: dict[str, Handed]


def dump_sharing(state: "State") -> SharingImage:
    one = state.sharing
    return SharingImage(
        one.divided, one.epoch, one.number,
        [(level, {name: str(part) for name, part in parts.items()}) for level, parts in one.parts.items()],
        [(level, name, str(value), at) for (level, name), (value, at) in one.lacking.items()],
        one.here, one.elsewhere, one.moving, one.moves, one.handed,
    )  # fmt: skip


def load_sharing(state: "State", image: SharingImage) -> None:
    state.sharing = Sharing(
        image.divided, image.epoch, image.number,
        {level: {name: int(part) for name, part in parts.items()} for level, parts in image.parts},
        {(level, name): (int(value), at) for level, name, value, at in image.lacking},
        image.here, image.elsewhere, image.moving, image.moves, image.handed,
    )  # fmt: skip


def hashed_sharing(one: Sharing) -> Iterable[object]:
    if one != Sharing():
        yield one.divided, one.epoch, one.number
        yield sorted((level, sorted(parts.items())) for level, parts in one.parts.items())
        for table in (one.lacking, one.here, one.elsewhere, one.moving, one.moves):
            yield sorted(table.items())
        yield sorted((name, msgspec.structs.astuple(handed)) for name, handed in one.handed.items())


def divided(state: "State", level: Level, most: Mapping[str, int]) -> tuple[dict[str, int], dict[str, int]]:
    """What the limits of a level are for this broker's checks, and those among them that are only parts, whole."""
    if not state.sharing.divided or not spans(state, level):
        return dict(most), {}
    parts = state.sharing.parts.get(level, {})
    whole = {name: number for name, number in most.items() if name in DIVIDED}
    return {**most, **{name: min(number, parts.get(name, 0)) for name, number in whole.items()}}, whole


def spans(state: "State", level: Level) -> bool:
    """Whether accounts of other shards count towards a level's limits beside some of this one; or did so before they
    moved, of which something may count still."""
    if level.kind not in DIVIDED_KINDS or level.kind == "firm":
        return level.kind == "firm"
    if level.kind == "group":
        accounts = state.groups.get(level.name, ())
    else:
        client = state.clients.get(level.name)
        accounts = client.accounts if client is not None else ()
    moves, elsewhere = state.sharing.moves, state.sharing.elsewhere
    has_some = any(name in moves or (name in state.accounts and name not in elsewhere) for name in accounts)
    return has_some and any(name in moves or name in elsewhere for name in accounts)


def not_here(sharing: Sharing, account: str) -> Reject | None:
    """Why an account takes no orders on this shard, if it does not."""
    if account in sharing.moving:
        words = f"account {account} is being moved to shard {sharing.moving[account]}"
        return Reject(OrdRejReason.BROKER_OPTION, "MOVING", words)
    if not sharing.divided or sharing.here.get(account):
        return None
    shard = sharing.elsewhere.get(account)
    if shard is None:
        words = f"the cluster has not said yet on which shard account {account} is; is it there?"
        return Reject(OrdRejReason.BROKER_OPTION, "NOT_AGREED", words)
    return Reject(OrdRejReason.UNKNOWN_ACCOUNT, OTHER_SHARD, f"account {account} is on shard {shard}")


def elsewhere(state: "State", kind: str, name: str) -> str:
    """Where an account is that is another shard's, for who asks about it here; "" of all else."""
    shard = state.sharing.elsewhere.get(name) if kind == "account" else None
    return "" if shard is None else f"{OTHER_SHARD}: account {name} is on shard {shard}"


def is_elsewhere(state: "State", c: Any, account: str) -> bool:
    """Whether an account that a start (`commands.Start`) names is another shard's: it has nothing here."""
    if not c.divided:
        return False
    if account in state.accounts or account in state.sharing.elsewhere:
        return account in state.sharing.elsewhere
    return bool(dict(c.placed).get(account, 0) != c.shard)


def lack(state: "State", why: Reject, step: Step) -> None:
    """Put on record what a refused order would have needed of a part."""
    if why.lacks is None:
        return
    kind, of, name, value = why.lacks
    had = state.sharing.lacking.get((Level(kind, of), name))
    if had is None or to_money(value) > had[0] or step.at - had[1] >= LACKED_AGAIN:
        step.emit(PartLacked, kind, of, name, value)
