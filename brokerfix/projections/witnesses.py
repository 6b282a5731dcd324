"""Witnesses of the journal's checkpoints: servers of others that sign a checkpoint once they have seen that it goes on
from the one before (c2sp.org/tlog-witness). One that is away costs nothing, and is asked again."""

import base64
import logging
import time
from collections.abc import Callable, Mapping

import httpx

from brokerfix.record.notes import DASH, BadNote, is_signed_by, parse, parse_vkey, with_signature
from brokerfix.settings.proof import WitnessSection

log = logging.getLogger("brokerfix.checkpoints")
TIMEOUT = 5.0
LONGEST, MOST_BYTES = 10.0, 16_384
"""Seconds and bytes that an answer may take in all: the next checkpoint waits for it."""
SIZE = "text/x.tlog.size"
"""What a witness answers that is at another size."""


class Witnesses:
    """The configured witnesses, by name, and the size that each has of the log that was signed last."""

    def __init__(self, sections: Mapping[str, WitnessSection], client: httpx.Client | None = None) -> None:
        self._witnesses = {name: (section, parse_vkey(section.key)) for name, section in sections.items()}
        self._client = client or httpx.Client(timeout=TIMEOUT)
        self._sizes: dict[tuple[str, str], int] = {}
        self._failed: dict[str, str] = {}

    def cosign(self, note: str, proof: Callable[[int], list[bytes]]) -> tuple[str, bool]:
        """A checkpoint's note with the signatures that witnesses give it, and whether all have; `proof` makes the one
        from a size to its."""
        cosigned, is_whole = note, True
        for name in self._witnesses:
            try:
                line = self._ask(name, note, proof)
                checked = with_signature(note, line)
                if not is_signed_by(checked, self._witnesses[name][1]):
                    raise BadNote("its answer is not signed by the key that is configured")
            except (httpx.HTTPError, BadNote, ValueError) as error:
                self._note(name, str(error) or type(error).__name__)
                is_whole = False
            else:
                cosigned = with_signature(cosigned, line)
                self._note(name, "")
        return cosigned, is_whole

    def _ask(self, name: str, note: str, proof: Callable[[int], list[bytes]]) -> str:
        checkpoint, _ = parse(note)
        at = name, checkpoint.origin
        for _ in range(2):
            old = self._sizes.get(at, 0)
            lines = "".join(f"{base64.b64encode(one).decode()}\n" for one in proof(old))
            url = self._witnesses[name][0].url.rstrip("/") + "/add-checkpoint"
            status, text = self._post(url, f"old {old}\n{lines}\n{note}".encode())
            if status == httpx.codes.OK:
                self._sizes[at] = checkpoint.size
                return self._own(name, text)
            if status != httpx.codes.CONFLICT:
                break
            told = int(text.strip())
            if told < 0 or told == old or told > checkpoint.size:
                raise BadNote(f"it has {told} records of {checkpoint.origin}, and we have {checkpoint.size}")
            self._sizes[at] = told
        raise BadNote(f"it answers {status}: {text[:200].strip()}")

    def _post(self, url: str, content: bytes) -> tuple[int, str]:
        """Status and text of an answer. Raises BadNote where that does not end."""
        until, data = time.monotonic() + LONGEST, b""
        with self._client.stream("POST", url, content=content) as answer:
            for part in answer.iter_raw():
                data += part
                if len(data) > MOST_BYTES or time.monotonic() > until:
                    raise BadNote(f"its answer does not end ({len(data)} bytes)")
        return answer.status_code, data.decode(errors="replace")

    def _own(self, name: str, text: str) -> str:
        """The signature of its own in what a witness answers; whatever else it says is none of its business."""
        of = DASH + self._witnesses[name][1].name + " "
        return next((line for line in text.splitlines() if line.startswith(of)), "")

    def _note(self, name: str, failed: str) -> None:
        """Tell a failure once, and its end."""
        if failed and failed != self._failed.get(name):
            log.error("witness %s (%s) does not sign: %s", name, self._witnesses[name][0].url, failed)
        elif not failed and self._failed.get(name):
            log.warning("witness %s signs again", name)
        self._failed[name] = failed
