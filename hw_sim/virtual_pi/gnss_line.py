"""A GNSS receiver on the guest's first serial line: NMEA sentences with good checksums, once a second."""

from __future__ import annotations

import array
import fcntl
import socket
import termios
import threading
from datetime import UTC, datetime
from typing import Final

from firmware_bridge.ports import Clock

BAODING: Final = ("3852.4440", "N", "11527.8960", "E")
"""Where the virtual Pi stands: Hebei, as NMEA writes it."""


def sentence(body: str) -> bytes:
    """``$BODY*CHECKSUM`` (NMEA 0183: exclusive or of all between the dollar and the star)."""
    checksum = 0
    for byte in body.encode("ascii"):
        checksum ^= byte
    return f"${body}*{checksum:02X}\r\n".encode("ascii")


def fix(now: datetime) -> bytes:
    """GGA and RMC of one moment: eight satellites, HDOP 0.9, standing still."""
    time, day = now.strftime("%H%M%S.00"), now.strftime("%d%m%y")
    where = ",".join(BAODING)
    return sentence(f"GNGGA,{time},{where},1,08,0.9,20.0,M,-8.0,M,,") + sentence(
        f"GNRMC,{time},A,{where},0.0,0.0,{day},,,A"
    )


class GnssLine:
    """Speaks until closed. ``guest_end``: the descriptor for the kernel's ``ssl1``."""

    def __init__(self, clock: Clock, interval_s: float = 1.0) -> None:
        self._clock = clock
        self._interval_s = interval_s
        self._ours, self.guest_end = socket.socketpair()
        self._ended = threading.Event()
        self._silent = threading.Event()
        self._thread = threading.Thread(target=self._speak, daemon=True)
        self._thread.start()

    def silent(self, silent: bool) -> None:
        """The receiver is unplugged, or back."""
        (self._silent.set if silent else self._silent.clear)()

    def close(self) -> None:
        self._ended.set()
        self._thread.join()
        self._ours.close()

    def _speak(self) -> None:
        while not self._ended.wait(self._interval_s):
            if self._silent.is_set() or self._unread():
                continue  # what nobody reads is lost, as on any serial line: an old fix must not wait for its reader
            try:
                self._ours.sendall(fix(datetime.fromtimestamp(self._clock.wall_us() / 1e6, UTC)))
            except OSError:
                return  # the machine is off

    def _unread(self) -> int:
        """Bytes that the guest's serial driver has not taken yet."""
        count = array.array("i", [0])
        fcntl.ioctl(self._ours, termios.TIOCOUTQ, count)
        return count[0]
