"""Password hashes: scrypt, as `scrypt$<log2 n>$<r>$<p>$<salt>$<hash>` (base64)."""

import base64
import hashlib
import hmac
import os

LOG2_N, R, P = 14, 8, 1
SALT_BYTES, HASH_BYTES = 16, 32


def make_hash(password: str) -> str:
    """A salted hash of the password, for the configuration's `password_hash`."""
    return _format(password, LOG2_N, R, P, os.urandom(SALT_BYTES))


def hash_of_none() -> str:
    """A hash that is no password's. To check one against it takes as long as against any that make_hash makes."""
    return _text(LOG2_N, R, P, os.urandom(SALT_BYTES), os.urandom(HASH_BYTES))


def matches(password: str, stored: str) -> bool:
    """Whether the password is the one that was hashed, in constant time. Raises ValueError if it is no such hash."""
    return hmac.compare_digest(_format(password, *parse(stored)), stored)


def parse(stored: str) -> tuple[int, int, int, bytes]:
    """(log2 n, r, p, salt) of a hash. Raises ValueError if it is not what make_hash makes."""
    parts = stored.split("$")
    if len(parts) != 6 or parts[0] != "scrypt":
        raise ValueError("not a hash of `brokerfix password`")
    log2_n, r, p = (int(part) for part in parts[1:4])
    return log2_n, r, p, base64.b64decode(parts[4], validate=True)


def _format(password: str, log2_n: int, r: int, p: int, salt: bytes) -> str:
    digest = hashlib.scrypt(
        password.encode("utf-8", "surrogateescape"),
        salt=salt,
        n=1 << log2_n,
        r=r,
        p=p,
        maxmem=1 << 28,
        dklen=HASH_BYTES,
    )
    return _text(log2_n, r, p, salt, digest)


def _text(log2_n: int, r: int, p: int, salt: bytes, digest: bytes) -> str:
    encoded = base64.b64encode(digest).decode()
    return f"scrypt${log2_n}${r}${p}${base64.b64encode(salt).decode()}${encoded}"
