"""Merkle trees over a day's records, as RFC 9162 (section 2.1) has them: a leaf's hash is SHA-256(0x00, record), a
node's SHA-256(0x01, left, right), and the left part of a tree is the largest power of two below its size."""

from collections.abc import Sequence
from hashlib import sha256

EMPTY = sha256(b"").digest()
"""The root of a tree without leaves."""


def leaf_hash(data: bytes | memoryview) -> bytes:
    digest = sha256(b"\0")
    digest.update(data)
    return digest.digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\1" + left + right).digest()


class Tree:
    """A tree that grows: `size` leaves, and the roots of the whole subtrees that it is made of, largest first."""

    def __init__(self) -> None:
        self.size = 0
        self._whole: list[bytes] = []

    def append(self, leaf: bytes) -> None:
        """Add a leaf by its hash."""
        node, rest = leaf, self.size
        while rest & 1:
            node = node_hash(self._whole.pop(), node)
            rest >>= 1
        self._whole.append(node)
        self.size += 1

    def root(self) -> bytes:
        if not self._whole:
            return EMPTY
        node = self._whole[-1]
        for left in reversed(self._whole[:-1]):
            node = node_hash(left, node)
        return node


def root_of(leaves: Sequence[bytes]) -> bytes:
    """The root over leaf hashes."""
    tree = Tree()
    for leaf in leaves:
        tree.append(leaf)
    return tree.root()


def _split(size: int) -> int:
    """The largest power of two below a size above 1."""
    return 1 << (size - 1).bit_length() - 1


def inclusion_proof(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """The hashes that lead from the leaf at `index` to the root over `leaves`, lowest first (RFC 9162, 2.1.3.1)."""
    first, last, path = 0, len(leaves), []
    while last - first > 1:
        middle = first + _split(last - first)
        if index < middle:
            path.append(root_of(leaves[middle:last]))
            last = middle
        else:
            path.append(root_of(leaves[first:middle]))
            first = middle
    return path[::-1]


def proven_root(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """The root that an inclusion proof leads to, or None where it is none for this index and size (2.1.3.2)."""
    if not 0 <= index < size:
        return None
    node, at, last = leaf, index, size - 1
    for other in path:
        if not last:
            return None
        if at & 1 or at == last:
            node = node_hash(other, node)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            node = node_hash(node, other)
        at, last = at >> 1, last >> 1
    return None if last else node


def consistency_proof(leaves: Sequence[bytes], old: int) -> list[bytes]:
    """The hashes that show that the first `old` leaves are the begin of `leaves` (2.1.4.1); none where they are all, or
    none."""
    if old in (0, len(leaves)):
        return []
    return _subproof(leaves, 0, len(leaves), old, True)


def _subproof(leaves: Sequence[bytes], first: int, last: int, old: int, is_known: bool) -> list[bytes]:
    size = last - first
    if old == size:
        return [] if is_known else [root_of(leaves[first:last])]
    middle = _split(size)
    if old <= middle:
        return [*_subproof(leaves, first, first + middle, old, is_known), root_of(leaves[first + middle : last])]
    return [*_subproof(leaves, first + middle, last, old - middle, False), root_of(leaves[first : first + middle])]
