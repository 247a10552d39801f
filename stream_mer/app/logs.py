"""What a long-running service says on stderr: lines for people or JSON for machines, never a password."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable
from datetime import datetime, timezone

from stream_mer.app.outputs import say
from stream_mer.capture.redact import redact

KINDS = ("text", "json")


class _Text(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))


class _Json(logging.Formatter):
    """One object a line: ``time level logger message``, ``camera`` if it is about one, ``error`` if any."""

    def format(self, record: logging.LogRecord) -> str:
        when = datetime.fromtimestamp(record.created, timezone.utc).isoformat(timespec="milliseconds")
        fields: dict[str, str] = {
            "time": when,
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": redact(record.getMessage()),
        }
        if isinstance(camera := getattr(record, "camera", None), str):
            fields["camera"] = redact(camera)
        if record.exc_info:
            fields["error"] = redact(self.formatException(record.exc_info))
        return json.dumps(fields, ensure_ascii=False)


def start_logging(kind: str = "text", level: int = logging.INFO) -> logging.Handler:
    """Send the program's own log, and warnings of libraries, to stderr. Credentials are hidden in it.

    Args:
        kind: one of ``KINDS``.
        level: least level of the program's own messages.

    Returns:
        The handler, for ``logging.getLogger().removeHandler``.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json() if kind == "json" else _Text("%(asctime)s %(levelname)s %(message)s"))
    logging.getLogger().addHandler(handler)
    logging.getLogger("stream_mer").setLevel(level)
    return handler


def teller(kind: str) -> Callable[[str], None]:
    """How a run with such a log says what is no result: as a plain line, or, for machines, as an entry.

    Args:
        kind: one of ``KINDS``; ``start_logging`` has been called with it.
    """
    return logging.getLogger("stream_mer.run").info if kind == "json" else say
