"""How every process of Foretell logs: one line an event on stderr, through structlog."""

import logging.config
from typing import Any

import structlog

_SHARED = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


class WithoutDenials(logging.Filter):
    """Drops uvicorn's error about a handshake that was refused over HTTP.

    uvicorn 0.54 takes the refusal, sends it, and then logs that the handshake was never completed: a line for every
    stranger who knocks.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is any other."""
        return record.msg != "ASGI callable returned without completing handshake."


def configure(settings: dict[str, Any]) -> None:
    """Send structlog's and the standard library's records through one formatter.

    Args:
        settings: Django's `LOGGING`: `level`, the lowest level that is written, and `quiet`, the names of loggers
            that write warnings and worse only.
    """
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {
                "line": {
                    "()": structlog.stdlib.ProcessorFormatter,
                    # The default formatter prints every local variable of a traceback: credentials and inputs.
                    "processor": structlog.dev.ConsoleRenderer(
                        colors=False, exception_formatter=structlog.dev.plain_traceback
                    ),
                    "foreign_pre_chain": _SHARED,
                }
            },
            "filters": {"denials": {"()": WithoutDenials}},
            "handlers": {
                "stderr": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["denials"]},
            },
            "root": {"handlers": ["stderr"], "level": settings["level"]},
            "loggers": {
                **{name: {"level": "WARNING"} for name in settings["quiet"]},
                "django.request": {"level": "ERROR"},
            },
        }
    )
    structlog.configure(
        processors=[*_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
