"""The card: which file system, how much room, how long until something is durable."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from firmware_bridge.ports import Check, Clock
from recorder.config.models import RecorderConfig

DEVICE: Final = "storage"
PROBE: Final = ".doctor"
PROBE_BYTES: Final = 256 * 1024
"""About what half a second of 1080p is."""
PROBES: Final = 12

_FORGETFUL: Final = frozenset({"tmpfs", "ramfs", "overlay", "aufs", "squashfs", "devtmpfs"})
"""What is written there is gone with the power, or never gets to the card."""
_WITHOUT_JOURNAL: Final = frozenset({"vfat", "exfat", "msdos", "ext2", "fuseblk", "ntfs", "ntfs3"})


@dataclass(frozen=True, slots=True)
class Mount:
    point: str
    kind: str
    options: tuple[str, ...]


def mount_of(path: Path, mountinfo: str) -> Mount | None:
    """The mount that ``path`` (resolved) is on; ``mountinfo``: text of /proc/self/mountinfo (proc(5))."""
    best: Mount | None = None
    for line in mountinfo.splitlines():
        left, dash, right = line.partition(" - ")
        fields = left.split()
        if not dash or len(fields) < 6:
            continue
        point = _unescaped(fields[4])
        inside = point == "/" or path == Path(point) or Path(point) in path.parents
        # A later line covers an earlier one of the same place.
        if inside and (best is None or len(point) >= len(best.point)):
            best = Mount(point, right.split()[0], tuple(fields[5].split(",")))
    return best


def storage(config: RecorderConfig, clock: Clock, mountinfo: str) -> Iterator[Check]:
    """Writes a few hundred kilobytes beside the evidence and takes them away again."""
    folder = Path(config.storage.data_dir)
    if not folder.is_dir():
        yield Check(
            DEVICE,
            "fault",
            f"{folder}: 没有此文件夹",
            f"{folder}: there is no such folder",
            "挂载数据分区；文件夹由 systemd-tmpfiles 或首次启动建立",
            "mount the data partition; systemd-tmpfiles or the first start make the folder",
        )
        return
    yield _file_system(folder, mount_of(folder.resolve(), mountinfo))
    yield _room(config, folder)
    yield _latency(config, folder, clock)


def _file_system(folder: Path, mount: Mount | None) -> Check:
    device = f"{DEVICE}.file-system"
    if mount is None:
        return Check(device, "ok", "无从得知", "not known")
    seen = f"{mount.point} ({mount.kind})"
    if "ro" in mount.options:
        return Check(
            device,
            "fault",
            f"{seen} 只读",
            f"{seen} is read-only",
            "卡出错后内核会改为只读：查看 dmesg，检查并更换存储卡",
            "the kernel does that after errors: see dmesg, check the card and replace it",
        )
    if mount.kind in _FORGETFUL:
        return Check(
            device,
            "fault",
            f"{seen}：断电后丢失",
            f"{seen}: gone with the power",
            f"把 {folder} 放到存储卡的独立分区（ext4）",
            f"put {folder} on a partition of its own on the card (ext4)",
        )
    if mount.kind in _WITHOUT_JOURNAL:
        return Check(
            device,
            "fault",
            f"{seen}：断电后可能损坏",
            f"{seen}: may be spoilt by a power cut",
            "改用 ext4",
            "use ext4",
        )
    if mount.point == "/":
        return Check(
            device,
            "warning",
            f"{seen}：与系统共用分区",
            f"{seen}: shared with the system",
            "为录像设独立分区：系统写满不会影响录制，A/B 更新也不会带走录像",
            "give the recordings a partition: a full system does not stop them and an A/B update does not hide them",
        )
    return Check(device, "ok", seen, seen)


def _room(config: RecorderConfig, folder: Path) -> Check:
    device = f"{DEVICE}.free"
    state = os.statvfs(folder)
    free = state.f_bavail * state.f_frsize - config.storage.reserve_mb * 10**6
    kbps = sum(camera.bitrate_kbps + config.audio.bitrate_kbps for camera in config.cameras.values())
    minutes = max(0.0, free * 8 / (kbps * 1000) / 60) if kbps else 0.0
    seen_zh, seen_en = (
        f"{free / 1e9:.1f} GB，约 {minutes:.0f} 分钟",
        f"{free / 1e9:.1f} GB, about {minutes:.0f} minutes",
    )
    if minutes < config.faults.storage.low_minutes:
        very = minutes < config.faults.storage.very_low_minutes
        advice = ("上传并取得回执后空间才会释放；检查上传", "room is released after a receipt: look at the uplink")
        return Check(device, "fault" if very else "warning", seen_zh, seen_en, *advice)
    return Check(device, "ok", seen_zh, seen_en)


def _latency(config: RecorderConfig, folder: Path, clock: Clock) -> Check:
    device = f"{DEVICE}.fdatasync"
    path = folder / f"{PROBE}-{os.getpid()}"
    try:
        taken = _probe(path, clock)
    except OSError as error:
        advice = (
            f"以 {folder} 的属主或 root 运行；检查存储卡",
            f"run it as the owner of {folder} or as root; check the card",
        )
        return Check(device, "fault", f"无法写入：{error}", f"cannot be written: {error}", *advice)
    finally:
        path.unlink(missing_ok=True)
    median, most = sorted(taken)[len(taken) // 2] / 1000, max(taken) / 1000
    seen = f"p50 {median:.1f} ms, max {most:.0f} ms ({PROBES} × {PROBE_BYTES // 1024} KiB)"
    if most > config.faults.storage.slow_ms:
        advice = (
            "卡太慢：换用 A2 级或高耐久卡；录制中的单元也会占用它",
            "the card is slow: use an A2 or high-endurance one; a unit that records uses it too",
        )
        return Check(device, "warning", seen, seen, *advice)
    return Check(device, "ok", seen, seen)


def _probe(path: Path, clock: Clock) -> list[int]:
    """Microseconds of each write with fdatasync."""
    data, taken = os.urandom(PROBE_BYTES), []
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        for _ in range(PROBES):
            before = clock.boottime_us()
            os.write(descriptor, data)
            os.fdatasync(descriptor)
            taken.append(clock.boottime_us() - before)
    finally:
        os.close(descriptor)
    return taken


def _unescaped(text: str) -> str:
    """Blank, tab, line feed and backslash are octal there."""
    for code, character in ((r"\040", " "), (r"\011", "\t"), (r"\012", "\n"), (r"\134", "\\")):
        text = text.replace(code, character)
    return text
