"""The starts of this boot are remembered; a file that is no good costs nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from recorder.evidence.files import OsFiles
from recorder.unit.start_log import note_start, slow_down, supervised
from tests.firmware_bridge.manual_clock import ManualClock

S = 1_000_000


def starts(path: Path, boot: str, *times: int) -> list[int]:
    return [note_start(path, boot, time, OsFiles()) // S for time in times]


def test_a_storm_is_slowed_down_within_a_boot(tmp_path: Path) -> None:
    path = tmp_path / "starts.json"
    assert starts(path, "a", 1 * S, 2 * S, 3 * S, 4 * S, 6 * S) == [0, 0, 0, 1, 2]
    assert starts(path, "b", 1 * S, 2 * S) == [0, 0], "another boot's starts are no failures of this one"


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"boot_id": "a"}',
        b'{"boot_id": "a", "starts_us": 7}',
        b'{"boot_id":"a","starts_us":["x"]}',
    ],
)
def test_a_damaged_file_is_as_good_as_none(text: bytes, tmp_path: Path) -> None:
    path = tmp_path / "starts.json"
    path.write_bytes(text)
    assert starts(path, "a", 1 * S, 2 * S, 3 * S, 4 * S) == [0, 0, 0, 1]


def test_a_folder_that_cannot_be_written_to(tmp_path: Path) -> None:
    assert starts(tmp_path / "missing" / "starts.json", "a", 1, 2, 3, 4, 5) == [0] * 5


def test_the_pause_is_waited_for(tmp_path: Path) -> None:
    waited: list[float] = []
    for _ in range(5):
        slow_down(tmp_path / "starts.json", ManualClock(step_us=S), waited.append)
    assert waited == [1.0, 2.0]
    assert supervised({"INVOCATION_ID": "x"}) and not supervised({})
