"""Reads the sensors and looks after outputs and custody, five times a second."""

from __future__ import annotations

from typing import Any

from firmware_bridge.ports import DeviceError
from recorder.evidence.receipts import STORE_GAP_FAULT
from recorder.unit.duty import Duty


class DeviceWatch(Duty):
    name = "devices"

    def poll(self, now_us: int, wall_us: int) -> None:
        unit, parts = self._unit, self._unit.p
        for record in parts.sensors.poll(now_us, wall_us):
            unit.write(record)
        parts.custody.poll(now_us, wall_us)
        for place in ("data", "receipts", "release"):
            problem = parts.custody.problems.get(place)
            unit.fault("storage-fault", place, problem is not None, {"error": problem} if problem else {})
        gap = parts.custody.gaps.fault()
        unit.fault(STORE_GAP_FAULT, "store", gap is not None, gap or {})
        for device in parts.guarded:
            failure = device.failure()
            unit.fault("output-fault", device.name, failure is not None, _evidence(failure))


def _evidence(failure: DeviceError | None) -> dict[str, Any]:
    return {} if failure is None else {"error": str(failure), "errno": failure.errno}
