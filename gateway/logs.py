"""Log lines: one per request, one per fault; for a person on a terminal, JSON elsewhere. Never a token or a secret."""

import logging
import sys
from typing import Any

import orjson
import structlog

from gateway.settings import Settings

# Strawberry logs each error of a resolver by itself, before the endpoint knows whether it is a fault: the endpoint
# logs the faults, once, with the request's id. uvicorn's line for each request would hold the query string.
_SILENCED = ("strawberry.execution", "uvicorn.access")

# uvicorn tells when it starts and stops, Alembic which database it speaks, httpx (under the clients of other stores)
# each call with its address, APScheduler each job that it will do: nobody looks for any of it.
_ONLY_WARNINGS = ("uvicorn.error", "alembic", "httpx", "apscheduler")


def configure_logs(settings: Settings) -> None:
    """Send our own lines and those of libraries through one renderer to standard error."""
    on_terminal = settings.log_format == "console" or (settings.log_format == "auto" and sys.stderr.isatty())
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    written = logging.StreamHandler(sys.stderr)
    written.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_rendering(on_terminal)],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [written]
    root.setLevel(settings.log_level.upper())
    _quieten()


def _rendering(on_terminal: bool) -> list[structlog.typing.Processor]:
    if on_terminal:
        # The plain traceback: the pretty one prints local variables, and a token may be among them.
        return [
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback, pad_event_to=0
            )
        ]
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(serializer=_to_json)]


def _to_json(line: dict[str, Any], **_: Any) -> str:
    return orjson.dumps(line, default=str).decode()


def _quieten() -> None:
    for name in _SILENCED:
        logging.getLogger(name).disabled = True
    for name in ("uvicorn", *_ONLY_WARNINGS):
        logger = logging.getLogger(name)
        logger.handlers.clear()  # uvicorn's own would print every line twice
        logger.propagate = True
    for name in _ONLY_WARNINGS:
        logging.getLogger(name).setLevel(logging.WARNING)
