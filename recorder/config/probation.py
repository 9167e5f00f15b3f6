"""Whether a unit is healthy with a configuration it has just been given. Pure: facts and time in, a verdict out.

Judged by what a configuration can break: cameras that delivered before and do not now, workers that end again and again,
a burst of faults of the unit's own. What the surroundings do (no satellites, a covered lens, a camera pulled out) is no
reason to take a configuration back.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from recorder.config.models import Remote
from recorder.config.pushed import Why

OWN_FAULTS: Final = frozenset({"worker-crash", "camera-stall", "camera-fault", "duty-fault", "device-fault"})
"""Codes that count: what a wrong setting can bring about."""

CONDEMNING: Final = frozenset({"storage-full"})
"""One of them is enough: with it nothing is recorded any more."""

PLANNED: Final = 1
"""Starts of a worker that are no failure: it was told to start anew with the new configuration."""


@dataclass(frozen=True, slots=True)
class Limits:
    probation_us: int
    unready_us: int
    worker_failures: int
    faults: int

    @classmethod
    def of(cls, remote: Remote) -> Limits:
        return cls(
            round(remote.probation_s * 1e6), round(remote.unready_s * 1e6), remote.worker_failures, remote.faults
        )


Verdict: TypeAlias = Literal["proven"] | Why | None
"""None: nobody can tell yet."""


class Probation:
    """From when the first of it took effect. ``expected``: cameras that delivered before; ``launches``: of each
    configured camera's worker so far."""

    def __init__(self, limits: Limits, expected: Collection[str], launches: Mapping[str, int]) -> None:
        self._limits = limits
        self._expected = tuple(expected)
        self._launches = dict(launches)
        self._faults = 0
        self._condemned = ""
        self._whole_since_us: int | None = None
        self._unready_since_us: dict[str, int] = {}

    def fault(self, code: str) -> None:
        """The onset of one."""
        self._faults += code in OWN_FAULTS
        if code in CONDEMNING:
            self._condemned = code

    def look(
        self,
        now_us: int,
        *,
        whole: bool,
        ready: Collection[str],
        unplugged: Collection[str],
        launches: Mapping[str, int],
    ) -> Verdict:
        """``whole``: all of it is in force; ``ready``: cameras that deliver now; ``unplugged``: cameras that are not there,
        which nobody can judge."""
        self._whole_since_us = (self._whole_since_us or now_us) if whole else None
        judged = [camera for camera in self._expected if camera not in unplugged]
        return (
            self._silent(now_us, [camera for camera in judged if camera not in ready])
            or self._restarting(launches)
            or self._burst()
            or self._proven(now_us, all_ready=self._all_ready(ready, unplugged, launches))
        )

    def _all_ready(self, ready: Collection[str], unplugged: Collection[str], cameras: Collection[str]) -> bool:
        """Where nothing delivered before, nobody knows what would without the configuration: then it is proven only with
        every camera that is there, and at least one."""
        if self._expected:
            return all(camera in ready for camera in self._expected)
        return bool(ready) and all(camera in ready or camera in unplugged for camera in cameras)

    def _silent(self, now_us: int, unready: list[str]) -> Why | None:
        self._unready_since_us = {camera: self._unready_since_us.get(camera, now_us) for camera in unready}
        for camera, since_us in self._unready_since_us.items():
            if now_us - since_us >= self._limits.unready_us:
                seconds = (now_us - since_us) // 1_000_000
                return Why(
                    code="camera-silent",
                    zh=f"摄像头 {camera} 已 {seconds} 秒不出帧",
                    en=f"camera {camera} has delivered nothing for {seconds} s",
                )
        return None

    def _restarting(self, launches: Mapping[str, int]) -> Why | None:
        for camera, count in launches.items():
            vain = count - self._launches.get(camera, count) - PLANNED
            if vain >= self._limits.worker_failures:
                return Why(
                    code="worker-restarts",
                    zh=f"摄像头 {camera} 的采集进程重新启动 {vain} 次",
                    en=f"the worker of camera {camera} had to be started {vain} times more",
                )
        return None

    def _burst(self) -> Why | None:
        if self._condemned:
            return Why(code=self._condemned, zh="存储已满，无法录制", en="the storage is full: nothing can be recorded")
        if self._faults < self._limits.faults:
            return None
        return Why(code="faults", zh=f"出现 {self._faults} 次故障", en=f"{self._faults} faults of the unit's own began")

    def _proven(self, now_us: int, *, all_ready: bool) -> Literal["proven"] | None:
        since_us = self._whole_since_us
        over = since_us is not None and now_us - since_us >= self._limits.probation_us
        return "proven" if over and all_ready else None
