"""The capture worker as systemd starts it: the launch connection is standard input (``recorder.channel.launching``).

Run by ``recorder-capture@.service``. What cannot be read is said on standard error, which is the system's log.
"""

from __future__ import annotations

import logging
import os
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final, TextIO

from recorder.capture import process
from recorder.channel import kill_switch
from recorder.channel.launching import LaunchError, WorkerWord, decode_request, encode_word
from recorder.lean import one_arena
from recorder.notify import Notifier

LOG = logging.getLogger(__name__)

MODULE: Final = "recorder.capture.activated"
REQUEST_S: Final = 5.0
REQUEST_MOST: Final = 1 << 20


def main(connection: socket.socket, environment: Mapping[str, str], errors: TextIO) -> int:
    """Returns the exit code; it is also the last word on ``connection``."""
    try:
        request, config = decode_request(_received(connection))
    except (OSError, LaunchError) as error:
        print(str(error), file=errors)
        return process.EXIT_CANNOT_START
    path = Path(request.socket)
    try:
        # Before anything that may hang; the descriptor lives as long as the process.
        kill_switch.arm(kill_switch.switch_path(path))
    except OSError as error:  # then systemd's watchdog is the only one who can end it: slower, but it does
        LOG.error("no kill switch 无法设置终止开关: %s", error)
    _say(connection, WorkerWord(pid=os.getpid()))
    code = process.main((request.camera_id, str(path)), config, errors, Notifier(environment))
    _say(connection, WorkerWord(exit=code))
    return code


def _received(connection: socket.socket) -> bytes:
    """Everything up to the end of the other direction. Raises OSError, LaunchError."""
    connection.settimeout(REQUEST_S)
    data = bytearray()
    while block := connection.recv(65536):
        data += block
        if len(data) > REQUEST_MOST:
            raise LaunchError("启动请求过长 the launch request is too long")
    connection.settimeout(None)
    return bytes(data)


def _say(connection: socket.socket, word: WorkerWord) -> None:
    try:
        connection.sendall(encode_word(word), socket.MSG_DONTWAIT)
    except OSError as error:  # nobody listens: the end is noticed all the same
        LOG.debug("launch connection: %s", error)


if __name__ == "__main__":
    one_arena()
    with socket.socket(fileno=os.dup(0)) as inherited:
        sys.exit(main(inherited, os.environ, sys.stderr))
