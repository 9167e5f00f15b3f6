"""When the unit process was started in this boot: a small file in the run folder, which a power cut takes with it."""

from __future__ import annotations

import json
import logging
from pathlib import Path

from recorder.evidence.files import Files
from recorder.session.restart_pause import KEPT, pause_us

log = logging.getLogger("recorder.unit")


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
