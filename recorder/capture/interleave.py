"""Sound trails the picture by its block and its encoder: here both come into order of time again, within a bound. Pure.

Ordered packets make splits exact (all sound before a boundary has been seen when the boundary frame is) and spare the
muxer. The bound is what keeps a dead microphone from withholding video: libavformat's own waits 10 s (trap T8).
"""

from __future__ import annotations

from collections import deque
from typing import Final

from firmware_bridge.ports import EncodedFrame
from recorder.capture.packets import AudioPacket, Gap, Item

PATIENCE_US: Final = 200_000
"""A frame waits for older sound at most until a frame so much newer than itself has come."""


class Interleaver:
    """``audio``: whether sound is to be expected at all."""

    def __init__(self, audio: bool) -> None:
        self._audio = audio
        self._video: deque[EncodedFrame] = deque()
        self._sound_us = -1  # end of the newest sound seen

    def push(self, item: Item) -> list[Item]:
        """Take one item in; returns those whose turn has come."""
        if isinstance(item, Gap):
            return [*self.drain(), item]
        if isinstance(item, AudioPacket):
            out: list[Item] = []
            # Frames older than this packet go first; equal times: the frame, so that a boundary frame opens its segment
            # before the sound that belongs into it.
            while self._video and self._video[0].timestamp_us <= item.timestamp_us:
                out.append(self._video.popleft())
            self._sound_us = item.timestamp_us + item.duration_us
            out.append(item)
            return out
        if not self._audio:
            return [item]
        self._video.append(item)
        out = []
        while self._video and item.timestamp_us - self._video[0].timestamp_us >= PATIENCE_US:
            out.append(self._video.popleft())
        return out

    @property
    def is_empty(self) -> bool:
        return not self._video

    def drain(self) -> list[Item]:
        """Everything still waiting: nothing more will come, or it has waited long enough."""
        out: list[Item] = list(self._video)
        self._video.clear()
        return out
