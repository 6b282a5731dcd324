"""That a browser's WebSocket speaks for its own page alone."""

from typing import Any

from nicegui import core
from nicegui.client import Client

from brokerfix.console.logins import Logins

EVENTS = ("event", "javascript_response", "ack", "log")
"""What a browser says of a page, whose client_id it names in each of them."""


def owns(client_id: str, key: str) -> bool:
    """Whether the page is of the session with this key."""
    client = Client.instances.get(client_id)
    if client is None:
        # NiceGUI has the browser load the page again.
        return True
    login = client.request.scope.get("login")
    return login is not None and login.key == key


def sealed(logins: Logins) -> None:
    """Have NiceGUI take what a socket says only of the page that it was opened for, while its person is logged in."""
    handlers = core.sio.handlers["/"]
    for name in EVENTS:
        core.sio.on(name, _only_own(handlers[name], logins))
    core.sio.on("handshake", _no_handshake)


def _only_own(handler: Any, logins: Logins) -> Any:
    def checked(sid: str, told: dict[str, Any]) -> None:
        if not isinstance(told, dict) or told.get("client_id") not in core.sio.rooms(sid):
            return
        client = Client.instances.get(told["client_id"])
        login = client.request.scope.get("login") if client is not None else None
        if login is not None and logins.standing(login) is not None:
            handler(sid, told)

    return checked


def _no_handshake(sid: str, told: dict[str, Any]) -> bool:
    """Pages shake hands when they connect, where the guard has looked at whose they are."""
    return False
