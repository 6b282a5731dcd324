"""Which subscribers to market data read slower than they are told: nothing more is put into their queue until they have
read it, so that they then get what is so, and not what has been.

A client answers a TestRequest(1) when it has read all that was sent before it. So one is sent after every so many
messages of market data, and while it is not answered no more than as many again.
"""

from collections.abc import Iterator

PROBE_EVERY = 250
"""Messages of market data between two TestRequests; unread are twice as many at most."""
PREFIX = "MD-"
"""How our TestReqIDs(112) begin."""


class Readers:
    """By client how many messages it was told since the last TestRequest, and that one while it is not answered.
    `behind` are the clients who are told nothing until they have answered."""

    def __init__(self) -> None:
        self.behind: dict[str, None] = {}
        self._told: dict[str, int] = {}
        self._open: dict[str, str] = {}
        self._count = 0

    def told(self, client: str) -> None:
        """A message of market data goes to the client."""
        count = self._told[client] = self._told.get(client, 0) + 1
        if count >= PROBE_EVERY and client in self._open:
            self.behind[client] = None

    def to_probe(self) -> Iterator[tuple[str, str]]:
        """The clients that are to be sent a TestRequest now, with its TestReqID."""
        for client, count in self._told.items():
            if count >= PROBE_EVERY and client not in self._open:
                self._count += 1
                self._told[client] = 0
                self._open[client] = f"{PREFIX}{self._count}"
                yield client, self._open[client]

    def answered(self, client: str, test_req_id: str) -> None:
        """The client has answered a TestRequest."""
        if self._open.get(client) == test_req_id:
            del self._open[client]
            self.behind.pop(client, None)

    def forget(self, client: str) -> None:
        """The client's session is over."""
        for kept in (self.behind, self._told, self._open):
            kept.pop(client, None)
