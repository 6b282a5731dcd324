"""Where personal data are: records in one file, the keys that open them in another folder.

Each client's record is encrypted by AES-256-GCM with a key of its own, and that key by the master key, both with the
client's name as associated data, so that neither can be put under another name. Erasing a client destroys its key: the
file of keys is written anew without it, under a new master key, and the old files of both are overwritten before they
are let go. Every copy of the record is then unreadable, and a copy of the file of keys too, unless the old master key
was copied with it. (NIST SP 800-88r1, 2.5: cryptographic erase.)
"""

import base64
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from brokerfix.personal.person import PersonalData, changed
from brokerfix.settings.sections import Config

RECORDS, KEYS, MASTER, NEXT_MASTER = "personal.json", "keys.json", "master.key", "master.key.next"
KEY_BYTES, NONCE_BYTES = 32, 12
FORMAT = 1


class BadVault(OSError):
    """The personal data can't be read or kept as they are: which file, and what to do."""


class Unknown(BadVault):
    """There are no personal data under a name."""


class Sealed(msgspec.Struct, frozen=True):
    """Encrypted bytes and their nonce, base64."""

    nonce: str
    data: str


class Records(msgspec.Struct):
    """The file of records, by name."""

    format: int = FORMAT
    clients: dict[str, Sealed] = {}


class Keys(msgspec.Struct):
    """The file of keys, by name, under the master key with this fingerprint."""

    format: int = FORMAT
    master: str = ""
    keys: dict[str, Sealed] = {}


