"""Log lines for the journal of the operating system: JSON with stable event names, priority prefix for journald.

These help a technician. They are no evidence: what counts is signed in the unit's own journal.
"""

from __future__ import annotations

import json
import logging
import sys

_PRIORITY = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}


class JsonLines(logging.Formatter):
    """``<6>{"event": "segment.closed", ...}``: journald reads the level (SyslogLevelPrefix=, systemd.exec(5))."""

    def format(self, record: logging.LogRecord) -> str:
        fields = {"event": record.getMessage(), "logger": record.name, **getattr(record, "fields", {})}
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        return f"<{_PRIORITY.get(record.levelno, 5)}>{json.dumps(fields, ensure_ascii=False, default=str)}"


def configure() -> None:
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
