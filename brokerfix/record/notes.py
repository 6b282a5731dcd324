"""Checkpoints of a day's tree as signed notes: C2SP's signed-note, tlog-checkpoint and tlog-cosignature (c2sp.org).

A day of a broker is a log of its own, whose origin names the broker, the shard and the day; the key has the origin's
name, so that one Ed25519 key has a verifier key ("vkey") for each day.
"""

import base64
import binascii
import re
from hashlib import sha256
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

SIGNATURE, COSIGNATURE = b"\x01", b"\x04"
"""What a key is for, as the first byte of a vkey's key: a log's Ed25519 signature, a witness's cosignature."""
DASH = "\u2014 "
SIZE = re.compile("0|[1-9][0-9]{0,18}")
HASH_SIZE, TIME_SIZE, KEY_SIZE, ROOT_SIZE = 4, 8, 32, 32


class BadNote(ValueError):
    """What is wrong with a note, a signature or a key."""


class Checkpoint(NamedTuple):
    """So many records of the day had this root."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


class VKey(NamedTuple):
    """A key that verifies: its name, what it is for, and the 32 bytes of the public key."""

    name: str
    kind: bytes
    public: bytes

    @property
    def hash(self) -> bytes:
        return sha256(self.name.encode() + b"\n" + self.kind + self.public).digest()[:HASH_SIZE]

    def __str__(self) -> str:
        return f"{self.name}+{self.hash.hex()}+{base64.b64encode(self.kind + self.public).decode()}"


def parse_vkey(text: str) -> VKey:
    """A vkey from its text. Raises BadNote."""
    name, _, rest = text.strip().partition("+")
    hashed, _, key = rest.partition("+")
    data = _decoded(key, "the key")
    if not name or len(data) != 1 + KEY_SIZE or data[:1] not in (SIGNATURE, COSIGNATURE):
        raise BadNote(f"{text!r} is no verifier key (NAME+HASH+KEY) of Ed25519")
    made = VKey(name, data[:1], data[1:])
    if made.hash.hex() != hashed:
        raise BadNote(f"{text!r}: the hash is not that of this name and key")
    return made


def origin_of(broker: str, shard: int, day: int) -> str:
    """How the log of a day is called."""
    return f"brokerfix/{broker}/{shard:02}/{day}"


def sign(checkpoint: Checkpoint, key: Ed25519PrivateKey) -> str:
    """The signed note of a checkpoint."""
    vkey = VKey(checkpoint.origin, SIGNATURE, key.public_key().public_bytes_raw())
    signature = vkey.hash + key.sign(checkpoint.text.encode())
    return f"{checkpoint.text}\n{DASH}{vkey.name} {base64.b64encode(signature).decode()}\n"


def parse(note: str) -> tuple[Checkpoint, list[tuple[str, bytes]]]:
    """A note's checkpoint, and its signatures by name. Raises BadNote."""
    text, blank, lines = note.partition("\n\n")
    if not blank or not lines.endswith("\n"):
        raise BadNote("it is no signed note: text, an empty line and signatures are needed")
    head = text.split("\n")
    if len(head) != 3 or not SIZE.fullmatch(head[1]):
        raise BadNote("it is no checkpoint: an origin, a size and a root are needed")
    root = _decoded(head[2], "the root")
    if len(root) != ROOT_SIZE:
        raise BadNote("the root is not 32 bytes")
    signatures = []
    for line in lines[:-1].split("\n"):
        name, _, value = line.removeprefix(DASH).rpartition(" ")
        if not line.startswith(DASH) or not name:
            raise BadNote(f"{line[:60]!r} is no signature")
        signatures.append((name, _decoded(value, "a signature")))
    return Checkpoint(head[0], int(head[1]), root), signatures


def is_signed_by(note: str, vkey: VKey) -> bool:
    """Whether a note has a valid signature, or cosignature, of a key. Raises BadNote where it is no note."""
    checkpoint, signatures = parse(note)
    for name, data in signatures:
        if name != vkey.name or data[:HASH_SIZE] != vkey.hash:
            continue
        signed, signature = checkpoint.text.encode(), data[HASH_SIZE:]
        if vkey.kind == COSIGNATURE:
            at = int.from_bytes(signature[:TIME_SIZE], "big")
            signed, signature = b"cosignature/v1\ntime %d\n" % at + signed, signature[TIME_SIZE:]
        try:
            Ed25519PublicKey.from_public_bytes(vkey.public).verify(signature, signed)
        except InvalidSignature:
            return False
        return True
    return False


def with_signature(note: str, line: str) -> str:
    """A note with one more signature line, as a witness answers it."""
    return f"{note}{line.rstrip()}\n"


def _decoded(text: str, what: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadNote(f"{what} is not base64") from error
    if base64.b64encode(data).decode() != text:
        raise BadNote(f"{what} is not base64 as it is written")
    return data
