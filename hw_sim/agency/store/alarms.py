"""What a person at the agency must look at: forks, digest conflicts, bytes that did not match. One JSON object a line.

An alarm is a recorded fact: durable before the answer that goes with it, and on the log for whoever watches it.
"""

from __future__ import annotations

import json
import logging
import threading
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from firmware_bridge.ports import Clock
from hw_sim.agency.store.disk import append_line
from hw_sim.agency.store.locks import Locks

log = logging.getLogger("agency.store")


class Alarms:
    def __init__(self, path: Path, clock: Clock, locks: Locks | None = None) -> None:
        """``locks``: between the instances that write to ``path``."""
        self._path = path
        self._clock = clock
        self._locks = locks
        self._lock = threading.Lock()

    def raise_alarm(self, code: str, zh: str, en: str, **facts: Any) -> None:
        entry = {"at": self._clock.wall_us() / 1e6, "alarm": code, "zh": zh, "en": en, **facts}
        log.warning("alarm %s %s %s %s", code, zh, en, facts)
        with self._lock, nullcontext() if self._locks is None else self._locks.hold("alarms"):
            append_line(self._path, json.dumps(entry, ensure_ascii=False).encode("utf-8"))
