"""The process that looks at the board's devices for ``recorder doctor``: ``python -m recorder.doctor.looking``.

A process of its own because a driver's library may hang without letting go of the interpreter's lock, where no thread can
watch over it any more, or end the process; see :mod:`recorder.doctor.devices`, which starts it. Question on standard input
and answer on standard output are lines of JSON; what libraries print goes to standard error.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, Final

import msgspec

from firmware_bridge.in_time import broken
from recorder.loading import BoardLoadError, load_diagnosis

MODULE: Final = "recorder.doctor.looking"

Say = Callable[[dict[str, Any]], None]


class Question(msgspec.Struct, frozen=True):
    """``skip``: so many devices of the board's list have been looked at."""

    module: str
    options: dict[str, str]
    cameras: Sequence[str]
    skip: int = 0


def look(question: Question, say: Say) -> None:
    """Says ``module`` (can it look at itself?) or ``error``; for each device ``begin`` and its checks; ``end``."""
    try:
        module = load_diagnosis(question.module)
    except BoardLoadError as error:
        say({"error": str(error)})
        return
    say({"module": module is not None})
    devices = module.diagnose(question.options, question.cameras) if module is not None else ()
    for device, checks in devices[question.skip :]:
        say({"begin": device})
        try:
            for check in checks():
                say({"check": asdict(check)})
        except Exception as error:  # noqa: BLE001 - whatever a library makes of a broken board, the next device is looked at
            say({"check": asdict(broken(device, error))})
    say({"end": True})


def main() -> None:
    with os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1) as answer:
        os.dup2(2, 1)

        def say(what: dict[str, Any]) -> None:
            answer.write(json.dumps(what, ensure_ascii=False) + "\n")

        look(msgspec.json.decode(sys.stdin.buffer.read(), type=Question), say)
    os._exit(0)  # the libraries' own clean-up may wait for a device


if __name__ == "__main__":
    main()
