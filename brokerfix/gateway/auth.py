"""Is this Logon its client's? Names, times, address, certificate, password: all of it before the broker hears of it."""

import asyncio
import hashlib
import json
import logging
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from brokerfix import passwords
from brokerfix.config import COMP_ID, ClientSection, Config, added_clients
from brokerfix.gateway.messages import Bad, Pairs, split, whole_number
from brokerfix.gateway.sources import Address, Networks

log = logging.getLogger("brokerfix.gateway")
MOST_CHECKS = 16
"""How many passwords wait to be checked at most. Each takes some 50 ms of one processor."""
OVERDUE_SECONDS = 1.0
CLOCK_SKEW = 120.0
"""Seconds by which SendingTime may differ from our clock: QuickFIX's MaxLatency."""
ENCRYPTED = (1400, 1401, 1402, 1403, 1404)
T = TypeVar("T")
LONGEST_PASSWORD = 128
NOBODY = passwords.make_hash("")
"""Checked where there is no such client, so that the answer takes as long."""


class Refused(Exception):
    """Why a Logon is refused: for our log. `credentials`: it counts against its source. `told` is what the client may
    know of it."""

    def __init__(self, reason: str, *, credentials: bool = False, told: str = "Logon refused") -> None:
        super().__init__(reason)
        self.credentials, self.told = credentials, told


class Logon:
    """A Logon as a client sent it. Raises Refused where it can't be one of this broker's clients'."""

    def __init__(self, message: bytes) -> None:
        self.begin_string = message[2 : message.index(b"\x01")].decode("ascii")
        self.digest = hashlib.sha256(message).digest()
        try:
            self.pairs: Pairs = split(message)
        except Bad as error:
            raise Refused(f"the first message is not well formed: {error.text}") from error
        tags: dict[int, str] = {}
        for tag, value in self.pairs:
            if tag in tags:
                raise Refused(f"tag {tag} stands twice in the Logon")
            tags[tag] = value.decode("utf-8", "surrogateescape")
        if tags.get(35) != "A":
            raise Refused(f"the first message is no Logon but MsgType {tags.get(35)!r}")
        self.tags = tags
        self.sender, self.target = tags.get(49, ""), tags.get(56, "")
        if not (COMP_ID.fullmatch(self.sender) and COMP_ID.fullmatch(self.target)):
            raise Refused("SenderCompID or TargetCompID is no CompID of ours")
        number = whole_number(tags.get(34, "").encode("ascii", "replace"))
        if not number:
            raise Refused("MsgSeqNum(34) is no number from 1 on")
        self.seq_num = number
        self.time = tags.get(52, "")
        self.reset = tags.get(141, "")
        if self.reset == "Y" and self.seq_num != 1:
            raise Refused("ResetSeqNumFlag=Y with a MsgSeqNum other than 1")
        try:
            sent = datetime.strptime(self.time[:17], "%Y%m%d-%H:%M:%S").replace(tzinfo=UTC).timestamp()
        except ValueError as error:
            raise Refused("SendingTime(52) is no time") from error
        if abs(sent - time.time()) > CLOCK_SKEW:
            raise Refused("SendingTime(52) is more than 120 s from now: an old message, or a wrong clock")


