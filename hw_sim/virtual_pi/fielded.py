"""A recorder as it stands in the field: the package on a virtual Pi, enrolled, with its agency on the host.

The agency's store and broker listen on the host's loopback; the guest knows them as ``agency.test``. Everything goes
through what an admin has: the package's commands, ``/etc/recorder/unit.toml``, ``systemctl``.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from hw_sim.agency.agency import Agency
from hw_sim.runner.unit_config import to_toml
from hw_sim.virtual_pi.machine import SHARE, VirtualPi

AGENCY_HOST: Final = "agency.test"
UNIT_ID: Final = "vpi-0001"
RECORD: Final = "GPIO17"
MARK: Final = "GPIO27"
RED, GREEN, YELLOW = "GPIO5", "GPIO6", "GPIO13"
STATUS: Final = "/run/recorder/status.json"
UPLOADED: Final = "s['health'].get('upload_backlog_segments') == 0"
"""For :meth:`FieldedUnit.wait_status`: every finished segment has a receipt the unit believes."""

BOARD: Final[Mapping[str, str]] = {
    "button_record": RECORD,
    "button_mark": MARK,
    "led_red": RED,
    "led_green": GREEN,
    "led_yellow": YELLOW,
    "vibration": "GPIO19",
    "gnss_device": "/dev/ttyS1",
    "battery_gauge": "max17048",
    "battery_bus": "0",
    "battery_address": "0x36",
    "microphone_device": "none",
    "hwmodel": "virtual Pi",
    "hwversion": "1",
    "ueid": UNIT_ID,
}


def configuration(agency: Agency, overrides: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The unit's layer: a picture small enough for real time here, short segments, an eager uplink."""
    values: dict[str, Any] = {
        "device": {"id": UNIT_ID, "model": "virtual Pi"},
        "board": {"module": "firmware_bridge.raspberry_pi.board", "options": dict(BOARD)},
        "cameras": {"cam0": {"width": 320, "height": 240, "frame_rate": 15, "bitrate_kbps": 800}},
        "capture": {"segment_s": 5, "pre_event_s": 2},
        "audio": {"enabled": False},
        "speech": {"enabled": False},
        "sealing": {"recipients": list(agency.recipients)},
        # The demo store keeps its objects in a plain folder and says so: its receipts promise no lock.
        "trust": {"require_lock": False},
        # User-mode Linux is slow at system calls, of which imports are made; nor does a busy host keep real time.
        "supervision": {"start_timeout_s": 30, "progress_timeout_s": 8},
        "session": {"standby_interval_s": 1},
        "uplink": {
            "store_url": f"https://{AGENCY_HOST}:{agency.store_proxy.port}",
            "journal_interval_s": 0.5,
            "backoff_base_s": 0.2,
            "backoff_max_s": 2,
            "connect_timeout_s": 3,
            "io_timeout_s": 5,
        },
        "mqtt": {"host": AGENCY_HOST, "port": agency.mqtt_port},
    }
    for section, keys in (overrides or {}).items():
        values[section] = {**values.get(section, {}), **keys}
    return values


class FieldedUnit:
    def __init__(self, pi: VirtualPi, agency: Agency) -> None:
        self.pi = pi
        self.agency = agency

    def enrol(self, overrides: Mapping[str, Any] | None = None) -> None:
        """Configure and enrol on a running machine, without starting anything. Raises VirtualPiError."""
        self.configure(overrides)
        bundle = self.pi.share / "enrolment"
        self.pi.sh(f"recorder enrol request {SHARE}/enrolment", 60)
        self.agency.answer_enrolment(UNIT_ID, bundle)
        self.pi.sh(
            f"recorder enrol install {SHARE}/enrolment && systemd-tmpfiles --create zfy-recorder.conf && sync", 60
        )

    def configure(self, overrides: Mapping[str, Any] | None = None) -> None:
        """Write ``/etc/recorder/unit.toml`` and let the recorder check it."""
        (self.pi.share / "unit.toml").write_text(to_toml(configuration(self.agency, overrides)), encoding="utf-8")
        self.pi.sh(f"cp {SHARE}/unit.toml /etc/recorder/unit.toml && recorder config check", 60)

    def start(self, timeout_s: float = 60.0) -> None:
        """Enable and start all of it, until the unit stands by or records."""
        self.pi.sh("systemctl enable --quiet --now recorder.target", timeout_s)
        self.wait_status("True", timeout_s)

    def status(self) -> dict[str, Any]:
        return dict(json.loads(self.pi.sh(f"cat {STATUS}")))

    def wait_status(self, jq: str, timeout_s: float = 30.0) -> dict[str, Any]:
        """Until a Python expression over the status ``s`` of *this boot's* unit process holds; the status."""
        program = f"import json,sys; s=json.load(open('{STATUS}')); sys.exit(not ({jq}))"
        self.pi.wait_for(f'python3 -c "{program}" 2>/dev/null', timeout_s)
        return self.status()

    def copy_out(self, target: Path) -> Path:
        """The unit's data folder as it is now, copied to the host; keys stay in the guest."""
        shared = self.pi.share / "copy"
        shutil.rmtree(shared, ignore_errors=True)
        self.pi.sh(f"mkdir {SHARE}/copy && cd /var/lib/recorder && cp -r journal segments receipts {SHARE}/copy/", 60)
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(shared, target)
        return target
