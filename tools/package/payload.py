"""The files of the package, laid out as they will lie on the unit.

/usr/bin/recorder                                   starts the private interpreter
/usr/lib/zfy-recorder/                              a virtual environment: the system's Python, with the system's packages
    bin/python3, pyvenv.cfg                         (picamera2, libcamera, lgpio, PyAudio) behind our own
    lib/python3.X/site-packages/                    recorder, firmware_bridge and the private libraries
    await-data                                      what the services ask before they start
    is-recording, restart-when-idle                 what the maintainer scripts ask
    unit-setup                                      makes a machine a recording unit
/usr/share/zfy-recorder/config/                     defaults, boards, examples, prompts and voices
/usr/share/zfy-recorder/unit/                       settings of the whole machine, in force where unit-setup links them:
                                                    the same package is the verifier on an agency's computer
/usr/lib/systemd, sysusers.d, tmpfiles.d, udev      whatever else is in systemd/, by its kind
/etc/recorder/unit.toml                             the unit's layer, empty
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from tools.package.target import Target

OURS = ("recorder", "firmware_bridge")
"""Python packages of this project on a unit; the simulator stays away from it."""

UNIT_SUFFIXES = (".service", ".target", ".socket", ".timer", ".path", ".mount", ".slice")

MACHINE_WIDE = ("journald.conf.d", "system.conf.d", "sysctl.d")
"""Folders of systemd/ that change the whole machine: not in force by being installed (debian/lib/unit-setup)."""


class UnknownKind(Exception):
    """A file in systemd/ of which nobody has said where it is installed."""


def destination(path: PurePosixPath) -> PurePosixPath | None:
    """Where a file of systemd/ (path relative to it) is installed, relative to the root; None for a note to readers.
    Raises UnknownKind."""
    folder = path.parts[0] if len(path.parts) > 1 else ""
    name = path.name
    if name.startswith("README"):
        return None
    if not folder and path.suffix in UNIT_SUFFIXES:
        return PurePosixPath("usr/lib/systemd/system", name)
    if folder.endswith(tuple(f"{suffix}.d" for suffix in UNIT_SUFFIXES)) and path.suffix == ".conf":
        return PurePosixPath("usr/lib/systemd/system", folder, name)
    if folder in ("sysusers.d", "tmpfiles.d", "modules-load.d") and path.suffix == ".conf":
        return PurePosixPath("usr/lib", folder, name)
    if folder in MACHINE_WIDE and path.suffix == ".conf":
        return PurePosixPath("usr/share/zfy-recorder/unit", folder, name)
    if path.suffix == ".rules":
        return PurePosixPath("usr/lib/udev/rules.d", name)
    if folder == "slot-shared.d" and path.suffix == ".conf":
        return PurePosixPath("etc/rpi-image-gen/slot-shared.d", name)
    raise UnknownKind(f"systemd/{path}: 不知安装到何处 no place known for it (tools/package/payload.py)")


def tracked(root: Path, *below: str) -> list[PurePosixPath]:
    """The files of the repository under ``below``, in order, as they are in the working tree: no build residue."""
    done = subprocess.run(["git", "ls-files", "-z", "--", *below], cwd=root, check=True, capture_output=True, text=True)
    return sorted(PurePosixPath(name) for name in done.stdout.split("\0") if name and (root / name).is_file())


def lay_out(root: Path, target: Target, payload: Path) -> None:
    """Everything except the private libraries, into ``payload``."""
    private = payload / "usr/lib/zfy-recorder"
    packages = site_packages(target, payload)
    for path in tracked(root, *OURS):
        _copy(root / path, packages / path)
    for path in tracked(root, "config"):
        _copy(root / path, payload / "usr/share/zfy-recorder" / path)
    # recorder/config/paths.py looks for its files there.
    (packages / "recorder/share").symlink_to("../../../../../../share/zfy-recorder")

    (private / "bin").mkdir(parents=True)
    (private / "bin/python3").symlink_to("../../../bin/python3")
    (private / "pyvenv.cfg").write_text(
        f"home = /usr/bin\ninclude-system-site-packages = true\nversion = {target.python}\n"
    )
    for name in ("await-data", "is-recording", "restart-when-idle", "unit-setup"):
        _copy(root / "debian/lib" / name, private / name, 0o755)
    _copy(root / "debian/lib/recorder", payload / "usr/bin/recorder", 0o755)

    _copy(root / "debian/unit.toml", payload / "etc/recorder/unit.toml")
    for path in tracked(root, "systemd"):
        place = destination(path.relative_to("systemd"))
        if place is not None:
            _copy(root / path, payload / place)
    for path in tracked(root, "docs"):
        _copy(root / path, payload / "usr/share/doc/zfy-recorder" / path.relative_to("docs"))


def site_packages(target: Target, payload: Path) -> Path:
    return payload / "usr/lib/zfy-recorder/lib" / f"python{target.python}" / "site-packages"


def fill_in(text: str, payload: Path, target: Target) -> str:
    """A maintainer script with its lists: what this payload really contains."""

    def names(folder: str, suffixes: Sequence[str]) -> str:
        found = (payload / folder).glob("*")
        # A template (name@.service) has nothing to stop or disable.
        return " ".join(sorted(path.name for path in found if path.suffix in suffixes and "@" not in path.name))

    lists = {
        "@SYSUSERS@": names("usr/lib/sysusers.d", (".conf",)),
        "@TMPFILES@": names("usr/lib/tmpfiles.d", (".conf",)),
        "@UNITS@": names("usr/lib/systemd/system", UNIT_SUFFIXES),
        "@PYTHON@": target.python,
    }
    for token, value in lists.items():
        text = text.replace(token, value)
    return text


def _copy(source: Path, destination: Path, mode: int = 0o644) -> None:
    destination.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, destination)
    destination.chmod(mode)