class Vault:
    """The personal data of a broker's clients. Raises BadVault."""

    def __init__(self, folder: Path, key_folder: Path) -> None:
        self.folder, self.key_folder = folder, key_folder

    def names(self) -> list[str]:
        """Under which names there are data that can be read."""
        return sorted(self._records().clients.keys() & self._keys().keys.keys())

    def is_cut_short(self, name: str) -> bool:
        """Whether an erasure of this name has begun and not ended: its record is there without a key, or the master key
        of before is."""
        has_record, has_key = name in self._records().clients, name in self._keys().keys
        return not has_key and (has_record or (self.key_folder / NEXT_MASTER).exists())

    def show(self, name: str) -> PersonalData:
        """Raises Unknown, BadVault."""
        sealed, wrapped = self._records().clients.get(name), self._keys().keys.get(name)
        if sealed is None or wrapped is None:
            raise Unknown(f"there are no personal data of {name}")
        key = _opened(_master(self.key_folder), wrapped, name, self.key_folder / KEYS)
        return msgspec.json.decode(_opened(key, sealed, name, self.folder / RECORDS), type=PersonalData)

    def everybody(self) -> dict[str, PersonalData]:
        """All that can be read."""
        return {name: self.show(name) for name in self.names()}

    def set(self, name: str, settings: dict[str, object]) -> PersonalData:
        """Set some fields of a client, who may be new. Raises BadPersonalData."""
        with self._alone():
            records, keys = self._records(), self._keys()
            known = name in keys.keys and name in records.clients
            person = changed(self.show(name) if known else PersonalData(), settings)
            master = _master(self.key_folder) if keys.master else AESGCM.generate_key(256)
            if not keys.master:
                keys.master = _fingerprint(master)
                _write(self.key_folder / MASTER, base64.b64encode(master))
            if known:
                key = _opened(master, keys.keys[name], name, self.key_folder / KEYS)
            else:
                key = AESGCM.generate_key(256)
                keys.keys[name] = _sealed(master, key, name)
                _write(self.key_folder / KEYS, msgspec.json.encode(keys))
            records.clients[name] = _sealed(key, msgspec.json.encode(person), name)
            _write(self.folder / RECORDS, msgspec.json.encode(records))
            return person

    def erase(self, name: str) -> None:
        """Destroy a client's key, and remove its record. It may be done again where it was cut short."""
        with self._alone():
            keys, records = self._keys(), self._records()
            if keys.master:
                old, new = _master(self.key_folder), AESGCM.generate_key(256)
                left = {
                    one: _sealed(new, _opened(old, wrapped, one, self.key_folder / KEYS), one)
                    for one, wrapped in keys.keys.items()
                    if one != name
                }
                # The file of keys decides which of the two master keys holds.
                _write(self.key_folder / NEXT_MASTER, base64.b64encode(new))
                _write(self.key_folder / KEYS, msgspec.json.encode(Keys(FORMAT, _fingerprint(new), left)))
                _become(self.key_folder / NEXT_MASTER, self.key_folder / MASTER)
            if records.clients.pop(name, None) is not None:
                _write(self.folder / RECORDS, msgspec.json.encode(records))

    @contextmanager
    def _alone(self) -> Iterator[None]:
        for folder in (self.folder, self.key_folder):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(self.key_folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _records(self) -> Records:
        return _read(self.folder / RECORDS, Records)

    def _keys(self) -> Keys:
        return _read(self.key_folder / KEYS, Keys)


def vault_of(config: Config) -> Vault:
    """Where a broker's clients' personal data are."""
    section, where = config.records, (config.path, config.data)
    return Vault(section.personal_folder(*where), section.key_folder(*where))


F = TypeVar("F", Records, Keys)


def _read(path: Path, kind: type[F]) -> F:
    try:
        if path.stat().st_mode & 0o077:
            raise BadVault(f"{path}: others may read it: chmod 600")
        found = msgspec.json.decode(path.read_bytes(), type=kind)
    except FileNotFoundError:
        return kind()
    except msgspec.MsgspecError as error:
        raise BadVault(f"{path}: is damaged ({error}): restore it from a copy") from error
    if found.format != FORMAT:
        raise BadVault(f"{path}: another version of brokerfix has written it")
    return found


def _master(folder: Path) -> bytes:
    """The master key that the file of keys is under; a change of it that was cut short is ended."""
    wanted = _read(folder / KEYS, Keys).master
    for name in (MASTER, NEXT_MASTER):
        with suppress(FileNotFoundError, ValueError):
            path = folder / name
            if path.stat().st_mode & 0o077:
                raise BadVault(f"{path}: others may read it: chmod 600")
            key = base64.b64decode(path.read_bytes(), validate=True)
            if len(key) == KEY_BYTES and _fingerprint(key) == wanted:
                if name == NEXT_MASTER:
                    _become(path, folder / MASTER)
                return key
    raise BadVault(f"{folder / MASTER}: is not the key of {folder / KEYS}: restore both from one copy")


def _fingerprint(master: bytes) -> str:
    return sha256(b"brokerfix master key\n" + master).hexdigest()[:16]


def _sealed(key: bytes, data: bytes, name: str) -> Sealed:
    nonce = os.urandom(NONCE_BYTES)
    sealed = AESGCM(key).encrypt(nonce, data, name.encode())
    return Sealed(base64.b64encode(nonce).decode(), base64.b64encode(sealed).decode())


def _opened(key: bytes, sealed: Sealed, name: str, path: Path) -> bytes:
    try:
        nonce, data = (base64.b64decode(one, validate=True) for one in (sealed.nonce, sealed.data))
        return AESGCM(key).decrypt(nonce, data, name.encode())
    except (InvalidTag, ValueError) as error:
        raise BadVault(f"{path}: what it has of {name} was changed, or is of another key") from error


def _write(path: Path, data: bytes) -> None:
    """Write a file whole or not at all, for its owner only. What it was before is overwritten."""
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    _become(new, path)


def _become(new: Path, path: Path) -> None:
    """Put a file in another's place, whose bytes are overwritten."""
    with suppress(FileNotFoundError), path.open("r+b") as old:
        size = os.fstat(old.fileno()).st_size
        new.replace(path)
        old.write(os.urandom(size))
        old.flush()
        os.fsync(old.fileno())
    if new.exists():
        new.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
