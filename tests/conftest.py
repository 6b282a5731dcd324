"""What all tests share: each of pytest's processes takes its ports from its own part of them. Between a port's choice
and its listener's start another process would find it free too."""

import os

from brokerfix.tools import demo

_worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
demo.PORTS = demo.PORTS[_worker :: int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))]
