"""Files of ended sessions that no record names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from recorder.channel import messages
from recorder.evidence.age import CHUNK
from recorder.session import events as ev
from recorder.unit.duties.stray_files import StrayFiles
from tests.unit.unit_kit import DIGEST, SEGMENT, UnitKit

SESSION = "22222222-2222-4222-8222-222222222222"


def stray(data_dir: Path, session_id: str, number: int, size: int) -> Path:
    path = data_dir / "segments" / session_id / f"{SEGMENT.format(number)}.mp4"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    return path


def recoveries(kit: UnitKit) -> list[dict[str, Any]]:
    return [payload for typ, payload in kit.records() if typ == "recovery"]


def test_a_file_of_a_session_that_had_ended_is_found_at_the_next_start(tmp_path: Path) -> None:
    path = stray(tmp_path, SESSION, 1, CHUNK + 10)
    kit = UnitKit(tmp_path)
    kit.turn(300_000)
    (found,) = recoveries(kit)
    assert (found["session_id"], found["segment_id"], found["outcome"]) == (SESSION, SEGMENT.format(1), "kept")
    assert path.stat().st_size == found["kept_bytes"] == CHUNK and found["torn_bytes"] == 10
    kit.turn(300_000)
    again = UnitKit(tmp_path)
    again.turn(300_000)
    assert len(recoveries(again)) == 1, "a second start finds it named"


def test_a_file_left_beside_another_cameras_recording_is_found_when_the_session_ends(tmp_path: Path) -> None:
    kit = UnitKit(tmp_path)
    kit.worker_up()
    kit.unit.decide(kit.unit.start_request("command"))
    kit.turn(300_000)
    session_id = str(kit.unit.p.machine.session_id)
    kit.say(kit.opened(1, session_id))
    stray(tmp_path, session_id, 1, CHUNK)
    stray(tmp_path, session_id, 2, CHUNK)
    kit.turn(300_000)
    assert recoveries(kit) == [], "its worker may be about to report it"
    kit.unit.decide(ev.StopRequested(at_us=kit.clock.now_us, reason="command"))
    kit.say(
        messages.Closed(
            camera_id="cam0",
            at_us=kit.clock.now_us,
            n=kit.next_n(),
            session_id=session_id,
            segment_id=SEGMENT.format(1),
            reason="stop",
            last_of_session=True,
            entries=1,
            size=CHUNK,
            sha256=DIGEST,
            plaintext_size=CHUNK,
            plaintext_sha256=DIGEST,
            media_start_us=kit.clock.now_us - 300_000,
            media_end_us=kit.clock.now_us,
            frames=9,
            dropped_frames=0,
            audio_gaps_us=0,
            fix_seconds=0,
        )
    )
    kit.turn(300_000)
    kit.turn(300_000)
    assert kit.unit.p.machine.session_id is None
    (found,) = recoveries(kit)
    assert (found["segment_id"], found["reason"], found["session_id"]) == (SEGMENT.format(2), "worker-exit", session_id)


def test_nothing_is_judged_by_an_index_that_is_behind(tmp_path: Path) -> None:
    kit = UnitKit(tmp_path, duties=())
    stray(tmp_path, SESSION, 1, CHUNK)
    duty = StrayFiles(kit.unit)
    for behind, found in ((True, 0), (False, 1)):
        kit.index.behind = behind
        duty.poll(0, 0)
        kit.turn()
        assert len(recoveries(kit)) == found


def test_a_folder_that_cannot_be_read_does_not_end_the_search(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    stray(tmp_path, SESSION, 1, CHUNK)
    other = "33333333-3333-4333-8333-333333333333"
    (tmp_path / "segments" / "11111111-1111-4111-8111-111111111111").write_text("a file, no folder")
    stray(tmp_path, other, 2, CHUNK)
    kit = UnitKit(tmp_path)
    kit.turn(300_000)
    assert {found["session_id"] for found in recoveries(kit)} == {SESSION, other}
