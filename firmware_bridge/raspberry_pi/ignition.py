"""Ignition sense of a vehicle unit: terminal 15 (ISO 7637, DIN 72552) behind an optocoupler or divider on a GPIO line.

The wire carries 12 or 24 V with load dumps above 100 V: never connect it to a pin directly.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from typing import Any

import gpiozero

from firmware_bridge.ports import Clock, DeviceError
from firmware_bridge.raspberry_pi.gpio import CANNOT_RELEASE, PinSpec, pin_errors
from firmware_bridge.raspberry_pi.settling import Settled

_gpiozero: Any = gpiozero  # a library without types

LOG = logging.getLogger(__name__)


class GpioIgnition:
    """``ports.IgnitionSense``. The line is pulled to "off": a broken wire is an ignition that is off.

    ``on_us``/``off_us``: how long a level must last. Off takes longer, because the starter motor pulls the line down for a
    second or two.
    """

    def __init__(
        self, spec: PinSpec, factory: Any, clock: Clock, *, on_us: int = 200_000, off_us: int = 3_000_000
    ) -> None:
        self._clock = clock
        self._settled = Settled(on_us, off_us)
        self._edges: queue.SimpleQueue[tuple[bool, int] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        with pin_errors("ignition", f"{spec.pin}: 无法使用点火检测引脚 cannot use the pin"):
            self._device = _gpiozero.DigitalInputDevice(spec.pin, pull_up=not spec.active_high, pin_factory=factory)

    def start(self, deliver: Callable[[bool, int], None]) -> None:
        if self._thread is not None:
            raise DeviceError("ignition", "already started 已启动")
        # Both callbacks are in place before the level is read: an edge in between is counted twice, never missed.
        with pin_errors("ignition", "无法监听引脚 the pin cannot be listened to"):
            self._device.when_activated = lambda: self._enqueue(True)
            self._device.when_deactivated = lambda: self._enqueue(False)
            self._enqueue(bool(self._device.is_active))
        self._thread = threading.Thread(target=self._run, args=(deliver,), name="ignition", daemon=True)
        self._thread.start()

    def is_on(self) -> bool | None:
        return self._settled.level

    def close(self) -> None:
        """Raises DeviceError; the thread is gone all the same."""
        try:
            with pin_errors("ignition", CANNOT_RELEASE):
                self._device.close()
        finally:
            if self._thread is not None:
                self._edges.put(None)
                self._thread.join(2)
                self._thread = None

    def _enqueue(self, on: bool) -> None:
        self._edges.put((on, self._clock.boottime_us()))

    def _run(self, deliver: Callable[[bool, int], None]) -> None:
        while True:
            deadline = self._settled.deadline_us()
            timeout = None if deadline is None else max(0.0, (deadline - self._clock.boottime_us()) / 1e6)
            try:
                edge = self._edges.get(timeout=timeout)
            except queue.Empty:
                settled = self._settled.tick(self._clock.boottime_us())
            else:
                if edge is None:
                    return
                settled = self._settled.edge(*edge)
            if settled is None:
                continue
            try:
                deliver(*settled)
            except Exception:  # a sense that falls silent after one bad callback is worse than a logged error
                LOG.exception("点火检测回调出错 ignition callback failed")
