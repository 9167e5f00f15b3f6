"""The hand at the machine's slots: user-mode Linux's management console, a datagram socket (``mconsole(1)``).

Requests and answers are those of ``arch/um/drivers/mconsole.h``, version 2, in the machine's byte order.
"""

from __future__ import annotations

import socket
import struct
from pathlib import Path
from typing import Final

from hw_sim.virtual_pi.errors import VirtualPiError

MAGIC: Final = 0xCAFEBABE
VERSION: Final = 2
MOST: Final = 512
_REQUEST = struct.Struct(f"=III{MOST}s")
_ANSWER = struct.Struct("=iII")
"""Error, whether there is more, length of the text behind it."""


def encode(command: str) -> bytes:
    """Raises VirtualPiError for one that does not fit."""
    data = command.encode()
    if len(data) >= MOST:
        raise VirtualPiError(f"mconsole: 命令过长 command too long ({len(data)} ≥ {MOST}): {command}")
    return _REQUEST.pack(MAGIC, VERSION, len(data), data)


def decode(answer: bytes) -> tuple[int, bool, str]:
    """``(error, more to come, text)``; error 0: done."""
    if len(answer) < _ANSWER.size:
        raise VirtualPiError(f"mconsole: 应答过短 an answer of only {len(answer)} bytes: {answer!r}")
    error, more, length = _ANSWER.unpack_from(answer)
    return error, bool(more), answer[_ANSWER.size :][:length].rstrip(b"\0").decode("utf-8", "replace")


def tell(console: Path, command: str, timeout_s: float = 10.0) -> str:
    """Give ``command`` (``config ubdb=FILE``, ``remove ubdb``, …) to the machine; what it answered. Raises VirtualPiError,
    also when the machine refuses."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ours:
        ours.bind("")  # unix(7): the kernel chooses an abstract address, to which the answer comes
        ours.settimeout(timeout_s)
        try:
            ours.sendto(encode(command), str(console))
            said, more = "", True
            while more:
                error, more, text = decode(ours.recv(_ANSWER.size + MOST))
                said += text
        except OSError as failure:
            raise VirtualPiError(f"{console}: {failure}: {command}") from failure
    if error:
        raise VirtualPiError(f"{command}: 被拒绝 refused: {said}")
    return said
