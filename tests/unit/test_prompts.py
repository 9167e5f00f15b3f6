"""The duty that speaks: what is said stands in the journal, whatever happens to the loudspeaker."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from firmware_bridge.ports import Clock, DeviceError, Sound
from recorder.config.paths import shipped_dir
from recorder.unit.devices import guard
from recorder.unit.duties.officer_desk import OfficerDesk
from recorder.unit.duties.prompts import MARGIN_US, PromptDesk
from recorder.unit.duty import UnitServices
from recorder.unit.events import Shutdown
from tests.unit.test_process import ask, record
from tests.unit.unit_kit import WITHOUT_WATCH, UnitKit

S = 1_000_000


class Loudspeaker:
    """Plays in order in the unit's own time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.until_us = 0
        self.played = 0
        self.broken = False

    def play(self, samples: Sound, rate: int) -> None:
        if (failure := self.failure()) is not None:
            raise failure
        self.played += 1
        self.until_us = max(self._clock.boottime_us(), self.until_us) + len(samples) * S // rate

    def playing(self) -> bool:
        return self._clock.boottime_us() < self.until_us

    def stop(self) -> None:
        self.until_us = 0

    def failure(self) -> DeviceError | None:
        return DeviceError("speaker", "unplugged", 19) if self.broken else None


class Talking:
    """A unit with a guarded loudspeaker, its prompt desk within reach."""

    def __init__(self, data_dir: Path, folder: Path | None = None) -> None:
        def furnish(services: UnitServices) -> PromptDesk:
            board = services.p.board
            board.speaker = self.speaker = Loudspeaker(services.p.clock)
            services.p.guarded = guard(board)
            self.desk = PromptDesk(services, folder)
            return self.desk

        # Officers are asked for from the start of the shift on; here nobody speaks but the test.
        others = [duty for duty in WITHOUT_WATCH if duty not in (PromptDesk, OfficerDesk)]
        self.kit = UnitKit(data_dir, duties=(*others, furnish))
        self.unit = self.kit.unit

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds * 10)):
            self.kit.turn(100_000)

    def events(self, name: str = "prompt") -> list[dict[str, Any]]:
        return [payload for typ, payload in self.kit.records() if typ == "event" and payload["event"] == name]


@pytest.fixture
def talking(tmp_path: Path) -> Talking:
    return Talking(tmp_path / "unit")


def test_a_prompt_is_two_records_its_beginning_and_its_whole(talking: Talking) -> None:
    record(talking.kit)
    before = talking.kit.clock.now_us
    talking.unit.say("resumed", begin=50_709, end=50_832, lasted=123)
    talking.run(0.3)
    (begun,) = talking.events("prompt-begun")
    assert begun["detail"]["text"].startswith("记录已恢复。中断时间14时05分09秒至14时07分12秒，共2分3秒。")
    assert talking.events() == []
    talking.run(14)
    (over,) = talking.events()
    detail = over["detail"]
    assert (detail["id"], detail["language"], detail["outcome"]) == ("resumed", "zh", "spoken")
    assert before <= detail["from_us"] == begun["at_us"] == begun["detail"]["from_us"]
    assert abs(detail["to_us"] - begun["detail"]["expected_to_us"]) <= 100_000
    assert detail["text"] == begun["detail"]["text"]
    assert talking.speaker.played == 1


def test_the_analysis_of_speech_is_told_which_sound_is_our_own(talking: Talking) -> None:
    talking.unit.say("started")
    talking.run(0.2)
    now = talking.kit.clock.now_us
    (interval,) = talking.desk.own_sound(now)
    assert interval[0] <= now - 100_000 - MARGIN_US
    assert interval[1] > now + MARGIN_US, "a prompt that sounds goes on until its samples end"
    talking.run(3)
    (interval,) = talking.desk.own_sound(talking.kit.clock.now_us)
    detail = talking.events()[0]["detail"]
    assert interval == (detail["from_us"] - MARGIN_US, detail["to_us"] + MARGIN_US)


def test_stealth_by_command_silences_speech_and_tones_but_not_the_record(talking: Talking) -> None:
    answer = ask(talking.kit, cmd="stealth", on=True)
    assert answer == {"ok": True, "stealth": True}
    record(talking.kit)
    talking.unit.say("statements-pending", count=2)
    talking.run(1)
    assert talking.speaker.played == 0
    outcomes = [(event["detail"]["id"], event["detail"]["outcome"]) for event in talking.events()]
    assert ("statements-pending", "silenced") in outcomes
    assert talking.events("prompt-begun") == []
    assert talking.desk.own_sound(talking.kit.clock.now_us) == []
    assert len(talking.events("stealth-on")) == 1
    assert ask(talking.kit, cmd="stealth", on=False)["ok"]
    talking.unit.say("gnss-lost")
    talking.run(4)
    assert talking.events("stealth-off") and talking.events()[-1]["detail"]["outcome"] == "spoken"


