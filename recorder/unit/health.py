"""Gathers the health model from the unit's parts. Reads, decides nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from recorder import __version__
from recorder.health.model import Health
from recorder.unit import totals
from recorder.unit.parts import CameraParts, Parts

_US = 1e6

_Reader: TypeAlias = Callable[[CameraParts], float]


def health_of(parts: Parts) -> Health:
    """Everything the unit knows of itself. While the index is being made anew, what is counted in it is unknown."""
    now_us, wall_us = parts.clock.boottime_us(), parts.clock.wall_us()
    quality, book, index = parts.clock.quality(), parts.health, parts.index
    readings, durable, anchored = parts.sensors.readings, parts.journal.durable, parts.custody.anchored
    fix = readings.fix
    sums = index.totals()
    whole = sums is not None
    segments, size = index.pending()

    def counted(name: str) -> dict[str, float] | None:
        return None if sums is None else {**sums.get(name, {})}

    def by_camera(number: _Reader) -> dict[str, float]:
        return {camera_id: number(camera) for camera_id, camera in parts.cameras.items()}

    return Health(
        info={__version__: 1},
        status_timestamp_seconds=wall_us / _US,
        recording=parts.machine.session_id is not None,
        officers_signed_in=parts.officers.count,
        button_to_record_seconds=_seconds(book.button_to_record_us),
        config_last_reload_successful=book.config_good,
        config_last_reload_success_timestamp_seconds=_seconds(book.config_good_wall_us),
        faults=dict.fromkeys(parts.faults.present(), 1),
        faults_total=counted(totals.FAULTS),
        camera_ready=by_camera(lambda camera: camera.ready),
        worker_restarts_total=by_camera(lambda camera: max(0, camera.supervisor.restarts)),
        frames_total=by_camera(lambda camera: camera.last.frames if camera.last else 0),
        dropped_frames_total=by_camera(lambda camera: camera.last.dropped_frames if camera.last else 0),
        buffer_bytes=by_camera(lambda camera: camera.last.buffer_bytes if camera.last else 0),
        segments_closed_total=counted(totals.SEGMENTS),
        recorded_frames_total=counted(totals.FRAMES),
        recorded_frames_dropped_total=counted(totals.DROPPED),
        gaps_total=counted(totals.GAPS),
        gap_seconds_total=None if sums is None else sums.get(totals.GAP_US, {}).get("", 0) / _US,
        unexplained_gaps=index.unexplained_gaps() if whole else None,
        statements_owed=index.statements_owed() if whole else None,
        journal_head_seq=parts.journal.state.next_seq - 1,
        journal_durable_seq=-1 if durable is None else durable[0],
        journal_anchored_seq=None if anchored is None else anchored[0],
        storage_free_bytes=parts.custody.free_bytes,
        upload_backlog_segments=segments if whole else None,
        upload_backlog_bytes=size if whole else None,
        upload_deadline_left_seconds=None if book.deadline_us is None else (book.deadline_us - now_us) / _US,
        upload_overdue_sessions=book.overdue_sessions,
        last_receipt_timestamp_seconds=None if anchored is None else anchored[1],
        index_behind=index.behind,
        clock_set=parts.sensors.clock_is_set(wall_us),
        clock_synchronized=quality.synchronized,
        clock_source={quality.source: 1},
        clock_error_bound_seconds=None if quality.max_error_ms is None else quality.max_error_ms / 1000,
        clock_gnss_offset_seconds=(
            None if fix is None or fix.utc_us is None else (wall_us - now_us + fix.received_us - fix.utc_us) / _US
        ),
        boot_time_seconds=(wall_us - now_us) / _US,
        gnss_fix_age_seconds=parts.sensors.fix_age_s(now_us),
        gnss_satellites=None if fix is None else fix.satellites,
        temperature_celsius=readings.temperature_c,
        throttled=None if readings.throttled is None else dict.fromkeys(readings.throttled, 1),
        battery_charge_ratio=None if readings.battery_percent is None else readings.battery_percent / 100,
        battery_voltage_volts=readings.power.voltage_v,
        battery_left_seconds=None if book.battery_minutes is None else book.battery_minutes * 60,
        external_power=readings.power.external,
    )


def _seconds(microseconds: int | None) -> float | None:
    return None if microseconds is None else microseconds / _US
