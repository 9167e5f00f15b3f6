"""The uplink as a process of its own, small: ``python -m recorder.uplink.process``, settings as JSON on standard input.

Reading the configuration needs pydantic, click and tomlkit: 33 MB before the first byte is sent, and numpy, which
sqlite-utils imports whenever it finds it, another 13. :func:`exec_uplink` therefore reads nothing more itself but replaces
the process (same pid, so the service manager and whoever started it notice nothing) by one without them.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from recorder.config.models import RecorderConfig


def exec_uplink(config: RecorderConfig) -> NoReturn:
    """Replace this process by the lean uplink. Does not return; raises OSError when that is impossible."""
    from recorder.uplink.settings import settings_of

    fd = os.memfd_create("uplink-settings", 0)
    os.write(fd, settings_of(config).to_json().encode("utf-8"))
    os.lseek(fd, 0, os.SEEK_SET)
    os.dup2(fd, 0)
    os.close(fd)
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, "-m", "recorder.uplink.process"])


def main() -> int:
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    # sqlite-utils loads numpy only to map its types, which nothing here has.
    sys.modules["numpy"] = None  # type: ignore[assignment]  # the documented way to forbid an import

    from recorder.loading import system_clock
    from recorder.unit.logs import configure
    from recorder.uplink.service import run_with_settings
    from recorder.uplink.settings import settings_from_json

    configure()
    return run_with_settings(settings_from_json(sys.stdin.read()), system_clock(), stop)


if __name__ == "__main__":
    sys.exit(main())
