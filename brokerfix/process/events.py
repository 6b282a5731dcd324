"""The process that has a broker's facts at a queue: `python -m brokerfix.process.events CONFIG NAME PID`."""

import asyncio
import fcntl
import logging
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from brokerfix.cluster.shared import Shared, Slot
from brokerfix.projections.ending import Ending
from brokerfix.projections.events.publisher import Publisher
from brokerfix.projections.events.queues import destination_of, where_of
from brokerfix.projections.events.source import Synced
from brokerfix.projections.lag import Lag, events_lag
from brokerfix.record.place import Place, position_of
from brokerfix.settings.base import ConfigError
from brokerfix.settings.load import load
from brokerfix.settings.sections import Config


def _confirmed(config: Config) -> Callable[[Place], bool]:
    """What says whether the journal up to a place can't be lost any more with this machine, as far as the configuration
    goes: what the cluster has confirmed, what the disk has. A stream must not have what its journal may lose."""
    if config.cluster is not None:
        shared = Shared(config.data)
        return lambda place: position_of(place) <= shared[Slot.CONFIRMED]
    if config.broker.durability == "disk":
        return Synced(config.data / "journal").reach
    return lambda place: True


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
        guard = (config.data / f"{events_lag(name)}.lock").open("w")
        fcntl.flock(guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
        lag = Lag(
            config.data, where.section.lag_seconds, events_lag(name), f"the event stream {name}", "EVENTS"
        )  # fmt: skip
        lag.watch()
        publisher = Publisher(where, config.data / "journal", destination_of(where), lag, confirmed=_confirmed(config))
        asyncio.run(publisher.run(lambda: ending.wait() or os.getppid() != parent))
    except BlockingIOError:
        sys.exit(f"{path}: another process publishes events.{name}")
    except ConfigError as error:
        sys.exit(str(error))
    guard.close()


if __name__ == "__main__":
    main()
