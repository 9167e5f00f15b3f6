"""The machine the numbers were taken on: what decides speed, and nothing that names it."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from pathlib import Path

PROGRAMS = {
    "ffmpeg": ("ffmpeg", "-version"),
    "age": ("age", "--version"),
    "curl": ("curl", "--version"),
    "sha256sum": ("sha256sum", "--version"),
    "mosquitto": ("mosquitto", "-h"),
}
_VERSION = re.compile(r"\d+(?:\.\d+)+[-+~.\w]*")
_INTERESTING = ("sha_ni", "sha2", "aes", "avx2", "asimd")


def describe(disk: Path) -> tuple[tuple[str, str], ...]:
    """(name, value) pairs. ``disk``: a folder on the file system the measurements write to."""
    model, flags = _cpu()
    return (
        ("CPU", f"{model}, {os.cpu_count()} cores" + (f", {' '.join(flags)}" if flags else "")),
        ("RAM", f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.1f} GiB"),
        ("kernel", f"{platform.system()} {_numbers(platform.release())} {platform.machine()}"),
        ("file system", _file_system(disk)),
        ("Python", platform.python_version()),
        *((name, _version(command)) for name, command in PROGRAMS.items()),
    )


def _numbers(release: str) -> str:
    """The version without the builder's suffix, which may name somebody's machine or cloud."""
    found = re.match(r"\d+(?:\.\d+)*", release)
    return found.group(0) if found else "?"


def _cpu() -> tuple[str, list[str]]:
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    fields: dict[str, str] = {}
    for line in text.splitlines():
        key, _, value = line.partition(":")
        fields.setdefault(key.strip(), value.strip())
    model = fields.get("model name") or fields.get("Model") or platform.machine()
    words = (fields.get("flags") or fields.get("Features") or "").split()
    return model, [flag for flag in _INTERESTING if flag in words]


def _file_system(path: Path) -> str:
    best, kind = "", "?"
    for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines():
        _, mount, name, *_ = line.split()
        inside = str(path) == mount or str(path).startswith(mount.rstrip("/") + "/")
        if inside and len(mount) >= len(best):
            best, kind = mount, name
    return kind


def _version(command: tuple[str, ...]) -> str:
    if shutil.which(command[0]) is None:
        return "没有 missing"
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    first = (done.stdout or done.stderr).splitlines()[:1]
    found = _VERSION.search(first[0]) if first else None
    return found.group(0) if found else (first[0][:40] if first else "?")
