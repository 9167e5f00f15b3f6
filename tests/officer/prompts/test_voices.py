"""Text, language parity, placeholders and WAV agree: what the catalogue can say is rendered, and nothing else is."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from recorder.config.paths import shipped_dir
from recorder.officer.prompts import joining
from recorder.officer.prompts.catalogue import Catalogue
from recorder.officer.prompts.joining import Piece
from recorder.officer.prompts.numerals import LANGUAGES, Language
from recorder.officer.prompts.template import placeholders
from recorder.officer.prompts.voice import RATE, Voice, VoiceError, load_manifest, read_wav
from tools.render_prompts import SPEAKERS, file_name, load_catalogue, voice_name

VOICES = shipped_dir() / "prompts" / "voices"
SYLLABLE_MS = {"zh": (90, 520), "en": (45, 420)}
"""Shortest and longest plausible time for a character (zh) or a letter group of three (en)."""
EXAMPLES: dict[str, object] = {"percent": 87, "count": 2, "time": 50_709, "duration": 123}

both = pytest.mark.parametrize("language", LANGUAGES)


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue()


def values_of(catalogue: Catalogue, prompt_id: str) -> list[dict[str, object]]:
    """One set of values for each choice the prompt can take."""
    kinds = catalogue.prompts[prompt_id].values
    longest = max((len(catalogue.choices[kind]) for kind in kinds.values() if kind in catalogue.choices), default=1)
    return [
        {
            name: EXAMPLES[kind]
            if kind in EXAMPLES
            else list(catalogue.choices[kind])[turn % len(catalogue.choices[kind])]
            for name, kind in kinds.items()
        }
        for turn in range(longest)
    ]


def test_both_languages_say_the_same_values(catalogue: Catalogue) -> None:
    for prompt in catalogue.prompts.values():
        zh, en = (sorted(placeholders(prompt.text[language])) for language in LANGUAGES)
        assert zh == en == sorted(prompt.values), prompt.id


@both
def test_every_piece_is_rendered_and_no_file_is_left_over(catalogue: Catalogue, language: Language) -> None:
    manifest = load_manifest(VOICES / language)
    assert set(manifest.pieces) == set(catalogue.clauses(language)), "./dev run python -m tools.render_prompts"
    files = {path.name for path in (VOICES / language).iterdir()} - {"manifest.json"}
    assert files == {piece.file for piece in manifest.pieces.values()}


@both
def test_every_file_was_made_from_the_text_it_stands_for(catalogue: Catalogue, language: Language) -> None:
    """The name of a file is a digest of text, voice and synthesiser; the manifest has the digest of its bytes."""
    manifest, speaker = load_manifest(VOICES / language), SPEAKERS[language]
    assert manifest.voice == voice_name(speaker)
    for text, spoken in catalogue.clauses(language).items():
        piece = manifest.pieces[text]
        assert piece.spoken == spoken
        assert piece.file == file_name(spoken, speaker, manifest.synthesiser), text
        assert hashlib.sha256((VOICES / language / piece.file).read_bytes()).hexdigest() == piece.sha256, text


@both
def test_every_file_is_speech_of_a_plausible_length(language: Language) -> None:
    least, most = SYLLABLE_MS[language]
    for text, piece in load_manifest(VOICES / language).pieces.items():
        samples = np.array(read_wav(VOICES / language / piece.file), np.int16)
        milliseconds = len(samples) * 1000 / RATE
        assert abs(milliseconds - piece.duration_ms) <= 1
        syllables = len(text) if language == "zh" else max(1, len(text) / 3)
        assert least <= milliseconds / syllables <= most, text
        assert 10_000 < np.abs(samples).max() < 32_000, text
        assert np.sqrt(np.mean(samples.astype(float) ** 2)) > 1000, text
        edge = RATE // 50  # trimmed: it begins and ends within 60 ms
        assert np.abs(samples[: 3 * edge]).max() > 100 and np.abs(samples[-3 * edge :]).max() > 100, text


def test_the_voices_stay_small() -> None:
    assert sum(path.stat().st_size for path in VOICES.rglob("*.wav")) < 13_000_000


@both
def test_every_prompt_can_be_spoken_with_every_choice(catalogue: Catalogue, language: Language) -> None:
    voice = Voice(VOICES / language)
    for prompt_id in catalogue.prompts:
        for values in values_of(catalogue, prompt_id):
            pieces = joining.pieces(catalogue, prompt_id, values, language)
            samples = voice.speak(pieces)
            assert 0.3 < len(samples) / RATE < 13, (prompt_id, values)
            assert "{" not in joining.text(catalogue, prompt_id, values, language)


def test_pieces_are_joined_with_their_gaps() -> None:
    voice = Voice(VOICES / "zh")
    one = voice.speak([Piece("开始记录", 350)])
    two = voice.speak([Piece("开始记录", 100), Piece("十", 350)])
    ten = voice.speak([Piece("十", 0)])
    assert len(two) == len(one) + RATE // 10 + len(ten)
    assert np.array_equal(two[: len(one)], one) and np.array_equal(two[-len(ten) :], ten)
    assert not any(two[len(one) : len(one) + RATE // 10])
    assert len(voice.speak([])) == 0


def test_what_is_not_rendered_or_damaged_is_named(tmp_path: Path) -> None:
    with pytest.raises(VoiceError, match="没有这句话"):
        Voice(VOICES / "zh").speak([Piece("没有这句话", 0)])
    with pytest.raises(VoiceError, match=r"manifest\.json"):
        Voice(tmp_path).speak([Piece("十", 0)])
    folder = tmp_path / "zh"
    shutil.copytree(VOICES / "zh", folder)
    name = load_manifest(folder).pieces["十"].file
    (folder / name).write_bytes(b"RIFF")
    with pytest.raises(VoiceError, match=name):
        Voice(folder).speak([Piece("十", 0)])
    (folder / name).unlink()
    with pytest.raises(VoiceError, match=name):
        Voice(folder).speak([Piece("十", 0)])
    (folder / "manifest.json").write_text(json.dumps({"pieces": []}))
    with pytest.raises(VoiceError, match=r"manifest\.json"):
        Voice(folder).speak([Piece("十", 0)])
