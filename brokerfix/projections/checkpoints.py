"""Signs the journal's checkpoints: a process of its own beside the broker. The order path knows nothing of it but the
links that records have."""

import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from brokerfix.projections.ending import Ending
from brokerfix.record.checkpoints import Checkpointer, Contradicted
from brokerfix.record.keys import BadKeys
from brokerfix.record.notes import BadNote
from brokerfix.settings.load import load

log = logging.getLogger("brokerfix.checkpoints")
POLL_SECONDS = 0.2
PAUSE = 30.0
"""Seconds until what failed is tried again."""


def checkpointer(path: Path) -> Checkpointer:
    """What signs the checkpoints of a configuration with [proof]. Raises ConfigError, BadKeys."""
    config = load(path)
    section = config.proof
    assert section is not None
    witnesses = None
    if section.witnesses:
        from brokerfix.projections.witnesses import Witnesses

        witnesses = Witnesses(section.witnesses).cosign
    copies = [(path.parent / name).resolve() for name in section.copies]
    keys = section.folder(path, config.data)
    return Checkpointer(
        config.data, config.broker.name, config.broker.shard, keys, section.seconds, copies, witnesses
    )  # fmt: skip


def run(made: Checkpointer, goes_on: Callable[[], bool], ending: Ending) -> None:
    """Sign until the end, and once more then. What is wrong is told, and tried again later."""
    rest = POLL_SECONDS
    while goes_on():
        try:
            made.follow(time.monotonic())
            rest = POLL_SECONDS
        except (BadKeys, BadNote, Contradicted, OSError) as error:
            log.critical("the journal is not signed: %s", error)
            rest = PAUSE
        if ending.wait(rest):
            break
    try:
        made.follow(time.monotonic(), at_once=True)
    except (BadKeys, BadNote, Contradicted, OSError) as error:
        log.critical("the journal's end is not signed: %s", error)


def main(arguments: Sequence[str]) -> None:
    """Sign for the configuration named on the command line, until SIGTERM or until the broker that has the process id
    there has ended."""
    ending = Ending()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s")
    path, parent = Path(arguments[0]), int(arguments[1])
    try:
        made = checkpointer(path)
    except BadKeys as error:
        sys.exit(f"the journal is not signed: {error}")
    run(made, lambda: os.getppid() == parent, ending)


if __name__ == "__main__":
    main(sys.argv[1:])
