"""What is sent again when a peer asks for it: QuickFIX, which has no messages, would fill everything."""

import logging
from typing import Any

import quickfix

from brokerfix.fix.session.mailbox import Gap
from brokerfix.fix.session.older import Sent
from brokerfix.fix.session.peer import Peer
from brokerfix.fix.text import SOH, timestamp
from brokerfix.fix.versions.rules import message_type_of

log = logging.getLogger("brokerfix.fix")
MESSAGE, SEND = quickfix.Message, quickfix.Session.sendToTarget
OUT_OF_DATE = frozenset("VHWXY")
"""The message types that are out of date once the session they were sent in has ended."""


class Again:
    """Answers requests for messages out of the sessions' mailboxes. `current` is what is being sent again."""

    def __init__(self, dictionary: Any) -> None:
        self.current: Sent | Gap | None = None
        self.dictionary = dictionary

    def answer(self, peer: Peer, message: Any, header: Any) -> None:
        """QuickFIX, which has no messages, would fill a whole gap that the peer asks for: send again what the mailbox
        has, and make of QuickFIX's message the last part of it. Market data, and requests for it or for a status, of
        before this logon are out of date, and asked for anew: they are filled."""
        first, following = int(header.getField(34)), int(message.getField(36))

        def is_wanted(sent: Sent) -> bool:
            return sent.number >= peer.first_number or message_type_of(sent.text) not in OUT_OF_DATE

        chunks = list(peer.box.between(first, following, is_wanted))
        if not chunks:
            # What is asked for is beyond all that was sent.
            return
        next_out = peer.session.getExpectedSenderNum()
        try:
            for chunk in chunks[:-1]:
                self._send(peer, chunk)
        finally:
            peer.session.setNextSenderMsgSeqNum(next_out)
        last = chunks[-1]
        if isinstance(last, Sent):
            try:
                again = self._message(peer, last).toString()
            except Exception:
                last = self._unsendable(peer, last)
        if isinstance(last, Gap):
            header.setField(34, str(last.first))
            message.setField(36, str(last.following))
        else:
            at = header.getField(52)
            message.setString(again, False, self.dictionary, self.dictionary)
            header = message.getHeader()
            for tag, value in ((8, peer.begin_string), (49, peer.sender), (52, at), (56, peer.target)):
                header.setField(tag, value)
            self.mark(header, last, last.at)

    def _send(self, peer: Peer, chunk: Sent | Gap) -> None:
        """Send a part of what is asked for again: a message, or a gap for some that are not sent."""
        self.current = chunk
        try:
            SEND(self._message(peer, chunk), peer.session_id)
        except Exception:
            if isinstance(chunk, Sent):
                self._send(peer, self._unsendable(peer, chunk))
        finally:
            self.current = None

    @staticmethod
    def _unsendable(peer: Peer, sent: Sent) -> Gap:
        """A message that can't be made costs no other: its number is filled."""
        log.exception("message %d to %s can't be sent again: %r", sent.number, peer.name, sent.text)
        return Gap(sent.number, sent.number + 1)

    def _message(self, peer: Peer, again: Sent | Gap) -> Any:
        if isinstance(again, Gap):
            return MESSAGE(f"8=FIX.4.4{SOH}9=0{SOH}35=4{SOH}36={again.following}{SOH}123=Y{SOH}10=000{SOH}", False)
        text = again.text if peer.recode is None else peer.recode(again.text)
        return MESSAGE(text, self.dictionary, False) if again.groups else MESSAGE(text, False)

    @staticmethod
    def mark(header: Any, again: Sent | Gap, at: int) -> None:
        """The header of a message that is sent again: its number, PossDupFlag(43), OrigSendingTime(122)."""
        header.setField(34, str(again.number if isinstance(again, Sent) else again.first))
        header.setField(43, "Y")
        header.setField(122, timestamp(at) if at else header.getField(52))
