"""One more client of the simulated world (docs/simulator-protocol.md) that only listens: when was which button pressed.

The world's own moment of an action is the only one that owes nothing to the recorder being measured.
"""

from __future__ import annotations

import json
import socket
import threading
from dataclasses import dataclass
from pathlib import Path

from firmware_bridge.ports import Clock

JOIN_S = 5.0


@dataclass(frozen=True, slots=True)
class Change:
    """``at_us``: simulated boot-time at which it was heard of, a fraction of a millisecond after it happened."""

    key: str
    value: object
    at_us: int


class WorldObserver:
    """Listens from its making until the world ends. Follows one boot: a power cut ends the connection."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._clock = clock
        self._changes: list[Change] = []
        self._offset_us = 0
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.connect(str(path))
        self._socket.sendall(b'{"hello": "observer"}\n')
        self._thread = threading.Thread(target=self._listen, name="observer", daemon=True)
        self._thread.start()

    def finish(self) -> tuple[Change, ...]:
        """What was seen, once the world is gone."""
        self._thread.join(JOIN_S)
        self._socket.close()
        return tuple(self._changes)

    def _listen(self) -> None:
        with self._socket.makefile("rb") as lines:
            try:
                for line in lines:
                    self._take(line)
            except ConnectionError:
                return  # the world is gone: that is its end too

    def _take(self, line: bytes) -> None:
        now_us = self._clock.boottime_us()
        message = json.loads(line)
        if "state" in message:
            self._offset_us = int(message["state"]["boot_offset_us"])
        for key, value in message.get("set", {}).items():
            self._changes.append(Change(key, value, now_us - self._offset_us))
