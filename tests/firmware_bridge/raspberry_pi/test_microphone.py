"""What the microphone makes of its stream: on a stand-in that fails and hangs to order. See also test_microphone_alsa."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from firmware_bridge.ports import DeviceError
from firmware_bridge.raspberry_pi.microphone import HUNG_US, KEPT_S, OPENING_US, PyAudioMicrophone
from firmware_bridge.raspberry_pi.portaudio import Heard, SoundDevice, find_device
from tests.firmware_bridge.manual_clock import ManualClock

RATE, BLOCK = 48_000, 960


class Device:
    """A sound card. ``broken`` is raised on opening; gates that are not set hold the driver back."""

    def __init__(self) -> None:
        self.broken: Exception | None = None
        self.opens, self.closes = threading.Event(), threading.Event()
        self.opens.set()
        self.closes.set()
        self.active = True
        self.opened: list[tuple[str, int, int]] = []
        self.closed = 0
        self.hear: Heard = lambda data, overflowed: True

    def open(self, name: str, rate: int, block: int, heard: Heard) -> Device:
        assert self.opens.wait(30)
        if self.broken is not None:
            raise self.broken
        self.opened.append((name, rate, block))
        self.hear = heard
        return self

    def is_active(self) -> bool:
        return self.active

    def close(self) -> None:
        assert self.closes.wait(30)
        self.closed += 1
        if isinstance(self.broken, OSError):
            raise self.broken


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def device() -> Iterator[Device]:
    made = Device()
    yield made
    made.opens.set()
    made.closes.set()


def microphone(device: Device, clock: ManualClock, latency_us: int = 0) -> PyAudioMicrophone:
    return PyAudioMicrophone("mic", clock, latency_us=latency_us, open_input=device.open)


def block(value: int) -> bytes:
    return np.full(BLOCK, value, np.int16).tobytes()


def until(condition: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(1500):
        if condition():
            return
        pause.wait(0.01)
    raise AssertionError("did not happen in 15 s")


def test_blocks_in_order_stamped_when_they_came(device: Device, clock: ManualClock) -> None:
    heard = microphone(device, clock)
    heard.open(RATE, BLOCK)
    assert device.opened == [("mic", RATE, BLOCK)]
    for value in (1, 2):
        clock.now_us += 20_000
        device.hear(block(value), False)
    clock.now_us += 7_000_000  # read much later
    first, second = heard.read(0), heard.read(0)
    assert first is not None and second is not None
    assert (first.samples == 1).all() and (second.samples == 2).all() and len(first.samples) == BLOCK
    assert (first.read_at_us, second.read_at_us) == (10_020_000, 10_040_000)
    assert not first.overflowed and not second.overflowed
    heard.close()
    assert device.closed == 1


def test_the_latency_of_the_device_is_taken_off(device: Device, clock: ManualClock) -> None:
    heard = microphone(device, clock, latency_us=12_000)
    heard.open(RATE, BLOCK)
    device.hear(block(1), False)
    read = heard.read(0)
    assert read is not None and read.read_at_us == clock.now_us - 12_000
    heard.close()


def test_an_overflow_of_the_device_is_passed_on(device: Device, clock: ManualClock) -> None:
    heard = microphone(device, clock)
    heard.open(RATE, BLOCK)
    device.hear(block(1), True)
    device.hear(block(2), False)
    assert [read.overflowed for _ in range(2) if (read := heard.read(0)) is not None] == [True, False]
    heard.close()


def test_a_late_reader_loses_the_oldest_and_is_told(device: Device, clock: ManualClock) -> None:
    heard = microphone(device, clock)
    heard.open(RATE, BLOCK)
    kept = round(KEPT_S * RATE / BLOCK)
    for value in range(kept + 5):
        device.hear(block(value), False)
    blocks = [read for _ in range(kept + 5) if (read := heard.read(0)) is not None]
    assert [int(read.samples[0]) for read in blocks] == list(range(5, kept + 5))
    assert [read.overflowed for read in blocks] == [True] + [False] * (kept - 1)
    heard.close()


def test_nothing_heard_is_none_and_after_a_while_an_error(device: Device, clock: ManualClock) -> None:
    heard = microphone(device, clock)
    heard.open(RATE, BLOCK)
    device.hear(block(1), False)
    assert heard.read(0) is not None
    clock.now_us += HUNG_US
    assert heard.read(0) is None
    clock.now_us += 1
    with pytest.raises(DeviceError, match="no more sound"):
        heard.read(0)
    heard.close()


def test_a_device_that_ends_by_itself_is_gone(device: Device, clock: ManualClock) -> None:
    heard = microphone(device, clock)
    heard.open(RATE, BLOCK)
    device.hear(block(1), False)
    device.active = False
    assert heard.read(5) is not None, "what it delivered before is not lost"
    with pytest.raises(DeviceError, match="gone"):
        heard.read(5)
    heard.close()
    device.active = True
    heard.open(RATE, BLOCK)
    device.hear(block(2), False)
    assert heard.read(5) is not None
    heard.close()


@pytest.mark.parametrize(
    ("broken", "message", "errno"),
    [
        (OSError(-9997, "Invalid sample rate"), "Invalid sample rate", -9997),
        (ImportError("No module named 'pyaudio'"), "PyAudio is not installed", None),
        (DeviceError("microphone", "no such device", 19), "no such device", 19),
    ],
)
def test_what_cannot_be_opened_says_why(
    device: Device, clock: ManualClock, broken: Exception, message: str, errno: int | None
) -> None:
    device.broken = broken
    heard = microphone(device, clock)
    with pytest.raises(DeviceError, match=message) as caught:
        heard.open(RATE, BLOCK)
    assert caught.value.errno == errno
    with pytest.raises(DeviceError, match="not open"):
        heard.read(0)
    device.broken = None
    heard.open(RATE, BLOCK)
    heard.close()


def test_a_slow_opening_does_not_hold_the_caller(device: Device, clock: ManualClock) -> None:
    device.opens.clear()
    heard = microphone(device, clock)
    heard.open(RATE, BLOCK)
    assert heard.read(0) is None
    device.opens.set()
    until(lambda: bool(device.opened))
    device.hear(block(3), False)
    assert heard.read(5) is not None
    heard.close()


def test_an_opening_that_never_ends_is_an_error_and_no_second_one_is_begun(device: Device, clock: ManualClock) -> None:
    device.opens.clear()
    heard = microphone(device, clock)
    heard.open(RATE, BLOCK)
    clock.now_us += OPENING_US + 1
    with pytest.raises(DeviceError, match="does not open"):
        heard.read(0)
    with pytest.raises(DeviceError, match="hangs"):
        heard.open(RATE, BLOCK)
    device.opens.set()
    until(lambda: device.closed == 1)
    until(lambda: opens_again(heard))
    heard.close()


def test_a_driver_that_hangs_in_closing_is_left_behind(device: Device, clock: ManualClock) -> None:
    heard = microphone(device, clock)
    heard.open(RATE, BLOCK)
    device.closes.clear()
    old = device.hear
    heard.close()
    for _ in range(3):
        with pytest.raises(DeviceError, match="has not closed yet"):
            heard.open(RATE, BLOCK)
    device.closes.set()
    until(lambda: opens_again(heard))
    assert not old(block(1), False)
    assert heard.read(0) is None, "what the old stream still says is not heard in the new one"
    heard.close()
    heard.close()
    assert device.closed == 2


def opens_again(heard: PyAudioMicrophone) -> bool:
    try:
        heard.open(RATE, BLOCK)
    except DeviceError:
        return False
    return True


def test_a_failing_callback_is_the_devices_failure_and_nobody_elses(device: Device, clock: ManualClock) -> None:
    """PyAudio raises what a callback raises in the main thread, in the middle of anything."""
    heard = microphone(device, clock)
    heard.open(RATE, BLOCK)
    device.hear(b"odd", False)
    with pytest.raises(DeviceError, match="ValueError"):
        heard.read(0)
    heard.close()


def test_a_device_is_found_by_its_name_or_an_unmistakable_part() -> None:
    names = [("mic", 2, 0), ("USB Audio Device: - (hw:1,0)", 1, 2), ("spk", 0, 128), ("spk2", 0, 128)]
    names.append(("USB Audio: - (hw:2,0)", 1, 2))
    devices = [SoundDevice(index, *rest) for index, rest in enumerate(names)]
    found = itertools.starmap(find_device, [("spk", devices, "speaker"), ("hw:1,0", devices, "speaker")])
    assert [device.index for device in found] == [2, 1]
    assert find_device("mic", devices, "microphone").index == 0
    for wrong in ("mic", "USB Audio", "bluetooth"):
        with pytest.raises(DeviceError, match=r"speaker: .*USB Audio: - \(hw:2,0\)"):
            find_device(wrong, devices, "speaker")
    with pytest.raises(DeviceError, match=r"microphone: .*there are: mic, USB"):
        find_device("spk", devices, "microphone")
