"""Users, folders and modes as systemd's own tools lay them out in an empty root."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.support import require_program
from tests.systemd.units import SYSTEMD

SYSUSERS = SYSTEMD / "sysusers.d" / "zfy-recorder.conf"
TMPFILES = SYSTEMD / "tmpfiles.d" / "zfy-recorder.conf"
UMASK = {"recorder": 0o027, "recorder-capture": 0o002, "recorder-uplink": 0o027, "recorder-update": 0o027}
"""As the units say; a test compares."""


@dataclass(frozen=True, slots=True)
class Places:
    """``users`` and ``groups``: name → number; ``members``: user → its further groups."""

    root: Path
    users: dict[str, int]
    groups: dict[str, int]
    members: dict[str, set[str]]

    def below(self, path: str) -> Path:
        return self.root / path.lstrip("/")

    def mode_of(self, path: str) -> tuple[int, str, str]:
        """Mode, user and group by name."""
        state = self.below(path).stat()
        users = {number: name for name, number in self.users.items()}
        groups = {number: name for name, number in self.groups.items()}
        return state.st_mode & 0o7777, users[state.st_uid], groups[state.st_gid]

    def may(self, user: str, act: Callable[[Path], object], path: str) -> bool:
        """Does ``act`` succeed as ``user`` with its groups and its service's umask? In a child: identity is the
        process's. For root only."""
        child = os.fork()
        if child == 0:
            code = 2
            try:
                os.setgroups([self.groups[name] for name in self.members[user]])
                os.setgid(self.groups[user])
                os.setuid(self.users[user])
                os.umask(UMASK[user])
                act(self.below(path))
                code = 0
            except PermissionError:
                code = 1
            finally:
                os._exit(code)
        result = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert result in (0, 1), f"{user}, {path}: {result}"
        return result == 0


def lay_out(root: Path) -> Places:
    (root / "etc").mkdir(parents=True)
    (root / "etc" / "passwd").write_text("root:x:0:0::/root:/bin/sh\n")
    (root / "etc" / "group").write_text("root:x:0:\n")
    run("systemd-sysusers", f"--root={root}", str(SYSUSERS))
    users, groups = numbers(root / "etc" / "passwd"), numbers(root / "etc" / "group")
    members: dict[str, set[str]] = {user: set() for user in users}
    for line in (root / "etc" / "group").read_text().splitlines():
        name, _, _, listed = line.split(":")
        for user in filter(None, listed.split(",")):
            members[user].add(name)
    return Places(root, users, groups, members)


def make_folders(places: Places) -> None:
    """Again and again, as at each start of the unit."""
    run("systemd-tmpfiles", f"--root={places.root}", "--create", str(TMPFILES))


def numbers(file: Path) -> dict[str, int]:
    rows = [line.split(":") for line in file.read_text().splitlines()]
    return {row[0]: int(row[2]) for row in rows}


def run(program: str, *arguments: str) -> None:
    done = subprocess.run(
        [require_program(program), *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
