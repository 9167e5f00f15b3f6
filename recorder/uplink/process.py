"""The uplink as a process of its own, small: ``python -m recorder.uplink.process``, settings as JSON on standard input.

Reading the configuration needs pydantic, click and tomlkit: 33 MB before the first byte is sent. :func:`exec_uplink`
therefore reads nothing more itself but replaces the process (same pid, so the service manager and whoever started it
notice nothing) by one without them.
"""

from __future__ import annotations

import signal
import sys
import threading
from typing import TYPE_CHECKING, NoReturn

from recorder.lean import exec_module, give_memory_back

if TYPE_CHECKING:
    from recorder.config.models import RecorderConfig


def exec_uplink(config: RecorderConfig) -> NoReturn:
    """Replace this process by the lean uplink. Does not return; raises OSError when that is impossible."""
    from recorder.uplink.settings import settings_of

    exec_module("recorder.uplink.process", settings_of(config).to_json().encode("utf-8"))


def main() -> int:
    give_memory_back()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    from recorder.loading import system_clock
    from recorder.unit.logs import configure
    from recorder.uplink.service import run_with_settings
    from recorder.uplink.settings import settings_from_json

    configure()
    return run_with_settings(settings_from_json(sys.stdin.read()), system_clock(), stop)


if __name__ == "__main__":
    sys.exit(main())
