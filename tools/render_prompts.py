"""``./dev run python -m tools.render_prompts``: renders every piece of the prompt catalogue into ``config/prompts/voices``
and writes the table ``docs/prompts.md``.

Only what is new or has changed is made again, what nobody needs any more is removed. ``--check`` writes nothing and exits
with 1 when something would change. The synthesiser is a development tool (docs/adr/0013-voice.md); units get the WAV files.
"""

from __future__ import annotations

import ctypes
import hashlib
import importlib
import json
import multiprocessing
import sys
import wave
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import click
import numpy as np
import numpy.typing as npt

from recorder.officer.prompts.catalogue import Catalogue, parse_catalogue
from recorder.officer.prompts.numerals import LANGUAGES, Language
from recorder.officer.prompts.voice import MANIFEST, RATE, Manifest, Rendered, VoiceError, load_manifest
from tools.prompt_table import table

ROOT: Final = Path(__file__).resolve().parents[1]
CATALOGUE: Final = ROOT / "config" / "prompts" / "catalogue.toml"
VOICES: Final = ROOT / "config" / "prompts" / "voices"

TABLE: Final = ROOT / "docs" / "prompts.md"

Signal = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Speaker:
    """An espeak-ng voice and how fast it speaks. ``words_per_minute``: espeak's unit; 240 are about five syllables a second
    in Mandarin."""

    voice: str
    words_per_minute: int


SPEAKERS: Final[dict[Language, Speaker]] = {"zh": Speaker("cmn", 240), "en": Speaker("en-us", 185)}

_RETRIEVAL, _UTF8, _SPEED = 1, 1, 1  # AUDIO_OUTPUT_RETRIEVAL, espeakCHARS_UTF8, espeakRATE of speak_lib.h
_TAPS = 32
_QUIET = 0.01
_MARGIN_S, _FADE_S, _PEAK = 0.012, 0.005, 0.7
_STEP = 16  # 12 bits: the noise is 70 dB below the peak, and the repository a quarter smaller
_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


class Synthesiser:
    """espeak-ng as ``espeakng-loader`` bundles it. Debian's 1.51 must not be used: its Mandarin is wrong."""

    def __init__(self) -> None:
        espeakng_loader: Any = importlib.import_module("espeakng_loader")  # a library without types, of the dev extra
        self._library: Any = ctypes.CDLL(espeakng_loader.get_library_path())
        self._library.espeak_Info.restype = ctypes.c_char_p
        self._library.espeak_TextToPhonemes.restype = ctypes.c_char_p
        self._rate = self._library.espeak_Initialize(_RETRIEVAL, 0, espeakng_loader.get_data_path().encode(), 0)
        self._heard: list[npt.NDArray[np.int16]] = []
        self._callback = _CALLBACK(self._take)
        self._library.espeak_SetSynthCallback(self._callback)

    @property
    def version(self) -> str:
        return f"espeak-ng {self._library.espeak_Info(None).decode()}"

    def say(self, text: str, speaker: Speaker) -> npt.NDArray[np.int16]:
        """``text`` at 16 kHz without the silence around it."""
        self._set(speaker)
        self._heard.clear()
        data = text.encode()
        self._library.espeak_Synth(data, len(data) + 1, 0, 1, 0, _UTF8, None, None)
        self._library.espeak_Synchronize()
        return trimmed(resampled(np.concatenate(self._heard) / 32768, self._rate))

    def phonemes(self, text: str, speaker: Speaker) -> str:
        """espeak's own phoneme names; in Mandarin with the tone's contour (55, 35, 214, 51)."""
        self._set(speaker)
        rest = ctypes.c_char_p(text.encode())
        clauses = []
        while rest.value:
            clauses.append(self._library.espeak_TextToPhonemes(ctypes.byref(rest), _UTF8, 0).decode())
        return " ".join(clauses)

    def _set(self, speaker: Speaker) -> None:
        if self._library.espeak_SetVoiceByName(speaker.voice.encode()) != 0:
            raise click.ClickException(f"没有语音 no such voice: {speaker.voice}")
        self._library.espeak_SetParameter(_SPEED, speaker.words_per_minute, 0)

    def _take(self, samples: Any, count: int, _events: Any) -> int:
        if samples and count > 0:
            self._heard.append(np.ctypeslib.as_array(samples, (count,)).copy())
        return 0


def rendered(jobs: Sequence[tuple[str, Speaker]]) -> list[npt.NDArray[np.int16]]:
    """Each text said by a synthesiser that has said nothing before: espeak carries the state of its oscillators from one
    utterance to the next, and a piece shall not depend on its neighbours."""
    with multiprocessing.get_context("forkserver").Pool(2, maxtasksperchild=1) as pool:
        return pool.starmap(_say, jobs, chunksize=1)


def _say(text: str, speaker: Speaker) -> npt.NDArray[np.int16]:
    return Synthesiser().say(text, speaker)


