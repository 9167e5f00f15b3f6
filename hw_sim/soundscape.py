"""What stands in the world's air: the truth behind its key ``sounds``. Pure but for the length of a file."""

from __future__ import annotations

import wave
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from hw_sim.devices.room import PlacedSound
from hw_sim.world_keys import WorldError

LOUDSPEAKER_GAIN_DB: Final = -12.0
LOUDSPEAKER_DELAY_US: Final = 5_000
"""From the moment the loudspeaker begins to play until its unit's microphone hears it: converter, and 10 cm of air."""

_KEPT_US: Final = 5_000_000
"""A sound that ended so long ago is forgotten: no microphone is so late."""


def still_heard(sounds: Iterable[PlacedSound], now_us: int) -> list[PlacedSound]:
    """Without those that ended long ago or, having been cut before they began, never sound."""
    return [sound for sound in sounds if sound.duration_us > 0 and sound.end_us + _KEPT_US > now_us]


def from_loudspeaker(wav: str, at_us: int, duration_us: int) -> PlacedSound:
    """What the unit's own microphone hears of its loudspeaker, a hand's breadth away on the same housing."""
    return PlacedSound(wav, at_us + LOUDSPEAKER_DELAY_US, duration_us, LOUDSPEAKER_GAIN_DB)


def length_us(path: Path) -> int:
    """Of a WAV file. Raises WorldError naming it."""
    try:
        with wave.open(str(path), "rb") as file:
            return file.getnframes() * 1_000_000 // file.getframerate()
    except (OSError, EOFError, wave.Error) as error:
        raise WorldError(f"{path}: 无法读取 WAV 文件 cannot read the WAV file: {error}") from error
