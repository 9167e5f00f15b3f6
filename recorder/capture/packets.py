"""What flows from the encoders to the writer. A video packet is ``ports.EncodedFrame`` as it stands: no copy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from firmware_bridge.ports import EncodedFrame


@dataclass(frozen=True, slots=True)
class AudioPacket:
    """One AAC access unit (1024 samples). ``timestamp_us``: CLOCK_BOOTTIME of its first sample, strictly increasing.

    ``gap_us``: how much of it is silence put in for samples the microphone never delivered.
    """

    data: bytes
    timestamp_us: int
    duration_us: int
    gap_us: int = 0


Packet: TypeAlias = EncodedFrame | AudioPacket


@dataclass(frozen=True, slots=True)
class Gap:
    """Whole GOPs the packet log had to drop while recording: what is missing before the packet that follows."""

    frames: int
    size: int
    from_us: int
    to_us: int


Item: TypeAlias = EncodedFrame | AudioPacket | Gap
