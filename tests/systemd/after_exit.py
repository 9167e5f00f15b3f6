"""What systemd does when the main process of a shipped service has ended, by the settings of its unit file.

systemd.service(5): ``Restart=`` with its table, ``SuccessExitStatus=``, ``RestartPreventExitStatus=`` and
``RestartForceExitStatus=``. Only what these units use is known here; anything else is an error, not a guess.
"""

from __future__ import annotations

import signal
from dataclasses import dataclass
from pathlib import Path

from tests.systemd.units import setting

CLEAN_SIGNALS = frozenset({signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGPIPE})


@dataclass(frozen=True, slots=True)
class AfterExit:
    """``clean``: the unit is not shown as failed; ``again``: it is started anew."""

    clean: bool
    again: bool


def after_exit(unit: Path, status: int, *, stopped: bool = False) -> AfterExit:
    """``status`` as ``subprocess`` has it: negative for a signal. ``stopped``: by systemctl, which restarts nothing."""
    clean = status in _statuses(unit, "SuccessExitStatus") or status == 0 or -status in CLEAN_SIGNALS
    (policy,) = setting(unit, "Restart") or ["no"]
    again = {"no": False, "always": True, "on-success": clean, "on-failure": not clean}[policy]
    if status in _statuses(unit, "RestartPreventExitStatus"):
        again = False
    if status in _statuses(unit, "RestartForceExitStatus"):
        again = True
    return AfterExit(clean, again and not stopped)


def _statuses(unit: Path, key: str) -> set[int]:
    """Raises ValueError for names of statuses and signals, which these units do not use."""
    return {int(word) for value in setting(unit, key) for word in value.split()}
