"""Tell the unit process something over its control socket: one JSON line each way."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

from recorder.uplink.faults import UNIT_AWAY, UNIT_REFUSED, UplinkFault

MAX_REPLY = 1 << 16


def announce_receipt(path: Path, receipt_id: str, timeout_s: float = 2.0) -> None:
    """``{"v":1,"cmd":"receipt","receipt_id":…}`` → ``{"v":1,"ok":true}``.

    Raises UplinkFault ``unit-away`` (try again later; the unit also looks through receipts/ when it starts) or
    ``unit-refused-receipt`` (final: the unit has looked at it).
    """
    answer = _request(path, {"cmd": "receipt", "receipt_id": receipt_id}, timeout_s)
    if answer.get("ok") is not True:
        detail = json.dumps(answer, ensure_ascii=False)[:300]
        raise UplinkFault(UNIT_REFUSED, detail, subject=receipt_id)


def hand_over_assignment(path: Path, assignment: str, timeout_s: float = 2.0) -> dict[str, Any]:
    """``{"v":1,"cmd":"assign","assignment":JWS}`` → the unit's answer, which may be a refusal: it alone verifies.

    Raises UplinkFault ``unit-away``.
    """
    return _request(path, {"cmd": "assign", "assignment": assignment}, timeout_s)


def hand_over_desired(path: Path, desired: str, timeout_s: float = 2.0) -> dict[str, Any]:
    """``{"v":1,"cmd":"desired","desired":JWS}`` → the unit's answer, which may be a refusal: it alone verifies.

    Raises UplinkFault ``unit-away``.
    """
    return _request(path, {"cmd": "desired", "desired": desired}, timeout_s)


def tell_forecast(path: Path, late_segments: int, timeout_s: float = 2.0) -> None:
    """``{"v":1,"cmd":"store-forecast","late_segments":N}``: so many will miss their deadline at the present rate; 0: none
    any more. Raises UplinkFault ``unit-away``.
    """
    _request(path, {"cmd": "store-forecast", "late_segments": late_segments}, timeout_s)


def hand_over_command(path: Path, command: str, timeout_s: float = 2.0) -> dict[str, Any]:
    """``{"v":1,"cmd":"agency-command","command":JWS}`` → the unit's answer: it alone verifies.

    Raises UplinkFault ``unit-away``.
    """
    return _request(path, {"cmd": "agency-command", "command": command}, timeout_s)


def _request(path: Path, message: dict[str, object], timeout_s: float) -> dict[str, Any]:
    request = json.dumps({"v": 1, **message}).encode() + b"\n"
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(timeout_s)
            connection.connect(str(path))
            connection.sendall(request)
            reply = b""
            while not reply.endswith(b"\n") and len(reply) < MAX_REPLY:
                block = connection.recv(4096)
                if not block:
                    break
                reply += block
    except OSError as error:
        raise UplinkFault(UNIT_AWAY, f"{path.name}: {error.strerror or error}") from error
    try:
        answer = json.loads(reply)
    except ValueError as error:
        raise UplinkFault(UNIT_AWAY, f"{path.name}: {reply[:100]!r}") from error
    if not isinstance(answer, dict):
        raise UplinkFault(UNIT_AWAY, f"{path.name}: {reply[:100]!r}")
    return answer
