"""The sections the uplink process lives by, as one digest: how it notices that it has to read its own settings again."""

from __future__ import annotations

import json

from recorder.config.models import RecorderConfig
from recorder.evidence.encoding import sha256_b64u


def uplink_sha256(config: RecorderConfig) -> str:
    """The unit process says in its status which it has in force; the uplink compares."""
    values = {"uplink": config.uplink.model_dump(mode="json"), "mqtt": config.mqtt.model_dump(mode="json")}
    return sha256_b64u(json.dumps(values, sort_keys=True).encode("utf-8"))
