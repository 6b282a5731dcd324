"""A broker that ends itself with SIGKILL the n-th time it comes to a point: `crash_broker CONFIG POINT N`."""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from brokerfix.process.broker import Broker
from brokerfix.settings.load import load

POINTS = (
    "before append",
    "after append",
    "before send to venue",
    "after send to venue",
    "before send to client",
    "after send to client",
    "before ack is recorded",
    "after ack is recorded",
    "before return to session",
)


class Bomb:
    """Counts down the visits to one point."""

    def __init__(self, point: str, count: int) -> None:
        self.point, self.left = point, count

    def at(self, point: str) -> None:
        if point == self.point:
            self.left -= 1
            if not self.left:
                os.kill(os.getpid(), signal.SIGKILL)


def arm(broker: Broker, bomb: Bomb) -> None:
    """Put the bomb into the broker's pipeline."""
    append, send = broker.journal.append, broker.pipeline.send

    def bombed_append(facts: Any, *more: Any) -> int:
        is_ack = bool(facts) and type(facts[0]).__name__ == "ChildAccepted"
        is_order = bool(facts) and type(facts[0]).__name__ not in (
            "Quoted",
            "Started",
            "Stopped",
            "VenueUp",
            "ClientUp",
        )
        bomb.at("before ack is recorded" if is_ack else "before append" if is_order else "")
        position = append(facts, *more)
        bomb.at("after ack is recorded" if is_ack else "after append" if is_order else "")
        return position

    def bombed_send(out: Any) -> None:
        peer = "venue" if out.to_venue else "client"
        bomb.at(f"before send to {peer}")
        send(out)
        bomb.at(f"after send to {peer}")

    def bombed_handler(handler: Callable[[str, str], bool]) -> Callable[[str, str], bool]:
        def bombed(name: str, text: str) -> bool:
            result = handler(name, text)
            bomb.at("before return to session")
            return result

        return bombed

    broker.journal.append = bombed_append  # type: ignore[method-assign]
    broker.pipeline.send = bombed_send
    broker.receiver.client_message = bombed_handler(broker.receiver.client_message)  # type: ignore[method-assign]
    broker.receiver.venue_message = bombed_handler(broker.receiver.venue_message)  # type: ignore[method-assign]


def main() -> None:
    config, point, count = sys.argv[1:]
    broker = Broker(load(Path(config)))
    broker.start()
    arm(broker, Bomb(point, int(count)))
    sys.exit(broker.run())


if __name__ == "__main__":
    main()
