"""Microphones and loudspeaker by name among what PortAudio lists. Listing opens nothing that is in use."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal, TypeAlias

from firmware_bridge.ports import Check, DeviceError
from firmware_bridge.raspberry_pi.camera_settings import camera_settings
from firmware_bridge.raspberry_pi.checks.verdicts import ok, refused, warning
from firmware_bridge.raspberry_pi.options import OptionReader
from firmware_bridge.raspberry_pi.portaudio import SoundDevice, find_device
from firmware_bridge.raspberry_pi.sysfs import text_in

Kind: TypeAlias = Literal["microphone", "speaker"]

ListDevices = Callable[[], list[SoundDevice]]
"""Raises DeviceError, also where ALSA's configuration would end the process (no ``pcm.default``)."""


def sound(
    reader: OptionReader, ids: Sequence[str], devices: ListDevices, proc: Path = Path("/proc/asound")
) -> Iterator[Check]:
    microphones = list(dict.fromkeys(camera_settings(reader, camera).microphone for camera in ids))
    speaker = reader.text("speaker_device")
    wanted: list[tuple[Kind, str]] = [("microphone", name) for name in microphones if name is not None]
    if speaker is not None:
        wanted.append(("speaker", speaker))
    if not any(kind == "microphone" for kind, _ in wanted):
        yield warning(
            "microphone",
            "板卡没有话筒，录像没有声音",
            "the board has no microphone: recordings are silent",
            "[board.microphone] device，或在配置中关闭 audio.enabled",
            "[board.microphone] device, or switch audio.enabled off",
        )
    if speaker is None:
        yield warning(
            "speaker",
            "板卡没有扬声器，没有语音提示",
            "the board has no loudspeaker: nothing is spoken",
            "[board.speaker] device",
            "[board.speaker] device",
        )
    if not wanted:
        return
    try:
        found: list[SoundDevice] | DeviceError = devices()
    except DeviceError as error:
        found = error
    for kind, name in wanted:
        yield _device(kind, name, found, in_use(kind, proc))


def in_use(kind: Kind, proc: Path) -> list[str]:
    """Names of the devices of that kind that some process has open: PortAudio leaves them out of its list."""
    letter, names = "c" if kind == "microphone" else "p", set()
    for status in proc.glob(f"card*/pcm*{letter}/sub*/status"):
        if (text_in(status) or "closed") != "closed":
            information = (text_in(status.parents[1] / "info") or "").splitlines()
            name = next((line.removeprefix("name: ") for line in information if line.startswith("name: ")), "?")
            names.add(f"{status.parents[2].name} {name}")
    return sorted(names)


def _device(kind: Kind, name: str, found: list[SoundDevice] | DeviceError, open_ones: list[str]) -> Check:
    if isinstance(found, DeviceError):
        advice = (
            "apt install python3-pyaudio；ALSA 配置须有 pcm.default",
            "apt install python3-pyaudio; ALSA's configuration must have a pcm.default",
        )
        return refused(kind, found, *advice)
    try:
        device = find_device(name, found, kind)
    except DeviceError as error:
        if open_ones:
            listed = ", ".join(open_ones)
            return warning(
                kind,
                f"{name!r} 不在列表中；正在使用的不会列出：{listed}",
                f"{name!r} is not listed; what is in use is not: {listed}",
                "可能正由记录单元使用：看它的故障，或停止记录单元后再检查",
                "the unit may have it: look at its faults, or stop it and check again",
            )
        return refused(
            kind,
            error,
            "检查插头；名称见 arecord -L、aplay -L，写入板卡文件或 /etc/asound.conf",
            "check the plug; names: arecord -L, aplay -L; put one into the board file, or define it in /etc/asound.conf",
        )
    return ok(kind, device.name, device.name)
