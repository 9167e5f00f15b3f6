"""How far the journal is on the disk, as the unit process says twice a second in its ``status.json``."""

from __future__ import annotations

import json
from pathlib import Path


def durable_seq(status_file: Path, boot_id: str) -> int | None:
    """``durable_seq`` of this boot's status; None when no unit process has written one since the machine came up.

    The file outlives the process that wrote it: after a crash its last word stands until the next one speaks.
    """
    try:
        status = json.loads(status_file.read_bytes())
    except (OSError, ValueError):
        return None
    if not isinstance(status, dict) or status.get("boot_id") != boot_id:
        return None
    seq = status.get("durable_seq")
    return seq if isinstance(seq, int) and not isinstance(seq, bool) else None
