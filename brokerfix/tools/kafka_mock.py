"""Kafka for the tests: the mock cluster of Kafka's own client library, as a process of its own. It speaks Kafka's
protocol over sockets, keeps everything in memory, and has no topics made: each is there with `PARTITIONS` when it is
first named. A desk's own servers run elsewhere.
"""

import subprocess
import sys

from brokerfix.settings.base import StartError
from brokerfix.tools.server_process import ServerProcess

PARTITIONS = 4
"""Of each topic."""
BROKERS = 1


class KafkaMock(ServerProcess):
    """The mock cluster. When it is killed, all that it had is gone."""

    def __init__(self) -> None:
        self.urls: list[str] = []

    def start(self) -> None:
        """Start it, and wait until it takes requests. Raises StartError."""
        command = [sys.executable, "-m", "brokerfix.tools.kafka_mock"]
        # Who ends without a stop leaves none behind: it ends with its standard input.
        process = self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert process.stdout is not None
        line = process.stdout.readline().strip()
        if not line:
            raise StartError("the mock cluster of Kafka does not start")
        self.urls = line.split(",")


def main() -> None:
    """Be the mock cluster, say where it is, and end with standard input."""
    from confluent_kafka import Producer

    settings = {"bootstrap.servers": "mock", "test.mock.num.brokers": BROKERS, "log_level": 2}
    mock = Producer(settings)
    brokers = mock.list_topics(timeout=10).brokers.values()
    print(",".join(f"{broker.host}:{broker.port}" for broker in brokers), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
