"""What a file of records was, told by a fact when it is deleted."""

import msgspec


class DeletedFile(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """`what` is "journal" (`name` is a day's segment), "history" (a trading day's market history) or "output" (a
    file as the configuration names it); `size` is in bytes, `hash` the SHA-256 of the file (of several: of their
    names and hashes).

    Of a segment: how many `records` it had, the number of its `last` fact, the Merkle `root` over all its records,
    which its last checkpoint has too, and the `link` that the next segment's first record has. Of the newest of those
    that are deleted together: the hash of the `state` behind it, and of what is kept `before` the rest (see
    `record.before`). Hashes are hexadecimal."""

    what: str
    name: str
    size: int
    hash: str
    records: int = 0
    last: int = 0
    root: str = ""
    link: str = ""
    state: str = ""
    before: str = ""
