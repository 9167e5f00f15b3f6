"""User-mode networking: the guest's frames over a socket pair to passt, which speaks for them with this machine's sockets.

Nothing needs privileges and nothing of this machine's network is changed. The guest is 10.0.2.15; what it sends to the
gateway 10.0.2.2 arrives at this machine's loopback, so servers of the agency listen on 127.0.0.1 as they always do.

User-mode Linux wants datagrams, passt a stream of frames with their length before them: two threads carry one to the other.
"""

from __future__ import annotations

import socket
import struct
import subprocess
import threading
from contextlib import suppress
from pathlib import Path
from typing import Final

from hw_sim.virtual_pi.errors import VirtualPiError

GUEST: Final = "10.0.2.15"
GATEWAY: Final = "10.0.2.2"
MAX_FRAME: Final = 65_535 + 18
_LENGTH = struct.Struct("!I")


class UserNetwork:
    """``guest_end``: the descriptor for the kernel's ``vec0:transport=fd``. Owns passt and both threads."""

    def __init__(self, log: Path) -> None:
        """Raises VirtualPiError when passt is not installed or does not start."""
        self._ours, self.guest_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._stream, passt_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with log.open("wb") as out, passt_end:
            try:
                self._passt = subprocess.Popen(
                    [
                        *("passt", "--foreground", "--quiet", "--fd", str(passt_end.fileno())),
                        *("--address", GUEST, "--netmask", "24", "--gateway", GATEWAY),
                        *("--ipv4-only", "--no-dhcp", "--no-icmp", "--mtu", "1500"),
                    ],
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=subprocess.STDOUT,
                    pass_fds=(passt_end.fileno(),),
                    start_new_session=True,
                )
            except FileNotFoundError as error:
                raise VirtualPiError("passt: 未安装 not installed (apt install passt)") from error
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._outward, self._inward)]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        self._passt.kill()
        self._passt.wait()
        for end in (self._ours, self._stream):
            with suppress(OSError):  # the other side went first
                end.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for end in (self._ours, self._stream):
            end.close()

    def _outward(self) -> None:
        """Guest to passt."""
        try:
            while frame := self._ours.recv(MAX_FRAME):
                self._stream.sendall(_LENGTH.pack(len(frame)) + frame)
        except OSError:
            return  # one of the two ends was closed: the line is down

    def _inward(self) -> None:
        """passt to guest."""
        try:
            with self._stream.makefile("rb") as stream:
                while header := stream.read(_LENGTH.size):
                    self._ours.send(stream.read(_LENGTH.unpack(header)[0]))
        except (OSError, struct.error):
            return  # likewise
