"""What a microphone kept while nothing could be read, as one block. Pure.

Blocks that waited are all read at the same moment, which says when the last of them was heard and nothing of the others.
After a stall, when silence stands for a part of them already, that decides which samples still fit: placed one by one, the
oldest would go where the newest belong. So the blocks after a stall are held until they come at the pace of sound again.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from firmware_bridge.ports import AudioBlock

MOST_S: Final = 3.0
"""More than any device and its driver keep (``raspberry_pi.microphone``: 2.5 s): these come faster than sound for good."""


class LateBlocks:
    """``rate`` in samples a second. Between :meth:`hold` and the first block in pace; otherwise everything passes."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._held: list[AudioBlock] = []
        self._holding = False

    def hold(self) -> None:
        """Nothing could be read for so long that silence stands in for it."""
        self._holding = True

    def take(self, block: AudioBlock) -> list[AudioBlock]:
        """The blocks whose place is known now, in order."""
        if not self._holding:
            return [block]
        if self._held and self._in_pace(self._held[-1], block):
            return [*self.rest(), block]
        self._held.append(block)
        most = self._rate * MOST_S
        return self.rest() if sum(len(held.samples) for held in self._held) >= most else []

    def rest(self) -> list[AudioBlock]:
        """Nothing more was waiting."""
        if not self._held:
            return []
        held, self._held, self._holding = self._held, [], False
        joined = np.concatenate([block.samples for block in held])
        return [AudioBlock(joined, held[-1].read_at_us, any(block.overflowed for block in held))]

    def _in_pace(self, before: AudioBlock, block: AudioBlock) -> bool:
        return (block.read_at_us - before.read_at_us) * self._rate >= len(block.samples) * 1_000_000 / 2
