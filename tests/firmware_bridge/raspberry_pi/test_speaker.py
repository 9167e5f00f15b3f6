"""The loudspeaker's thread on a stand-in device, and the whole driver on real PyAudio, PortAudio and ALSA."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
from array import array
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from firmware_bridge.ports import BoardIdentity, DeviceError
from firmware_bridge.raspberry_pi.board import compose
from firmware_bridge.raspberry_pi.speaker import (
    FINISH_HUNG_US,
    HUNG_US,
    LONGEST_QUEUE_S,
    OPEN_HUNG_US,
    PyAudioSpeaker,
)
from tests.firmware_bridge.manual_clock import ManualClock
from tests.support import require_module

RATE = 16_000
NOISE = array("h", np.random.default_rng(3).integers(-30_000, 30_000, 2 * RATE).astype(np.int16).tobytes())


class Device:
    """A sound card: ``broken`` raises; ``gate`` (when not set) holds a write back, ``opening`` and ``finishing`` those."""

    def __init__(self) -> None:
        self.broken: Exception | None = None
        self.gate, self.opening, self.finishing = threading.Event(), threading.Event(), threading.Event()
        for gate in (self.gate, self.opening, self.finishing):
            gate.set()
        self.reached: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.opened: list[tuple[str, int]] = []
        self.taken = bytearray()
        self.finished = 0
        self.heard_out = False
        self.wrote: queue.SimpleQueue[int] = queue.SimpleQueue()

    def open(self, name: str, rate: int) -> Device:
        self.reached.put("open")
        assert self.opening.wait(30)
        if self.broken is not None:
            raise self.broken
        self.opened.append((name, rate))
        return self

    def write(self, data: bytes) -> None:
        self.wrote.put(len(data))
        assert self.gate.wait(30)
        if self.broken is not None:
            raise self.broken
        self.taken += data

    def finish(self, heard: bool) -> None:
        self.reached.put("finish")
        assert self.finishing.wait(30)
        self.finished += 1
        self.heard_out = heard


def until(condition: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(1500):
        if condition():
            return
        pause.wait(0.01)
    raise AssertionError("did not happen in 15 s")


def test_what_is_queued_is_written_whole_and_in_order() -> None:
    device = Device()
    speaker = PyAudioSpeaker("spk", ManualClock(), device.open)
    speaker.play(NOISE[:RATE], RATE)
    speaker.play(NOISE[RATE:], RATE)
    until(lambda: not speaker.playing())
    assert bytes(device.taken) == NOISE.tobytes()
    assert set(device.opened) == {("spk", RATE)}
    assert device.finished == len(device.opened)
    assert device.heard_out, "the device's buffer is played out"
    speaker.close()


def test_another_rate_is_another_stream() -> None:
    device = Device()
    speaker = PyAudioSpeaker("spk", ManualClock(), device.open)
    device.gate.clear()
    speaker.play(NOISE[:RATE], RATE)
    speaker.play(NOISE[:RATE], 48_000)
    device.gate.set()
    until(lambda: not speaker.playing())
    assert [rate for _, rate in device.opened] == [RATE, 48_000]
    speaker.close()


def test_stopping_is_heard_within_a_chunk() -> None:
    device = Device()
    speaker = PyAudioSpeaker("spk", ManualClock(), device.open)
    device.gate.clear()
    speaker.play(NOISE, RATE)
    device.wrote.get(timeout=10)
    speaker.stop()
    device.gate.set()
    until(lambda: not speaker.playing())
    assert 0 < len(device.taken) <= 2 * RATE // 10
    assert not device.heard_out, "what the device's buffer still holds is not waited for"
    speaker.play(NOISE[:100], RATE)
    until(lambda: not speaker.playing())
    assert bytes(device.taken[-200:]) == NOISE[:100].tobytes()
    speaker.close()


def test_a_device_that_is_gone_is_named_and_opened_again_when_it_is_back() -> None:
    device = Device()
    device.broken = OSError(19, "No such device")
    speaker = PyAudioSpeaker("spk", ManualClock(), device.open, retry_s=0.02)
    speaker.play(NOISE, RATE)
    until(lambda: not speaker.playing())
    with pytest.raises(DeviceError, match="No such device") as caught:
        speaker.play(NOISE, RATE)
    assert caught.value.errno == 19
    device.broken = None
    until(lambda: speaker.failure() is None)
    speaker.play(NOISE, RATE)
    until(lambda: not speaker.playing())
    assert bytes(device.taken) == NOISE.tobytes(), "what could not be played is not played late"
    speaker.close()


def test_a_device_unplugged_in_the_middle() -> None:
    device = Device()
    speaker = PyAudioSpeaker("spk", ManualClock(), device.open)
    device.gate.clear()
    speaker.play(NOISE, RATE)
    device.wrote.get(timeout=10)
    device.broken = OSError(-9999, "Unanticipated host error")
    device.gate.set()
    until(lambda: speaker.failure() is not None)
    assert not speaker.playing()
    assert device.finished == len(device.opened) == 1
    speaker.close()


def test_a_device_that_hangs_does_not_fill_the_memory() -> None:
    device = Device()
    device.gate.clear()
    speaker = PyAudioSpeaker("spk", ManualClock(), device.open)
    minute = array("h", bytes(2 * round(RATE * (LONGEST_QUEUE_S + 1))))
    speaker.play(minute, RATE)
    with pytest.raises(DeviceError, match="hangs"):
        speaker.play(minute, RATE)
    speaker.stop()
    device.gate.set()
    speaker.close()


def test_a_device_that_hangs_is_a_failure_until_it_goes_on() -> None:
    device, clock = Device(), ManualClock()
    device.gate.clear()
    speaker = PyAudioSpeaker("spk", clock, device.open)
    speaker.play(NOISE[:RATE], RATE)
    device.wrote.get(timeout=10)
    clock.now_us += HUNG_US
    assert speaker.playing() and speaker.failure() is None
    clock.now_us += 1
    assert not speaker.playing(), "nobody is to wait for its end"
    with pytest.raises(DeviceError, match="hangs"):
        speaker.play(NOISE, RATE)
    device.gate.set()
    until(lambda: speaker.failure() is None and device.finished == 1)
    assert len(device.taken) < 2 * RATE, "the rest of it is not played late"
    speaker.play(NOISE, RATE)
    until(lambda: not speaker.playing())
    assert bytes(device.taken[-2 * len(NOISE) :]) == NOISE.tobytes()
    speaker.close()


@pytest.mark.parametrize(("call", "limit_us"), [("open", OPEN_HUNG_US), ("finish", FINISH_HUNG_US)])
def test_a_device_that_hangs_while_it_is_opened_or_closed_is_a_failure_too(call: str, limit_us: int) -> None:
    device, clock = Device(), ManualClock()
    gate = device.opening if call == "open" else device.finishing
    gate.clear()
    speaker = PyAudioSpeaker("spk", clock, device.open)
    speaker.play(NOISE[:RATE], RATE)
    while device.reached.get(timeout=10) != call:
        pass
    clock.now_us += limit_us
    assert speaker.playing() and speaker.failure() is None
    clock.now_us += 1
    assert not speaker.playing(), "nobody is to wait for its end"
    with pytest.raises(DeviceError, match="hangs"):
        speaker.play(NOISE, RATE)
    gate.set()
    until(lambda: speaker.failure() is None and device.finished == 1)
    assert len(device.taken) == (0 if call == "open" else 2 * RATE), "what could not be played is not played late"
    speaker.play(NOISE, RATE)
    until(lambda: not speaker.playing())
    assert bytes(device.taken[-2 * len(NOISE) :]) == NOISE.tobytes()
    speaker.close()


def test_whatever_the_stream_raises_is_a_failure_and_the_thread_lives_on(caplog: pytest.LogCaptureFixture) -> None:
    device = Device()
    speaker = PyAudioSpeaker("spk", ManualClock(), device.open, retry_s=0.02)
    device.gate.clear()
    speaker.play(NOISE, RATE)
    device.wrote.get(timeout=10)
    device.broken = RuntimeError("not in the table of errors")
    device.gate.set()
    until(lambda: speaker.failure() is not None)
    assert not speaker.playing()
    with pytest.raises(DeviceError, match="not in the table of errors"):
        speaker.play(NOISE, RATE)
    assert "RuntimeError" in caplog.text, "with where it came from"
    device.broken = None
    until(lambda: speaker.failure() is None)
    before = len(device.taken)
    speaker.play(NOISE, RATE)
    until(lambda: not speaker.playing())
    assert bytes(device.taken[before:]) == NOISE.tobytes()
    speaker.close()


def test_without_pyaudio_it_says_what_is_missing() -> None:
    device = Device()
    device.broken = ImportError("No module named 'pyaudio'")
    speaker = PyAudioSpeaker("spk", ManualClock(), device.open)
    speaker.play(NOISE, RATE)
    until(lambda: speaker.failure() is not None)
    with pytest.raises(DeviceError, match="PyAudio"):
        speaker.play(NOISE, RATE)
    speaker.close()


def test_the_board_has_one_when_the_options_name_it() -> None:
    board = compose({"speaker_device": "no such sound card"}, None, ManualClock(), BoardIdentity("u", "m", "1"))
    assert isinstance(board.speaker, PyAudioSpeaker)
    board.close()


ASOUND = """
pcm.spk {{ type file slave.pcm "nullp" file "{raw}" format "raw" }}
pcm.nullp {{ type null }}
pcm.default {{ type null }}
ctl.default {{ type null }}
"""
"""Without ``pcm.default`` PortAudio ends the process (see ``speaker.py``)."""

PLAY = """
import sys, threading
import numpy as np
from firmware_bridge.clock import SystemClock
from firmware_bridge.raspberry_pi.speaker import PyAudioSpeaker

