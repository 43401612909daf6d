"""Structured logs: one JSON object a line on stderr, or readable lines on a terminal; secrets never reach either."""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, Final

import structlog

#: Keys whose values are replaced before a line is written, whatever a caller passed.
_SECRET_KEYS: Final = frozenset({"cookie", "token", "secret", "authorization", "set_cookie", "password", "key"})


def _redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name in event:
        if name in _SECRET_KEYS:
            event[name] = "[redacted]"
    return event


def configure(*, level: str = "info", json_lines: bool | None = None) -> None:
    """Set up logging for this process; JSON unless stderr is a terminal."""
    as_json = not sys.stderr.isatty() if json_lines is None else json_lines
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _redact,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    if not logging.root.handlers:
        logging.root.addHandler(_OneLine(logging.WARNING))


class _OneLine(logging.Handler):
    """What libraries say (uvicorn, asyncio) as a line of ours, where it would be a traceback of many plain lines."""

    def emit(self, record: logging.LogRecord) -> None:
        """See logging.Handler."""
        log = structlog.get_logger(room=record.name)
        level = "error" if record.levelno >= logging.ERROR else "warning"
        try:
            getattr(log, level)("library", message=record.getMessage(), exc_info=record.exc_info or None)
        except Exception:
            self.handleError(record)


def get(room: str) -> structlog.typing.FilteringBoundLogger:
    """The logger of a room."""
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger(room=room)
    return logger
