"""How the gateway speaks to the broker: it vouches for a session that it has authenticated, and has the broker answer
for it, because only the broker numbers messages. Both are FIX on the session's own connection.

The voucher is the HMAC-SHA256 (RFC 2104), with a secret that only the two know, of what makes a Logon one of its kind.
"""

import hashlib
import hmac
import secrets
from pathlib import Path

from brokerfix.settings.sections import Config, ConfigError

VOUCHER = 20001
"""The tag of a Logon that carries the voucher."""
REFUSAL = "UREF"
"""The message type with which the gateway hands a message over that it refuses: it has the MsgSeqNum of the refused
message, and RefMsgType(372), RefTagID(371), BusinessRejectRefID(379) and Text(58) of the answer, and REFUSED_BY."""
REFUSED_BY = 20002
"""How the broker is to answer: "3 n", a Reject with SessionRejectReason n; "j n", a BusinessMessageReject with
BusinessRejectReason n; "5", a Logout."""
SECRET_BYTES = 32


def socket_path(config: Config, client: str = "") -> Path:
    """Where the broker's acceptor listens for the gateway; an added client has a socket of its own."""
    return config.data / (f"fix-{client}.sock" if client else "fix.sock")


def secret_path(config: Config) -> Path:
    """The file with the secret: the configured one, or one that the broker makes at each start."""
    named = config.gateway.secret if config.gateway is not None else ""
    return (config.path.parent / named).resolve() if named else config.data / "gateway.secret"


def make_secret(config: Config) -> bytes:
    """The secret of this run of the broker. Raises ConfigError where a configured one can't be read."""
    if config.gateway is not None and config.gateway.secret:
        return read_secret(config)
    path = secret_path(config)
    path.unlink(missing_ok=True)
    secret = secrets.token_bytes(SECRET_BYTES)
    path.touch(mode=0o600)
    path.write_bytes(secret)
    return secret


def read_secret(config: Config) -> bytes:
    """The secret as it is now. Raises ConfigError."""
    path = secret_path(config)
    try:
        secret = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: the gateway's secret can't be read: {error.strerror}; is the broker up?") from error
    if len(secret) < SECRET_BYTES:
        raise ConfigError(f"{path}: the gateway's secret must have at least {SECRET_BYTES} bytes")
    return secret


def voucher(secret: bytes, sender: str, target: str, seq_num: str, sending_time: str, reset: str) -> str:
    """The voucher for a Logon: of its CompIDs, MsgSeqNum, SendingTime and ResetSeqNumFlag as they stand in it."""
    told = "\x01".join((sender, target, seq_num, sending_time, reset)).encode("latin-1", "replace")
    return hmac.new(secret, told, hashlib.sha256).hexdigest()


def is_vouched(secret: bytes, given: str, sender: str, target: str, seq_num: str, time: str, reset: str) -> bool:
    """Whether the voucher is the one for this Logon, in constant time."""
    return hmac.compare_digest(given.encode(), voucher(secret, sender, target, seq_num, time, reset).encode())
