"""What is in a package, by ``dpkg-deb`` itself."""

from __future__ import annotations

import subprocess
import tarfile
from collections.abc import Iterator
from email.message import Message
from email.parser import Parser
from io import BytesIO
from pathlib import Path

ELF_MACHINE = {"amd64": 62, "arm64": 183}
"""``e_machine`` of an ELF header (elf.h): EM_X86_64, EM_AARCH64."""


def fields(package: Path) -> Message:
    done = subprocess.run(["dpkg-deb", "--field", str(package)], check=True, capture_output=True, text=True)
    return Parser().parsestr(done.stdout)


def control_file(package: Path, name: str) -> str:
    done = subprocess.run(["dpkg-deb", "--info", str(package), name], check=True, capture_output=True, text=True)
    return done.stdout


def members(package: Path) -> Iterator[tuple[tarfile.TarInfo, bytes]]:
    """Every member, its name without the leading ``./``, and the first 20 bytes of each file."""
    done = subprocess.run(["dpkg-deb", "--fsys-tarfile", str(package)], check=True, capture_output=True)
    with tarfile.open(fileobj=BytesIO(done.stdout)) as archive:
        for member in archive:
            member.name = member.name.removeprefix("./").rstrip("/")
            opened = archive.extractfile(member) if member.isfile() else None
            yield member, opened.read(20) if opened is not None else b""
