"""The health model as a whole unit in memory fills it."""

from __future__ import annotations

import json
import socket
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import pytest

from firmware_bridge.ports import GnssFix
from recorder.evidence.records import Config, Event
from recorder.health.prometheus import exposition
from recorder.notify import Notifier
from recorder.unit.health import health_of
from recorder.unit.health_book import HealthBook
from recorder.unit.status import KNOWN
from recorder.unit.status_writer import METRICS_US, StatusWriter
from tests.unit.test_custody import shift_with_one_segment
from tests.unit.unit_kit import DIGEST, UnitKit


@pytest.fixture
def kit(tmp_path: Path) -> Any:
    made = UnitKit(tmp_path / "unit")
    yield made
    made.journal.close()
    made.index.close()


def settings(status: str) -> Config:
    return Config.model_validate({"sha256": DIGEST, "layers": (), "status": status, "errors": ()})


def test_a_bare_unit_says_only_what_it_knows(kit: UnitKit) -> None:
    health = health_of(kit.unit.p)
    assert health.recording is False and health.camera_ready == {"cam0": False}
    unknown = ("gnss_fix_age_seconds", "temperature_celsius", "throttled", "battery_charge_ratio", "external_power")
    assert [getattr(health, name) for name in unknown] == [None] * len(unknown)
    assert health.journal_head_seq == health.journal_durable_seq > 0
    assert health.journal_anchored_seq is None and health.last_receipt_timestamp_seconds is None
    assert exposition(health, KNOWN)


def test_a_position_tells_its_age_and_how_far_the_clock_is_off(kit: UnitKit) -> None:
    now, wall = kit.clock.now_us, kit.clock.wall_us()
    fix = GnssFix(now - 1_500_000, 38.0, 114.5, None, None, None, 1, 9, 0.9, utc_us=wall - 1_500_000 + 250_000)
    kit.unit.p.sensors.readings.fix = fix
    health = health_of(kit.unit.p)
    assert (health.gnss_fix_age_seconds, health.gnss_satellites) == (1.5, 9)
    assert health.clock_gnss_offset_seconds == pytest.approx(-0.25), "the wall clock is behind"


def test_the_backlog_and_what_is_counted_from_the_journal(tmp_path: Path) -> None:
    kit, path = shift_with_one_segment(tmp_path / "unit")
    health = health_of(kit.unit.p)
    assert (health.upload_backlog_segments, health.upload_backlog_bytes) == (1, path.stat().st_size)
    assert health.segments_closed_total == {"cam0": 1}
    kit.index.behind = True
    again = health_of(kit.unit.p)
    assert again.index_behind
    counted = (again.upload_backlog_bytes, again.segments_closed_total, again.gap_seconds_total, again.statements_owed)
    assert counted == (None, None, None, None), "half an index would say that little is owed"
    kit.journal.close()
    kit.index.close()


def test_the_deadline_comes_nearer_by_itself(kit: UnitKit) -> None:
    kit.unit.p.health.owed(kit.clock.now_us + 10_000_000, 2)
    kit.clock.now_us += 12_500_000
    health = health_of(kit.unit.p)
    assert (health.upload_deadline_left_seconds, health.upload_overdue_sessions) == (-2.5, 2)


def test_from_the_button_to_the_first_signed_fragment(kit: UnitKit) -> None:
    kit.worker_up()
    kit.unit.decide(kit.unit.start_request("button"))
    session_id = kit.unit.p.machine.session_id
    assert session_id is not None
    kit.turn(200_000)
    kit.say(kit.opened(1, session_id))
    kit.turn(100_000)
    assert health_of(kit.unit.p).button_to_record_seconds is None, "opened is not recorded"
    kit.say(kit.entry(1, 0))
    kit.turn()
    kit.turn(600_000)
    # told before the time of the turn that signs: 0.2 + 0.1 + 0.6
    assert health_of(kit.unit.p).button_to_record_seconds == pytest.approx(0.9)
    kit.say(kit.entry(1, 1))
    kit.turn(5_000_000)
    kit.turn(5_000_000)
    assert health_of(kit.unit.p).button_to_record_seconds == pytest.approx(0.9), "of the session's beginning"


