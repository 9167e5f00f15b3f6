"""The host's hands in the guest: one JSON object a line over a serial line, each command in a thread of its own.

To the guest ``{"id": 1, "command": "…", "timeout_s": 30}``; from it ``{"id": 1, "status": 0, "output": base64}`` (status
null: it did not end in time and was killed) and, once at start, ``{"hello": BOOT_ID}``.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import threading
import tty
from pathlib import Path
from typing import Any

_sending = threading.Lock()


def main() -> None:
    line = os.open(sys.argv[1], os.O_RDWR | os.O_NOCTTY)
    tty.setraw(line)
    send(line, {"hello": Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()})
    waiting = b""
    while chunk := os.read(line, 65536):
        *requests, waiting = (waiting + chunk).split(b"\n")
        for request in requests:
            threading.Thread(target=answer, args=(line, json.loads(request)), daemon=True).start()


def answer(line: int, request: dict[str, Any]) -> None:
    process = subprocess.Popen(
        ["/bin/bash", "-c", request["command"]],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    status: int | None
    try:
        output, _ = process.communicate(timeout=request["timeout_s"])
        status = process.returncode
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)
        output, _ = process.communicate()
        status = None
    send(line, {"id": request["id"], "status": status, "output": base64.b64encode(output).decode("ascii")})


def send(line: int, message: dict[str, Any]) -> None:
    data = memoryview(json.dumps(message).encode("ascii") + b"\n")
    with _sending:
        while data:
            data = data[os.write(line, data) :]


if __name__ == "__main__":
    main()
