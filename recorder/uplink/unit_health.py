"""The unit's health as the uplink carries it over MQTT (docs/wire.md, ``up/health``): its own words, and their age."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from recorder.health.status_file import last_word


def configuration(status_file: Path) -> Mapping[str, Any]:
    """What the unit process last said of its configuration (``config`` of ``status.json``); empty before it said anything.
    Of one that fell silent it is still the last word; that it is silent, up/health says."""
    try:
        status = json.loads(status_file.read_bytes())
    except (OSError, ValueError):
        return {}
    found = status.get("config") if isinstance(status, dict) else None
    return found if isinstance(found, dict) else {}


def health_message(
    status_file: Path, boot_id: str, now_us: int, uplink_faults: Iterable[Mapping[str, Any]]
) -> dict[str, Any]:
    """Members besides ``msg_id`` and ``sent_at``. A unit process that is gone is said to be: its last numbers stand beside
    their age, never as if they were of now."""
    word = last_word(status_file, boot_id, now_us)
    return {
        "unit": word.standing,
        "age_s": None if word.age_s is None else round(word.age_s, 1),
        "boot_id": word.status.get("boot_id"),
        "state": word.status.get("state"),
        "health": word.status.get("health", {}),
        "uplink_faults": dict(Counter(str(fault["code"]) for fault in uplink_faults)),
    }
