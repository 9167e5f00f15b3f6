"""Frames that say which one they are, and sound that says when it was: made for one recording, read back from its files.

The number stands in an SEI message (H.264 D.1.6 ``user_data_unregistered``) in front of the first slice, so every frame
of a looped stream is different and nothing has to be decoded to know it again. The sound is short tones at known moments
of true time; where a tone's energy has its centre tells when it is heard.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from firmware_bridge.ports import AudioBlock, EncodedFrame, SensorInfo
from tools.bench.packet_file import RawPacket

_UUID = uuid.UUID("0d1f4d7e-2b7e-5f0e-8a39-5b5ac0de0001").bytes
_START = b"\x00\x00\x00\x01"
_NUMBER = re.compile(re.escape(_UUID) + rb"([0-9]{8})")
_SLICE = re.compile(rb"\x00\x00\x01[\x01\x21\x41\x61\x25\x45\x65]")

TONE_S = 2.0
"""A tone each so many seconds of true time."""
_WIDTH_S = 0.012


class CountedFrames:
    """A short stream over and over; each frame bears its number."""

    def __init__(self, stream: list[RawPacket]) -> None:
        self._frames = []
        for packet in stream:
            if not packet.video:
                continue
            found = _SLICE.search(packet.data)
            if found is None:
                raise ValueError("访问单元中没有片 no slice in an access unit")
            cut = found.start() - 1 if packet.data[found.start() - 1 : found.start()] == b"\x00" else found.start()
            self._frames.append((packet.data[:cut], packet.data[cut:], packet.keyframe))

    def frame(self, number: int, timestamp_us: int) -> EncodedFrame:
        before, behind, keyframe = self._frames[number % len(self._frames)]
        payload = _UUID + b"%08d" % number
        sei = _START + b"\x06\x05" + bytes([len(payload)]) + payload + b"\x80"
        return EncodedFrame(before + sei + behind, keyframe, timestamp_us, SensorInfo())


def number_of(packet: bytes) -> int | None:
    """The number in a frame as it stands in a file; None when it bears none."""
    found = _NUMBER.search(packet)
    return int(found.group(1)) if found else None


@dataclass(frozen=True, slots=True)
class DriftingMicrophone:
    """Blocks of ``block`` samples whose sample clock is off by ``ppm``; tones lie at multiples of TONE_S of true time."""

    rate: int
    ppm: float
    block: int = 960

    def blocks(self, begin_us: int, seconds: float, late_us: npt.NDArray[np.int64]) -> Iterator[AudioBlock]:
        """``late_us``: how late each read returns, taken in turn. ``begin_us`` is the moment of the first sample."""
        true_rate = self.rate * (1 + self.ppm / 1e6)
        count = int(seconds * true_rate) // self.block
        for number in range(count):
            first = number * self.block
            at_s = (first + np.arange(self.block)) / true_rate
            off = np.abs((at_s + TONE_S / 2) % TONE_S - TONE_S / 2)
            tone = np.sin(2 * np.pi * 1000 * at_s) * np.exp(-((off / _WIDTH_S) ** 2)) * 12_000
            end_us = begin_us + round((first + self.block) / true_rate * 1e6)
            yield AudioBlock(tone.astype(np.int16), end_us + int(late_us[number % len(late_us)]), False)


def tone_centres(samples: npt.NDArray[np.float32], rate: int, begin_s: float) -> list[tuple[int, float]]:
    """``(tone's number, sample at which its energy has its centre)`` of each whole tone in ``samples``, whose first is at
    ``begin_s`` of true time. Tone ``n`` belongs to ``n`` × TONE_S; one that is not there has no centre: infinity. Tones
    nearer than 0.2 s to an end are left out: a decoder begins and ends with half a window."""
    window = round(0.1 * rate)
    centres = []
    first = int(np.ceil((begin_s + 0.2) / TONE_S))
    last = int(np.floor((begin_s + len(samples) / rate - 0.2) / TONE_S))
    for number in range(first, last + 1):
        middle = round((number * TONE_S - begin_s) * rate)
        energy = samples[middle - window : middle + window].astype(np.float64) ** 2
        total = float(energy.sum())
        found = middle - window + float((energy * np.arange(len(energy))).sum()) / total if total > 1e-3 else np.inf
        centres.append((number, found))
    return centres
