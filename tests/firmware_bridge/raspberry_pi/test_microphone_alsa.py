"""The microphone's driver on the real PyAudio, PortAudio and ALSA, which read from a FIFO.

The clock is the test's: a block is written, its time set, and the block read, one after the other. So drift, gaps and
stalls are exact, and nothing waits for a processor that is busy.
"""

from __future__ import annotations

import queue
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from firmware_bridge.ports import AudioBlock, DeviceError, Samples
from firmware_bridge.raspberry_pi.microphone import (
    DEVICE_BUFFER_S,
    HUNG_US,
    KEPT_S,
    PyAudioMicrophone,
    open_pyaudio,
)
from hw_sim.devices.alsa_fifo import Plug, SoundCards
from recorder.capture.timeline import AudioTimeline
from tests.firmware_bridge.manual_clock import ManualClock
from tests.support import require_module

RATE, BLOCK = 48_000, 960
NOISE: Samples = np.random.default_rng(7).integers(-30_000, 30_000, 40 * RATE).astype(np.int16)


class Rig:
    """One microphone and the FIFO it reads."""

    def __init__(self, cards: SoundCards) -> None:
        self.cards = cards
        self.clock = ManualClock()
        self.begin_us = self.clock.now_us
        self.plug = Plug(cards.fifo)
        self.microphone = PyAudioMicrophone("mic", self.clock)
        self.written = 0

    def say(self, count: int = BLOCK) -> bytes:
        samples = NOISE[self.written : self.written + count]
        self.written += count
        assert self.plug.write(samples.tobytes())
        return samples.tobytes()

    def listen(self, true_rate: float = RATE) -> AudioBlock:
        """The next block of a device whose crystal makes ``true_rate`` samples in a second."""
        self.clock.now_us = self.begin_us + round((self.written + BLOCK) / true_rate * 1e6)
        self.say()
        return self.read()

    def read(self) -> AudioBlock:
        """What was said next; the zeros of :meth:`open_again` are nobody's words."""
        block = self.microphone.read(30)
        while block is not None and not block.samples.any():
            block = self.microphone.read(30)
        assert block is not None
        return block

    def open_again(self, block: int = BLOCK) -> None:
        """Once the driver is free of what it was held by: PortAudio may be waiting for one more block in read(2)."""
        pause = threading.Event()
        for _ in range(500):
            try:
                self.microphone.open(RATE, block)
            except DeviceError as error:
                if "has not closed yet" not in str(error):
                    raise
                if self.plug.waiting() == 0:
                    self.plug.write(bytes(2 * block))
                pause.wait(0.02)
            else:
                return
        raise AssertionError("did not open again in 10 s")


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    require_module("pyaudio")
    cards = SoundCards(tmp_path)
    for name, value in cards.environment.items():  # read by the C libraries
        monkeypatch.setenv(name, value)
    made = Rig(cards)
    yield made
    made.microphone.close()
    made.plug.close()


def test_every_sample_bit_by_bit_with_the_time_of_its_coming(rig: Rig) -> None:
    rig.microphone.open(RATE, BLOCK)
    blocks = [rig.listen() for _ in range(250)]
    assert b"".join(block.samples.tobytes() for block in blocks) == NOISE[: 250 * BLOCK].tobytes()
    assert [block.read_at_us for block in blocks] == [rig.begin_us + n * 20_000 for n in range(1, 251)]
    assert not any(block.overflowed for block in blocks)


@pytest.mark.parametrize("size", [160, 480, 1024, 1103, 2048])
def test_blocks_of_any_size(rig: Rig, size: int) -> None:
    for _ in range(2):  # and the second opening as the first
        rig.open_again(size)
        said = b"".join(rig.say(size) for _ in range(8))
        assert b"".join(rig.read().samples.tobytes() for _ in range(8)) == said
        rig.microphone.close()


@pytest.mark.parametrize(("rate", "size"), [(48_000, 960), (48_000, 1024), (16_000, 320)])
def test_the_device_keeps_half_a_second_and_still_delivers_every_block(rig: Rig, rate: int, size: int) -> None:
    """What ALSA granted, as PortAudio read it back: PyAudio alone asks for two blocks, and a reader that gets no
    processor for 0.4 s has then lost sound. A block comes as soon as it is there, however large the buffer is."""
    blocks: queue.SimpleQueue[int] = queue.SimpleQueue()
    wanted = iter([True, True, False])  # ends the stream: closing it while it waits in read(2) would wait for ever

    def heard(data: bytes, overflowed: bool) -> bool:
        blocks.put(len(data))
        return next(wanted, False)

    stream = open_pyaudio("mic", rate, size, heard)
    assert stream.buffer_s >= DEVICE_BUFFER_S - size / rate
    for _ in range(3):
        rig.say(size)
        assert blocks.get(timeout=30) == 2 * size
    pause = threading.Event()
    while stream.is_active():
        pause.wait(0.01)
    stream.close()


