"""Log lines: plain on a terminal, JSON elsewhere, one per request and one per error, without tokens and secrets."""

import logging
import sys
import traceback
from types import TracebackType
from typing import Any

import orjson
import structlog

from db.redaction import redact
from gateway.settings import Settings

# Strawberry logs every error of a resolver, also errors of clients; the endpoint logs internal errors only, with the
# request id. uvicorn's line for each request would contain the query string.
_SILENCED = ("strawberry.execution", "uvicorn.access")

_OWN_LOGGERS = ("db", "gateway", "resolvers", "scoring")
"""Loggers to which LOG_LEVEL applies. Libraries log warnings only: at lower levels SQLAlchemy and aiosqlite log rows
and parameters, OpenAI's client the texts that it sends, and httpx each URL."""


def configure_logs(settings: Settings) -> None:
    """Write the log lines of the gateway and of libraries to standard error, in one format."""
    is_terminal = settings.log_format == "console" or (settings.log_format == "auto" and sys.stderr.isatty())
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
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_renderers(is_terminal),
                _redact_line,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    level = logging.getLevelName(settings.log_level.upper())
    root.setLevel(max(level, logging.WARNING))
    for name in _OWN_LOGGERS:
        logging.getLogger(name).setLevel(level)
    _silence_loggers()
    sys.excepthook = _print_uncaught


def _renderers(is_terminal: bool) -> list[structlog.typing.Processor]:
    if is_terminal:
        # The plain traceback: the pretty one prints local variables, which may hold a token.
        return [
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback, pad_event_to=0
            )
        ]
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(serializer=_to_json)]


def _to_json(line: dict[str, Any], **_: Any) -> str:
    return orjson.dumps(line, default=str).decode()


def _silence_loggers() -> None:
    for name in _SILENCED:
        logging.getLogger(name).disabled = True
    for name in ("uvicorn", "uvicorn.error"):
        logger = logging.getLogger(name)
        logger.handlers.clear()  # uvicorn's own would print every line twice
        logger.propagate = True


def _redact_line(_logger: object, _method: str, line: Any) -> str:
    return redact(line)


def _print_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print the error that ends the process, as Python does, without secrets."""
    sys.stderr.write(redact("".join(traceback.format_exception(kind, error, trace))))
