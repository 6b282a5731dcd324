"""The process that has a broker's facts at a queue."""

import asyncio
import fcntl
import logging
import os
import signal
import sys
from pathlib import Path

from brokerfix.projections.ending import Ending
from brokerfix.projections.events.publisher import Publisher
from brokerfix.projections.events.queues import destination_of, where_of
from brokerfix.projections.lag import Lag
from brokerfix.record.journal import JournalError
from brokerfix.settings.base import ConfigError
from brokerfix.settings.load import load


def lag_name(name: str) -> str:
    """What the lag of `[events.NAME]` is called by."""
    return f"events.{name}"


def main() -> None:
    """Publish the journal of the configuration, for the `[events.NAME]` of it, that are named on the command line until
    SIGTERM, or until the broker that has the process id there has ended."""
    ending = Ending()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s")
    path, name, parent = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    try:
        config = load(path)
        where = where_of(config, name)
        guard = (config.data / f"{lag_name(name)}.lock").open("w")
        fcntl.flock(guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
        lag = Lag(
            config.data, where.section.lag_seconds, lag_name(name), f"the event stream {name}", "EVENTS"
        )  # fmt: skip
        lag.watch()
        publisher = Publisher(where, config.data / "journal", destination_of(where), lag)
        asyncio.run(publisher.run(lambda: ending.wait() or os.getppid() != parent))
    except BlockingIOError:
        sys.exit(f"{path}: another process publishes events.{name}")
    except (ConfigError, JournalError) as error:
        sys.exit(str(error))
    guard.close()


if __name__ == "__main__":
    main()
