"""A lamp, a loudspeaker, a button or a receiver that breaks is a fault; the recording goes on."""

from __future__ import annotations

import queue
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from firmware_bridge.ports import DeviceError, GnssFix, Sound, UnitBoard
from recorder.unit.devices import GuardedSpeaker, guard, listen
from recorder.unit.events import ButtonEdge, FixReceived, IgnitionChanged, UnitEvent
from tests.evidence.kit import ToldClock
from tests.unit.unit_kit import BareBoard, UnitKit

FIX = GnssFix(1, 38.0, 114.5, None, None, None, 1, None, None, None)


class Breakable:
    """Output, speaker, button and receiver at once."""

    def __init__(self) -> None:
        self.broken = True
        self.deliver: Callable[..., None] | None = None
        self.lit = False

    def _look(self) -> None:
        if self.broken:
            raise DeviceError("led_red", "无法输出 cannot be driven", 5)

    def set(self, on: bool) -> None:
        self._look()
        self.lit = on

    def is_on(self) -> bool:
        return self.lit

    def play(self, samples: object, rate: int) -> None:
        self._look()

    def failure(self) -> DeviceError | None:
        return None

    def start(self, deliver: Callable[..., None]) -> None:
        self._look()
        self.deliver = deliver


def board(device: Breakable) -> UnitBoard:
    bare: Any = BareBoard(ToldClock())
    bare.outputs["led_red"] = device
    bare.buttons["record"] = device
    bare.speaker = bare.gnss = device
    return cast(UnitBoard, bare)


def test_a_broken_lamp_is_a_fault_until_it_can_be_driven_again(tmp_path: Path) -> None:
    lamp = Breakable()
    guarded = guard(board(lamp))
    kit = UnitKit(tmp_path / "unit")
    kit.unit.p.guarded = guarded
    (output, speaker) = guarded
    output.set(True)  # type: ignore[union-attr]  # the first is the output
    speaker.play(array("h", [0]), 16_000)  # type: ignore[union-attr]  # the second the loudspeaker
    kit.turn(300_000)
    kit.turn()
    lamp.broken = False
    output.set(True)  # type: ignore[union-attr]  # as above
    kit.turn(300_000)
    kit.turn()
    assert lamp.lit
    phases = [
        (p["component"], p["phase"]) for typ, p in kit.records() if typ == "fault" and p["code"] == "output-fault"
    ]
    assert phases == [("led_red", "onset"), ("speaker", "onset"), ("led_red", "end")]


class Silent:
    """A loudspeaker: ``own`` is what the driver says of itself, ``refusal`` what ``play`` raises."""

    def __init__(self) -> None:
        self.own: DeviceError | None = None
        self.refusal: DeviceError | None = None

    def play(self, samples: Sound, rate: int) -> None:
        if (error := self.own or self.refusal) is not None:
            raise error

    def playing(self) -> bool:
        return False

    def stop(self) -> None:
        self.refusal = None

    def failure(self) -> DeviceError | None:
        return self.own


def test_a_loudspeakers_failure_is_the_drivers_own_or_that_of_the_last_sound() -> None:
    driver, gone, full = Silent(), DeviceError("speaker", "gone", 19), DeviceError("speaker", "no more is queued")
    speaker = GuardedSpeaker(driver)
    driver.own = gone
    assert speaker.failure() is gone, "without a sound"
    speaker.play(array("h", [0]), 16_000)
    assert speaker.failure() is gone
    driver.own = None
    assert speaker.failure() is None, "the driver has it again: no sound is needed to know"
    driver.refusal = full
    speaker.play(array("h", [0]), 16_000)
    assert speaker.failure() is full
    driver.refusal = None
    assert speaker.failure() is full, "nobody knows yet"
    speaker.play(array("h", [0]), 16_000)
    assert speaker.failure() is None


def test_a_button_and_a_receiver_that_do_not_start_are_findings() -> None:
    events: queue.Queue[UnitEvent] = queue.Queue()
    findings = listen(board(Breakable()), events, gnss=True)
    assert [finding.subject for finding in findings] == ["button-record", "gnss"]
    assert all(finding.zh and finding.en for finding in findings)


def test_what_the_board_could_not_get_is_a_finding_by_name() -> None:
    made = board(Breakable())
    made.buttons.clear()
    made.gnss = None
    made.faults = [DeviceError("gpio", "no GPIO on this machine"), DeviceError("i2c-1", "cannot be opened", 2)]
    findings = listen(made, queue.Queue(), gnss=True)
    assert [(finding.code, finding.subject) for finding in findings] == [
        ("device-fault", "gpio"),
        ("device-fault", "i2c-1"),
    ]
    assert "cannot be used" in findings[0].en and "无法启用" in findings[1].zh


def test_those_that_start_enqueue() -> None:
    events: queue.Queue[UnitEvent] = queue.Queue()
    button, receiver = Breakable(), Breakable()
    button.broken = receiver.broken = False
    made = board(button)
    made.gnss = cast(Any, receiver)
    assert listen(made, events, gnss=True) == []
    assert button.deliver is not None and receiver.deliver is not None
    button.deliver(True, 7)
    receiver.deliver(FIX)
    assert events.get_nowait() == ButtonEdge("record", True, 7)
    assert events.get_nowait() == FixReceived(FIX)


def test_the_ignition_enqueues_and_one_that_does_not_start_is_a_finding() -> None:
    events: queue.Queue[UnitEvent] = queue.Queue()
    ignition = Breakable()
    made = board(Breakable())
    made.buttons.clear()
    made.ignition = cast(Any, ignition)
    assert [finding.subject for finding in listen(made, events, gnss=False)] == ["ignition"]
    ignition.broken = False
    assert listen(made, events, gnss=False) == [] and ignition.deliver is not None
    ignition.deliver(True, 7)
    assert events.get_nowait() == IgnitionChanged(True, 7)


def test_a_receiver_that_is_not_wanted_is_not_started() -> None:
    device = Breakable()
    device.broken = False
    made = board(device)
    made.buttons.clear()
    assert listen(made, queue.Queue(), gnss=False) == []
    assert device.deliver is None
