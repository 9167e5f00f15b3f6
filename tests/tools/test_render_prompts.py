"""The synthesiser speaks Mandarin, what is shipped is what it makes, and the table of prompts is the catalogue's."""

from __future__ import annotations

import re

import numpy as np
import pytest

from recorder.officer.prompts.catalogue import parse_catalogue
from recorder.officer.prompts.numerals import LANGUAGES, Language
from recorder.officer.prompts.voice import RATE, load_manifest, read_wav
from tools.prompt_table import table
from tools.render_prompts import (
    SPEAKERS,
    TABLE,
    VOICES,
    Synthesiser,
    load_catalogue,
    rendered,
    resampled,
    stale,
    trimmed,
)


@pytest.fixture(scope="module")
def synthesiser() -> Synthesiser:
    return Synthesiser()


def tones_of(phonemes: str) -> str:
    """55 is the first tone, 35 the second, 214 the third, 51 the fourth, 11 the neutral one."""
    names = {"55": "1", "35": "2", "214": "3", "51": "4", "11": "5"}
    return "".join(names[contour] for contour in re.findall(r"\d+", phonemes))


@pytest.mark.parametrize(
    ("text", "tones", "syllables"),
    [
        ("开始记录", "1344", ["kh", "s.", "tS;", "l"]),
        ("停止记录", "2344", ["th", "ts.", "tS;", "l"]),
        ("记录已恢复", "44314", ["tS;", "l", "j", "X", "f"]),
        ("中断时间", "1421", ["ts.", "t", "s.", "tS;"]),
        ("请对中断原因进行语音说明", "341421423112", []),
        ("执法证号", "2344", []),
        ("音像记录不得擅自毁损", "1444424433", []),
        ("请较时后使用", "342434", []),
        ("十", "2", ["s."]),
        ("两", "3", ["l"]),
        ("零", "2", ["l"]),
        ("四", "4", ["s"]),
        ("小时", "32", ["S;", "s."]),
    ],
)
def test_mandarin_has_the_right_tones_and_initials(
    synthesiser: Synthesiser, text: str, tones: str, syllables: list[str]
) -> None:
    phonemes = synthesiser.phonemes(text, SPEAKERS["zh"])
    assert tones_of(phonemes) == tones, phonemes
    assert "(en)" not in phonemes
    rest = phonemes
    for initial in syllables:
        assert initial in rest, phonemes
        rest = rest.split(initial, 1)[1]


def test_no_clause_of_the_catalogue_is_read_as_english_and_each_character_is_one_syllable(
    synthesiser: Synthesiser,
) -> None:
    for spoken in load_catalogue().clauses("zh").values():
        phonemes = synthesiser.phonemes(spoken, SPEAKERS["zh"])
        assert "(en)" not in phonemes, spoken
        assert len(tones_of(phonemes)) == len(spoken), (spoken, phonemes)


def test_the_set_time_prompt_is_respelled_because_it_is_misread(synthesiser: Synthesiser) -> None:
    """校 is jiào here; the synthesiser says xiào (校 of 学校). Should it learn, the respelling can go."""
    assert synthesiser.phonemes("校时", SPEAKERS["zh"]).startswith("S;j'Au51")
    assert synthesiser.phonemes("较时", SPEAKERS["zh"]).startswith("tS;j'Au51")
    assert "较时" in load_catalogue().prompts["clock-not-set"].spoken["zh"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_shipped_is_what_the_synthesiser_makes(synthesiser: Synthesiser, language: Language) -> None:
    manifest = load_manifest(VOICES / language)
    assert manifest.synthesiser == synthesiser.version
    assert stale(load_catalogue(), language, synthesiser.version, manifest) == []
    texts = sorted(manifest.pieces)[:: len(manifest.pieces) // 4]
    again = rendered([(manifest.pieces[text].spoken, SPEAKERS[language]) for text in texts])
    for text, made in zip(texts, again, strict=True):
        shipped = read_wav(VOICES / language / manifest.pieces[text].file)
        assert len(made) == len(shipped), text
        assert np.abs(made.astype(int) - shipped).max() <= 64, text  # floating point may differ between machines


def test_a_changed_text_or_voice_is_stale() -> None:
    manifest = load_manifest(VOICES / "zh")
    catalogue = load_catalogue()
    assert len(stale(catalogue, "zh", "espeak-ng 9", manifest)) == len(manifest.pieces)
    assert len(stale(catalogue, "zh", manifest.synthesiser, None)) == len(manifest.pieces)
    source = TABLE.parents[1] / "config" / "prompts" / "catalogue.toml"
    changed = source.read_text(encoding="utf-8").replace('zh = "开始记录。"', 'zh = "现在记录。"')
    assert stale(parse_catalogue(changed, "x"), "zh", manifest.synthesiser, manifest) == ["现在记录"]


@pytest.mark.parametrize("frequency", [300, 1000, 4000])
def test_resampling_keeps_a_tone_and_nothing_else(frequency: int) -> None:
    rate = 22_050
    tone = np.sin(2 * np.pi * frequency * np.arange(rate) / rate)
    heard = resampled(tone, rate)
    expected = np.sin(2 * np.pi * frequency * np.arange(len(heard)) / RATE)
    assert np.abs(heard - expected)[500:-500].max() < 0.01


def test_resampling_lets_nothing_fold_back() -> None:
    rate = 22_050
    assert np.abs(resampled(np.sin(2 * np.pi * 9500 * np.arange(rate) / rate), rate))[500:-500].max() < 0.02


def test_silence_is_cut_off() -> None:
    tone = np.sin(np.arange(RATE) / 5)
    cut = trimmed(np.concatenate([np.zeros(RATE), tone, np.zeros(RATE)]))
    assert abs(len(cut) - RATE) < RATE // 20
    assert np.abs(cut).max() == pytest.approx(0.7 * 32767, abs=16)


def test_the_table_of_all_prompts_is_current() -> None:
    assert TABLE.read_text(encoding="utf-8") == table(load_catalogue()), "./dev run python -m tools.render_prompts"
