"""A board's end of the world's socket: a local copy of the truth, kept current by a reader thread."""

from __future__ import annotations

import json
import logging
import socket
import struct
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from firmware_bridge.ports import DeviceError
from hw_sim.world_keys import KEYS, State, Value

LOG = logging.getLogger(__name__)

_CONNECT_S = 5.0
_SEND_S = 1

Listener = Callable[[str, Value], None]


class WorldClient:
    """Connects at once. Raises DeviceError when there is no world. When the world goes away later, :meth:`connected` turns
    false and the last known truth stays: devices made on it must then behave as unplugged ones do."""

    def __init__(self, path: Path, hello: dict[str, str]) -> None:
        self._state: State = {}
        self._lock = threading.Lock()
        self._send_lock = threading.Lock()
        self._listeners: list[Listener] = []
        self._connected = threading.Event()
        self._closing = False
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(_CONNECT_S)
        try:
            self._socket.connect(str(path))
            self._socket.sendall(json.dumps(hello).encode() + b"\n")
            self._reader = self._socket.makefile("rb")
            self._state = _greeting(self._reader.readline())
        except (OSError, ValueError) as error:
            self._socket.close()
            raise DeviceError("world", f"{path}: 没有仿真世界 no simulated world: {error}") from error
        self._socket.settimeout(None)
        # A send time-out of the kernel's, because Python's own would hold for the reader thread as well.
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", _SEND_S, 0))
        self._connected.set()
        self._thread = threading.Thread(target=self._follow, name="world-client", daemon=True)

    def start(self) -> None:
        """Follow changes from now on (subscribe first, so that nothing is missed between)."""
        self._thread.start()

    def connected(self) -> bool:
        return self._connected.is_set()

    def get(self, key: str) -> Value:
        with self._lock:
            return self._state.get(key, KEYS[key].default)

    def subscribe(self, listener: Listener) -> None:
        """``listener(key, value)`` for every change, on the reader thread: it must be quick."""
        self._listeners.append(listener)

    def report_output(self, name: str, on: bool, at_us: int) -> None:
        """Tell the world that an output moved. A world that is gone or does not read is as good as unplugged."""
        self._report({"output": name, "on": on, "at_us": at_us})

    def report_speaker(self, wav: str, at_us: int, duration_us: int) -> None:
        """Tell the world that the loudspeaker plays the file ``wav`` from boot-time ``at_us`` on."""
        self._report({"op": "speaker", "wav": wav, "at_us": at_us, "duration_us": duration_us})

    def report_speaker_stop(self, at_us: int) -> None:
        """... and that it was silenced, whatever was still to come."""
        self._report({"op": "speaker-stop", "at_us": at_us})

    def _report(self, message: dict[str, Any]) -> None:
        line = json.dumps(message).encode() + b"\n"
        with self._send_lock:
            if not self.connected():
                return
            try:
                self._socket.sendall(line)
            except OSError as error:
                self._lost(str(error))

    def close(self) -> None:
        self._closing = True
        self._lost("closed")
        if self._thread.ident is not None and self._thread is not threading.current_thread():
            self._thread.join(2)
        self._reader.close()
        self._socket.close()

    def _follow(self) -> None:
        while True:
            try:
                line = self._reader.readline()
            except OSError as error:
                self._lost(str(error))
                return
            if not line:
                self._lost("end of file")
                return
            try:
                changes = json.loads(line)["set"]
            except (ValueError, KeyError) as error:
                self._lost(f"nonsense from the world: {error}")
                return
            with self._lock:
                self._state.update(changes)
            for key, value in changes.items():
                for listener in self._listeners:
                    listener(key, value)

    def _lost(self, why: str) -> None:
        if not self._connected.is_set():
            return
        self._connected.clear()
        if not self._closing:
            LOG.warning("仿真世界断开，设备视为拔出 world connection lost, devices count as unplugged: %s", why)
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # the other side was first


def _greeting(line: bytes) -> dict[str, Any]:
    state = json.loads(line)["state"]
    if not isinstance(state, dict):
        raise ValueError(f"unexpected greeting {line[:80]!r}")
    return state
