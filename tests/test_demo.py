"""The demo's own parts."""

from contextlib import nullcontext

import pytest

from brokerfix.tools import demo


def test_no_port_is_handed_out_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """A demo gives its broker and an exchange ports before either listens."""
    drawn = iter((20_007, 20_007, 20_008))
    monkeypatch.setattr(demo, "_given", set())
    monkeypatch.setattr(demo.secrets, "choice", lambda _: next(drawn))
    monkeypatch.setattr(demo.socket, "create_server", lambda _: nullcontext())
    assert [demo.free_port(), demo.free_port()] == [20_007, 20_008]
