"""Pace, drift, lateness and failures of the microphone; what the loudspeaker remembers."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest

from firmware_bridge.clock import SystemClock
from firmware_bridge.ports import AudioBlock, Clock, DeviceError, Samples
from hw_sim.devices.microphone import BUFFER_S, SimulatedMicrophone
from hw_sim.world_keys import State, initial_state
from tests.firmware_bridge.manual_clock import ManualClock

RATE, BLOCK = 16_000, 320


def microphone(state: State, clock: Clock | None = None) -> SimulatedMicrophone:
    made = SimulatedMicrophone(clock or ManualClock(step_us=500), state.__getitem__, lambda: True)
    made.open(RATE, BLOCK)
    return made


def read(device: SimulatedMicrophone, count: int) -> list[AudioBlock]:
    blocks: list[AudioBlock] = []
    while len(blocks) < count:
        block = device.read(0.0)
        if block is not None:
            blocks.append(block)
    return blocks


def write_wav(path: Path, samples: Samples, rate: int = RATE, channels: int = 1) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.tobytes())


@pytest.mark.parametrize("ppm", [-200.0, 0.0, 200.0])
def test_pace_follows_the_sample_clock(ppm: float) -> None:
    clock = ManualClock(step_us=200)
    device = microphone(initial_state({"microphone.drift_ppm": ppm}), clock)
    blocks = read(device, 3000)
    seconds = (blocks[-1].read_at_us - blocks[0].read_at_us) / 1e6
    rate = 2999 * BLOCK / seconds
    assert rate / RATE - 1 == pytest.approx(ppm / 1e6, abs=30e-6)
    assert not any(block.overflowed for block in blocks)


def test_blocks_come_no_sooner_than_their_last_sample_and_in_real_time() -> None:
    clock = SystemClock()
    device = microphone(initial_state({}), clock)
    begin = clock.boottime_us()
    times = []
    for n in range(25):
        block = device.read(1.0)
        assert block is not None
        times.append(block.read_at_us)
        assert block.read_at_us >= begin - 20_000 + (n + 1) * 20_000 - 1_000
    assert 0.4e6 <= times[-1] - begin < 5e6


@pytest.mark.parametrize("ppm", [-200.0, 0.0, 200.0])
def test_the_beep_sounds_at_the_second_whatever_the_drift(ppm: float) -> None:
    clock = ManualClock(step_us=200)
    begin_us = clock.now_us
    device = microphone(initial_state({"microphone.drift_ppm": ppm}), clock)
    samples = np.concatenate([block.samples for block in read(device, 1500)]).astype(np.int32)
    loud = np.abs(samples) > 3000
    quiet_before = np.concatenate([[True], np.convolve(loud, np.ones(800), "full")[: loud.size - 1] == 0])
    onsets = np.nonzero(loud & quiet_before)[0]
    true_s = begin_us / 1e6 + onsets / (RATE * (1 + ppm / 1e6))
    late = (true_s + 0.5) % 1.0 - 0.5
    assert len(onsets) >= 29 and np.abs(late[1:]).max() < 0.001


def test_a_late_reader_overflows_once_and_hears_what_the_device_kept() -> None:
    clock = ManualClock(step_us=500)
    device = microphone(initial_state({}), clock)
    read(device, 5)
    clock.now_us += 2_000_000
    late = read(device, 60)
    assert [block.overflowed for block in late].count(True) == 1 and late[0].overflowed
    begun_us = late[0].read_at_us
    waiting = [block for block in late if block.read_at_us - begun_us < 150_000]
    assert len(waiting) * 0.02 == pytest.approx(BUFFER_S, abs=0.2), "the newest, not nothing and not all of it"


def test_a_time_out_is_none() -> None:
    device = microphone(initial_state({}), SystemClock())
    assert device.read(0.001) is None


def test_failures() -> None:
    state = initial_state({})
    device = microphone(state)
    state["microphone.failure"] = "silent"
    assert not read(device, 1)[0].samples.any()
    state["microphone.failure"] = "stuck"
    assert [device.read(0.001) for _ in range(3)] == [None] * 3
    state["microphone.failure"] = "off"
    with pytest.raises(DeviceError):
        device.read(0.001)
    with pytest.raises(DeviceError):
        microphone(state)
    state["microphone.failure"] = "ok"
    assert read(device, 1)
    device.close()
    with pytest.raises(DeviceError):
        device.read(0.001)


@pytest.mark.parametrize("at_end", ["loop", "hold"])
def test_a_file_is_heard_sample_for_sample(tmp_path: Path, at_end: str) -> None:
    path = tmp_path / "x.wav"
    content = np.random.default_rng(1).integers(-20_000, 20_000, BLOCK * 10, np.int16)
    write_wav(path, content)
    device = microphone(initial_state({"microphone.file": str(path), "microphone.at_end": at_end}))
    heard = np.concatenate([block.samples for block in read(device, 25)])
    expected = np.concatenate([content, content, content[: BLOCK * 5]])
    if at_end == "hold":
        expected[BLOCK * 10 :] = 0
    assert np.array_equal(heard, expected)


def test_a_drifting_clock_hears_a_file_in_its_own_time(tmp_path: Path) -> None:
    path = tmp_path / "x.wav"
    t = np.arange(RATE * 4) / RATE
    write_wav(path, (8000 * np.sin(2 * np.pi * 200 * t)).astype(np.int16))
    device = microphone(initial_state({"microphone.file": str(path), "microphone.drift_ppm": 2000.0}))
    heard = np.concatenate([block.samples for block in read(device, 150)])
    expected = 8000 * np.sin(2 * np.pi * 200 * np.arange(heard.size) / (RATE * 1.002))
    assert np.abs(heard - expected).max() < 60


def test_stereo_at_another_rate_becomes_mono_at_ours(tmp_path: Path) -> None:
    path = tmp_path / "x.wav"
    t = np.arange(48_000) / 48_000
    tone = (8000 * np.sin(2 * np.pi * 440 * t)).astype(np.int16)
    write_wav(path, np.repeat(tone, 2), 48_000, channels=2)
    device = microphone(initial_state({"microphone.file": str(path)}))
    heard = np.concatenate([block.samples for block in read(device, 40)]).astype(np.float64)
    spectrum = np.abs(np.fft.rfft(heard * np.hanning(heard.size)))
    assert spectrum.argmax() * RATE / heard.size == pytest.approx(440, abs=3)


def test_a_file_that_is_no_sound_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.wav"
    path.write_text("hello")
    with pytest.raises(DeviceError, match=r"x\.wav"):
        microphone(initial_state({"microphone.file": str(path)}))
