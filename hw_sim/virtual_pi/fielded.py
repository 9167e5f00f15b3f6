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
MICROPHONE: Final = "Loopback: PCM (plughw:0,0)"
"""snd-aloop: what is played into device 1 is heard at device 0. Used where the configuration switches sound on."""
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
    "microphone_device": MICROPHONE,
    "hwmodel": "virtual Pi",
    "hwversion": "1",
    "ueid": UNIT_ID,
}


AGENCY_LAYER: Final = ("sealing", "trust", "uplink", "mqtt")
"""Sections of /etc/recorder/agency.toml, the same on every unit of the agency; the others are this unit's."""


def configuration(agency: Agency, overrides: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Both layers: a picture small enough for real time here, short segments, an eager uplink."""
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
        "supervision": {"connect_timeout_s": 30, "start_timeout_s": 30, "progress_timeout_s": 8},
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
        """Configure and enrol on a running machine, without starting anything: docs/install.md, from the end of section 3.
        Raises VirtualPiError."""
        # A data partition newer than the package: section 3.
        self.pi.sh("systemd-tmpfiles --create zfy-recorder.conf", 60)
        self.configure(overrides)
        bundle = self.pi.share / "enrolment"
        self.pi.sh(f"recorder enrol request {SHARE}/enrolment", 60)
        self.agency.answer_enrolment(UNIT_ID, bundle)
        self.pi.sh(f"recorder enrol install {SHARE}/enrolment", 60)
        self.pi.sh("/usr/lib/zfy-recorder/unit-setup")
        self.pi.sh("sync")  # what is cut before the unit's first start is not what any test is about

    def configure(self, overrides: Mapping[str, Any] | None = None) -> None:
        """Write both layers of ``/etc/recorder`` and let the recorder check them."""
        values = configuration(self.agency, overrides)
        for name, chosen in (("agency", True), ("unit", False)):
            layer = {key: table for key, table in values.items() if (key in AGENCY_LAYER) == chosen}
            (self.pi.share / f"{name}.toml").write_text(to_toml(layer), encoding="utf-8")
        self.pi.sh(f"cp {SHARE}/agency.toml {SHARE}/unit.toml /etc/recorder/ && recorder config check", 60)

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

    def doctor(self, timeout_s: float = 120.0) -> dict[str, dict[str, str]]:
        """``recorder doctor``: its checks by device, the later of two of one name."""
        checks = json.loads(self.pi.ask("recorder doctor --json 2>/dev/null", timeout_s).output)
        return {check["device"]: check for check in checks}

    def copy_out(self, target: Path) -> Path:
        """The unit's data folder as it is now, copied to the host; keys stay in the guest."""
        shared = self.pi.share / "copy"
        shutil.rmtree(shared, ignore_errors=True)
        self.pi.sh(f"mkdir {SHARE}/copy && cd /var/lib/recorder && cp -r journal segments receipts {SHARE}/copy/", 60)
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(shared, target)
        return target
