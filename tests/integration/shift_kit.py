"""What an officer and a street do before a unit with real processes, and what its recording lets hear afterwards."""

from __future__ import annotations

import wave
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from firmware_bridge.ports import Samples
from hw_sim.devices.room import PlacedSound
from hw_sim.devices.sound import decode
from hw_sim.runner.media import MEDIA
from hw_sim.scenario_actions import GAIN_DB
from recorder.capture.listener import Listener
from recorder.capture.speech import SpeechSpans
from recorder.capture.voice_detector import SileroDetector
from recorder.evidence.age import Identity
from recorder.evidence.age_reader import AgeReader
from tests.capture.footage import sound
from tests.capture.test_voice_detector import SETTINGS
from tests.capture.voices import RATE as VOICE_RATE
from tests.capture.voices import correlation, street
from tests.integration.rig import Rig

RATE = 48_000
HEARD_US = 700_000
"""So long after a sound ended it has been heard, detected and reported."""

SEEK_US = 60_000
"""So near its place a piece of sound must be."""

PIECE = RATE // 4
"""Samples of a clip that are sought together. The recording's clock follows the microphone's in steps of up to 2 ms, one a
second (``recorder.capture.timeline``), and a piece with a step in it fits no place well: of pieces of a second that may be
every one, of these it is one in four."""

SHORT_PRESS_S, LONG_PRESS_S = 0.15, 1.7

AUDIBLE = 0.003
"""Of full scale (-50 dBFS): a pause between two words fits anything."""

Span = tuple[int, int]
Wave = npt.NDArray[np.float64]


