"""The audio thread on microphones that stall, overflow, vanish, fall silent or hang."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pytest

from firmware_bridge.ports import AudioBlock, DeviceError, Samples
from recorder.capture.audio import AudioTrack
from recorder.capture.audio_capture import AudioCapture
from recorder.capture.packets import AudioPacket
from recorder.capture.settings import MicrophoneFaults
from tests.capture.doubles import ManualClock

RATE = 48_000
BLOCK = 960

SETTINGS = MicrophoneFaults(zero_s=0.8, silent_below_dbfs=-94, silent_s=10, settled_s=0.4)

Step = AudioBlock | DeviceError | int


class Script:
    """A microphone that plays a list: a block, None for a timeout, or an error to raise. Then it ends the test."""

    def __init__(self, clock: ManualClock, script: Iterable[Step], done: threading.Event) -> None:
        self._clock = clock
        self._script = iter(script)
        self._done = done
        self.opened = 0

    def open(self, rate: int, block: int) -> None:
        self.opened += 1

    def read(self, timeout_s: float) -> AudioBlock | None:
        step = next(self._script, None)
        if step is None:
            self._done.set()
            threading.Event().wait(0.01)
            return None
        if isinstance(step, DeviceError):
            raise step
        if isinstance(step, int):
            self._clock.now_us += step
            return None
        self._clock.now_us = step.read_at_us
        return step

    def close(self) -> None:
        pass


def listen(script: Iterable[Step], clock: ManualClock) -> tuple[list[AudioPacket], list[Any], Script]:
    packets: list[AudioPacket] = []
    faults: list[Any] = []
    done = threading.Event()
    microphone = Script(clock, script, done)
    capture = AudioCapture(
        microphone, AudioTrack(RATE, 64_000), RATE, SETTINGS, clock, packets.append, lambda *fault: faults.append(fault)
    )
    capture.start()
    assert done.wait(20)
    assert capture.stop()
    return packets, faults, microphone


HISS: Samples = np.random.default_rng(5).integers(-3, 4, BLOCK).astype(np.int16)
"""A quiet room through a good microphone: some -84 dBFS."""


def steady(count: int, start_us: int, samples: Samples = HISS) -> list[AudioBlock]:
    return [AudioBlock(samples, start_us + (n + 1) * 20_000, False) for n in range(count)]


def check_continuous(packets: list[AudioPacket]) -> None:
    for before, after in itertools.pairwise(packets):
        assert abs(after.timestamp_us - before.timestamp_us - before.duration_us) < 2_500


def test_a_stall_becomes_counted_silence_and_one_fault() -> None:
    clock = ManualClock(1_000_000)
    script: list[Step] = [*steady(100, 1_000_000), *[50_000] * 10, *steady(250, 3_500_000)]
    packets, faults, _ = listen(script, clock)
    assert [fault[:2] for fault in faults] == [("microphone-stall", "onset"), ("microphone-stall", "end")]
    assert faults[1][2]["missing_us"] == pytest.approx(sum(packet.gap_us for packet in packets), abs=25_000)
    assert 400_000 < sum(packet.gap_us for packet in packets) < 600_000
    check_continuous(packets)


def test_a_process_that_was_stopped_while_the_device_kept_the_sound_has_no_fault_and_no_silence() -> None:
    clock = ManualClock(1_000_000)
    waited = [AudioBlock(HISS, 3_420_000 + 50 * n, False) for n in range(20)]
    # Stopped for 400 ms in a read; its first look finds nothing, the driver's thread having been stopped as well.
    script: list[Step] = [*steady(100, 1_000_000), 400_000, *waited, *steady(200, 3_400_000)]
    packets, faults, _ = listen(script, clock)
    assert faults == []
    assert sum(packet.gap_us for packet in packets) == 0
    assert len(packets) == pytest.approx(320 * BLOCK / 1024, abs=2), "every sample is in the recording"
    check_continuous(packets)


def test_sound_that_comes_after_a_stall_was_declared_replaces_no_silence_but_what_fits_is_kept() -> None:
    clock = ManualClock(1_000_000)
    waited = [AudioBlock(HISS, 3_420_000 + 50 * n, False) for n in range(20)]
    script: list[Step] = [*steady(100, 1_000_000), *[50_000] * 8, *waited, *steady(200, 3_400_000)]
    packets, faults, _ = listen(script, clock)
    assert [fault[:2] for fault in faults] == [("microphone-stall", "onset"), ("microphone-stall", "end")]
    silent_us = sum(packet.gap_us for packet in packets)
    assert silent_us == pytest.approx(340_000, abs=1_000), "up to 60 ms before the last look, and not more for it"
    assert faults[1][2]["missing_us"] == pytest.approx(silent_us, abs=100)
    assert packets[-1].timestamp_us == pytest.approx(3_400_000 + 200 * 20_000, abs=80_000)
    check_continuous(packets)


def test_lost_samples_are_made_up() -> None:
    clock = ManualClock(1_000_000)
    late = steady(300, 3_100_000)  # 100 ms never delivered, and no pause in the reads to tell
    packets, faults, _ = listen([*steady(100, 1_000_000), *late], clock)
    assert 80_000 < sum(packet.gap_us for packet in packets) < 120_000
    assert [fault[:2] for fault in faults] == [("microphone-overflow", "onset"), ("microphone-overflow", "end")]
    assert abs(packets[-1].timestamp_us - (3_100_000 + 300 * 20_000)) < 80_000


def test_an_unplugged_microphone_comes_back() -> None:
    class Ticking(ManualClock):
        """Time passes by itself while the device is gone."""

        gone = False

        def boottime_us(self) -> int:
            self.now_us += 40_000 if self.gone else 0
            return self.now_us

    clock = Ticking(1_000_000)

    def unplug() -> DeviceError:
        clock.gone = True
        return DeviceError("microphone", "gone", 19)

    def plug_in() -> int:
        clock.gone = False
        return 50_000

    def script() -> Iterator[Step]:
        yield from steady(100, 1_000_000)
        yield unplug()
        yield plug_in()
        yield from steady(200, clock.now_us)

    packets, faults, microphone = listen(script(), clock)
    assert microphone.opened == 2
    assert [fault[:2] for fault in faults] == [("microphone-unplugged", "onset"), ("microphone-unplugged", "end")]
    silent_us = sum(packet.gap_us for packet in packets)
    assert silent_us > 400_000
    assert faults[0][2]["errno"] == 19 and abs(faults[1][2]["missing_us"] - silent_us) < 1_000
    check_continuous(packets)


def test_a_device_that_cannot_even_be_closed_is_opened_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """An unplugged device refuses everything, its closing too: that ended the audio thread, and all sound of the shift."""

    def refuse(self: Script) -> None:
        raise DeviceError("microphone", "gone", 19)

    monkeypatch.setattr(Script, "close", refuse)
    clock = ManualClock(1_000_000)
    # 1.1 s later it is there again.
    script: list[Step] = [*steady(100, 1_000_000), DeviceError("microphone", "gone", 19)]

    class Ticking(ManualClock):
        def boottime_us(self) -> int:
            self.now_us += 40_000 if self.now_us >= 3_000_000 else 0
            return self.now_us

    ticking = Ticking(clock.now_us)
    _, faults, microphone = listen([*script, *steady(5, 5_000_000)], ticking)
    assert microphone.opened == 2
    assert faults[0][:2] == ("microphone-unplugged", "onset")
    assert "microphone-fault" not in {fault[0] for fault in faults}, "the audio thread ended"


def test_a_dead_capsule_is_a_fault() -> None:
    """The device works and hears nothing, which no reading error will ever tell."""
    clock = ManualClock(1_000_000)
    dead = steady(100, 3_000_000, np.zeros(BLOCK, np.int16))
    _, faults, _ = listen([*steady(100, 1_000_000), *dead, *steady(100, 5_000_000)], clock)
    assert [fault[:2] for fault in faults] == [("microphone-silent", "onset"), ("microphone-silent", "end")]
    assert faults[0][2] == {"level_dbfs": -120.0, "digital_zero": True, "from_us": 3_000_000}


def test_an_overflow_is_reported() -> None:
    clock = ManualClock(1_000_000)
    script: list[Step] = [*steady(100, 1_000_000)]
    script[20] = AudioBlock(HISS, 1_000_000 + 21 * 20_000, True)
    _, faults, _ = listen(script, clock)
    assert [fault[:2] for fault in faults] == [("microphone-overflow", "onset"), ("microphone-overflow", "end")]
    assert faults[1][2]["count"] == 1


def test_what_was_heard_is_passed_on_with_its_time() -> None:
    """The listener and the recording speak of the same moment."""
    clock = ManualClock(1_000_000)
    heard: list[tuple[int, int]] = []
    done = threading.Event()
    capture = AudioCapture(
        Script(clock, steady(100, 1_000_000), done),
        AudioTrack(RATE, 64_000),
        RATE,
        SETTINGS,
        clock,
        lambda packet: None,
        lambda *fault: None,
        lambda samples, end_us: heard.append((len(samples), end_us)),
    )
    capture.start()
    assert done.wait(20) and capture.stop()
    assert heard == [(BLOCK, 1_000_000 + (n + 1) * 20_000) for n in range(100)]


def test_an_error_of_ours_ends_the_sound_and_is_a_fault() -> None:
    class Broken(Script):
        def read(self, timeout_s: float) -> AudioBlock | None:
            raise ValueError("not a device's error")

    clock = ManualClock(1_000_000)
    ended = threading.Event()
    faults: list[Any] = []

    def fault(*what: Any) -> None:
        faults.append(what)
        ended.set()

    microphone = Broken(clock, [], threading.Event())
    capture = AudioCapture(microphone, AudioTrack(RATE, 64_000), RATE, SETTINGS, clock, lambda packet: None, fault)
    capture.start()
    assert ended.wait(20) and capture.stop()
    capture.watch(60_000_000)
    assert [each[:2] for each in faults] == [("microphone-fault", "onset")]


def test_a_driver_that_hangs_is_reported_from_outside() -> None:
    class Hung:
        let_go = threading.Event()

        def open(self, rate: int, block: int) -> None:
            pass

        def read(self, timeout_s: float) -> AudioBlock | None:
            self.let_go.wait(30)
            return None

        def close(self) -> None:
            pass

    clock = ManualClock(1_000_000)
    faults: list[Any] = []
    microphone = Hung()
    capture = AudioCapture(
        microphone,
        AudioTrack(RATE, 64_000),
        RATE,
        SETTINGS,
        clock,
        lambda packet: None,
        lambda *fault: faults.append(fault),
    )
    capture.start()
    capture.watch(1_600_000)
    assert faults == []
    capture.watch(1_850_000)
    capture.watch(2_100_000)
    assert [fault[:2] for fault in faults] == [("microphone-stall", "onset")]
    assert not capture.stop(0.1)
    microphone.let_go.set()
    assert capture.stop()
