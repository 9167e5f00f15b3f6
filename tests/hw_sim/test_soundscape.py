"""The world's air: what was placed in it, what the loudspeaker said, and who is told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from hw_sim.devices.room import PlacedSound, from_text
from hw_sim.runner.media import MEDIA
from hw_sim.soundscape import LOUDSPEAKER_DELAY_US, LOUDSPEAKER_GAIN_DB, length_us, still_heard
from hw_sim.world import SpeakerEvent, World
from hw_sim.world_client import WorldClient
from hw_sim.world_keys import WorldError
from tests.hw_sim.devices.test_microphone import write_wav
from tests.hw_sim.test_board import until

YES = MEDIA / "officer_says_yes.wav"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World({}, tmp_path / "w") as world:
        yield world


@pytest.fixture
def unit(world: World, tmp_path: Path) -> Iterator[WorldClient]:
    client = WorldClient(tmp_path / "w", {"hello": "unit"})
    client.start()
    yield client
    client.close()


def air(world: World) -> list[PlacedSound]:
    return from_text(str(world.get("sounds")))


def test_sounds_long_past_and_sounds_that_never_were_are_forgotten() -> None:
    sounds = [PlacedSound("a", 0, 1_000_000), PlacedSound("b", 3_000_000, 1_000_000), PlacedSound("c", 9_000_000, 0)]
    assert still_heard(sounds, 5_999_999) == sounds[:2]
    assert still_heard(sounds, 6_000_000) == sounds[1:2]


def test_the_loudspeaker_is_heard_by_its_own_microphone(world: World, unit: WorldClient, tmp_path: Path) -> None:
    path = tmp_path / "提示.wav"
    write_wav(path, np.ones(16_000, np.int16))
    worker = WorldClient(tmp_path / "w", {"hello": "worker", "camera_id": "cam0"})
    worker.start()
    at_us = world.clock.boottime_us() + 100_000
    unit.report_speaker(str(path), at_us, 1_000_000)
    until(lambda: worker.get("sounds") != "[]")
    assert world.speaker_events() == (SpeakerEvent(str(path), at_us, 1_000_000, world.clock.boot_id()),)
    (heard,) = from_text(str(worker.get("sounds")))
    assert heard == PlacedSound(str(path), at_us + LOUDSPEAKER_DELAY_US, 1_000_000, LOUDSPEAKER_GAIN_DB)
    worker.close()


def test_a_prompt_that_is_cut_is_heard_until_then(world: World, unit: WorldClient) -> None:
    now_us = world.clock.boottime_us()
    unit.report_speaker("first.wav", now_us, 60_000_000)
    unit.report_speaker("second.wav", now_us + 60_000_000, 1_000_000)
    assert world.wait_for_speaker(10, after=1) is not None
    unit.report_speaker_stop(now_us + 400_000)
    until(lambda: world.speaker_events()[0].duration_us == 400_000)
    assert [(sound.wav, sound.duration_us) for sound in air(world)] == [("first.wav", 400_000)]


def test_a_new_boot_begins_in_silence(world: World, unit: WorldClient) -> None:
    world.play(YES)
    unit.report_speaker("prompt.wav", world.clock.boottime_us(), 60_000_000)
    until(lambda: len(air(world)) == 2)
    world.new_boot()
    assert air(world) == [] and len(world.speaker_events()) == 1


@pytest.mark.parametrize("message", [{"op": "speaker", "wav": 1, "at_us": 2, "duration_us": 3}, {"op": "sing"}])
def test_nonsense_ends_the_connection(world: World, unit: WorldClient, message: dict[str, object]) -> None:
    unit._report(message)
    until(lambda: not unit.connected())
    assert world.speaker_events() == () and air(world) == []


def test_a_clip_is_placed_now_with_its_length(world: World) -> None:
    before_us = world.clock.boottime_us()
    sound = world.play(YES, -6.0)
    assert before_us <= sound.at_us <= world.clock.boottime_us()
    assert sound.duration_us == length_us(YES) == pytest.approx(1_244_187, abs=1)
    assert air(world) == [sound]


def test_what_cannot_be_played_is_refused_by_name(world: World, tmp_path: Path) -> None:
    broken = tmp_path / "broken.wav"
    broken.write_text("no sound")
    for path in (broken, tmp_path / "missing.wav"):
        with pytest.raises(WorldError, match=path.name):
            world.play(path)
    with pytest.raises(WorldError, match="sounds"):
        world.set("sounds", "[]")
