"""Devices whose checks hang, even with the interpreter's lock in their hands, crash or break: each has its line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from firmware_bridge.clock import SystemClock
from firmware_bridge.ports import Check
from recorder.config.load import load_config
from recorder.doctor.command import examine
from recorder.doctor.devices import KILLED_S, CannotDiagnose, Limits, devices
from recorder.doctor.looking import Question

STUCK = "tests.doctor.stuck_board"
SHORT = Limits(look_s=1.5)


def test_a_check_that_holds_the_interpreters_lock_for_good_is_told_and_so_are_all_after_it() -> None:
    found = list(devices(Question(STUCK, {}, ["cam0"]), SHORT))
    assert [(check.device, check.verdict) for check in found] == [
        ("first", "ok"),
        ("camera.seen", "ok"),
        ("camera", "fault"),
        ("microphone", "fault"),
        ("gpio", "ok"),
        ("gnss", "fault"),
        ("battery", "fault"),
        ("last", "ok"),
    ]
    says = {check.device: check.en for check in found}
    assert "no answer within 1.5 s" in says["camera"] and "no answer within 1.5 s" in says["gnss"]
    assert "SIGKILL" in says["microphone"] and "ZeroDivisionError" in says["battery"]
    assert all(check.zh and (check.verdict == "ok" or (check.advice_zh and check.advice_en)) for check in found)


def test_the_doctor_goes_on_to_what_is_not_of_the_board(tmp_path: Path) -> None:
    path = tmp_path / "unit.toml"
    path.write_text(
        f'[storage]\ndata_dir = "{tmp_path / "data"}"\nrun_dir = "{tmp_path / "run"}"\n[trust]\ndir = "{tmp_path}"\n'
        f'[board]\nmodule = "{STUCK}"\n',
        encoding="utf-8",
    )
    found = {check.device: check for check in examine(load_config([path], {}), SystemClock(), SHORT)}
    assert found["board"].verdict == "ok" and found["camera"].verdict == "fault" and found["last"].verdict == "ok"
    assert {"storage", "keys.device", "uplink"} <= set(found)


@pytest.mark.parametrize("limits", [Limits(), Limits(start_s=90.0, look_s=1.0)], ids=["default", "slow"])
def test_the_board_is_waited_for_longer_than_another_process_and_the_device_it_hangs_at(
    monkeypatch: pytest.MonkeyPatch, limits: Limits
) -> None:
    """Or the board would be named, and what is behind the device that hangs would not be looked at."""
    waited: dict[str, float] = {}

    def in_time(device: str, _: Callable[[], Iterator[Check]], silence_s: float) -> Iterator[Check]:
        waited[device] = silence_s
        yield from ()

    monkeypatch.setattr("recorder.doctor.command.in_time", in_time)
    assert list(examine(load_config([], {}), SystemClock(), limits)) == []
    assert waited["board"] > limits.start_s + limits.look_s + 2 * KILLED_S


def test_a_module_that_hangs_itself_is_told_and_not_tried_again() -> None:
    (check,) = devices(Question(STUCK, {"module": "hangs"}, []), Limits(start_s=20, look_s=1.5))
    assert (check.device, check.verdict) == ("board", "fault") and "no answer" in check.en


def test_a_module_that_cannot_be_loaded_or_cannot_look() -> None:
    with pytest.raises(CannotDiagnose, match="no_such_module"):
        list(devices(Question("no_such_module", {}, [])))
    with pytest.raises(CannotDiagnose, match=r"^$"):
        list(devices(Question("tests.capture.board", {}, [])))
