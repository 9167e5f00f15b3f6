"""A process that is stopped while its microphone goes on: the real driver, PyAudio, PortAudio and ALSA keep the sound, and
the audio thread neither puts silence in its place nor leaves any of it out.

Stopped for real (SIGSTOP), so all its threads wake up in whatever order the kernel likes.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from firmware_bridge.clock import SystemClock
from hw_sim.devices.alsa_fifo import Plug, SoundCards
from tests.support import require_module

RATE, BLOCK = 48_000, 960
NOISE = np.random.default_rng(7).integers(-30_000, 30_000, 200 * BLOCK).astype(np.int16)
STOP_AT, GO_ON_AT, BLOCKS = 70, 92, 130
"""Numbers of blocks of 20 ms: 440 ms are kept meanwhile, in less than a FIFO's 64 KiB."""

ATTEMPTS = 8
LATE_US = 50_000
"""A feeder that is later than this is itself a microphone that stalls, and the attempt shows nothing."""

READER = """
import hashlib, json, os, sys
from firmware_bridge.clock import SystemClock
from firmware_bridge.raspberry_pi.microphone import PyAudioMicrophone
from recorder.capture.audio import AudioTrack
from recorder.capture.audio_capture import AudioCapture
from recorder.capture.settings import MicrophoneFaults

class Announced(PyAudioMicrophone):
    def open(self, rate, block):
        super().open(rate, block)
        print("open", flush=True)

rate, packets, faults, heard = 48_000, [], [], []
clock = SystemClock()
capture = AudioCapture(
    Announced("mic", clock), AudioTrack(rate, 64_000), rate,
    MicrophoneFaults(zero_s=0.8, silent_below_dbfs=-94, silent_s=10, settled_s=0.4), clock,
    packets.append, lambda *fault: faults.append(fault), lambda samples, end_us: heard.append(samples.tobytes()))
capture.start()
sys.stdin.readline()
capture.stop(0.2)
print(json.dumps({
    "faults": faults,
    "heard": len(b"".join(heard)) // 2,
    "sha256": hashlib.sha256(b"".join(heard)).hexdigest(),
    "packets": len(packets),
    "silent_us": sum(packet.gap_us for packet in packets),
    "span_us": packets[-1].timestamp_us - packets[0].timestamp_us,
}), flush=True)
os._exit(0)  # PortAudio may be in read(2) for one more block
"""


@dataclass(frozen=True)
class Attempt:
    said: dict[str, Any]
    latest_us: int
    """By how much a block was written late, at most."""


def attempt(folder: Path) -> Attempt:
    folder.mkdir()
    cards = SoundCards(folder)
    plug = Plug(cards.fifo)
    environment = {**os.environ, **cards.environment}
    reader = subprocess.Popen(
        [sys.executable, "-c", READER], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert reader.stdin is not None and reader.stdout is not None
        assert reader.stdout.readline() == "open\n"
        latest_us = feed(plug, reader)
        said = answer(reader.stdin, reader.stdout)
    finally:
        reader.kill()
        reader.communicate()
        plug.close()
    return Attempt(said, latest_us)


def feed(plug: Plug, reader: subprocess.Popen[str]) -> int:
    """The device at its pace. Returns by how many µs it was late at most."""
    clock, pause, latest_us = SystemClock(), threading.Event(), 0
    begin_us = clock.boottime_us()
    for n in range(BLOCKS):
        due_us = begin_us + (n + 1) * BLOCK * 1_000_000 // RATE
        pause.wait(max(0, due_us - clock.boottime_us()) / 1e6)
        latest_us = max(latest_us, clock.boottime_us() - due_us)
        if n in (STOP_AT, GO_ON_AT):
            reader.send_signal(signal.SIGSTOP if n == STOP_AT else signal.SIGCONT)
        assert plug.write(NOISE[n * BLOCK : (n + 1) * BLOCK].tobytes()), "the FIFO keeps what the reader has not read"
    for _ in range(1500):
        if plug.waiting() == 0:
            return latest_us
        pause.wait(0.01)
    raise AssertionError("nobody reads the FIFO")


def answer(stdin: IO[str], stdout: IO[str]) -> dict[str, Any]:
    stdin.write("\n")
    stdin.flush()
    said = json.loads(stdout.readline())
    assert isinstance(said, dict)
    return said


def test_a_stopped_process_loses_no_sound_and_says_nothing_was_lost(tmp_path: Path) -> None:
    require_module("pyaudio")
    for number in range(ATTEMPTS):
        tried = attempt(tmp_path / str(number))
        if tried.latest_us < LATE_US:
            break
    else:
        raise AssertionError(f"{ATTEMPTS} times this machine could not play a microphone, {tried.latest_us} µs late")
    said = tried.said
    assert said["faults"] == []
    assert said["silent_us"] == 0
    whole, rest = divmod(said["heard"], BLOCK)
    assert rest == 0 and BLOCKS - 4 <= whole <= BLOCKS, "all but what was under way at the end"
    assert said["sha256"] == hashlib.sha256(NOISE[: said["heard"]].tobytes()).hexdigest()
    # Two packets' worth is still in the encoder; what had been left out, or made up, would be 20 blocks.
    assert abs(said["packets"] - said["heard"] / 1024) <= 2
    assert abs(said["span_us"] - (said["packets"] - 1) * 1024 * 1_000_000 / RATE) < 5_000
