"""Buttons and on/off outputs on GPIO lines through gpiozero.

The pin factory is an argument, so the same driver runs on the Pi (lgpio), on a virtual Pi and on gpiozero's mock pins.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gpiozero

from firmware_bridge.ports import Clock, DeviceError
from firmware_bridge.raspberry_pi.debounce import Debouncer

_gpiozero: Any = gpiozero  # a library without types

LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PinSpec:
    """A line and which level means pressed or on: ``GPIO17``, ``GPIO17:low``, ``GPIO17:high`` (any name gpiozero knows)."""

    pin: str
    active_high: bool

    @classmethod
    def parse(cls, name: str, text: str, *, default_high: bool) -> PinSpec:
        """Raises DeviceError naming the option."""
        pin, colon, level = (part.strip() for part in text.partition(":"))
        if not pin or level not in ("low", "high", "") or (colon and not level):
            raise DeviceError(name, f"{text!r}: 引脚写法应为 expected a pin such as GPIO17, GPIO17:low or GPIO17:high")
        return cls(pin, default_high if not level else level == "high")


class GpioButton:
    """``ports.Button``. An active-low button gets the Pi's pull-up, an active-high one the pull-down.

    gpiozero's callback only stamps and enqueues (slow callbacks lose edges, gpiozero #697); debouncing and delivery happen
    on the button's own thread. ``debounce_us``: hold-off after each believed edge.
    """

    def __init__(self, name: str, spec: PinSpec, factory: Any, clock: Clock, debounce_us: int = 20_000) -> None:
        self._name = name
        self._clock = clock
        self._debounce_us = debounce_us
        self._edges: queue.SimpleQueue[tuple[bool, int] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        try:
            self._device = _gpiozero.DigitalInputDevice(spec.pin, pull_up=not spec.active_high, pin_factory=factory)
        except (_gpiozero.GPIOZeroError, OSError) as error:
            raise DeviceError(name, f"{spec.pin}: 无法使用按键引脚 cannot use the pin: {error}") from error

    def start(self, deliver: Callable[[bool, int], None]) -> None:
        if self._thread is not None:
            raise DeviceError(self._name, "already started 已启动")
        debouncer = Debouncer(self._debounce_us, pressed=False)
        # Both callbacks are in place before the level is read: an edge in between is counted twice, never missed.
        self._device.when_activated = lambda: self._enqueue(True)
        self._device.when_deactivated = lambda: self._enqueue(False)
        if self._device.is_active:
            self._enqueue(True)
        self._thread = threading.Thread(
            target=self._run, args=(debouncer, deliver), name=f"button-{self._name}", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        self._device.close()
        if self._thread is not None:
            self._edges.put(None)
            self._thread.join(2)
            self._thread = None

    def _enqueue(self, pressed: bool) -> None:
        self._edges.put((pressed, self._clock.boottime_us()))

    def _run(self, debouncer: Debouncer, deliver: Callable[[bool, int], None]) -> None:
        while True:
            deadline = debouncer.deadline_us()
            timeout = None if deadline is None else max(0.0, (deadline - self._clock.boottime_us()) / 1e6)
            try:
                edge = self._edges.get(timeout=timeout)
            except queue.Empty:
                believed = debouncer.tick(self._clock.boottime_us())
            else:
                if edge is None:
                    return
                believed = debouncer.edge(*edge)
            for pressed, at_us in believed:
                try:
                    deliver(pressed, at_us)
                except Exception:  # a button that falls silent after one bad callback is worse than a logged error
                    LOG.exception("%s: 按键回调出错 button callback failed", self._name)


class GpioInput:
    """A line somebody else drives and whose level is asked for: a charger's "power good". Pulled to its inactive level, so
    that a wire that broke reads inactive."""

    def __init__(self, name: str, spec: PinSpec, factory: Any) -> None:
        try:
            self._device = _gpiozero.DigitalInputDevice(spec.pin, pull_up=not spec.active_high, pin_factory=factory)
        except (_gpiozero.GPIOZeroError, OSError) as error:
            raise DeviceError(name, f"{spec.pin}: 无法使用输入引脚 cannot use the pin: {error}") from error

    def is_active(self) -> bool | None:
        """None when the line cannot be read."""
        try:
            return bool(self._device.is_active)
        except (_gpiozero.GPIOZeroError, OSError):
            return None

    def close(self) -> None:
        self._device.close()


class GpioOutput:
    """``ports.Output``: an LED, the motor, the IR lamp, the IR-cut. Off when made and off when closed."""

    def __init__(self, name: str, spec: PinSpec, factory: Any) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._on = False
        try:
            self._device = _gpiozero.DigitalOutputDevice(spec.pin, active_high=spec.active_high, pin_factory=factory)
        except (_gpiozero.GPIOZeroError, OSError) as error:
            raise DeviceError(name, f"{spec.pin}: 无法使用输出引脚 cannot use the pin: {error}") from error

    def set(self, on: bool) -> None:
        """Raises DeviceError when the line cannot be driven."""
        with self._lock:
            try:
                self._device.value = on
            except (_gpiozero.GPIOZeroError, OSError) as error:
                raise DeviceError(self._name, f"无法输出 cannot be driven: {error}") from error
            self._on = on

    def is_on(self) -> bool:
        return self._on

    def close(self) -> None:
        with self._lock:
            if not self._device.closed:
                self._device.off()
                self._device.close()
            self._on = False
