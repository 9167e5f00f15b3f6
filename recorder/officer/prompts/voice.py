"""The rendered pieces of one language: 16 kHz mono 16-bit WAV files and the manifest that says which text each one speaks.

Pieces are read when they are needed and forgotten afterwards: the whole voice is megabytes, the unit process has few.
"""

from __future__ import annotations

import json
import wave
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from firmware_bridge.ports import Sound
from recorder.officer.prompts.joining import Piece

RATE: Final = 16_000
"""Samples per second of every piece."""

MANIFEST: Final = "manifest.json"


class VoiceError(Exception):
    """A piece cannot be spoken: not rendered, damaged or of another format. The message names the file."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """One line of the manifest. ``spoken``: what the synthesiser was given. ``sha256`` of the WAV file."""

    file: str
    spoken: str
    duration_ms: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """``voice`` and ``synthesiser`` name how the pieces were made; ``pieces``: text → file."""

    voice: str
    synthesiser: str
    pieces: dict[str, Rendered]


def load_manifest(folder: Path) -> Manifest:
    """Raises VoiceError naming the file."""
    path = folder / MANIFEST
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        pieces = {text: Rendered(**entry) for text, entry in data["pieces"].items()}
        return Manifest(data["voice"], data["synthesiser"], pieces)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise VoiceError(f"{path}: 语音清单无法读取 the voice's manifest cannot be read: {error}") from error


def silence(length_ms: int) -> Sound:
    return array("h", bytes(2 * (RATE * length_ms // 1000)))


def read_wav(path: Path) -> Sound:
    """Raises VoiceError naming the file."""
    try:
        with wave.open(str(path), "rb") as file:
            shape = (file.getframerate(), file.getnchannels(), file.getsampwidth())
            data = file.readframes(file.getnframes())
    except (OSError, EOFError, wave.Error) as error:
        raise VoiceError(f"{path}: 语音片段无法读取 the piece cannot be read: {error}") from error
    if shape != (RATE, 1, 2):
        raise VoiceError(f"{path}: 应为 16 kHz 单声道 16 位 must be 16 kHz mono 16-bit, is {shape}")
    return array("h", data)  # in this machine's order of bytes: ``wave`` has seen to it


class Voice:
    """``folder``: ``config/prompts/voices/zh``. The manifest is read at the first prompt."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, str] | None = None

    def speak(self, pieces: Sequence[Piece]) -> Sound:
        """The pieces one after the other with their gaps; the last one's gap is left out. Raises VoiceError."""
        signal = array("h")
        gap_ms = 0
        for piece in pieces:
            signal += silence(gap_ms)
            signal += self._read(piece.text)
            gap_ms = piece.gap_ms
        return signal

    def _read(self, text: str) -> Sound:
        if self._files is None:
            self._files = {known: entry.file for known, entry in load_manifest(self._folder).pieces.items()}
        name = self._files.get(text)
        if name is None:
            raise VoiceError(f"{self._folder}: 没有语音片段 no rendered piece for {text!r}")
        return read_wav(self._folder / name)