class Authenticator:
    """Checks Logons. One thread computes the hashes, and only so many wait for it."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.path = config.data / "passwords.json"
        self._idle = ThreadPoolExecutor(1, "passwords", _behind_the_others)
        self._urgent = ThreadPoolExecutor(1, "overdue-passwords")
        self._waiting = 0
        self._accepted: OrderedDict[bytes, float] = OrderedDict()
        self._networks = {name: Networks(client.addresses) for name, client in config.clients.items()}
        self._changed = _read_changed(self.path)

    def client(self, name: str) -> ClientSection | None:
        """A client of the configuration, or one that was added to the running broker."""
        section = self.config.clients.get(name)
        if section is None:
            section = added_clients(self.config.data).get(name)
            if section is not None:
                self.config.clients[name] = section
                self._networks[name] = Networks(section.addresses)
        return section

    async def check(self, logon: Logon, address: Address, fingerprint: str) -> ClientSection:
        """Returns the client's settings. `fingerprint` is that of its TLS certificate, '' without. Raises Refused."""
        client = self.client(logon.sender)
        known = client if client is not None and logon.target == self.config.broker.name else None
        if known is not None and logon.begin_string != known.fix:
            raise Refused(f"{logon.sender} speaks {known.fix}, not {logon.begin_string}")
        self._check_place(logon, known, address, fingerprint)
        if any(tag in logon.tags for tag in ENCRYPTED):
            raise Refused(
                "EncryptedPassword is not taken", told="EncryptedPassword(1402) is not taken: use Password(554)"
            )
        await self._check_password(logon, known)
        assert known is not None
        if logon.reset == "Y" and known.reset_seq_num == "refuse":
            raise Refused("ResetSeqNumFlag=Y is not allowed", told="ResetSeqNumFlag(141)=Y is not allowed")
        self._check_unheard(logon)
        return known

    def _check_place(self, logon: Logon, known: ClientSection | None, address: Address, fingerprint: str) -> None:
        if known is None:
            return
        networks = self._networks[logon.sender]
        if networks and address not in networks:
            raise Refused(f"{logon.sender} does not come from {address}", credentials=True)
        if known.certificates and fingerprint not in known.certificates:
            raise Refused(f"{logon.sender} has not the certificate {fingerprint or '(none)'}", credentials=True)
        others = [name for name, client in self.config.clients.items() if fingerprint in client.certificates]
        if fingerprint and others and logon.sender not in others:
            raise Refused(f"the certificate is that of {others[0]}, not of {logon.sender}", credentials=True)

    async def _check_password(self, logon: Logon, known: ClientSection | None) -> None:
        """Raises Refused. Takes the same time for a client that does not exist."""
        name = logon.sender
        stored = self._changed.get(name) or (known.password_hash if known is not None else NOBODY)
        if not stored:
            return
        # FIX 4.2 has no Password: by custom it comes as RawData.
        given = logon.tags.get(554, logon.tags.get(96, "") if logon.begin_string == "FIX.4.2" else "")
        if len(given) > LONGEST_PASSWORD:
            raise Refused(f"a password of {len(given)} characters for {name}", credentials=True)
        right = await self._compute(passwords.matches, given, stored)
        if known is None:
            raise Refused(f"there is no client {name} of {logon.target}", credentials=True)
        if not right:
            raise Refused(f"wrong password for {name}", credentials=True)
        if logon.tags.get(553, name) != (known.username or name) and (known.username or 553 in logon.tags):
            raise Refused(f"wrong username for {name}", credentials=True)
        new = logon.tags.get(925, "")
        if new:
            if len(new) > LONGEST_PASSWORD:
                raise Refused("NewPassword(925) is too long", told=f"NewPassword(925): {LONGEST_PASSWORD} characters")
            self._change(name, await self._compute(passwords.make_hash, new))
            log.info("%s has changed its password", name)

    async def _compute(self, function: Callable[..., T], *arguments: str) -> T:
        """Call the function in a password thread: with what the processors have left or, where they have nothing left
        for too long, like any other work. Raises Refused where too many wait already."""
        if self._waiting >= MOST_CHECKS:
            raise Refused("too many passwords wait to be checked", told="Logon refused: too busy, try again")
        self._waiting += 1
        loop = asyncio.get_running_loop()
        try:
            return await asyncio.wait_for(loop.run_in_executor(self._idle, function, *arguments), OVERDUE_SECONDS)
        except TimeoutError:
            return await loop.run_in_executor(self._urgent, function, *arguments)
        finally:
            self._waiting -= 1

    def _change(self, name: str, stored: str) -> None:
        """Keep a new password's hash: it replaces the configured one, also after a restart."""
        self._changed[name] = stored
        written = self.path.with_suffix(".new")
        with open(os.open(written, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(self._changed, file, indent=2)
            file.flush()
            os.fsync(file.fileno())
        written.replace(self.path)

    def _check_unheard(self, logon: Logon) -> None:
        """A Logon counts once: a recording of it is worth nothing. Raises Refused."""
        now = time.time()
        while self._accepted and next(iter(self._accepted.values())) < now - 2 * CLOCK_SKEW - 1:
            self._accepted.popitem(last=False)
        if logon.digest in self._accepted:
            raise Refused("this very Logon came before", credentials=True)
        self._accepted[logon.digest] = now


def _behind_the_others() -> None:
    """Strangers can have many passwords checked, and a thread that computes keeps others from a processor for some
    milliseconds each time; one of this policy does not."""
    os.sched_setscheduler(threading.get_native_id(), os.SCHED_IDLE, os.sched_param(0))


def _read_changed(path: Path) -> dict[str, str]:
    """Client -> the hash of the password that it has chosen."""
    if not path.exists():
        return {}
    changed: dict[str, str] = json.loads(path.read_text())
    return changed
