"""Secrets don't go into logs, nor into what is kept of messages that failed."""

import re

TAGS = r"(?<![0-9])(554|925|96|1402|1404|20001)="
"""Password, NewPassword, RawData, EncryptedPassword, EncryptedNewPassword and the gateway's voucher."""
ON_THE_WIRE = re.compile(TAGS + "[^\x01]*")
AS_PEOPLE_READ = re.compile(TAGS + "[^|]*")


def redacted(text: str) -> str:
    """The text without the secrets of a FIX message in it, as it is on the wire or as people read it."""
    return (ON_THE_WIRE if "\x01" in text else AS_PEOPLE_READ).sub(r"\1=***", text)
