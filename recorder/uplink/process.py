"""The uplink as a process of its own, small: ``python -m recorder.uplink.process``, settings as JSON on standard input.

Reading the configuration needs pydantic, click and tomlkit: 33 MB before the first byte is sent. :func:`exec_uplink`
therefore reads nothing more itself but replaces the process (same pid, so the service manager and whoever started it
notice nothing) by one without them.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

from recorder.lean import exec_module, give_memory_back, replace_process
from recorder.uplink.stop_flag import StopFlag

if TYPE_CHECKING:
    from recorder.config.models import RecorderConfig


def exec_uplink(config: RecorderConfig, config_files: Sequence[str] = ()) -> NoReturn:
    """Replace this process by the lean uplink. Does not return; raises OSError when that is impossible.

    ``config_files``: to be read again at SIGHUP.
    """
    from recorder.uplink.settings import settings_of

    settings = settings_of(config, os.environ).to_json().encode("utf-8")
    exec_module("recorder.uplink.process", settings, config_files)


def main() -> int:
    give_memory_back()
    stop, again = StopFlag(), StopFlag()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())

    def reload(*_: object) -> None:
        again.set()
        stop.set()

    signal.signal(signal.SIGHUP, reload)
    from recorder.loading import machine_clock
    from recorder.unit.logs import configure
    from recorder.unit.start_log import slow_down, supervised
    from recorder.uplink.service import EXIT_OUTDATED, EXIT_RECONFIGURED, run_with_settings
    from recorder.uplink.settings import settings_from_json

    configure()
    settings = settings_from_json(sys.stdin.read())
    clock = machine_clock(settings.clock_module, settings.clock_options)
    if supervised():
        # systemd starts it again for ever; on a small board each start costs time a recording may need.
        with contextlib.suppress(OSError):  # then the start cannot be noted, and costs no pause
            settings.status_file.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        slow_down(settings.status_file.with_name("starts.json"), clock, stop.wait)
    code = run_with_settings(settings, clock, stop)
    if again.is_set() or code == EXIT_RECONFIGURED:
        if settings.credentials_dir:
            # The service manager copies credentials for a new process only; replaced in place, this one would go on with
            # the old ones and take them for new.
            return EXIT_OUTDATED
        # The whole way again, same pid: what is wrong with the new files is set aside there as at any start.
        files = [part for name in sys.argv[1:] for part in ("--config", name)]
        replace_process("recorder", ("uplink", *files))
    return code


if __name__ == "__main__":
    sys.exit(main())
