"""What processes log: plain lines, or one JSON object a line for a collector to read."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tropism.config import LogSettings

_TEXT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def log_to_stderr(settings: LogSettings, process: str) -> None:
    """Logs on standard error, which the supervisor keeps in a file, a line for each event.

    As JSON each has `timestamp` (ISO 8601, UTC), `level`, `logger`, `process`, `event`, and `exception` with the
    traceback where there is one.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter(_TEXT) if settings.format == "text" else _json(process))
    logging.basicConfig(handlers=[handler], level=settings.level.upper())
    logging.getLogger("httpx").setLevel(logging.WARNING)


def _json(process: str) -> logging.Formatter:
    import msgspec
    import structlog

    def named(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        event.pop("color_message", None)  # uvicorn's, for terminals
        return {**event, "process": process}

    def encoded(event: object, **_: object) -> str:
        return msgspec.json.encode(event, enc_hook=repr).decode()

    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            structlog.stdlib.add_logger_name,
            structlog.stdlib.add_log_level,
            structlog.stdlib.ExtraAdder(),
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            named,
        ],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(serializer=encoded),
        ],
    )
