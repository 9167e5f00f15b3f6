"""What installs: dpkg, or RAUC with its two slots. Thin; every call may be repeated after a power cut.

No shell, no arguments from outside but paths of our own making; the artefact has been verified before.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

from recorder.evidence.files import sync_dir
from recorder.update import places

TIMEOUT_S: Final = 1800.0
UNIT: Final = "recorder-unit.service"


class ProgramError(Exception):
    """The installing program failed; the message is its last words."""


class Program(Protocol):
    """One way to install. Each method raises ProgramError or OSError. ``reboots``: :meth:`start` reboots."""

    @property
    def reboots(self) -> bool: ...

    def way_back(self, version: str) -> bool:
        """Whether ``version``, which runs now, could be put back."""

    def install(self, artefact: Path) -> None: ...

    def start(self) -> bool:
        """Have what was installed started, where :meth:`install` has not done so. True: the machine starts anew."""

    def commit(self, artefact: Path, version: str) -> None:
        """It stays."""

    def roll_back(self, version: str, running: str, *, answers: bool) -> bool:
        """``version`` instead of what was installed. ``running``: this process's own, which is its image's. ``answers``:
        whether the unit process does. False: the machine starts anew; then it is asked again."""


def run(command: Sequence[str], timeout_s: float = TIMEOUT_S) -> None:
    """Raises ProgramError."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ProgramError(f"{command[0]}: {timeout_s:.0f} s") from error
    except OSError as error:
        raise ProgramError(f"{command[0]}: {error.strerror}") from error
    if done.returncode:
        raise ProgramError(f"{command[0]} {done.returncode}: {done.stdout[-400:].decode('utf-8', 'replace').strip()}")


class Dpkg:
    """Our package. Its own scripts refuse while a recording runs, and restart the services when the unit is idle."""

    def __init__(
        self, root_dir: Path, dpkg: Sequence[str] = ("dpkg",), systemctl: Sequence[str] = ("systemctl",)
    ) -> None:
        self._root_dir = root_dir
        self._dpkg = tuple(dpkg)
        self._systemctl = tuple(systemctl)

    reboots: Final = False

    def way_back(self, version: str) -> bool:
        return places.has_kept(self._root_dir, version)

    def install(self, artefact: Path) -> None:
        self._install(artefact, "--refuse-downgrade")

    def start(self) -> bool:
        """The package's postinst has seen to it."""
        return False

    def commit(self, artefact: Path, version: str) -> None:
        """Kept as the way back from the next one; older ones go."""
        to = places.kept(self._root_dir, version)
        to.parent.mkdir(mode=0o755, exist_ok=True)
        if artefact.exists():
            artefact.replace(to)
            sync_dir(to.parent)
        for other in to.parent.glob("*.deb"):
            if other != to:
                other.unlink()

    def roll_back(self, version: str, running: str, *, answers: bool) -> bool:
        """The package's preinst refuses while the unit runs and does not answer, or is between two starts: rightly, unless
        that silence is why it goes back. Then it is stopped first."""
        package = places.kept(self._root_dir, version)
        if not answers:
            run([*self._systemctl, "stop", UNIT])
        try:
            self._install(package, "--force-downgrade")
        finally:
            if not answers:
                run([*self._systemctl, "start", "--no-block", UNIT])
        return True

    def _install(self, package: Path, downgrade: str) -> None:
        # A power cut may have left it half done. What cannot be set up is replaced by what follows, or named there.
        with contextlib.suppress(ProgramError):
            run([*self._dpkg, "--force-confold", "--configure", "--pending"])
        run([*self._dpkg, "--force-confold", downgrade, "--install", str(package)])


class Rauc:
    """An image for the slot that does not run; the boot loader goes back by itself from one that does not come up."""

    reboots: Final = True

    def __init__(self, rauc: str = "rauc", reboot: Sequence[str] = ("systemctl", "reboot")) -> None:
        self._rauc = rauc
        self._reboot = tuple(reboot)

    def way_back(self, version: str) -> bool:
        """The slot that runs stays as it is."""
        return bool(version)

    def install(self, artefact: Path) -> None:
        """RAUC checks the bundle's own signature, too."""
        run([self._rauc, "install", str(artefact)])

    def start(self) -> bool:
        run(self._reboot)
        return True

    def commit(self, artefact: Path, version: str) -> None:
        run([self._rauc, "status", "mark-good"])
        artefact.unlink(missing_ok=True)

    def roll_back(self, version: str, running: str, *, answers: bool) -> bool:
        if running == version:  # the boot loader went back by itself, or this has been done
            run([self._rauc, "status", "mark-good"])
            return True
        run([self._rauc, "status", "mark-bad"])
        run([self._rauc, "status", "mark-active", "other"])
        run(self._reboot)
        return False