def resampled(signal: Signal, rate: int) -> Signal:
    """``signal`` at 16 kHz: windowed sinc (Hann, 32 zero crossings each side), cut off below both Nyquist frequencies."""
    step = rate / RATE
    at = np.arange(int(len(signal) / step)) * step
    cutoff = 0.95 * min(1.0, 1 / step)
    width = int(_TAPS / cutoff)
    padded = np.pad(signal, width + 1)
    offsets = np.arange(-width, width + 1)
    first = np.floor(at).astype(int)
    distance = (at - first)[:, None] - offsets[None, :]
    weights = cutoff * np.sinc(cutoff * distance) * (0.5 + 0.5 * np.cos(np.pi * distance / (width + 1)))
    return np.asarray((padded[first[:, None] + offsets[None, :] + width + 1] * weights).sum(axis=1))


def trimmed(signal: Signal) -> npt.NDArray[np.int16]:
    """Without the silence around it, with soft edges, all pieces equally loud at their peak."""
    loud = np.flatnonzero(np.abs(signal) > _QUIET * np.abs(signal).max())
    margin, fade = round(_MARGIN_S * RATE), round(_FADE_S * RATE)
    cut = signal[max(0, loud[0] - margin) : loud[-1] + margin].copy()
    ramp = np.arange(fade) / fade
    cut[:fade] *= ramp
    cut[-fade:] *= ramp[::-1]
    scaled = np.asarray(cut * (_PEAK / np.abs(cut).max()) * 32767)
    return ((scaled / _STEP).round() * _STEP).astype(np.int16)


def file_name(spoken: str, speaker: Speaker, synthesiser: str) -> str:
    """Changes with everything the sound depends on, so that a stale piece cannot go unnoticed."""
    digest = hashlib.sha256("\0".join((spoken, voice_name(speaker), synthesiser)).encode()).hexdigest()
    return f"{digest[:12]}.wav"


def voice_name(speaker: Speaker) -> str:
    return f"{speaker.voice}, {speaker.words_per_minute} words/min"


def load_catalogue() -> Catalogue:
    return parse_catalogue(CATALOGUE.read_text(encoding="utf-8"), str(CATALOGUE))


def stale(catalogue: Catalogue, language: Language, synthesiser: str, manifest: Manifest | None) -> list[str]:
    """Texts to be rendered again: new, respelled or made by another voice."""
    known = manifest.pieces if manifest is not None else {}
    wanted = catalogue.clauses(language)
    return [
        text
        for text, spoken in wanted.items()
        if text not in known or known[text].file != file_name(spoken, SPEAKERS[language], synthesiser)
    ]


def render(synthesiser: Synthesiser, catalogue: Catalogue, language: Language) -> None:
    folder, speaker = VOICES / language, SPEAKERS[language]
    folder.mkdir(parents=True, exist_ok=True)
    old = _manifest(folder)
    clauses = catalogue.clauses(language)
    again = stale(catalogue, language, synthesiser.version, old)
    sounds = dict(zip(again, rendered([(clauses[text], speaker) for text in again]), strict=True))
    pieces: dict[str, Rendered] = {}
    for text, spoken in sorted(clauses.items()):
        if text not in sounds and old is not None:
            pieces[text] = old.pieces[text]
            continue
        path = folder / file_name(spoken, speaker, synthesiser.version)
        samples = sounds[text]
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(RATE)
            file.writeframes(samples.astype("<i2").tobytes())
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        pieces[text] = Rendered(path.name, spoken, round(len(samples) * 1000 / RATE), digest)
    used = {piece.file for piece in pieces.values()}
    for path in folder.glob("*.wav"):
        if path.name not in used:
            path.unlink()
    manifest = Manifest(voice_name(speaker), synthesiser.version, pieces)
    (folder / MANIFEST).write_text(json.dumps(asdict(manifest), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    total = sum(piece.duration_ms for piece in pieces.values()) / 1000
    click.echo(f"{language}: {len(pieces)} pieces, {len(again)} rendered, {total:.0f} s")


def _manifest(folder: Path) -> Manifest | None:
    try:
        return load_manifest(folder)
    except VoiceError:
        return None  # none yet, or damaged: everything is rendered again


@click.command(help=__doc__)
@click.option("--check", is_flag=True)
def main(check: bool) -> None:
    catalogue, synthesiser = load_catalogue(), Synthesiser()
    if check:
        todo = [
            text
            for language in LANGUAGES
            for text in stale(catalogue, language, synthesiser.version, _manifest(VOICES / language))
        ]
        click.echo("\n".join(todo) or "语音与目录一致 the voices agree with the catalogue")
        sys.exit(1 if todo else 0)
    for language in LANGUAGES:
        render(synthesiser, catalogue, language)
    TABLE.write_text(table(catalogue), encoding="utf-8")


if __name__ == "__main__":
    main()
