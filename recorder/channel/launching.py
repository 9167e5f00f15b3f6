"""What is said on a connection to the launch socket (``places.launch_socket``).

The unit process sends one line of JSON, then the configuration as JSON up to the end of its direction. The worker answers
with a line as it begins and one as it ends. The connection itself says the rest: systemd holds its end as long as the
instance lives, so its close is the instance's end, whatever ended it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec


class LaunchError(ValueError):
    """Not a launch request of this version; the message names what is wrong."""


class LaunchRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``socket``: the channel of this camera (``places.channel_socket``)."""

    v: Literal[1] = 1
    camera_id: str
    socket: str


class WorkerWord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """``pid``: it begins. ``exit``: it ends, with this code."""

    pid: int | None = None
    exit: int | None = None


def encode_request(camera_id: str, socket_path: Path, config: bytes) -> bytes:
    request = LaunchRequest(camera_id=camera_id, socket=str(socket_path))
    return msgspec.json.encode(request) + b"\n" + config


def decode_request(data: bytes) -> tuple[LaunchRequest, bytes]:
    """The request and the configuration behind it. Raises LaunchError."""
    line, separator, config = data.partition(b"\n")
    if not separator:
        raise LaunchError("启动请求不完整 torn launch request")
    try:
        return msgspec.json.decode(line, type=LaunchRequest), config
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise LaunchError(f"启动请求不符 the launch request does not fit: {error}") from error


def encode_word(word: WorkerWord) -> bytes:
    return msgspec.json.encode(word) + b"\n"


def decode_word(line: bytes) -> WorkerWord:
    """Raises LaunchError."""
    try:
        return msgspec.json.decode(line, type=WorkerWord)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise LaunchError(f"采集进程的话不符 the worker's word does not fit: {error}") from error
