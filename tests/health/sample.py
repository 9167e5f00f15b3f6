"""A unit that knows every one of its numbers."""

from __future__ import annotations

from typing import Any

from recorder.health.model import Health


def health(**changes: Any) -> Health:
    values: dict[str, Any] = {
        "info": {"0.1.0": 1},
        "status_timestamp_seconds": 1_770_000_000.25,
        "recording": True,
        "officers_signed_in": 2,
        "button_to_record_seconds": 0.31,
        "config_last_reload_successful": True,
        "config_last_reload_success_timestamp_seconds": 1_769_990_000.5,
        "faults": {"clock-not-set": 1},
        "faults_total": {"clock-not-set": 3, "camera-stall": 1},
        "camera_ready": {"cam0": True},
        "worker_restarts_total": {"cam0": 3},
        "frames_total": {"cam0": 54_000},
        "dropped_frames_total": {"cam0": 0},
        "buffer_bytes": {"cam0": 2_000_000},
        "segments_closed_total": {"cam0": 30},
        "recorded_frames_total": {"cam0": 54_000},
        "recorded_frames_dropped_total": {"cam0": 2},
        "gaps_total": {"camera-stall": 1},
        "gap_seconds_total": 1.25,
        "unexplained_gaps": 1,
        "statements_owed": 2,
        "journal_head_seq": 12,
        "journal_durable_seq": 12,
        "journal_anchored_seq": 9,
        "storage_free_bytes": 123_456_789_000,
        "upload_backlog_segments": 1,
        "upload_backlog_bytes": 9_876_543_210,
        "upload_deadline_left_seconds": -12.5,
        "upload_overdue_sessions": 1,
        "last_receipt_timestamp_seconds": 1_769_999_000.0,
        "index_behind": False,
        "clock_set": False,
        "clock_synchronized": False,
        "clock_source": {"none": 1},
        "clock_error_bound_seconds": 0.016,
        "clock_gnss_offset_seconds": -0.4,
        "boot_time_seconds": 1_769_900_000.0,
        "gnss_fix_age_seconds": 1.5,
        "gnss_satellites": 9,
        "temperature_celsius": 61.2,
        "throttled": {"under-voltage": 1},
        "battery_charge_ratio": 0.8,
        "battery_voltage_volts": 3.91,
        "battery_left_seconds": 7_200.0,
        "external_power": False,
    }
    return Health(**(values | changes))
