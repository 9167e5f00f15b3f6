"""What ``import libcamera`` finds; see ``hw_sim.libcamera_stand_in``."""

import sys

from hw_sim.libcamera_stand_in.camera import Camera as Camera
from hw_sim.libcamera_stand_in.camera import CameraManager as CameraManager
from hw_sim.libcamera_stand_in.configuration import CameraConfiguration as CameraConfiguration
from hw_sim.libcamera_stand_in.configuration import SensorConfiguration as SensorConfiguration
from hw_sim.libcamera_stand_in.configuration import StreamConfiguration as StreamConfiguration
from hw_sim.libcamera_stand_in.control_ids import ControlId as ControlId
from hw_sim.libcamera_stand_in.control_ids import ControlInfo as ControlInfo
from hw_sim.libcamera_stand_in.control_ids import controls as controls
from hw_sim.libcamera_stand_in.control_ids import properties as properties
from hw_sim.libcamera_stand_in.requests import FrameBuffer as FrameBuffer
from hw_sim.libcamera_stand_in.requests import FrameMetadata as FrameMetadata
from hw_sim.libcamera_stand_in.requests import Request as Request
from hw_sim.libcamera_stand_in.values import ColorSpace as ColorSpace
from hw_sim.libcamera_stand_in.values import ControlType as ControlType
from hw_sim.libcamera_stand_in.values import Orientation as Orientation
from hw_sim.libcamera_stand_in.values import PixelFormat as PixelFormat
from hw_sim.libcamera_stand_in.values import Rectangle as Rectangle
from hw_sim.libcamera_stand_in.values import Size as Size
from hw_sim.libcamera_stand_in.values import StreamRole as StreamRole
from hw_sim.libcamera_stand_in.values import Transform as Transform

_libcamera = sys.modules[__name__]
"""The bindings' compiled part, which picamera2 names as well."""
