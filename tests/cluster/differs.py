"""A standby whose state is another one, as a defect would make it: `differs CONFIG`."""

import sys
from pathlib import Path

from brokerfix.engine.state import State
from brokerfix.process.broker import Broker
from brokerfix.settings.load import load


def main() -> None:
    count = State.hash
    State.hash = lambda state: count(state)[::-1]  # type: ignore[method-assign]
    Broker(load(Path(sys.argv[1])), may_begin=False).start()


if __name__ == "__main__":
    main()
