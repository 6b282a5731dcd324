"""Coverage-guided fuzzing of what strangers' bytes reach first: `python -m tests.fuzz_gateway -runs=1000000`.

The arguments are libFuzzer's. A finding is an exception, bytes that pile up, or a split of the stream that changes what
is found in it.
"""

import sys
from contextlib import suppress

import atheris

with atheris.instrument_imports(include=["brokerfix.gateway.framing", "brokerfix.gateway.messages"]):
    from brokerfix.gateway.auth import Logon, LogonRefused
    from brokerfix.gateway.budgets import Budgets
    from brokerfix.gateway.framing import Framer, checksum
    from brokerfix.gateway.messages import Names
    from brokerfix.gateway.relay import Relay
    from brokerfix.settings.sections import BudgetsSection

MOST = 4096


def mended(data: bytes) -> bytes:
    """The bytes with the length and sum that a message of them would have: else the framing lets next to nothing by."""
    body = b"35=" + data + b"\x01"
    message = b"8=FIX.4.4\x019=%d\x01%b" % (len(body), body)
    return b"%b10=%03d\x01" % (message, checksum(message))


def messages(pieces: list[bytes]) -> list[bytes]:
    framer, found = Framer(MOST), []
    for piece in pieces:
        framer.feed(piece)
        while (message := framer.next()) is not None:
            found.append(message)
        assert framer.waiting <= MOST + 64, "bytes pile up"
    return found


def one_input(data: bytes) -> None:
    step = data[0] + 1 if data else 1
    whole = data[1:] + mended(data[1:]) if data[:1] > b"\x80" else mended(data[1:])
    found = messages([whole])
    assert found == messages([whole[at : at + step] for at in range(0, len(whole), step)]), "the split matters"
    relay = Relay(Names("FIX.4.4", "ALICE", "BROKER"), Budgets(BudgetsSection(), 0.0), 1)
    for message in found:
        with suppress(LogonRefused):
            Logon(message)
        passed = messages([relay.message(message, 0.0)])
        assert all(one.startswith(b"8=FIX.4.4\x01") for one in passed)


def main() -> None:
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
