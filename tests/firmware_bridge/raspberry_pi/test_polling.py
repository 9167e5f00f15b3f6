"""A hung device costs its own thread and nobody else anything."""

from __future__ import annotations

import threading

import pytest

from firmware_bridge.ports import DeviceError
from firmware_bridge.raspberry_pi.polling import Polled
from tests.firmware_bridge.manual_clock import ManualClock
from tests.firmware_bridge.raspberry_pi.waiting import until


def test_the_last_value_until_the_device_refuses_and_again_when_it_is_back() -> None:
    answers: list[int | DeviceError] = [1]

    def read() -> int:
        answer = answers[-1]
        if isinstance(answer, DeviceError):
            raise answer
        return answer

    polled = Polled("chip", read, ManualClock(), interval_s=0.005)
    until(lambda: polled.value() == 1, "the first value")
    assert polled.failure() is None
    answers.append(DeviceError("chip", "gone", 19))
    until(lambda: polled.failure() is not None, "the failure")
    assert polled.value() is None, "a value from before is no value"
    answers.append(2)
    until(lambda: polled.value() == 2, "the next value")
    assert polled.failure() is None
    polled.close()


def test_a_device_that_hangs_has_no_value_and_stalls_nobody() -> None:
    clock, release, entered = ManualClock(), threading.Event(), threading.Event()
    release.set()

    def read() -> int:
        entered.set()
        release.wait()
        return 7

    polled = Polled("chip", read, clock, interval_s=0.005, max_age_s=5)
    until(lambda: polled.value() == 7, "a value")
    release.clear()
    entered.clear()
    assert entered.wait(5)
    clock.now_us += 5_000_000
    assert polled.value() == 7 and polled.failure() is None, "as old as it may be"
    clock.now_us += 1
    assert polled.value() is None
    failure = polled.failure()
    assert failure is not None and failure.device == "chip" and "no answer for 5 s" in str(failure)
    release.set()
    until(lambda: polled.value() == 7, "the value after the hang")
    polled.close()


def test_somebody_s_mistake_does_not_end_the_thread(caplog: pytest.LogCaptureFixture) -> None:
    calls: list[int] = []

    def read() -> int:
        calls.append(1)
        if len(calls) < 3:
            raise ZeroDivisionError("a mistake")
        return 5

    polled = Polled("chip", read, ManualClock(), interval_s=0.005)
    until(lambda: polled.value() == 5, "a value after two mistakes")
    polled.close()
    assert "a mistake" in caplog.text


def test_close_ends_the_thread() -> None:
    polled = Polled("closing-chip", lambda: 1, ManualClock(), interval_s=60)
    polled.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "closing-chip"]
