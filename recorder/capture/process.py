"""The capture worker as a process: ``python -m recorder.capture.process CAMERA SOCKET``, the configuration as JSON on
standard input (``recorder.capture.settings``).

Started by the unit process, which has validated and signed that configuration; ``recorder capture-worker`` reads it
itself and then becomes this.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final, TextIO

import msgspec

from firmware_bridge.ports import DeviceError
from recorder.board_options import board_options
from recorder.capture.settings import SettingsError, worker_settings
from recorder.capture.worker import run_worker
from recorder.channel.worker_lock import hold
from recorder.evidence.files import OsFiles
from recorder.lean import one_arena
from recorder.loading import BoardLoadError, load_board_module
from recorder.notify import Notifier

MODULE: Final = "recorder.capture.process"

EXIT_CANNOT_START: Final = 2
EXIT_ALREADY_RUNNING: Final = 75
"""EX_TEMPFAIL of sysexits.h."""

FILE_MODE: Final = 0o664
DIR_MODE: Final = 0o775
"""Less the umask. A worker of a user of its own (systemd, UMask=0002) shares its files with the unit process, which cuts
torn ones and removes released ones; a child keeps them to itself (``unit.launcher``). See docs/services.md."""


def main(arguments: Sequence[str], config: bytes, errors: TextIO, notifier: Notifier | None = None) -> int:
    """Returns the exit code; says on ``errors`` why it cannot start."""
    if len(arguments) != 2:
        print(f"用法 usage: python -m {MODULE} CAMERA SOCKET < CONFIG.json", file=errors)
        return EXIT_CANNOT_START
    camera_id, path = arguments[0], Path(arguments[1])
    try:
        settings = worker_settings(config)
        if camera_id not in settings.cameras:
            print(f"配置中没有摄像头 no camera {camera_id} in the configuration", file=errors)
            return EXIT_CANNOT_START
        if hold(path) is None:
            print(f"{camera_id}: 另一个采集进程仍在运行 another capture worker is still running", file=errors)
            return EXIT_ALREADY_RUNNING
        options = board_options(msgspec.json.decode(config))
        board = load_board_module(settings.board.module).capture_board(options, camera_id)
    except (SettingsError, BoardLoadError, DeviceError, OSError) as error:
        print(str(error), file=errors)
        return EXIT_CANNOT_START
    return run_worker(settings, camera_id, board, path, OsFiles(board.medium, FILE_MODE, DIR_MODE), notifier)


if __name__ == "__main__":
    one_arena()
    sys.exit(main(sys.argv[1:], sys.stdin.buffer.read(), sys.stderr))
