"""What ``minilm serve`` writes to stderr by ``logging``: lines that no client can forge."""

from __future__ import annotations

import json
import logging
import time

from minilm.server import access_log
from minilm.server.request_record import current_record


def set_up_logging(level: str, access: str) -> None:
    """Write to stderr what minilm and uvicorn log from ``level`` on, and the access log if there is one.

    With ``access`` "json" every line is a JSON object, those of errors too.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(_JsonFormatter() if access == "json" else _PlainFormatter())
    for name in ("minilm", "uvicorn"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(level.upper())
    access_log.logger.setLevel(logging.WARNING if access == "none" else logging.INFO)


def _time(record: logging.LogRecord) -> str:
    """UTC, as RFC 3339 writes it."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03}Z"


class _JsonFormatter(logging.Formatter):
    """One JSON object per line, in ASCII."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record."""
        line = {"time": _time(record), "level": record.levelname.lower(), "logger": record.name}
        fields = getattr(record, "fields", None)
        line |= fields or {"message": record.getMessage(), "request_id": current_record().request_id}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line)


class _PlainFormatter(logging.Formatter):
    """One line per record; after it the lines of a traceback, with a mark before each."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record."""
        start = f"{_time(record)} {record.levelname.lower()} "
        if not hasattr(record, "fields"):  # the line of the access log has the id at its end
            start += f"{record.name} [{current_record().request_id}] "
        lines = [start + _escaped(record.getMessage())]
        if record.exc_info:
            lines += [f"  | {_escaped(line)}" for line in self.formatException(record.exc_info).split("\n")]
        return "\n".join(lines)


def _escaped(text: str) -> str:
    r"""The text with ``\n`` and the like for what is not printable, which could forge lines."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
