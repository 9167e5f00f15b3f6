"""What docs/install.md asks of the operating system, where the board depends on it: the kernel's memory controller, the
encrypted data partition, the log of chrony. Nothing is started and nothing is changed."""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from firmware_bridge import chrony
from firmware_bridge.ports import Check
from firmware_bridge.raspberry_pi.checks.verdicts import fault, ok, warning
from firmware_bridge.raspberry_pi.options import OptionReader

DATA_MAPPING: Final = "recorder-data"
"""The name docs/install.md gives the opened data partition."""

READERS: Final = ("recorder", "recorder-capture")
"""The units' users that judge the clock: unit process and capture workers."""

Groups = Callable[[str], frozenset[int] | None]
"""Group ids of a user; None: there is no such user."""


@dataclass(frozen=True, slots=True)
class SystemFiles:
    """Where Debian has them. ``cryptsetup``: what makes units of /etc/crypttab (systemd-cryptsetup-generator(8))."""

    controllers: Path = Path("/sys/fs/cgroup/cgroup.controllers")
    cgroups: Path = Path("/proc/cgroups")
    crypttab: Path = Path("/etc/crypttab")
    fstab: Path = Path("/etc/fstab")
    cryptsetup: Path = Path("/usr/lib/systemd/system-generators/systemd-cryptsetup-generator")
    chrony_config: tuple[Path, ...] = chrony.CONFIG
    tracking: Path = chrony.LOG


def groups_of(user: str) -> frozenset[int] | None:
    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        return None
    return frozenset(os.getgrouplist(user, entry.pw_gid))


def memory(files: SystemFiles) -> Iterator[Check]:
    """Without the controller MemoryMax= of the services bounds nothing, and a Pi's firmware switches it off."""
    switched_on = _memory_controller(files)
    if switched_on:
        yield ok("memory", "内存控制组已启用", "the memory controller is on")
        return
    yield warning(
        "memory",
        "内存控制组未启用：MemoryMax= 无效" if switched_on is False else "无法得知内存控制组是否启用",
        "the memory controller is off: MemoryMax= is void" if switched_on is False else "no cgroup files to be read",
        "/boot/firmware/cmdline.txt 末尾加上 cgroup_enable=memory，重新启动",
        "add cgroup_enable=memory to the end of /boot/firmware/cmdline.txt and reboot",
    )


def _memory_controller(files: SystemFiles) -> bool | None:
    """None: neither version's file can be read. With both (hybrid), either will do."""
    unified, legacy = _text(files.controllers), _text(files.cgroups)
    if unified is not None and "memory" in unified.split():
        return True
    if legacy is not None:  # columns: name, hierarchy, number, enabled
        rows = [line.split() for line in legacy.splitlines() if not line.startswith("#")]
        return any(row[:1] == ["memory"] and row[3:4] == ["1"] for row in rows)
    return None if unified is None else False


def encryption(files: SystemFiles) -> Iterator[Check]:
    """Nothing to say where neither crypttab nor fstab speaks of an encrypted partition."""
    named = [row[0] for row in _rows(files.crypttab)]
    mounted = any(row[0] == f"/dev/mapper/{DATA_MAPPING}" for row in _rows(files.fstab))
    if mounted and DATA_MAPPING not in named:
        yield fault(
            "encryption",
            f"{files.fstab} 挂载 /dev/mapper/{DATA_MAPPING}，{files.crypttab} 中没有 {DATA_MAPPING}：开机时打不开",
            f"{files.fstab} mounts /dev/mapper/{DATA_MAPPING}, {files.crypttab} has none: it is not opened at boot",
            f"在 {files.crypttab} 中加上 {DATA_MAPPING} 一行（docs/install.md 第 2 节）",
            f"add the line of {DATA_MAPPING} to {files.crypttab} (docs/install.md, section 2)",
        )
    if not named:
        return
    listed = ", ".join(named)
    if files.cryptsetup.exists():
        yield ok("encryption", listed, listed)
    else:
        yield fault(
            "encryption",
            f"没有 systemd-cryptsetup：{files.crypttab}（{listed}）无效，下次开机数据分区打不开",
            f"there is no systemd-cryptsetup: {files.crypttab} ({listed}) is void, and nothing is opened at the next boot",
            "apt install systemd-cryptsetup",
            "apt install systemd-cryptsetup",
        )


