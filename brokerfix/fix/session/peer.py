"""One configured session and what is known of it."""

from typing import Any

import quickfix

from brokerfix.fix.session.mailbox import Mailbox
from brokerfix.fix.versions.recode import outgoing


class Peer:
    """One configured session: the client's or venue's name, its QuickFIX id and (once it is built) session, its
    mailbox, whether it is logged on, the MsgSeqNum of the first message that we sent since then, whether its sequence
    numbers have begun anew since it was logged on before, and the routes of BusinessMessageRejects that are still to be
    sent, by RefSeqNum."""

    def __init__(self, name: str, is_venue: bool, begin_string: str, sender: str, target: str, box: Mailbox) -> None:
        self.name = name
        self.is_venue = is_venue
        self.box = box
        self.begin_string, self.sender, self.target = begin_string, sender, target
        self.session_id = quickfix.SessionID(begin_string, sender, target)
        self.recode = outgoing(begin_string)
        self.is_up = False
        self.first_number = 0
        self.anew = False
        self.routes: dict[str, str] = {}
        self.session: Any = None
