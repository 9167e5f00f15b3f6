"""Faults of the microphone by the times at which its blocks came: within a second of onset and of end, one of each."""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_bridge.ports import DeviceError, Samples
from recorder.capture.microphone_watch import MicrophoneWatch
from recorder.capture.settings import MicrophoneFaults

RATE = 48_000
BLOCK = 960
BLOCK_US = 20_000
SECOND = 1_000_000

SETTINGS = MicrophoneFaults(zero_s=0.8, silent_below_dbfs=-94, silent_s=10, settled_s=0.4)

ZEROS: Samples = np.zeros(BLOCK, np.int16)
STUCK: Samples = np.full(BLOCK, -32768, np.int16)
QUIET_ROOM: Samples = np.random.default_rng(5).integers(-1, 2, BLOCK).astype(np.int16)
"""One unit of the converter up and down: -92 dBFS, quieter than any microphone in any room."""
DEAD_INPUT: Samples = np.where(np.arange(BLOCK) % 7 == 0, 1, 0).astype(np.int16)
"""The lowest bit now and then, from an input without a microphone: -99 dBFS."""
GONE = DeviceError("microphone", "no such device", errno.ENODEV)


@dataclass
class Bench:
    """Feeds a watch block by block on its own clock and keeps what it says with the time."""

    settings: MicrophoneFaults = SETTINGS
    now_us: int = 5 * SECOND
    faults: list[tuple[int, str, str, dict[str, Any]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.watch = MicrophoneWatch(
            self.settings,
            RATE,
            lambda code, phase, evidence: self.faults.append((self.now_us, code, phase, evidence)),
        )
        self.hear(QUIET_ROOM, 2)  # whatever a converter needs to wake up is over

    def each(self, seconds: float, act: Callable[[], None]) -> None:
        for _ in range(round(seconds * SECOND / BLOCK_US)):
            self.now_us += BLOCK_US
            act()

    def hear(self, samples: Samples, seconds: float, *, overflowed: bool = False, missing: int = 0) -> None:
        self.each(seconds, lambda: self.watch.block(self.now_us, samples, overflowed=overflowed, missing=missing))

    def said(self) -> list[tuple[str, str]]:
        return [(code, phase) for _, code, phase, _ in self.faults]


def test_a_quiet_room_is_no_fault() -> None:
    bench = Bench()
    bench.hear(QUIET_ROOM, 120)
    assert bench.faults == []


@pytest.mark.parametrize("samples", [ZEROS, STUCK], ids=["zeros", "stuck at one value"])
def test_digital_zero_is_a_fault_within_a_second_and_so_is_its_end(samples: Samples) -> None:
    bench = Bench()
    began_us = bench.now_us
    bench.hear(samples, 5)
    ended_us = bench.now_us
    bench.hear(QUIET_ROOM, 2)
    (onset_us, code, phase, evidence), (end_us, *_, at_end) = bench.faults
    assert (code, phase) == ("microphone-silent", "onset") and bench.said()[1] == ("microphone-silent", "end")
    assert onset_us - began_us <= SECOND and end_us - ended_us <= SECOND
    assert evidence == {"level_dbfs": -120.0, "digital_zero": True, "from_us": began_us}
    assert at_end == {"from_us": began_us, "to_us": ended_us}


def test_less_than_any_room_for_long_is_a_fault_too() -> None:
    bench = Bench()
    began_us = bench.now_us
    bench.hear(DEAD_INPUT, 15)
    ((onset_us, code, _, evidence),) = bench.faults
    assert code == "microphone-silent"
    assert onset_us - began_us == pytest.approx(SETTINGS.silent_s * SECOND, abs=BLOCK_US)
    assert not evidence["digital_zero"] and -105 < evidence["level_dbfs"] < SETTINGS.silent_below_dbfs
    assert evidence["from_us"] == began_us


def test_a_click_does_not_end_a_silence() -> None:
    bench = Bench()
    bench.hear(ZEROS, 2)
    bench.hear(QUIET_ROOM, 0.1)
    bench.hear(ZEROS, 2)
    assert bench.said() == [("microphone-silent", "onset")]


def test_zeros_of_a_converter_that_wakes_up_are_no_fault() -> None:
    bench = Bench()
    bench.watch.gone(bench.now_us, GONE)
    bench.hear(ZEROS, 1.2)
    bench.hear(QUIET_ROOM, 1)
    assert bench.said() == [("microphone-unplugged", "onset"), ("microphone-unplugged", "end")]


def test_unplugged_is_known_at_once_and_over_when_it_delivers_again() -> None:
    bench = Bench()
    began_us = bench.now_us + BLOCK_US
    bench.each(3, lambda: bench.watch.gone(bench.now_us, GONE))
    bench.each(1, lambda: bench.watch.nothing(bench.now_us, missing=BLOCK))
    back_us = bench.now_us
    bench.hear(QUIET_ROOM, 2)
    (onset_us, *_, evidence), (end_us, *_, at_end) = bench.faults
    assert bench.said() == [("microphone-unplugged", "onset"), ("microphone-unplugged", "end")]
    assert onset_us == began_us and end_us - back_us <= SECOND
    assert evidence == {"from_us": began_us, "error": str(GONE), "errno": errno.ENODEV}
    assert at_end == {"from_us": began_us, "to_us": back_us, "attempts": 150, "missing_us": SECOND}


def test_nothing_delivered_is_a_stall() -> None:
    bench = Bench()
    bench.each(2, lambda: bench.watch.nothing(bench.now_us, missing=BLOCK))
    bench.hear(QUIET_ROOM, 2)
    assert bench.said() == [("microphone-stall", "onset"), ("microphone-stall", "end")]
    assert bench.faults[1][3]["missing_us"] == 2 * SECOND


def test_a_hung_driver_is_a_stall_but_not_while_it_is_unplugged() -> None:
    bench = Bench()
    bench.watch.hangs(bench.now_us)
    bench.watch.hangs(bench.now_us)
    assert bench.said() == [("microphone-stall", "onset")]
    bench = Bench()
    bench.watch.gone(bench.now_us, GONE)
    bench.watch.hangs(bench.now_us)
    assert bench.said() == [("microphone-unplugged", "onset")]


def test_overflows_are_counted_and_a_burst_is_one_fault() -> None:
    bench = Bench()
    for _ in range(5):
        bench.hear(QUIET_ROOM, 0.02, overflowed=True, missing=480)
        bench.hear(QUIET_ROOM, 0.2)
    ended_us = bench.now_us
    bench.hear(QUIET_ROOM, 1)
    bench.hear(QUIET_ROOM, 0.02, overflowed=True)
    bench.hear(QUIET_ROOM, 1)
    assert bench.said() == [("microphone-overflow", "onset"), ("microphone-overflow", "end")] * 2
    assert bench.faults[1][3].items() >= {"count": 5, "missing_us": 50_000}.items()
    assert bench.faults[1][0] - ended_us <= SECOND
    assert bench.faults[3][3].items() >= {"count": 1, "missing_us": 0}.items()


def test_the_span_of_one_overflow_is_what_was_lost_and_the_block_behind_it() -> None:
    bench = Bench()
    before_us = bench.now_us
    bench.now_us += 10_000
    bench.hear(QUIET_ROOM, 0.02, overflowed=True, missing=480)
    lost_us = bench.now_us
    bench.hear(QUIET_ROOM, 1)
    (*_, onset), (*_, end) = bench.faults
    assert onset == {"from_us": before_us, "count": 1}
    assert end == {"from_us": before_us, "to_us": lost_us, "count": 1, "missing_us": 10_000}


@pytest.mark.parametrize("after", ["nothing", "gone", "hangs"])
def test_an_overflow_ends_when_nothing_is_delivered_any_more_and_not_when_it_is_again(after: str) -> None:
    """Its end was looked for only when a block came: 29 s of silence after it, and the record came 29 s late."""
    bench = Bench()
    bench.hear(QUIET_ROOM, 0.02, overflowed=True, missing=480)
    lost_us = bench.now_us

    def act() -> None:
        if after == "hangs":
            bench.watch.hangs(bench.now_us)
            return
        if after == "gone":
            bench.watch.gone(bench.now_us, GONE)
        bench.watch.nothing(bench.now_us, missing=BLOCK)

    bench.each(29, act)
    bench.hear(QUIET_ROOM, 2)
    ((ended_us, end),) = [
        (at_us, evidence)
        for at_us, code, phase, evidence in bench.faults
        if (code, phase) == ("microphone-overflow", "end")
    ]
    assert ended_us - lost_us <= SECOND
    assert end["from_us"] < end["to_us"] == lost_us
    other = "microphone-unplugged" if after == "gone" else "microphone-stall"
    assert bench.said() == [
        ("microphone-overflow", "onset"),
        (other, "onset"),
        ("microphone-overflow", "end"),
        (other, "end"),
    ]


def test_what_is_missing_after_a_stall_belongs_to_the_stall() -> None:
    bench = Bench()
    bench.each(1, lambda: bench.watch.nothing(bench.now_us, missing=BLOCK))
    bench.hear(QUIET_ROOM, 0.02, missing=BLOCK)
    bench.hear(QUIET_ROOM, 1)
    assert bench.said() == [("microphone-stall", "onset"), ("microphone-stall", "end")]
    assert bench.faults[1][3]["missing_us"] == SECOND + BLOCK_US


def test_a_device_that_is_opened_again_has_not_recovered_before_it_delivers() -> None:
    """Between two attempts to open it nothing complains; once, the first block after a long absence ended the fault,
    and what the timeline then made up looked like a fault of its own."""
    bench = Bench()
    bench.watch.gone(bench.now_us, GONE)
    bench.each(2, lambda: bench.watch.nothing(bench.now_us, missing=0))
    bench.hear(QUIET_ROOM, 0.2)
    bench.hear(QUIET_ROOM, 0.02, missing=BLOCK)
    assert bench.said() == [("microphone-unplugged", "onset")]
    bench.hear(QUIET_ROOM, 1)
    assert bench.said() == [("microphone-unplugged", "onset"), ("microphone-unplugged", "end")]


def test_a_loose_plug_does_not_fill_the_journal() -> None:
    """It comes and goes every second for a hundred seconds: a few records, and every attempt is in their count."""
    bench = Bench()
    for _ in range(100):
        bench.hear(QUIET_ROOM, 0.98)
        bench.each(0.02, lambda: bench.watch.gone(bench.now_us, GONE))
    bench.hear(QUIET_ROOM, 20)
    assert len(bench.faults) == 2 * 4
    assert sum(evidence["attempts"] for _, _, phase, evidence in bench.faults if phase == "end") == 100


Event = tuple[str, float]
EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["quiet", "zeros", "dead", "overflow", "lost", "nothing", "gone", "hangs"]),
        st.sampled_from([0.02, 0.1, 0.5, 1.5, 12.0]),
    ),
    max_size=8,
)


@settings(max_examples=40)
@given(EVENTS)
def test_every_fault_begins_once_and_ends_once(events: list[Event]) -> None:
    """Whatever happens in whatever order: onset and end alternate per code, and health that lasts ends everything."""
    bench = Bench()
    for kind, seconds in events:
        match kind:
            case "quiet":
                bench.hear(QUIET_ROOM, seconds)
            case "zeros":
                bench.hear(ZEROS, seconds)
            case "dead":
                bench.hear(DEAD_INPUT, seconds)
            case "overflow":
                bench.hear(QUIET_ROOM, seconds, overflowed=True)
            case "lost":
                bench.hear(QUIET_ROOM, seconds, missing=100)
            case "nothing":
                bench.each(seconds, lambda: bench.watch.nothing(bench.now_us, missing=BLOCK))
            case "gone":
                bench.each(seconds, lambda: bench.watch.gone(bench.now_us, GONE))
            case _:
                bench.each(seconds, lambda: bench.watch.hangs(bench.now_us))
    bench.hear(QUIET_ROOM, 16)
    for code in {code for code, _ in bench.said()}:
        phases = [phase for said, phase in bench.said() if said == code]
        assert phases == ["onset", "end"] * (len(phases) // 2)
