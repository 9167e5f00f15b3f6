"""sd_notify(3) in a few lines of the standard library: READY, WATCHDOG, STATUS, STOPPING over a datagram socket.

No systemd-python: it has no aarch64 wheel, and the protocol is one ``sendto``.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping


class Notifier:
    """Silent when ``NOTIFY_SOCKET`` is not set (not started by systemd)."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        address = environment.get("NOTIFY_SOCKET", "")
        # A leading @ is systemd's way to write an abstract socket.
        self._address = "\0" + address[1:] if address.startswith("@") else address
        # Never blocks: a listener that does not read would otherwise stop the main loop, and with it the signing.
        kind = socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
        self._socket = socket.socket(socket.AF_UNIX, kind) if address else None
        watchdog = environment.get("WATCHDOG_USEC", "")
        self.watchdog_us = int(watchdog) if watchdog.isdigit() and int(watchdog) > 0 else None

    def ready(self, status: str) -> None:
        self._send(f"READY=1\nSTATUS={status}")

    def status(self, status: str) -> None:
        self._send(f"STATUS={status}")

    def watchdog(self) -> None:
        """A worker: only while frames come and writes end (``capture.liveness``). The unit: from its main loop, so that one
        that hangs is noticed. Never from a timer, which proves nothing."""
        if self.watchdog_us is not None:
            self._send("WATCHDOG=1")

    def watchdog_within(self, us: int | None = None) -> None:
        """From now on each ``us``; None: as often as the service's settings say. Counts as a word, too."""
        if self.watchdog_us is not None:
            self._send(f"WATCHDOG_USEC={self.watchdog_us if us is None else us}\nWATCHDOG=1")

    def stopping(self) -> None:
        self._send("STOPPING=1")

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()

    def _send(self, text: str) -> None:
        if self._socket is None:
            return
        try:
            self._socket.sendto(text.encode("utf-8"), self._address)
        except BlockingIOError:
            return  # its queue is full: the next message says the same
        except OSError:
            # Whoever listened is gone. That must not stop a recording; systemd's own watchdog tells.
            self._socket.close()
            self._socket = None
