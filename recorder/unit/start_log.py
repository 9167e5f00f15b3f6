"""When a process was started in this boot: a small file in the run folder, which a power cut takes with it. The unit
process and the uplink begin ever more slowly when they keep ending: see ``session.restart_pause``."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from recorder.evidence.files import Files, OsFiles
from recorder.session.restart_pause import KEPT, pause_us

if TYPE_CHECKING:
    from firmware_bridge.ports import Clock  # numpy comes with it: 13 MB the uplink has no use for

log = logging.getLogger("recorder.unit")


def supervised(environment: Mapping[str, str] = os.environ) -> bool:
    """Somebody starts this process again when it ends: systemd sets this variable."""
    return "INVOCATION_ID" in environment


def slow_down(path: Path, clock: Clock, wait: Callable[[float], object]) -> None:
    """Note this start in ``path`` and ``wait`` for the pause it owes, in seconds, if any."""
    pause = note_start(path, clock.boot_id(), clock.boottime_us(), OsFiles())
    if pause:
        log.error("start.paused", extra={"fields": {"pause_s": pause / 1e6}})
        wait(pause / 1e6)


def note_start(path: Path, boot_id: str, now_us: int, files: Files) -> int:
    """Note a start at ``now_us``; returns the pause it owes, µs. A file that cannot be read or written costs no pause: the
    recording comes first."""
    starts = _read(path, boot_id, files)
    pause = pause_us(starts, now_us)
    kept = [*starts, now_us][-KEPT:]
    try:
        files.replace(path, json.dumps({"boot_id": boot_id, "starts_us": kept}).encode("ascii"))
    except OSError as error:
        log.error("starts.write", extra={"fields": {"error": str(error)}})
    return pause


def _read(path: Path, boot_id: str, files: Files) -> list[int]:
    try:
        said = json.loads(files.read(path))
        starts = said["starts_us"] if said["boot_id"] == boot_id else []
    except FileNotFoundError:
        return []
    except (OSError, ValueError, LookupError, TypeError) as error:
        log.error("starts.read", extra={"fields": {"error": str(error)}})
        return []
    if not isinstance(starts, list):
        return []
    return [start for start in starts if isinstance(start, int)]
