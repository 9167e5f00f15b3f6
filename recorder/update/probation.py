"""Whether the unit is well with the version just installed. Pure: looks at status.json and the time are arguments.

As for a pushed configuration (``recorder.config.probation``), only what a version can break counts against it: the version
itself not answering, a camera that was ready before, faults that were not there before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import msgspec

from recorder.update.manifest import Refused

BLAMED: Final = frozenset(
    {
        "board-hang",
        "buffer-overflow",
        "camera-fault",
        "camera-stall",
        "code-watch-fault",
        "device-fault",
        "duty-fault",
        "evidence-altered",
        "journal-altered",
        "microphone-fault",
        "output-fault",
        "process-crash",
        "prompts-unusable",
        "sealing-fault",
        "segment-not-recovered",
        "sensor-fault",
        "signing-fault",
        "timestamp-fault",
        "vad-fault",
        "watchdog-fault",
        "watermark-fault",
        "worker-crash",
        "worker-fault",
    }
)
"""Codes of ``recorder.faults.catalogue`` that software can bring about."""

UNPLUGGED: Final = "camera-unplugged"
"""A hand's work: then no camera is missed."""

MOST_BOOTS: Final = 4
"""A version under which the machine keeps starting anew is not waited for any longer."""


class Before(msgspec.Struct, frozen=True):
    """Of the version that was replaced: its cameras that were ready, its faults."""

    version: str
    cameras: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()


class Trial(msgspec.Struct, frozen=True):
    """``boot_id``, ``since_us``: the boot of this count and its first look. ``well_since_us``: well since then."""

    boot_id: str = ""
    since_us: int = 0
    boots: int = 0
    well_since_us: int | None = None


@dataclass(frozen=True, slots=True)
class TrialLimits:
    """``well_s`` of health without a break, within ``within_s`` of a boot, or the version goes back."""

    well_s: float
    within_s: float


@dataclass(frozen=True, slots=True)
class Look:
    """One look. ``status``: empty when there is none."""

    boot_id: str
    now_us: int
    fresh: bool
    status: Mapping[str, Any]


Verdict = Literal["wait", "well"] | Refused


def look_at(trial: Trial, look: Look, before: Before, version: str, limits: TrialLimits) -> tuple[Trial, Verdict]:
    """The count after this look, and what it says. A Refused says why the version goes back; while a recording runs it is
    not said, whatever is seen: going back would end the recording."""
    if trial.boots == 0 or trial.boot_id != look.boot_id:
        trial = Trial(boot_id=look.boot_id, since_us=look.now_us, boots=trial.boots + 1)
    trouble = _trouble(look, before, version)
    well_since = None if trouble else trial.well_since_us if trial.well_since_us is not None else look.now_us
    trial = msgspec.structs.replace(trial, well_since_us=well_since)
    if look.fresh and look.status.get("recording") is not False:
        # Nor does its time count: the new version may only be started after it.
        return msgspec.structs.replace(trial, since_us=look.now_us), "wait"
    if well_since is not None:
        return trial, "well" if look.now_us - well_since >= limits.well_s * 1e6 else "wait"
    if trial.boots > MOST_BOOTS:
        return trial, Refused("boots", "多次重启", f"{trial.boots} starts of the machine without health")
    late = look.now_us - trial.since_us >= limits.within_s * 1e6
    return trial, trouble if late and trouble is not None else "wait"


def _trouble(look: Look, before: Before, version: str) -> Refused | None:
    status = look.status
    if not look.fresh:
        return Refused("silent", "新版本的记录单元没有答复", "the unit process of the new version does not answer")
    if status.get("version") != version:
        running = str(status.get("version"))[:64]
        return Refused("version", f"运行的是 {running}，不是 {version}", f"{running} runs, not {version}")
    known = status.get("cameras")
    cameras = known if isinstance(known, Mapping) else {}
    ready = {name for name, camera in cameras.items() if isinstance(camera, Mapping) and camera.get("ready") is True}
    faults = status.get("faults")
    present = {str(fault) for fault in faults} if isinstance(faults, list | tuple) else set()
    missing = sorted(set(before.cameras) - ready)
    if missing and UNPLUGGED not in present:
        return Refused("camera", f"摄像头未就绪：{missing[0]}", f"camera {missing[0]} is not ready, and was before")
    if new := sorted((present - set(before.faults)) & BLAMED):
        return Refused("fault", f"新的故障：{new[0]}", f"a fault that was not there before: {new[0]}")
    return None
