"""Reads what the unit process last wrote into ``status.json``, and says what it is worth now."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

STATUS_FILE: Final = "status.json"
UPLINK_STATUS_FILE: Final = "uplink/status.json"
"""Both below ``run_dir``, each written by the process it is about."""

FRESH_US: Final = 5_000_000
"""The unit writes twice a second; on a card that is slow a turn of its loop may take seconds."""

Standing = Literal["fresh", "silent", "other-boot", "absent"]


@dataclass(frozen=True, slots=True)
class LastWord:
    """``standing``: ``fresh``; ``silent``, no word for some time; ``other-boot``, written before the machine's last start;
    ``absent``, no readable file, and then ``status`` is empty. ``age_s`` only within one boot: between two, boot-time
    says nothing."""

    status: dict[str, Any]
    standing: Standing
    age_s: float | None


def last_word(file: Path, boot_id: str, now_us: int) -> LastWord:
    """``boot_id`` and ``now_us`` (CLOCK_BOOTTIME) of now."""
    try:
        status = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return LastWord({}, "absent", None)
    if not isinstance(status, dict) or not isinstance(at_us := status.get("at_us"), int):
        return LastWord({}, "absent", None)
    if status.get("boot_id") != boot_id:
        return LastWord(status, "other-boot", None)
    return LastWord(status, "fresh" if now_us - at_us <= FRESH_US else "silent", (now_us - at_us) / 1e6)
