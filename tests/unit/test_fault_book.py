from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from recorder.evidence.records import Fault
from recorder.unit.fault_book import FaultBook


def book() -> FaultBook:
    numbers = itertools.count(1)
    return FaultBook(lambda: f"00000000-0000-4000-8000-{next(numbers):012x}")


def test_onset_and_end_are_one_fault() -> None:
    faults = book()
    onset = faults.report("storage-full", "storage", True, 10, {"free_bytes": 3})
    assert onset is not None and (onset.phase, onset.onset_us, onset.evidence) == ("onset", 10, {"free_bytes": 3})
    assert faults.report("storage-full", "storage", True, 20) is None
    assert faults.present() == ("storage-full",)
    end = faults.report("storage-full", "storage", False, 30)
    assert end is not None and (end.phase, end.fault_id, end.onset_us) == ("end", onset.fault_id, 10)
    assert faults.report("storage-full", "storage", False, 40) is None
    again = faults.report("storage-full", "storage", True, 50)
    assert again is not None and again.fault_id != onset.fault_id


def test_a_replaced_component_ends_its_own_faults_only() -> None:
    faults = book()
    faults.report("camera-stall", "cam0", True, 1)
    faults.report("microphone-fault", "cam0", True, 1)
    faults.report("camera-stall", "cam1", True, 1)
    assert {fault.code for fault in faults.end_all("cam0", faults.of("cam0"), 2)} == {
        "camera-stall",
        "microphone-fault",
    }
    assert faults.present() == ("camera-stall",)
    assert faults.end_all("cam0", {"camera-stall"}, 3) == []


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xy"), st.booleans())))
def test_onset_and_end_take_turns(reports: list[tuple[str, str, bool]]) -> None:
    faults = book()
    records: list[Fault] = []
    for now, (code, component, present) in enumerate(reports):
        record = faults.report(code, component, present, now)
        if record is not None:
            records.append(record)
    for key in {(record.code, record.component) for record in records}:
        phases = [r.phase for r in records if (r.code, r.component) == key]
        assert phases == ["onset", "end"] * (len(phases) // 2) + ["onset"] * (len(phases) % 2)