@pytest.mark.parametrize("on", [None, "on", 1])
def test_stealth_wants_true_or_false(talking: Talking, on: object) -> None:
    assert ask(talking.kit, cmd="stealth", on=on)["error"]["code"] == "bad-stealth"


def test_a_broken_loudspeaker_is_recorded_and_costs_nothing_else(talking: Talking) -> None:
    session_id = record(talking.kit)
    talking.speaker.broken = True
    talking.unit.say("gnss-lost")
    talking.run(0.5)
    (event,) = talking.events()
    assert event["detail"]["outcome"] == "failed" and "unplugged" in event["detail"]["why"]
    faults = [payload for typ, payload in talking.kit.records() if typ == "fault"]
    assert [fault["component"] for fault in faults if fault["code"] == "output-fault"] == ["speaker"]
    assert talking.unit.p.machine.session_id == session_id


def test_a_loudspeaker_that_dies_in_standby_and_comes_back_is_noticed_without_a_sound(talking: Talking) -> None:
    talking.run(0.5)
    talking.speaker.broken = True
    talking.run(0.5)
    talking.speaker.broken = False
    talking.run(0.5)
    faults = [payload for typ, payload in talking.kit.records() if typ == "fault" and payload["code"] == "output-fault"]
    assert [(fault["component"], fault["phase"]) for fault in faults] == [("speaker", "onset"), ("speaker", "end")]
    assert talking.speaker.played == 0 and talking.events() == []


def test_a_prompt_nobody_can_say_is_a_recorded_failure_and_no_exception(talking: Talking) -> None:
    talking.unit.say("no-such-prompt")
    talking.unit.say("statements-pending", count="two")
    talking.run(0.2)
    failed = [event["detail"] for event in talking.events()]
    assert [(detail["id"], detail["outcome"]) for detail in failed] == [
        ("no-such-prompt", "failed"),
        ("statements-pending", "failed"),
    ]
    assert "no such prompt" in failed[0]["why"]


def test_a_damaged_catalogue_is_a_finding_and_the_unit_records(tmp_path: Path) -> None:
    folder = tmp_path / "prompts"
    folder.mkdir()
    good = (shipped_dir() / "prompts" / "catalogue.toml").read_text(encoding="utf-8")
    (folder / "catalogue.toml").write_text(good.replace('priority = "urgent"', 'priority = "loud"', 1))
    talking = Talking(tmp_path / "unit", folder)
    record(talking.kit)
    talking.unit.say("started")
    faults = {payload["code"]: payload for typ, payload in talking.kit.records() if typ == "fault"}
    fault = faults["prompts-unusable"]
    assert "catalogue.toml:" in fault["evidence"]["zh"]
    assert talking.unit.p.machine.session_id is not None


def test_voices_that_are_missing_are_a_recorded_failure(tmp_path: Path) -> None:
    folder = tmp_path / "prompts"
    folder.mkdir()
    shutil.copy(shipped_dir() / "prompts" / "catalogue.toml", folder)
    talking = Talking(tmp_path / "unit", folder)
    talking.unit.say("started")
    talking.run(0.2)
    (event,) = talking.events()
    assert event["detail"]["outcome"] == "failed" and "manifest.json" in event["detail"]["why"]


def test_a_prompt_cut_by_the_end_is_recorded_and_the_end_stays_a_clean_one(talking: Talking) -> None:
    talking.unit.say("returned")
    talking.run(0.5)
    talking.kit.events.put(Shutdown())
    talking.run(0.2)
    assert talking.unit.finished
    talking.unit.close()
    talking.unit.commit()
    (event,) = talking.events()
    assert (event["detail"]["outcome"], event["detail"]["why"]) == ("cut", "unit-stop")
    assert [typ for typ in talking.kit.types() if typ == "shift-end"]
    *_, (typ, last) = talking.kit.records()
    assert (typ, last["event"]) == ("event", "unit-stop")


def test_an_end_without_a_word_needs_no_further_record(tmp_path: Path) -> None:
    kit = UnitKit(tmp_path / "unit")
    kit.events.put(Shutdown())
    kit.turn()
    kit.unit.close()
    kit.unit.commit()
    assert kit.types()[-1] == "shift-end"
