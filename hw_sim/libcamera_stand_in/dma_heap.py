"""Anonymous memory in place of ``/dev/dma_heap``, for picamera2 on a machine without one.

picamera2 0.3.38 lets nobody choose: also with an allocator of one's own, ``Picamera2.close`` makes a ``DmaAllocator``. So
the two names that module has for the kernel, its heap and its ``ioctl``, are replaced; all else of it runs as it is.
"""

from __future__ import annotations

import fcntl
import os
from types import SimpleNamespace
from typing import Any


class MemfdHeap:
    """The interface of ``picamera2.dma_heap.DmaHeap``."""

    isValid = True

    def alloc(self, name: str, size: int) -> Any:
        from picamera2.dma_heap import UniqueFD

        descriptor = os.memfd_create(name, os.MFD_CLOEXEC)
        os.ftruncate(descriptor, size)
        return UniqueFD(descriptor)

    def close(self) -> None:
        """Nothing is held open."""


def replace_dma_heap() -> None:
    """Needs ``libcamera`` to be importable."""
    from picamera2.allocators import dmaallocator

    def ioctl(descriptor: int, request: int, argument: Any = 0) -> Any:
        if request == dmaallocator.DMA_BUF_IOCTL_SYNC:
            return 0  # memory of one's own is always in step with itself
        return fcntl.ioctl(descriptor, request, argument)

    module: Any = dmaallocator
    module.DmaHeap = MemfdHeap
    module.fcntl = SimpleNamespace(ioctl=ioctl)
