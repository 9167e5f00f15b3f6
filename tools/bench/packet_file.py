"""Encoded packets in a plain file: what a camera's and a microphone's encoder hand over, without any container.

Each packet: kind (1 byte: bit 0 video, bit 1 keyframe), time stamp (8 bytes, µs from the stream's beginning), size (4
bytes), then its bytes: an Annex-B access unit, or an AAC access unit. Big-endian.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from firmware_bridge.ports import EncodedFrame, SensorInfo
from recorder.capture.packets import AudioPacket, Packet

_HEAD = struct.Struct(">BqI")
_VIDEO, _KEY = 1, 2
AUDIO_US = 1024 * 1_000_000 // 48_000


@dataclass(frozen=True, slots=True)
class RawPacket:
    video: bool
    keyframe: bool
    at_us: int
    data: bytes

    def at(self, shift_us: int) -> Packet:
        """The packet as the recorder sees it, ``shift_us`` later."""
        if self.video:
            return EncodedFrame(self.data, self.keyframe, self.at_us + shift_us, SensorInfo())
        return AudioPacket(self.data, self.at_us + shift_us, AUDIO_US)


def write(path: Path, packets: Iterable[RawPacket]) -> None:
    with path.open("wb") as file:
        for packet in packets:
            kind = (_VIDEO if packet.video else 0) | (_KEY if packet.keyframe else 0)
            file.write(_HEAD.pack(kind, packet.at_us, len(packet.data)))
            file.write(packet.data)


def read(path: Path) -> Iterator[RawPacket]:
    """In the order they were written. Raises ValueError where the file is cut short."""
    with path.open("rb") as file:
        while head := file.read(_HEAD.size):
            if len(head) < _HEAD.size:
                raise ValueError(f"{path}: 文件不完整 cut short")
            kind, at_us, size = _HEAD.unpack(head)
            data = file.read(size)
            if len(data) < size:
                raise ValueError(f"{path}: 文件不完整 cut short")
            yield RawPacket(bool(kind & _VIDEO), bool(kind & _KEY), at_us, data)
