"""Keys, manifests and a unit's word for the tests of updates."""

from __future__ import annotations

import hashlib
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from hw_sim.agency.certificates import file_signer
from recorder.update.gates import Conditions, GateLimits
from recorder.update.manifest import Manifest, sign_manifest

MAKER = file_signer(ec.generate_private_key(ec.SECP256R1()))
STRANGER = file_signer(ec.generate_private_key(ec.SECP256R1()))
BOARD = "vehicle-pi4"
OLD, NEW = "0.1.0", "0.2.0"
ARTEFACT = b"a package " * 5000
LIMITS = GateLimits(slack_h=12, backlog=0, battery_percent=50, free_mb=100, window=(0, 0))


def manifest(content: bytes = ARTEFACT, **changes: Any) -> Manifest:
    values: dict[str, Any] = {
        "ver": 1,
        "name": "zfy-recorder",
        "version": NEW,
        "filename": "zfy-recorder.deb",
        "sha256": hashlib.sha256(content).hexdigest(),
        "size": len(content),
        "kind": "deb",
        "min_version": "0.0.1",
        "boards": (BOARD,),
    }
    return Manifest(**values | changes)


def signed(content: bytes = ARTEFACT, **changes: Any) -> str:
    return sign_manifest(manifest(content, **changes), MAKER)


def status(**changes: Any) -> dict[str, Any]:
    """Of a unit in standby that lacks nothing. ``health_…``: members of ``health``."""
    health: dict[str, Any] = {
        "upload_overdue_sessions": 0,
        "upload_backlog_segments": 0,
        "index_behind": False,
        "external_power": True,
    }
    health |= {name.removeprefix("health_"): value for name, value in changes.items() if name.startswith("health_")}
    plain = {name: value for name, value in changes.items() if not name.startswith("health_")}
    return {
        "version": OLD,
        "recording": False,
        "session_id": None,
        "clock_set": True,
        "faults": [],
        "cameras": {"cam0": {"ready": True}},
        "health": {name: value for name, value in health.items() if value is not None},
        **plain,
    }


def conditions(**changes: Any) -> Conditions:
    own = {name: changes.pop(name) for name in tuple(changes) if name in Conditions.__dataclass_fields__}
    values: dict[str, Any] = {
        "status": status(**changes),
        "fresh": True,
        "free_bytes": 10**10,
        "needed_bytes": 10**6,
        "minute": 600,
        "way_back": True,
    }
    return Conditions(**values | own)
