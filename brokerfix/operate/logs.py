"""Logging for processes that strangers reach: structured lines, and no password in any of them."""

import logging
import sys
from typing import Any

import structlog

from brokerfix.access.redact import redacted


def _redact(logger: Any, method: str, event: Any) -> Any:
    return {key: redacted(value) if isinstance(value, str) else value for key, value in event.items()}


def configure(name: str) -> None:
    """Log structured lines: for people on a terminal, else JSON. `name` is the process's."""
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        lambda logger, method, event: {"process": name, **event},
        _redact,
    ]
    terminal = sys.stderr.isatty()
    last: Any = structlog.dev.ConsoleRenderer() if terminal else structlog.processors.JSONRenderer()
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, last],
        )
    )
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
