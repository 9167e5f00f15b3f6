"""Microphones and loudspeaker by name among what PortAudio lists. Listing opens nothing that is in use."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Literal, TypeAlias

from firmware_bridge.ports import Check, DeviceError
from firmware_bridge.raspberry_pi.camera_settings import camera_settings
from firmware_bridge.raspberry_pi.checks.verdicts import ok, refused, warning
from firmware_bridge.raspberry_pi.options import OptionReader
from firmware_bridge.raspberry_pi.portaudio import SoundDevice, find_device

Kind: TypeAlias = Literal["microphone", "speaker"]

ListDevices = Callable[[], list[SoundDevice]]
"""Raises DeviceError, also where ALSA's configuration would end the process (no ``pcm.default``)."""


def sound(reader: OptionReader, ids: Sequence[str], devices: ListDevices) -> Iterator[Check]:
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
        yield _device(kind, name, found)


def _device(kind: Kind, name: str, found: list[SoundDevice] | DeviceError) -> Check:
    if isinstance(found, DeviceError):
        advice = (
            "apt install python3-pyaudio；ALSA 配置须有 pcm.default",
            "apt install python3-pyaudio; ALSA's configuration must have a pcm.default",
        )
        return refused(kind, found, *advice)
    try:
        device = find_device(name, found, kind)
    except DeviceError as error:
        return refused(
            kind,
            error,
            "检查插头；名称见 arecord -L、aplay -L，写入板卡文件或 /etc/asound.conf",
            "check the plug; names: arecord -L, aplay -L; put one into the board file, or define it in /etc/asound.conf",
        )
    return ok(kind, device.name, device.name)
