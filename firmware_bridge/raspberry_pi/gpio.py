"""Buttons and on/off outputs on GPIO lines through gpiozero.

The pin factory is an argument, so the same driver runs on the Pi (lgpio), on a virtual Pi and on gpiozero's mock pins.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import gpiozero

from firmware_bridge.ports import Clock, DeviceError
from firmware_bridge.raspberry_pi.debounce import Debouncer

_gpiozero: Any = gpiozero  # a library without types

LOG = logging.getLogger(__name__)

CANNOT_RELEASE: Final = "无法释放引脚 the pin cannot be let go"


@contextmanager
def pin_errors(name: str, message: str) -> Iterator[None]:
    """Whatever gpiozero or its pin library raises inside is a DeviceError of ``name``. Every Exception, because lgpio's own
    error is neither a GPIOZeroError nor an OSError and gpiozero lets it through: ``GPIO busy`` of one line would otherwise
    end the whole unit."""
    try:
        yield
    except DeviceError:
        raise
    except Exception as error:
        raise DeviceError(name, f"{message}: {error}", getattr(error, "errno", None)) from error


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
        with pin_errors(name, f"{spec.pin}: 无法使用按键引脚 cannot use the pin"):
            self._device = _gpiozero.DigitalInputDevice(spec.pin, pull_up=not spec.active_high, pin_factory=factory)

    def start(self, deliver: Callable[[bool, int], None]) -> None:
        if self._thread is not None:
            raise DeviceError(self._name, "already started 已启动")
        debouncer = Debouncer(self._debounce_us, pressed=False)
        # Both callbacks are in place before the level is read: an edge in between is counted twice, never missed.
        with pin_errors(self._name, "无法监听引脚 the pin cannot be listened to"):
            self._device.when_activated = lambda: self._enqueue(True)
            self._device.when_deactivated = lambda: self._enqueue(False)
            if self._device.is_active:
                self._enqueue(True)
        self._thread = threading.Thread(
            target=self._run, args=(debouncer, deliver), name=f"button-{self._name}", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Raises DeviceError; the thread is gone all the same."""
        try:
            with pin_errors(self._name, CANNOT_RELEASE):
                self._device.close()
        finally:
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
        self._name = name
        with pin_errors(name, f"{spec.pin}: 无法使用输入引脚 cannot use the pin"):
            self._device = _gpiozero.DigitalInputDevice(spec.pin, pull_up=not spec.active_high, pin_factory=factory)

    def is_active(self) -> bool | None:
        """None when the line cannot be read."""
        try:
            with pin_errors(self._name, "无法读取引脚 the pin cannot be read"):
                return bool(self._device.is_active)
        except DeviceError:
            return None

    def close(self) -> None:
        """Raises DeviceError."""
        with pin_errors(self._name, CANNOT_RELEASE):
            self._device.close()


class GpioOutput:
    """``ports.Output``: an LED, the motor, the IR lamp, the IR-cut. Off when made and off when closed."""

    def __init__(self, name: str, spec: PinSpec, factory: Any) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._on = False
        with pin_errors(name, f"{spec.pin}: 无法使用输出引脚 cannot use the pin"):
            self._device = _gpiozero.DigitalOutputDevice(spec.pin, active_high=spec.active_high, pin_factory=factory)

    def set(self, on: bool) -> None:
        """Raises DeviceError when the line cannot be driven."""
        with self._lock:
            with pin_errors(self._name, "无法输出 cannot be driven"):
                self._device.value = on
            self._on = on

    def is_on(self) -> bool:
        return self._on

    def close(self) -> None:
        """Raises DeviceError; a line that cannot be driven is let go all the same."""
        with self._lock, pin_errors(self._name, CANNOT_RELEASE):
            self._on = False
            if self._device.closed:
                return
            try:
                self._device.off()
            finally:
                self._device.close()