class Scene:
    """An officer with a unit. All times are the unit's boot-time, µs."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig

    # --- what happens to the unit ---

    def interrupt(self) -> None:
        """The capture worker is killed; the recording resumes and the question about the gap has been spoken."""
        before = self.now_us()
        self.rig.unit.kill("worker")
        self.rig.wait(lambda: bool(self.prompts(before, "resumed")), "the question about the gap is spoken")
        self.hush()

    # --- what people do ---

    def press(self, seconds: float = SHORT_PRESS_S) -> int:
        """The mark button; returns when it went down."""
        at_us = self.now_us()
        self.rig.world.set("button.mark", True)
        self.until(at_us + round(seconds * 1e6))
        self.rig.world.set("button.mark", False)
        return at_us

    def say(self, clip: str, who: str) -> PlacedSound:
        return self._sound(MEDIA / f"{clip}.wav", GAIN_DB[who])

    def traffic(self, seconds: float) -> PlacedSound:
        """Engines and cars that pass, without a voice, as loud as a street is."""
        path = self.rig.layout.out / "traffic.wav"
        with wave.open(str(path), "wb") as file:
            file.setparams((1, 2, VOICE_RATE, 0, "NONE", ""))
            file.writeframes(street(seconds).tobytes())
        return self._sound(path, 0.0)

    def _sound(self, wav: Path, gain_db: float) -> PlacedSound:
        """It sounds, to its end."""
        placed = self.rig.world.play(wav, gain_db)
        self.until(placed.end_us + HEARD_US)
        return placed

    # --- waiting ---

    def now_us(self) -> int:
        return self.rig.world.clock.boottime_us()

    def until(self, at_us: int) -> None:
        self.rig.wait(lambda: self.now_us() >= at_us, "time passes")

    def answered(self, at_us: int) -> None:
        """Something was said since ``at_us``, and nothing is being said any more."""
        self.rig.wait(lambda: bool(self.prompts(at_us)), "the unit says something")
        self.hush()

    def hush(self) -> None:
        """The unit is silent, and the echo is over in which no voice counts."""

        def silent() -> bool:
            events = [event for event in self.rig.of("event") if event["event"] in ("prompt-begun", "prompt")]
            begun = {event["detail"]["from_us"] for event in events if event["event"] == "prompt-begun"}
            ended = {event["detail"]["from_us"]: event["at_us"] for event in events if event["event"] == "prompt"}
            return begun <= ended.keys() and self.now_us() >= max(ended.values(), default=0) + HEARD_US

        self.rig.wait(silent, "the unit is silent")

    def prompts(self, since_us: int, prompt_id: str | None = None) -> list[dict[str, Any]]:
        """Prompts that were spoken to their end and began since then."""
        spoken = (event["detail"] for event in self.rig.of("event") if event["event"] == "prompt")
        return [
            detail
            for detail in spoken
            if detail["outcome"] == "spoken" and detail["from_us"] >= since_us and prompt_id in (None, detail["id"])
        ]


class Heard:
    """The sound of some segments, unsealed with the agency's identity, on the unit's boot-time. One that a kill cut short
    is heard as far as it is whole."""

    def __init__(self, rig: Rig, segment_ids: Sequence[str], identities: Sequence[Identity], folder: Path) -> None:
        opened = {record["segment_id"]: record for record in rig.of("segment-open")}
        times: list[Wave] = [np.zeros(0)]
        samples: list[Wave] = [np.zeros(0)]
        for segment_id in segment_ids:
            record = opened[segment_id]
            sealed = rig.layout.unit / "segments" / record["session_id"] / f"{segment_id}.mp4.age"
            plain = folder / f"{segment_id}.mp4"
            with sealed.open("rb") as stream:
                plain.write_bytes(b"".join(AgeReader(stream, identities).chunks()))
            starts, blocks = sound(plain, RATE)
            for start, block in zip(starts, blocks.astype(np.float64), strict=True):
                times.append(record["media_start_us"] + start + np.arange(block.size) * 1e6 / RATE)
                samples.append(block)
        at_us, heard = np.concatenate(times), np.concatenate(samples)
        assert at_us.size, "there is a recording"
        self._from_us = float(at_us.min())
        self._samples = np.zeros(round((at_us.max() - self._from_us) * RATE / 1e6) + 1)
        self._samples[np.rint((at_us - self._from_us) * RATE / 1e6).astype(int)] = heard

    def within(self, spans: Sequence[Span]) -> Wave:
        """Silence but in these spans."""
        kept = np.zeros_like(self._samples)
        for span in spans:
            piece = slice(*(max(0, round((at - self._from_us) * RATE / 1e6)) for at in span))
            kept[piece] = self._samples[piece]
        return kept

    def match(self, wav: Path, at_us: int, spans: Sequence[Span]) -> tuple[float, float]:
        """Is the clip in the spans, having begun at ``at_us``? Each piece of it that is not silent is sought by itself,
        :data:`SEEK_US` around its place, for a busy machine loses pieces of sound. Medians of how well a piece fits (1.0:
        it is there and nothing else) and of how loud it is against the file, in dB."""
        clip = decode(str(wav), RATE).astype(np.float64) / 32768
        heard = self.within(spans)
        fits: list[float] = []
        gains: list[float] = []
        for first in range(0, clip.size - PIECE + 1, PIECE):
            piece = clip[first : first + PIECE]
            if float(np.sqrt(np.mean(piece**2))) < AUDIBLE:
                continue
            place = round((at_us - SEEK_US - self._from_us) * RATE / 1e6) + first
            around = heard[max(0, place) : place + PIECE + 2 * SEEK_US * RATE // 1_000_000]
            found = correlation(around, piece)
            best = int(found.argmax())
            here = float(np.linalg.norm(around[best : best + PIECE]))
            fits.append(float(found[best]) / (float(np.linalg.norm(piece)) * here) if here else 0.0)
            gains.append(20 * float(np.log10(max(1e-6, found[best] / np.sum(piece**2)))))
        assert len(fits) >= 8, "two seconds of the clip can be heard"
        return float(np.median(fits)), float(np.median(gains))

    def speech_us(self, span: Span) -> int:
        """How much speech the unit's own detector finds there."""
        first, last = (round((at - self._from_us) * RATE / 1e6) for at in span)
        samples: Samples = np.rint(self._samples[first:last].clip(-1, 1) * 32767).astype(np.int16)
        listener = Listener(RATE, SileroDetector(), SpeechSpans(SETTINGS))
        found = []
        for start in range(0, samples.size, 960):
            block = samples[start : start + 960]
            found += listener.block(block, span[0] + (start + block.size) * 1_000_000 // RATE)
        return sum(report.end_us - report.start_us for report in [*found, *listener.end()] if report.final)