@pytest.mark.parametrize("ppm", [-200, 0, 200])
def test_a_drifting_crystal_is_followed_within_two_milliseconds(rig: Rig, ppm: int) -> None:
    """38 s: unfollowed, 200 ppm would be 7.6 ms."""
    true_rate = RATE * (1 + ppm / 1e6)
    rig.microphone.open(RATE, BLOCK)
    timeline = AudioTimeline(RATE)
    furthest_us = 0.0
    for _ in range(1900):
        block = rig.listen(true_rate)
        placement = timeline.block(len(block.samples), block.read_at_us)
        assert (placement.silence, placement.drop) == (0, 0)
        true_us = rig.begin_us + rig.written / true_rate * 1e6
        furthest_us = max(furthest_us, abs(timeline.time_us(timeline.position) - true_us))
    assert furthest_us < 2_000


def test_a_gap_is_made_up_with_silence_of_its_length(rig: Rig) -> None:
    rig.microphone.open(RATE, BLOCK)
    timeline = AudioTimeline(RATE)
    silence = 0
    for n in range(400):
        if n == 200:
            rig.begin_us += 100_000  # the device lost a tenth of a second, and there was no pause in the reads
        block = rig.listen()
        silence += timeline.block(len(block.samples), block.read_at_us).silence
    assert silence == pytest.approx(RATE // 10, abs=BLOCK)
    assert abs(timeline.time_us(timeline.position) - rig.clock.now_us) < 2_000


def test_a_stall_is_waited_for_then_given_up_and_sound_comes_again(rig: Rig) -> None:
    rig.microphone.open(RATE, BLOCK)
    rig.listen()
    assert rig.microphone.read(0.02) is None
    rig.listen()
    rig.clock.now_us += HUNG_US + 1
    with pytest.raises(DeviceError, match="no more sound"):
        rig.microphone.read(0.02)
    rig.microphone.close()  # returns although PortAudio is still in read(2)
    with pytest.raises(DeviceError, match="has not closed yet"):
        rig.microphone.open(RATE, BLOCK)
    rig.open_again()
    assert rig.listen().samples.tobytes() == NOISE[rig.written - BLOCK : rig.written].tobytes()


def test_unplugged_and_plugged_in_again(rig: Rig) -> None:
    rig.microphone.open(RATE, BLOCK)
    rig.listen()
    rig.plug.pull()
    rig.clock.now_us += HUNG_US + 1
    with pytest.raises(DeviceError, match="no more sound"):
        rig.microphone.read(0.02)
    rig.microphone.close()
    with pytest.raises(DeviceError, match=r"no such device.*nullp"):
        rig.open_again()
    rig.plug.close()
    rig.plug = Plug(rig.cards.fifo)
    rig.open_again()
    assert rig.listen().samples.tobytes() == NOISE[rig.written - BLOCK : rig.written].tobytes()


def test_a_late_reader_is_told_that_sound_was_lost(rig: Rig) -> None:
    rig.microphone.open(RATE, BLOCK)
    kept = round(KEPT_S * RATE / BLOCK)
    last = b""
    for n in range(kept + 20):
        last = rig.say()
        if n % 10 == 9:
            until_taken(rig.plug)
    blocks: list[AudioBlock] = []
    while not blocks or blocks[-1].samples.tobytes() != last:
        blocks.append(rig.read())
    assert [block.overflowed for block in blocks] == [True] + [False] * (kept - 1)


def until_taken(plug: Plug) -> None:
    pause = threading.Event()
    for _ in range(1500):
        if plug.waiting() == 0:
            return
        pause.wait(0.01)
    raise AssertionError("nobody reads the FIFO")


SURVIVES = """
from firmware_bridge.clock import SystemClock
from firmware_bridge.ports import DeviceError
from firmware_bridge.raspberry_pi.microphone import PyAudioMicrophone

try:
    PyAudioMicrophone("mic", SystemClock()).open(48_000, 960)
except DeviceError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("configuration", "said"),
    [
        ("pcm.mic { type null }\n", "pcm.default"),
        ("", "pcm.default"),
        ("pcm.mic {", "ALSA"),
        ("pcm.default { type null }\n", "there are: default"),
    ],
)
def test_no_configuration_of_alsa_ends_the_process(tmp_path: Path, configuration: str, said: str) -> None:
    """PortAudio aborts in the first two; nothing but the driver's word comes out, on either output."""
    require_module("pyaudio")
    path = tmp_path / "asound.conf"
    path.write_text(configuration)
    answer = subprocess.run(
        [sys.executable, "-c", SURVIVES],
        env={"ALSA_CONFIG_PATH": str(path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert answer.returncode == 0
    assert said in answer.stdout and len(answer.stdout.splitlines()) == 1
    assert answer.stderr == ""
