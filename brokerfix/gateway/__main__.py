"""`python -m brokerfix.gateway CONFIG PARENT`: what the broker starts. It loads nothing of the broker."""

import sys
from pathlib import Path

from brokerfix.gateway.process import run
from brokerfix.operate import logs
from brokerfix.settings.load import load
from brokerfix.settings.sections import ConfigError

if __name__ == "__main__":
    logs.configure("gateway")
    try:
        sys.exit(run(load(Path(sys.argv[1])), int(sys.argv[2])))
    except ConfigError as error:
        sys.exit(f"Error: {error}")
