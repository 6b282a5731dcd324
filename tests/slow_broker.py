"""A broker whose timers are all slow: what is not told by a descriptor waits for seconds, and so can be seen.

`python -m tests.slow_broker CONFIG` runs it as `brokerfix start` does.
"""

import logging
import sys
from pathlib import Path

from brokerfix.process import broker, idle, timers
from brokerfix.settings.load import load

SLOW = 4.0
"""Seconds between two turns of a loop that nothing wakes."""


def main() -> None:
    logging.basicConfig(level=logging.INFO)
    idle.LONGEST_REST = idle.LONGEST_QUIET_REST = idle.LOOK_EVERY = SLOW
    every = int(SLOW * timers.SECOND)
    timers.WATCH_EVERY = timers.OPERATOR_EVERY = broker.OPERATOR_EVERY = every
    started = broker.Broker(load(Path(sys.argv[1])))
    started.start()
    for timer in started.timers.every:
        timer.interval = every
    sys.exit(started.run())


if __name__ == "__main__":
    main()
