"""What the officer is told once the unit is switched on: that it is ready, or what is not as it should be. Pure.

Once in a boot and never beside a recording: one that begins first has its own words, and its faults are told as they come.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, Literal, TypeAlias

Part: TypeAlias = Literal["camera", "microphone", "storage", "clock", "keys", "evidence", "device"]
"""Names of ``choices.self-test`` of the prompt catalogue, in the order they are said."""

SETTLE_US: Final = 2_000_000
"""A fault that is there from the start is known by then."""
PATIENCE_US: Final = 20_000_000
"""What is wrong may mend itself so long after the start: a camera that opens slowly, a clock the network sets."""

PARTS: Final[dict[Part, frozenset[str]]] = {
    "camera": frozenset(
        {"camera-stall", "camera-unplugged", "camera-fault", "timestamp-fault", "watermark-fault", "worker-crash"}
        | {"worker-late", "worker-fault", "board-hang"}
    ),
    "microphone": frozenset(
        {"microphone-unplugged", "microphone-stall", "microphone-overflow", "microphone-silent", "microphone-fault"}
    ),
    "storage": frozenset(
        {"storage-slow", "storage-very-low", "storage-full", "storage-read-only", "storage-io-error", "storage-fault"}
    ),
    "clock": frozenset({"clock-not-set"}),
    "keys": frozenset({"sealing-fault", "signing-fault", "certificate-unusable"}),
    "evidence": frozenset(
        {"journal-altered", "signed-bytes-lost", "segment-not-recovered", "evidence-deleted", "evidence-altered"}
        | {"evidence-unwatched", "store-gap"}
    ),
    "device": frozenset(
        {
            "device-fault",
            "output-fault",
            "sensor-fault",
            "watchdog-fault",
            "duty-fault",
            "vad-fault",
            "code-watch-fault",
        }
        | {"prompts-unusable"}
    ),
}
"""Fault codes of each part."""


class PowerOn:
    """Look each turn of the loop."""

    def __init__(self) -> None:
        self._begun_us: int | None = None
        self._done = False

    def look(
        self, now_us: int, *, recording: bool, cameras_ready: bool, faults: Collection[str]
    ) -> tuple[Part, ...] | None:
        """None: nothing to say now. Else, once, the parts that are not as they should be; none of them: it is ready.
        ``faults``: codes of those present."""
        if self._begun_us is None:
            self._begun_us = now_us
        self._done = self._done or recording
        if self._done or now_us - self._begun_us < SETTLE_US:
            return None
        parts = tuple(
            part
            for part, codes in PARTS.items()
            if not codes.isdisjoint(faults) or (part == "camera" and not cameras_ready)
        )
        if parts and now_us - self._begun_us < PATIENCE_US:
            return None
        self._done = True
        return parts