def test_the_newest_configuration_tells_whether_it_was_taken() -> None:
    book = HealthBook()
    book.observe(settings("applied"), 1, 70)
    assert (book.config_good, book.config_good_wall_us) == (True, 70)
    book.observe(settings("fallback"), 2, 80)
    assert (book.config_good, book.config_good_wall_us) == (False, 70), "when one was last taken stands"
    book.observe(settings("applied"), 3, 90)
    assert (book.config_good, book.config_good_wall_us) == (True, 90)


def test_a_status_that_cannot_be_made_is_a_fault_and_ends_with_its_cause(kit: UnitKit, tmp_path: Path) -> None:
    run = tmp_path / "unit" / "run"
    writer = StatusWriter(kit.unit, kit.journal, run, kit.files, Notifier({}))
    writer.turn()
    assert json.loads((run / "status.json").read_text())["health"]["recording"] is False
    was, kit.journal.journal_id = kit.journal.journal_id, cast(Any, b"\xff")  # no JSON can hold that
    kit.clock.now_us += METRICS_US
    writer.turn()
    assert kit.unit.p.faults.is_open("duty-fault", "status")
    kit.journal.journal_id = was
    kit.clock.now_us += METRICS_US
    writer.turn()
    assert not kit.unit.p.faults.is_open("duty-fault", "status")


def test_a_folder_that_takes_no_metrics_is_not_tried_more_often(
    kit: UnitKit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[int] = []

    def refuse(*_: object) -> None:
        tried.append(kit.clock.now_us)
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("recorder.unit.status_writer.write_metrics", refuse)
    writer = StatusWriter(kit.unit, kit.journal, tmp_path / "unit" / "run", kit.files, Notifier({}))
    for _ in range(9):
        writer.turn()
        kit.clock.now_us += METRICS_US // 8
    assert len(tried) == 2


def test_the_metrics_are_written_less_often_than_the_status_but_at_once_when_it_changes(
    kit: UnitKit, tmp_path: Path
) -> None:
    run = tmp_path / "unit" / "run"
    writer = StatusWriter(kit.unit, kit.journal, run, kit.files, Notifier({}))

    def written() -> bool:
        there = (run / "recorder.prom").exists()
        (run / "recorder.prom").unlink(missing_ok=True)
        return there

    writer.turn()
    assert written()
    kit.clock.now_us += METRICS_US // 2
    writer.turn()
    assert not written() and (run / "status.json").exists()
    kit.worker_up()
    kit.unit.decide(kit.unit.start_request("button"))
    writer.turn()
    assert written(), "a recording has begun"
    kit.clock.now_us += METRICS_US
    writer.turn()
    assert written()


def test_a_journal_that_refuses_is_no_reason_to_be_killed_by_the_service_manager(kit: UnitKit, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "n"))
        listener.settimeout(5)
        notifier = Notifier({"NOTIFY_SOCKET": listener.getsockname(), "WATCHDOG_USEC": "15000000"})
        with closing(notifier):
            writer = StatusWriter(kit.unit, kit.journal, tmp_path / "unit" / "run", kit.files, notifier)
            writer.turn()
            assert [listener.recv(99).decode() for _ in range(2)] == ["WATCHDOG=1", "STATUS=standby"]
            kit.files.refuse = True
            kit.unit.write(Event(event="test", at_us=0, detail={}))
            kit.turn(METRICS_US)
            assert kit.unit.p.ledger.error is not None
            assert kit.unit.p.faults.is_open("storage-fault", "journal"), "it is told there"
            writer.turn()
            assert listener.recv(99).decode() == "WATCHDOG=1"
            kit.files.refuse = False
