"""A device read on a thread of its own: the loop that asks gets the last value at once, however long the device hangs."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Final, Generic, TypeVar

from firmware_bridge.ports import Clock, DeviceError

LOG = logging.getLogger(__name__)

T = TypeVar("T")

CLOSE_S: Final = 1.5
"""How long :meth:`Polled.close` waits; a hung device's thread is left behind (it is a daemon thread)."""


class Polled(Generic[T]):
    """Calls ``read`` each ``interval_s``. ``max_age_s``: an older value is none.

    ``read`` raises DeviceError; anything else it raises is turned into one, so that no thread dies unseen.
    """

    def __init__(
        self, name: str, read: Callable[[], T], clock: Clock, *, interval_s: float = 1.0, max_age_s: float = 5.0
    ) -> None:
        self._name = name
        self._read = read
        self._clock = clock
        self._interval_s = interval_s
        self._max_age_us = round(max_age_s * 1e6)
        self._lock = threading.Lock()
        self._value: T | None = None
        self._answered_us = clock.boottime_us()
        self._failure: DeviceError | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def value(self) -> T | None:
        """The last value; None before the first, while the device refuses, and once it is too old."""
        with self._lock:
            return None if self._failure is not None or self._is_old() else self._value

    def failure(self) -> DeviceError | None:
        """Why there is no value; None while there is one, and in the first moments."""
        with self._lock:
            if self._is_old():
                seconds = round(self._max_age_us / 1e6)
                return DeviceError(self._name, f"设备停滞，{seconds} 秒无应答 hangs: no answer for {seconds} s")
            return self._failure

    def close(self) -> None:
        self._stop.set()
        self._thread.join(CLOSE_S)

    def _is_old(self) -> bool:
        return self._clock.boottime_us() - self._answered_us > self._max_age_us

    def _run(self) -> None:
        while not self._stop.is_set():
            value, failure = self._attempt()
            with self._lock:
                if failure is not None and self._failure is None:
                    LOG.warning("%s", failure)
                self._value, self._failure = value, failure
                self._answered_us = self._clock.boottime_us()
            self._stop.wait(self._interval_s)

    def _attempt(self) -> tuple[T | None, DeviceError | None]:
        try:
            return self._read(), None
        except DeviceError as error:
            return None, error
        except Exception as error:  # a thread that dies unseen would be a silent fault
            LOG.exception("%s: 读取出错 reading failed", self._name)
            return None, DeviceError(self._name, f"{type(error).__name__}: {error}")
