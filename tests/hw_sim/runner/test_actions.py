"""What a scenario lets people do reaches the world when its time has come."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from firmware_bridge.clock import SystemClock
from hw_sim.devices.room import from_text
from hw_sim.runner.actions import Actions
from hw_sim.runner.media import MEDIA
from hw_sim.runner.result import Notes
from hw_sim.runner.stop_flag import StopFlag
from hw_sim.runner.unit_processes import ProcessError
from hw_sim.scenario import Scenario
from hw_sim.world import World
from tests.hw_sim.runner.plain_journal import PlainJournal, named


def scenario(*actions: dict[str, Any]) -> Scenario:
    return Scenario.model_validate(
        {"name": "x", "title_zh": "x", "title_en": "x", "duration_s": 0.01, "action": list(actions), "expect": []}
    )


@dataclass
class Played:
    """A unit that is not there: ``commands`` it was given, what was ``said`` and noted."""

    unit: Path
    said: list[str] = field(default_factory=list)
    notes: Notes = field(default_factory=Notes)
    commands: list[tuple[str, ...]] = field(default_factory=list)
    refuses: str = ""
    when: Callable[[str], object] = lambda _: None
    """Called with each line that is said: what happens at that moment."""

    def say(self, text: str) -> None:
        self.said.append(text)
        self.when(text)

    def control(self, *arguments: str) -> None:
        self.commands.append(arguments)
        if self.refuses:
            raise ProcessError(self.refuses)

    def play(self, world: World, *actions: dict[str, Any]) -> Played:
        run = SimpleNamespace(
            scenario=scenario(*actions),
            clock=SystemClock(),
            stop=StopFlag(),
            language="en",
            kills=[],
            say=self.say,
            notes=self.notes,
            layout=SimpleNamespace(unit=self.unit),
        )
        Actions(cast(Any, run), world, cast(Any, self), cast(Any, None)).play()
        return self


def play(world: World, *actions: dict[str, Any]) -> list[str]:
    return Played(Path("/nonexistent")).play(world, *actions).said


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


def test_the_script_waits_and_says_when_it_waited_in_vain(tmp_path: Path) -> None:
    journal = PlainJournal(tmp_path / "journal")
    journal.prompt("resumed")
    with World({}, tmp_path / "w") as world:
        played = Played(tmp_path)
        played.play(
            world,
            {"at_s": 0, "do": "wait", "until": "prompt resumed"},
            {"at_s": 0, "do": "wait", "until": "prompt resumed", "timeout_s": 0.1},
            {"at_s": 0, "do": "set", "key": "lux", "value": 1.0},
        )
        assert world.get("lux") == 1.0, "the script goes on all the same"
    assert played.notes.unmet == ["没有等到 waited in vain: prompt resumed"], "one prompt is not heard twice"


def test_an_officer_speaks_when_asked_and_confirms_by_hand(tmp_path: Path) -> None:
    """The journal answers each step; the order of what the world saw is the officer's."""
    journal = PlainJournal(tmp_path / "journal")
    journal.prompt("resumed")
    journal.interrupted("g")
    journal.resumed("g", "a")
    with World({}, tmp_path / "w") as world:
        presses = 0

        def answer(key: str, value: object) -> None:
            nonlocal presses
            if (key, value) == ("button.mark", True):
                presses += 1
                if presses in (1, 3):
                    journal.explained("g", "button" if presses == 1 else "choice")
                    journal.prompt("reason-help")

        watched = Watched(world, answer)
        played = Played(tmp_path).play(
            cast(Any, watched),
            {"at_s": 0, "do": "explain", "clip": "officer_says_yes.wav", "presses": 2},
        )
        assert played.notes.unmet == []
        assert presses == 3, "one to confirm, two to choose"
        assert [Path(sound.wav).name for sound in watched.played] == ["officer_says_yes.wav"]


class Watched:
    """A world that tells of what is set."""

    def __init__(self, world: World, told: Callable[[str, object], None]) -> None:
        self._world, self._told = world, told
        self.played: list[Any] = []

    def set(self, key: str, value: object) -> None:
        self._world.set(key, value)
        self._told(key, value)

    def play(self, wav: Path, gain_db: float) -> Any:
        self.played.append(self._world.play(wav, gain_db))
        return self.played[-1]


def test_a_command_that_has_to_be_refused(tmp_path: Path) -> None:
    with World({}, tmp_path / "w") as world:
        step = {"at_s": 0, "do": "ctl", "arguments": ["stop"], "refused": True}
        refused = Played(tmp_path, refuses="recorder ctl: 1\nerror: no").play(world, step)
        assert refused.notes.refused == ["error: no"] and refused.notes.unmet == []
        taken = Played(tmp_path).play(world, step)
        assert taken.commands == [("stop",)]
        assert taken.notes.unmet == ["没有被拒绝 was not refused: stop"]


def test_only_closed_segments_are_deleted_oldest_first(tmp_path: Path) -> None:
    journal = PlainJournal(tmp_path / "journal")
    folder = tmp_path / "segments" / "s"
    folder.mkdir(parents=True)
    for number, (name, closed) in enumerate((("open", False), ("first", True), ("second", True))):
        journal.segment(name, closed=closed)
        (folder / f"{named(name)}.mp4").write_bytes(b"x")
        os.utime(folder / f"{named(name)}.mp4", (number, number))
    step = {"at_s": 0, "do": "delete-file", "pattern": "segments/*/*.mp4", "stored": False}
    with World({}, tmp_path / "w") as world:
        played = Played(tmp_path).play(world, step)
        assert played.notes.deleted == [f"segments/s/{named('first')}.mp4"]
        assert {path.stem for path in folder.iterdir()} == {named("open"), named("second")}
        played.play(world, {**step, "count": 2})
        assert played.notes.unmet == ["delete-file segments/*/*.mp4: 1 / 2"]
        assert [path.stem for path in folder.iterdir()] == [named("open")]
