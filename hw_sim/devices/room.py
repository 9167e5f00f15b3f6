"""What reaches the simulated microphone: the scene's own sound, and sounds that were placed in it at a time.

A placed sound is a WAV with the boot-time at which it begins at the microphone, and a gain: an officer is near, a bystander
is some 24 dB farther, the unit's own loudspeaker sits on the same housing.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from firmware_bridge.ports import DeviceError, Samples
from hw_sim.devices.sound import Times, decode
from hw_sim.world_keys import Value

LOG = logging.getLogger(__name__)


class Sound(Protocol):
    """``times_s``: boot-times of the samples wanted, in seconds; ``first_index``: running number of the first."""

    def at(self, times_s: Times, first_index: int) -> Samples: ...


@dataclass(frozen=True, slots=True)
class PlacedSound:
    """``at_us``: boot-time of its first sample at the microphone; ``duration_us``: how long it is heard, which is shorter
    than the file when it was cut."""

    wav: str
    at_us: int
    duration_us: int
    gain_db: float = 0.0

    @property
    def end_us(self) -> int:
        return self.at_us + self.duration_us


def to_text(sounds: list[PlacedSound]) -> str:
    """For the world's key ``sounds``."""
    return json.dumps([asdict(sound) for sound in sounds], ensure_ascii=False)


def from_text(text: str) -> list[PlacedSound]:
    return [PlacedSound(**item) for item in json.loads(text)]


class Room:
    """``lookup`` of the world's keys; only ``sounds`` is read, as often as somebody listens."""

    def __init__(self, scene: Sound, rate: int, lookup: Callable[[str], Value]) -> None:
        self._scene = scene
        self._rate = rate
        self._lookup = lookup
        self._text = ""
        self._sounds: list[PlacedSound] = []
        self._decoded: dict[str, npt.NDArray[np.float32] | None] = {}

    def at(self, times_s: Times, first_index: int) -> Samples:
        """Scene and sounds together, clipped at full scale as a converter does."""
        heard = self._scene.at(times_s, first_index)
        begin_us, end_us = times_s[0] * 1e6, times_s[-1] * 1e6
        sounding = [sound for sound in self._placed() if sound.at_us <= end_us and sound.end_us >= begin_us]
        if not sounding:
            return heard
        mixed = heard.astype(np.float32)
        for sound in sounding:
            samples = self._samples(sound.wav)
            if samples is not None:
                mixed += np.float32(10 ** (sound.gain_db / 20)) * _interpolated(samples, times_s, sound, self._rate)
        return np.asarray(np.rint(mixed.clip(-32_768, 32_767)), np.int16)

    def _placed(self) -> list[PlacedSound]:
        text = str(self._lookup("sounds"))
        if text != self._text:
            self._text, self._sounds = text, from_text(text)
            wanted = {sound.wav for sound in self._sounds}
            self._decoded = {wav: samples for wav, samples in self._decoded.items() if wav in wanted}
        return self._sounds

    def _samples(self, wav: str) -> npt.NDArray[np.float32] | None:
        """None for a file that has gone since the world looked at it: said once, and no reason to be deaf."""
        if wav not in self._decoded:
            try:
                self._decoded[wav] = decode(wav, self._rate).astype(np.float32)
            except DeviceError as error:
                LOG.warning("声音未播放 sound not played: %s", error)
                self._decoded[wav] = None
        return self._decoded[wav]


def _interpolated(
    samples: npt.NDArray[np.float32], times_s: Times, sound: PlacedSound, rate: int
) -> npt.NDArray[np.float32]:
    position = (times_s - sound.at_us / 1e6) * rate
    whole = np.rint(position)
    position = np.where(np.abs(position - whole) < 1e-3, whole, position)  # float dust must not blur it
    # Only the piece in question: to interpolate in a whole prompt costs 4 ms a block of 20 ms, for which a busy machine's
    # capture worker then had no time, so that its microphone overflowed whenever somebody spoke.
    first, last = max(0, int(position[0]) - 1), max(0, int(position[-1]) + 2)
    piece = samples[first:last]
    if not piece.size:
        return np.zeros(times_s.size, np.float32)
    heard = np.interp(position, np.arange(first, first + piece.size), piece, left=0.0, right=0.0)
    return np.where(times_s < sound.end_us / 1e6, heard, 0.0).astype(np.float32)