samples = np.load(sys.argv[2])
speaker = PyAudioSpeaker(sys.argv[1], SystemClock())
for piece in np.array_split(samples, 3):
    speaker.play(piece, 16000)
pause = threading.Event()
while speaker.playing():
    pause.wait(0.01)
failure = speaker.failure()
speaker.close()
print(failure or "played")
"""


def play_on_alsa(tmp_path: Path, device: str) -> tuple[str, bytes]:
    """What it said, and what reached ALSA. In a process of its own: PortAudio reads its configuration once."""
    require_module("pyaudio")
    raw, samples, asound = tmp_path / "spk.raw", tmp_path / "samples.npy", tmp_path / "asound.conf"
    asound.write_text(ASOUND.format(raw=raw))
    np.save(samples, NOISE)
    answer = subprocess.run(
        [sys.executable, "-c", PLAY, device, str(samples)],
        env={**os.environ, "ALSA_CONFIG_PATH": str(asound), "JACK_NO_START_SERVER": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert answer.returncode == 0, answer.stderr
    return answer.stdout.strip(), raw.read_bytes() if raw.exists() else b""


def test_real_portaudio_and_alsa_get_every_sample_bit_by_bit(tmp_path: Path) -> None:
    said, heard = play_on_alsa(tmp_path, "spk")
    assert said == "played"
    assert heard.rstrip(b"\0") == NOISE.tobytes().rstrip(b"\0")


def test_real_portaudio_names_the_devices_there_are(tmp_path: Path) -> None:
    said, heard = play_on_alsa(tmp_path, "loudspeaker")
    assert "spk" in said and "loudspeaker" in said
    assert heard == b""
