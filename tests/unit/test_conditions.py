"""Readings of the board, faults in the journal, words to the officer: the duties around the detectors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import pytest

from firmware_bridge.ports import DeviceError, GnssCounters, GnssFix, PowerState, ThrottleReason
from recorder.evidence.jws import Signer
from recorder.unit.duties.fault_voice import FaultVoice
from recorder.unit.events import FixReceived
from tests.unit.unit_kit import WITHOUT_WATCH, UnitKit

SECOND = 1_000_000


@dataclass
class Receiver:
    error: DeviceError | None = None
    counted: GnssCounters = field(default_factory=GnssCounters)

    def start(self, deliver: Callable[[GnssFix], None]) -> None:
        pass

    def stop(self) -> None:
        pass

    def counters(self) -> GnssCounters:
        return replace(self.counted)

    def failure(self) -> DeviceError | None:
        return self.error


@dataclass
class Power:
    now: PowerState = field(default_factory=lambda: PowerState(90.0, 4.1, False))
    error: DeviceError | None = None

    def state(self) -> PowerState:
        return self.now

    def failure(self) -> DeviceError | None:
        return self.error


@dataclass
class Thermal:
    celsius: float | None = 45.0
    reasons: frozenset[ThrottleReason] | None = frozenset()
    error: DeviceError | None = None

    def temperature_c(self) -> float | None:
        return self.celsius

    def throttled(self) -> frozenset[ThrottleReason] | None:
        return self.reasons

    def failure(self) -> DeviceError | None:
        return self.error


class Bench(UnitKit):
    def __init__(self, data_dir: Path, **storage: Any) -> None:
        self.said: list[tuple[str, dict[str, object]]] = []
        super().__init__(data_dir, duties=(*WITHOUT_WATCH, FaultVoice), **storage)
        self.receiver, self.power, self.thermal = Receiver(), Power(), Thermal()
        board = cast(Any, self.unit.p.board)
        board.gnss, board.power, board.thermal = self.receiver, self.power, self.thermal
        self.unit.voice = lambda prompt_id, **values: self.said.append((prompt_id, values))

    def live(self, seconds: float) -> None:
        for _ in range(round(seconds * 5)):
            self.turn(SECOND // 5)

    def fix(self) -> None:
        position = GnssFix(self.clock.now_us, 38.0, 114.5, None, None, None, 1, 9, 0.8, None)
        self.events.put(FixReceived(position))

    def faults(self, *codes: str) -> list[tuple[str, str]]:
        return [
            (payload["code"], payload["phase"])
            for typ, payload in self.records()
            if typ == "fault" and payload["code"] in codes
        ]

    def evidence(self, code: str, phase: str = "onset") -> dict[str, Any]:
        found = [p for typ, p in self.records() if typ == "fault" and (p["code"], p["phase"]) == (code, phase)]
        return cast(dict[str, Any], found[-1]["evidence"])


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_position_lost_and_back_is_one_fault_and_two_sentences(bench: Bench) -> None:
    for _ in range(4):
        bench.fix()
        bench.live(0.5)
    bench.receiver.error = DeviceError("gnss", "unplugged", 5)
    bench.live(1)
    bench.receiver.error = None
    bench.fix()
    bench.live(0.6)
    assert bench.faults("gnss-lost", "gnss-stale") == [("gnss-lost", "onset"), ("gnss-lost", "end")]
    assert [prompt for prompt, _ in bench.said if prompt.startswith("gnss")] == ["gnss-lost", "gnss-back"]
    evidence = bench.evidence("gnss-lost")
    assert evidence["errno"] == 5 and evidence["satellites"] == 9
    assert not {"latitude", "longitude"} & set(evidence), "a position never stands readable in the journal"


def test_an_empty_battery_is_told_in_minutes(bench: Bench) -> None:
    bench.power.now = PowerState(2.0, 3.33, False)
    bench.live(1)
    assert bench.faults("battery-low") == [("battery-low", "onset")]
    (values,) = [values for prompt, values in bench.said if prompt == "battery-low"]
    assert values["minutes"] == max(1, int(bench.evidence("battery-low")["minutes_left"]))
    bench.power.now = PowerState(2.0, 3.6, True)
    bench.live(0.4)
    assert bench.faults("battery-low")[-1] == ("battery-low", "end")


def test_heat_and_throttling(bench: Bench) -> None:
    bench.thermal.celsius, bench.thermal.reasons = 84.0, frozenset({"under-voltage"})
    bench.live(0.6)
    bench.thermal.celsius, bench.thermal.reasons = 60.0, frozenset()
    bench.live(1.2)
    assert bench.faults("over-temperature", "throttled") == [
        ("over-temperature", "onset"),
        ("throttled", "onset"),
        ("over-temperature", "end"),
        ("throttled", "end"),
    ]
    assert bench.evidence("throttled")["reasons"] == ["under-voltage"]
    assert ("over-temperature", {}) in bench.said


def test_room_on_the_card_is_told_in_minutes(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    free = {"bytes": 100_000_000_000}
    bench.files.free_bytes = lambda path: free["bytes"]  # type: ignore[method-assign]
    bench.live(1)
    assert not bench.faults("storage-low", "storage-very-low", "storage-full")
    free["bytes"] = 1_800_000_000
    bench.live(0.6)
    free["bytes"] = 1_000_000_000
    bench.live(0.6)
    free["bytes"] = 1_000_000
    bench.live(0.6)
    assert [code for code, _ in bench.faults("storage-low", "storage-very-low", "storage-full")] == [
        "storage-low",
        "storage-very-low",
        "storage-full",
    ]
    assert [prompt for prompt, _ in bench.said if prompt.startswith("storage")] == [
        "storage-low",
        "storage-low",
        "storage-full",
    ]


def test_a_step_of_the_clock_is_an_event_and_a_fault_of_a_moment(bench: Bench) -> None:
    bench.live(1)
    bench.clock.offset_us += 5 * SECOND
    bench.live(2)
    assert bench.faults("clock-stepped") == [("clock-stepped", "onset"), ("clock-stepped", "end")]
    assert bench.evidence("clock-stepped")["steps_us"] == [5 * SECOND]
    assert ("clock-stepped", {}) in bench.said


def test_a_board_without_these_devices_has_none_of_their_faults(tmp_path: Path) -> None:
    kit = UnitKit(tmp_path)
    for _ in range(50):
        kit.turn(SECOND // 5)
    codes = {payload["code"] for typ, payload in kit.records() if typ == "fault"}
    assert codes <= {"clock-not-set", "worker-late"}, "no worker connects in this kit, and that is said"


# --- signing -----------------------------------------------------------------------------------------------------------


class Reluctant:
    """A key that refuses for as long as it is told to."""

    def __init__(self, inner: Signer) -> None:
        self._inner = inner
        self.refuses = False
        self.kid, self.x5c = inner.kid, inner.x5c

    def public_key(self) -> Any:
        return self._inner.public_key()

    def sign(self, message: bytes) -> bytes:
        if self.refuses:
            raise RuntimeError("0x0B: the element does not answer")
        return self._inner.sign(message)


def test_a_key_that_refuses_is_a_fault_and_nothing_is_lost(bench: Bench) -> None:
    key = Reluctant(bench.journal._signer)
    cast(Any, bench.journal)._signer = key
    bench.live(0.4)
    before = len(list(bench.records()))
    key.refuses = True
    bench.live(25)
    assert "signing-fault" in bench.unit.p.faults.present() and "storage-fault" not in bench.unit.p.faults.present()
    assert len(list(bench.records())) == before
    key.refuses = False
    bench.live(0.6)
    assert bench.faults("signing-fault") == [("signing-fault", "onset"), ("signing-fault", "end")]
    assert "the element does not answer" in bench.evidence("signing-fault")["error"]
    sequence = [payload["seq"] for _, payload in bench.records()]
    assert sequence == list(range(len(sequence)))
    assert sum(p["to_us"] - p["from_us"] for typ, p in bench.records() if typ == "standby") >= 20 * SECOND


def test_a_gauge_that_does_not_answer_is_a_fault_while_another_source_stands_in(bench: Bench) -> None:
    bench.live(1)
    bench.power.error = DeviceError("max17048", "i2c-1 0x36: no answer", 121)
    bench.live(1)
    assert bench.evidence("sensor-fault") == {"error": "max17048: i2c-1 0x36: no answer", "errno": 121}
    bench.power.error = None
    bench.live(1)
    assert bench.faults("sensor-fault") == [("sensor-fault", "onset"), ("sensor-fault", "end")]


def test_a_sensor_that_falls_silent_is_a_fault_once_it_stays_so(bench: Bench) -> None:
    bench.live(1)
    bench.thermal.celsius = None
    bench.live(4)
    bench.thermal.celsius = 45.0
    bench.live(1)
    assert not bench.faults("sensor-fault"), "a reading missed now and then is none"
    bench.thermal.celsius = None
    bench.live(6)
    bench.thermal.celsius = 45.0
    bench.live(1)
    assert bench.faults("sensor-fault") == [("sensor-fault", "onset"), ("sensor-fault", "end")]
    (component,) = {p["component"] for typ, p in bench.records() if typ == "fault" and p["code"] == "sensor-fault"}
    assert component == "thermal"


def test_a_firmware_that_does_not_answer_is_a_fault_that_says_why(bench: Bench) -> None:
    """The temperature is still known: without this nobody would hear that under-voltage goes unseen."""
    bench.thermal.reasons, bench.thermal.error = None, DeviceError("vcgencmd", "not of group video", 13)
    bench.live(7)
    bench.thermal.reasons, bench.thermal.error = frozenset(), None
    bench.live(1)
    assert bench.faults("sensor-fault") == [("sensor-fault", "onset"), ("sensor-fault", "end")]
    evidence = bench.evidence("sensor-fault")
    assert "not of group video" in evidence["error"] and evidence["errno"] == 13


@pytest.mark.parametrize("on", [True, False, None])
def test_a_vehicle_whose_ignition_is_on_feeds_its_unit(bench: Bench, on: bool | None) -> None:
    class Ignition:
        def is_on(self) -> bool | None:
            return on

    cast(Any, bench.unit.p.board).ignition = Ignition()
    bench.power.now = PowerState(3.0, 3.25, None)
    bench.live(120)
    assert bool(bench.faults("battery-low", "battery-critical")) is (on is not True)


# --- the next start ----------------------------------------------------------------------------------------------------


def again(data_dir: Path, boot: str | None = None) -> UnitKit:
    """The same unit started anew, one minute later, in another boot if told so."""
    return UnitKit(data_dir, now_us=60 * SECOND, boot=boot)


@pytest.mark.parametrize("power", [True, False], ids=["power-loss", "process-crash"])
def test_the_next_start_finds_how_the_last_run_ended(tmp_path: Path, power: bool) -> None:
    first = Bench(tmp_path)
    first.thermal.celsius = 90.0
    first.live(3)
    *_, (_, last) = first.records()
    first.journal.close()
    first.index.close()
    second = again(tmp_path, "bbbbbbbb-0000-4000-8000-00000000000b" if power else None)
    code = "power-loss" if power else "process-crash"
    onset, end = [payload for typ, payload in second.records() if typ == "fault" and payload["code"] == code]
    assert (onset["phase"], end["phase"]) == ("onset", "end") and onset["fault_id"] == end["fault_id"]
    assert onset["onset_us"] == last["uptime_us"] and onset["evidence"]["from_bootseed"] == last["bootseed"]
    assert "over-temperature" in onset["evidence"]["open_faults"]
    ended = [p for typ, p in second.records() if typ == "fault" and p["code"] == "over-temperature"]
    assert [p["phase"] for p in ended] == ["onset", "end"] and ended[1]["evidence"]["ended_by"] == "restart"
    assert ended[0]["fault_id"] == ended[1]["fault_id"]
