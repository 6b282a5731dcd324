"""Secrets don't go into logs, nor into what is kept of messages that failed."""

import re

SECRETS = re.compile(r"(?<![0-9])(554|925|96|1402|1404|20001)=[^\x01|]*")
"""Password, NewPassword, RawData, EncryptedPassword, EncryptedNewPassword and the gateway's voucher, in a message as it
is on the wire or as people read it."""


def redacted(text: str) -> str:
    """The text without the secrets of a FIX message in it."""
    return SECRETS.sub(r"\1=***", text)
