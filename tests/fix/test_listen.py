"""Where the acceptor listens."""

import socket

import pytest

from brokerfix.fix.session.listen import Listener


def test_quickfixs_own_port_is_held_on_every_address() -> None:
    """QuickFIX listens there on all of them, which it can't where one of them is another's."""
    listener = Listener(("127.0.0.1", 0))
    try:
        with socket.socket() as stranger, pytest.raises(OSError, match="Address already in use"):
            stranger.bind(("127.0.0.2", listener.port))
    finally:
        listener.close()
