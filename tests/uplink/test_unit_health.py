from __future__ import annotations

import json
from pathlib import Path

from recorder.uplink.unit_health import health_message

STATUS = {"boot_id": "b", "at_us": 1_000_000, "state": "recording", "health": {"recording": True}, "matter": {}}
FAULTS = [{"code": "store-away", "area": "store"}, {"code": "store-away", "area": "mqtt"}]


def test_the_units_own_numbers_and_nothing_else_of_its_status(tmp_path: Path) -> None:
    file = tmp_path / "status.json"
    file.write_text(json.dumps(STATUS))
    assert health_message(file, "b", 1_250_000, FAULTS) == {
        "unit": "fresh",
        "age_s": 0.2,
        "boot_id": "b",
        "state": "recording",
        "health": {"recording": True},
        "uplink_faults": {"store-away": 2},
    }


def test_a_unit_that_is_gone_is_said_to_be(tmp_path: Path) -> None:
    file = tmp_path / "status.json"
    assert health_message(file, "b", 1, [])["unit"] == "absent"
    file.write_text(json.dumps(STATUS))
    old = health_message(file, "b", 91_000_000, [])
    assert (old["unit"], old["age_s"], old["health"]) == ("silent", 90.0, {"recording": True})
    assert health_message(file, "c", 91_000_000, [])["unit"] == "other-boot"
