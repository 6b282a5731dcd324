"""Which facts a version of ours knows. A standby may be newer than its primary, and never older: what it does not know
it could not apply."""

import hashlib

import msgspec

from brokerfix import __version__
from brokerfix.cluster.keys import Keys
from brokerfix.cluster.lease import Held
from brokerfix.cluster.stream import Refused
from brokerfix.facts import KINDS


class Known(msgspec.Struct, frozen=True):
    """A version, and how many fields each kind of fact has in it."""

    version: str
    fingerprint: str
    kinds: dict[str, int]


def known_kinds() -> dict[str, int]:
    """The kinds of facts that this version knows, with how many fields each has."""
    return {kind.__name__: len(kind.__struct_fields__) for kind in KINDS}


def fingerprint() -> str:
    """The same for two versions that know the same facts."""
    return hashlib.sha256(repr(sorted(known_kinds().items())).encode()).hexdigest()[:16]


def unknown(theirs: dict[str, int], ours: dict[str, int]) -> list[str]:
    """What of their facts is not known to us."""
    return sorted(kind for kind, fields in theirs.items() if ours.get(kind, 0) < fields)


async def tell_kinds(keys: Keys, shard: int) -> None:
    """Put down what a primary of this version writes. Raises Away."""
    known = Known(__version__, fingerprint(), known_kinds())
    await keys.write(f"kinds.{shard}", msgspec.json.encode(known))


async def check_kinds(keys: Keys, shard: int, primary: Held) -> None:
    """Look whether we know all that the primary writes. Raises Refused where not, and Away."""
    read = await keys.read(f"kinds.{shard}")
    if read is None:
        return
    known = msgspec.json.decode(read[1], type=Known)
    missing = unknown(known.kinds, known_kinds())
    if known.fingerprint == primary.kinds and missing:
        raise Refused(
            f"the primary, node {primary.node}, is version {primary.version} of brokerfix, and writes what this one "
            f"({__version__}) does not know: {', '.join(missing[:5])}; upgrade this one first"
        )
