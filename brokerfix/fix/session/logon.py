"""Who may log on."""

import logging

import quickfix

from brokerfix.access.vouch import VOUCHER, is_vouched
from brokerfix.fix.text import Reader
from brokerfix.settings import passwords
from brokerfix.settings.sections import ClientSection

log = logging.getLogger("brokerfix.fix")
REFUSED = "Logon refused"
"""All that a refused client learns. Why is in the operator's log."""
LOGON = Reader("A", (49, 52, 56, 141, 553, 554, VOUCHER), (98, 108))


def check_logon(client: str, section: ClientSection, secret: bytes, text: str) -> None:
    """Check the gateway's voucher or, without a gateway, Username(553) and Password(554). None is ever logged."""
    if secret:
        vouched = {tag: value or "" for tag, value in LOGON.read(text)[0].items()}
        told = vouched["49"], vouched["56"], vouched["34"], vouched["52"], vouched["141"]
        if not is_vouched(secret, vouched[str(VOUCHER)], *told):
            log.warning("logon of %s refused: it did not come through the gateway", client)
            raise quickfix.RejectLogon(REFUSED)
        return
    if not section.password_hash:
        return
    logon, _ = LOGON.read(text)
    named = (logon["553"] or "") == (section.username or client)
    if not (passwords.matches(logon["554"] or "", section.password_hash) and named):
        log.warning("logon of %s refused: wrong %s", client, "password" if named else "username")
        raise quickfix.RejectLogon(REFUSED)
