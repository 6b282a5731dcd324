"""The process that looks: `python -m brokerfix.surveillance.process CONFIG PID`."""

import fcntl
import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from brokerfix.projections.ending import Ending
from brokerfix.projections.lag import Lag
from brokerfix.record.journal import JournalError
from brokerfix.settings.base import ConfigError
from brokerfix.settings.load import load
from brokerfix.settings.sections import Config
from brokerfix.settings.surveillance import SurveillanceSection
from brokerfix.surveillance.follower import Follower

log = logging.getLogger("brokerfix.surveillance")
POLL_SECONDS = 0.2
KEEP_SECONDS = 10.0
LAG = "surveillance"
LOCK = "surveillance.lock"
"""It has the number of the process that holds it."""


def run(config: Config, goes_on: Callable[[], bool]) -> None:
    """Look at the journal of a configuration until SIGTERM, or as long as `goes_on`. It is the only one on its data
    folder. Raises BlockingIOError where it is not, and JournalError."""
    ending = Ending()
    data = config.data
    with (data / LOCK).open("a") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
        guard.truncate(0)
        guard.write(str(os.getpid()))
        guard.flush()
        follower = Follower(data, config.surveillance or SurveillanceSection(), config.calendars)
        lag = Lag(data, name=LAG, what="surveillance", code="SURVEILLANCE")
        lag.watch()
        kept = time.monotonic()
        with suppress(KeyboardInterrupt):
            while goes_on():
                looked = follower.follow()
                lag.has(follower.last_id)
                lag.caught_up()
                if time.monotonic() - kept > KEEP_SECONDS:
                    follower.keep()
                    kept = time.monotonic()
                if ending.wait(0 if looked else POLL_SECONDS):
                    break
        follower.look()
        follower.keep()


def main() -> None:
    """Look at the journal of the configuration that is named on the command line, until SIGTERM or until the broker
    that has the process id there has ended."""
    # Ctrl-C goes to the whole group; the broker tells us when to stop.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s")
    path, parent = Path(sys.argv[1]), int(sys.argv[2])
    try:
        run(load(path), lambda: os.getppid() == parent)
    except BlockingIOError:
        sys.exit(f"{path}: another process looks at this journal")
    except (ConfigError, JournalError) as error:
        sys.exit(f"{path}: {error}")


if __name__ == "__main__":
    main()
