"""The word after power on, in the unit: once in a boot, cut off by a recording, which waits for nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from recorder.channel import messages
from recorder.unit.duties.condition_watch import ConditionWatch
from recorder.unit.duties.power_on_desk import PowerOnDesk
from recorder.unit.duties.prompts import PromptDesk
from recorder.unit.duty import UnitServices
from tests.unit.test_process import press, record
from tests.unit.test_prompts import Loudspeaker
from tests.unit.unit_kit import WITHOUT_WATCH, UnitKit


def kit_of(data_dir: Path) -> UnitKit:
    def furnish(services: UnitServices) -> PromptDesk:
        services.p.board.speaker = Loudspeaker(services.p.clock)
        return PromptDesk(services)

    # Whoever watches the clock finds the kit's not set: what is wrong, here the test says.
    others = [duty for duty in WITHOUT_WATCH if duty not in (PromptDesk, ConditionWatch)]
    return UnitKit(data_dir, duties=(furnish, *others, PowerOnDesk))


def run(kit: UnitKit, seconds: float) -> None:
    for n in range(round(seconds * 10)):
        if n % 5 == 0 and kit.camera.connected:
            kit.progress(frames=100 + kit.clock.now_us // 100_000)
        kit.turn(100_000)


def words(kit: UnitKit) -> list[tuple[str, str, Any]]:
    """Of the power on: id, outcome, text."""
    details = [p["detail"] for typ, p in kit.records() if typ == "event" and p["event"] == "prompt"]
    return [(d["id"], d["outcome"], d["text"]) for d in details if d["id"] in ("ready", "self-test-failed")]


def test_a_unit_that_is_well_is_ready(tmp_path: Path) -> None:
    kit = kit_of(tmp_path / "unit")
    kit.worker_up()
    run(kit, 30)
    assert words(kit) == [("ready", "spoken", "准备就绪。")]


def test_what_is_not_as_it_should_be_is_named(tmp_path: Path) -> None:
    kit = kit_of(tmp_path / "unit")
    kit.worker_up()
    kit.unit.fault("microphone-unplugged", "cam0", True, {})
    kit.unit.fault("signing-fault", "unit", True, {})
    run(kit, 40)
    assert words(kit) == [
        ("self-test-failed", "spoken", "自检异常：话筒。"),
        ("self-test-failed", "spoken", "自检异常：密钥或者证书。"),
    ]


def test_a_recording_cuts_it_off_and_is_not_a_moment_later_for_it(tmp_path: Path) -> None:
    kit = kit_of(tmp_path / "unit")
    kit.worker_up()
    while not (begun := [p for typ, p in kit.records() if typ == "event" and p["event"] == "prompt-begun"]) or (
        begun[-1]["detail"]["id"] != "ready"
    ):
        run(kit, 0.1)
        assert kit.clock.now_us < 10**9, "it is never said"
    press(kit, "record")
    assert len(kit.link.of(messages.Start)) == 1
    assert words(kit) == [("ready", "cut", "准备就绪。")]


def test_who_records_first_hears_nothing_of_it(tmp_path: Path) -> None:
    kit = kit_of(tmp_path / "unit")
    record(kit)
    kit.unit.fault("microphone-unplugged", "cam0", True, {})
    run(kit, 40)
    assert words(kit) == []
