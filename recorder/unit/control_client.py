"""The other end of the control socket: used by ``recorder ctl`` and by the uplink."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any, BinaryIO


class ControlError(Exception):
    """The unit could not be reached or refused; ``zh`` and ``en`` say why."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(f"{zh} {en}")
        self.zh = zh
        self.en = en


def request(
    path: Path, message: dict[str, Any], timeout_s: float, passed_file: BinaryIO | None = None
) -> dict[str, Any]:
    """Send one request and return the answer (a JSON object with ``ok`` true). ``passed_file``: an open file the unit shall
    read, handed over as it is (SCM_RIGHTS). Raises ControlError."""
    line = json.dumps({"v": 1, **message}, ensure_ascii=False).encode() + b"\n"
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(timeout_s)
            connection.connect(str(path))
            if passed_file is None:
                connection.sendall(line)
            else:
                sent = socket.send_fds(connection, [line], [passed_file.fileno()])
                if sent < len(line):
                    # Not with nothing left: a unit that has answered and hung up already makes an empty send a broken pipe.
                    connection.sendall(line[sent:])
            with connection.makefile("rb") as reader:
                answer_line = reader.readline(1 << 20)
        answer = json.loads(answer_line)
    except OSError as error:
        raise ControlError(f"{path}: 无法连接记录单元：{error}", f"{path}: cannot reach the unit: {error}") from error
    except (ValueError, RecursionError) as error:
        raise ControlError(f"{path}: 应答无法解析", f"{path}: the answer cannot be read") from error
    if not isinstance(answer, dict) or not answer.get("ok"):
        failure = answer.get("error", {}) if isinstance(answer, dict) else {}
        raise ControlError(str(failure.get("zh", "被拒绝")), str(failure.get("en", "refused")))
    return answer
