"""What a scenario lets people do reaches the world when its time has come."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from firmware_bridge.clock import SystemClock
from hw_sim.devices.room import from_text
from hw_sim.runner.actions import Actions
from hw_sim.runner.media import MEDIA
from hw_sim.runner.stop_flag import StopFlag
from hw_sim.scenario import Scenario
from hw_sim.world import World


def scenario(*actions: dict[str, Any]) -> Scenario:
    return Scenario.model_validate(
        {"name": "x", "title_zh": "x", "title_en": "x", "duration_s": 0.01, "action": list(actions), "expect": []}
    )


def play(world: World, *actions: dict[str, Any]) -> list[str]:
    said: list[str] = []
    run = SimpleNamespace(
        scenario=scenario(*actions), clock=SystemClock(), stop=StopFlag(), language="en", kills=[], say=said.append
    )
    Actions(cast(Any, run), world, cast(Any, None), cast(Any, None)).play()
    return said


def test_people_and_things_sound_as_near_as_they_are(tmp_path: Path) -> None:
    own = tmp_path / "own.wav"
    own.write_bytes((MEDIA / "officer_says_yes.wav").read_bytes())
    with World({}, tmp_path / "w") as world:
        said = play(
            world,
            {"at_s": 0, "do": "say", "who": "officer", "clip": "officer_explains.wav", "say_en": "an explanation"},
            {"at_s": 0, "do": "say", "who": "bystander", "clip": "bystander_talks.wav"},
            {"at_s": 0, "do": "sound", "clip": str(own), "gain_db": -6},
        )
        sounds = from_text(str(world.get("sounds")))
        assert [(Path(sound.wav).name, sound.gain_db) for sound in sounds] == [
            ("officer_explains.wav", 0.0),
            ("bystander_talks.wav", -24.0),
            ("own.wav", -6.0),
        ]
        assert all(sound.at_us <= world.clock.boottime_us() for sound in sounds)
    assert [line.partition("] ")[2] for line in said] == ["an explanation", "say", "sound"]


def test_the_microphone_fails_as_told(tmp_path: Path) -> None:
    with World({}, tmp_path / "w") as world:
        for mode in ("off", "silent", "overflow", "stuck", "ok"):
            play(world, {"at_s": 0, "do": "fault", "component": "microphone", "mode": mode})
            assert world.get("microphone.failure") == mode
