"""A stand-in for libcamera's Python bindings, complete enough that the real picamera2 runs on it unchanged.

libcamera talks to cameras the kernel knows, and a desk has none. Here the modules ``libcamera`` and ``pykms`` (folder
``modules``, put on ``sys.path`` by :func:`install`) offer what picamera2 0.3.38 uses of them:

======================= ===============================================================================================
values                  Transform, Orientation, ColorSpace, Size, Rectangle, PixelFormat, StreamRole, ControlType
control_ids             ControlId, ControlInfo, ``controls``, ``properties``
configuration           StreamConfiguration, SensorConfiguration, CameraConfiguration with its strides and adjustments
requests                FrameBuffer, FrameMetadata, Request
camera                  Camera and CameraManager: pace, dropped frames, unplugging, errors, hangs
dma_heap                memory for the frames where there is no ``/dev/dma_heap``
======================= ===============================================================================================

Not there: the image processing (exposure, white balance, focus, tuning files), raw frames with content, the hardware
encoder, two streams at once. Frames come from a :class:`~hw_sim.libcamera_stand_in.sensor.Sensor`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

MODULES: Final = Path(__file__).with_name("modules")


class StandInError(RuntimeError):
    """This process already has another ``libcamera``."""


def install() -> None:
    """Make ``import libcamera`` and ``import picamera2`` work in this process. Once is enough, twice does no harm.

    Raises StandInError where the real libcamera was imported before, ImportError where picamera2 is not installed."""
    folder = str(MODULES)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    import libcamera

    if Path(libcamera.__file__).parent.parent != MODULES:
        raise StandInError(f"libcamera: {libcamera.__file__}")
    from hw_sim.libcamera_stand_in.dma_heap import replace_dma_heap

    replace_dma_heap()