def may_enter(folder: Path) -> bool:
    return os.access(folder, os.X_OK)


def timekeeper(
    reader: OptionReader,
    files: SystemFiles,
    groups: Groups = groups_of,
    enter: Callable[[Path], bool] = may_enter,
) -> Iterator[Check]:
    """chrony and its log. Nothing to say where it is not installed and the board has no pulse that would need it."""
    device = "clock.chrony"
    if not files.chrony_config[0].is_file():
        if (pulse := reader.text("gnss_pps")) is not None:
            yield warning(
                device,
                f"没有 chrony：{pulse} 的秒脉冲不授时",
                f"there is no chrony: the pulse of {pulse} sets no clock",
                "apt install chrony（docs/install.md 第 4 节）",
                "apt install chrony (docs/install.md, section 4)",
            )
        return
    if not _logs_tracking(files.chrony_config):
        yield warning(
            device,
            "chrony 不记录 tracking：时间来源一律记为 ntp",
            "chrony does not log tracking: every source is recorded as ntp",
            "echo 'log tracking' | sudo tee /etc/chrony/conf.d/tracking.conf && sudo systemctl restart chrony",
            "echo 'log tracking' | sudo tee /etc/chrony/conf.d/tracking.conf && sudo systemctl restart chrony",
        )
        return
    if not enter(files.tracking.parent):
        yield warning(
            device,
            f"{files.tracking.parent} 不许进入，无法查看",
            f"{files.tracking.parent} may not be entered: not known",
            "用 sudo recorder doctor",
            "use sudo recorder doctor",
        )
        return
    users = [(user, found) for user in READERS if (found := groups(user)) is not None]
    barred = [user for user, found in users if not _may_read(files.tracking, found)]
    if barred:
        names, command = ", ".join(barred), " && ".join(f"sudo usermod -aG _chrony {user}" for user in barred)
        yield warning(
            device,
            f"{names} 不能读取 {files.tracking}：时间来源一律记为 ntp",
            f"{names} cannot read {files.tracking}: every source is recorded as ntp",
            f"{command}，重新启动 recorder.target",
            f"{command}, then restart recorder.target",
        )
    elif (size := _size(files.tracking)) is None or size == 0:
        yield warning(
            device,
            f"{files.tracking} 中还没有一行",
            f"there is no line in {files.tracking} yet",
            "chronyc sources：是否有可达的来源？",
            "chronyc sources: is any source reachable?",
        )
    else:
        yield ok(device, f"{files.tracking}", f"{files.tracking}")


def _logs_tracking(config: tuple[Path, ...]) -> bool:
    """A ``log`` directive (chrony.conf(5)) that names ``tracking``; directives are not case-sensitive."""
    rows = (line.lower().split() for path in config for line in chrony.lines(path))
    return any(row[:1] == ["log"] and "tracking" in row[1:] for row in rows)


def _may_read(file: Path, groups: frozenset[int]) -> bool:
    """By group or by everybody: the folder may be entered and the file, if it is there, be read."""
    return _allowed(file.parent, groups, 0o1) and (_size(file) is None or _allowed(file, groups, 0o4))


def _allowed(path: Path, groups: frozenset[int], bit: int) -> bool:
    try:
        state = path.stat()
    except OSError:
        return False
    return bool(state.st_mode & (bit << 3 if state.st_gid in groups else bit))


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None


def _rows(path: Path) -> list[list[str]]:
    """Fields of a table like fstab(5), comments left out."""
    lines = (_text(path) or "").splitlines()
    return [line.split() for line in lines if line.strip() and not line.lstrip().startswith("#")]


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
