"""A TCP relay that can stop: what a cut network looks like to both sides."""

import selectors
import socket
import threading
from contextlib import suppress


class Proxy:
    """Relays connections on a port of loopback to another, until `cut`: then nothing passes any more, in either
    direction, and nobody is told. `heal` drops what was connected, and relays again."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.is_cut = False
        self._pairs: dict[socket.socket, socket.socket] = {}
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._ended = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def cut(self) -> None:
        self.is_cut = True

    def heal(self) -> None:
        for one in list(self._pairs):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        self.is_cut = False

    def _run(self) -> None:
        while not self._ended:
            for key, _ in self._selector.select(0.02):
                if self.is_cut:
                    self._selector_rest()
                    break
                found = key.fileobj
                assert isinstance(found, socket.socket)
                if found is self._listener:
                    self._accept()
                else:
                    self._relay(found)

    def _selector_rest(self) -> None:
        threading.Event().wait(0.005)

    def _accept(self) -> None:
        near, _ = self._listener.accept()
        try:
            far = socket.create_connection(("127.0.0.1", self._to), 2)
        except OSError:
            near.close()
            return
        for one, other in ((near, far), (far, near)):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._pairs[one] = other
            self._selector.register(one, selectors.EVENT_READ)

    def _relay(self, one: socket.socket) -> None:
        try:
            data = one.recv(1 << 16)
            if data:
                return self._pairs[one].sendall(data)
        except OSError:
            pass
        other = self._pairs.pop(one, one)
        self._pairs.pop(other, None)
        for ended in (one, other):
            with suppress(KeyError, ValueError):
                self._selector.unregister(ended)
            ended.close()

    def close(self) -> None:
        self._ended = True
        self._thread.join()
        for one in list(self._pairs):
            one.close()
        self._listener.close()
