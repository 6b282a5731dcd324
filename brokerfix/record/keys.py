"""The key that signs a journal's checkpoints, and those that have signed before it.

A folder has `proof.key`, the private key (Ed25519, PKCS #8, for its owner only), and `public.json`, every public key
since when; each but the first is signed by the one before, so that who knows one of them can follow to the later ones.
"""

import base64
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from brokerfix.settings.whole import write_whole

PRIVATE, PUBLIC, NEXT = "proof.key", "public.json", "proof.key.next"


class BadKeys(Exception):
    """What is wrong with a folder of keys, and what to do."""


class Known(msgspec.Struct, frozen=True):
    """A public key (base64 of its 32 bytes), since when it signs (ISO 8601), and the signature of the key before it
    over `statement` (base64; empty for the first)."""

    public: str
    since: str
    signed: str = ""

    @property
    def statement(self) -> bytes:
        return f"brokerfix key\n{self.public}\n{self.since}\n".encode()

    @property
    def key(self) -> bytes:
        return base64.b64decode(self.public)


def make(folder: Path) -> Known:
    """Make a folder's first key. Raises BadKeys where there is one."""
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / PRIVATE).exists() or (folder / PUBLIC).exists():
        raise BadKeys(f"{folder}: there is a key already: `brokerfix keys rotate` makes the next one")
    key = Ed25519PrivateKey.generate()
    known = Known(_public(key), _now())
    _write_private(folder / NEXT, key)
    _write(folder / PUBLIC, (known,))
    (folder / NEXT).replace(folder / PRIVATE)
    return known


def rotate(folder: Path) -> Known:
    """Make the next key, signed by the one that it follows, which is then gone. Raises BadKeys."""
    before, every = private(folder), public(folder)
    key = Ed25519PrivateKey.generate()
    known = Known(_public(key), _now())
    known = Known(known.public, known.since, base64.b64encode(before.sign(known.statement)).decode())
    _write_private(folder / NEXT, key)
    _write(folder / PUBLIC, (*every, known))
    (folder / NEXT).replace(folder / PRIVATE)
    return known


def private(folder: Path) -> Ed25519PrivateKey:
    """The key that signs now. A rotation that was not finished is finished, or forgotten. Raises BadKeys."""
    path, following = folder / PRIVATE, folder / NEXT
    if following.exists():
        if _public(_load(following)) in [one.public for one in public(folder)]:
            following.replace(path)
        else:
            following.unlink()
    key = _load(path)
    if _public(key) != public(folder)[-1].public:
        raise BadKeys(f"{path}: is not the newest key of {folder / PUBLIC}: restore both from one copy")
    return key


def _load(path: Path) -> Ed25519PrivateKey:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BadKeys(f"{path}: can't be read ({error.strerror}): `brokerfix keys make` makes one") from error
    if path.stat().st_mode & 0o077:
        raise BadKeys(f"{path}: others may read it: chmod 600, and think about `brokerfix keys rotate`")
    try:
        key = load_pem_private_key(data, None)
    except ValueError as error:
        raise BadKeys(f"{path}: is no private key ({error})") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise BadKeys(f"{path}: is no Ed25519 key")
    return key


def public(folder: Path) -> tuple[Known, ...]:
    """Every public key, oldest first. Raises BadKeys where one is not signed by the one before."""
    path = folder / PUBLIC
    try:
        every = msgspec.json.decode(path.read_bytes(), type=tuple[Known, ...])
    except OSError as error:
        raise BadKeys(f"{path}: can't be read ({error.strerror}): `brokerfix keys make` makes one") from error
    except msgspec.MsgspecError as error:
        raise BadKeys(f"{path}: is damaged ({error})") from error
    followed(every, path)
    return every


def followed(every: Sequence[Known], path: Path, first: bytes = b"") -> list[bytes]:
    """The keys from `first` on (b"": all), each signed by the one before. Raises BadKeys where that is not so, or
    `first` is not there."""
    try:
        keys = [one.key for one in every]
    except ValueError as error:
        raise BadKeys(f"{path}: a key is not base64") from error
    if not keys:
        raise BadKeys(f"{path}: has no key")
    if first and first not in keys:
        raise BadKeys(f"{path}: has other keys than the one that is trusted: {base64.b64encode(first).decode()}")
    for before, one in zip(keys, every[1:], strict=False):
        try:
            Ed25519PublicKey.from_public_bytes(before).verify(base64.b64decode(one.signed), one.statement)
        except (InvalidSignature, ValueError) as error:
            raise BadKeys(f"{path}: the key {one.public} is not signed by the one before it") from error
    return keys[keys.index(first) if first else 0 :]


def _public(key: Ed25519PrivateKey) -> str:
    return base64.b64encode(key.public_key().public_bytes_raw()).decode()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _write_private(path: Path, key: Ed25519PrivateKey) -> None:
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        file.flush()
        os.fsync(file.fileno())


def _write(path: Path, every: tuple[Known, ...]) -> None:
    write_whole(path, msgspec.json.format(msgspec.json.encode(every)) + b"\n")
