"""The simulated board on the Raspberry Pi's own drivers wherever a stand-in for what is below them exists.

``[board] module = "hw_sim.board_real"``, the same options and the same world as ``hw_sim.board``. On top of that board's
real parts (gpiozero, pyserial, pynmea2) the camera is picamera2 with libx264, on ``hw_sim.libcamera_stand_in``.
"""

from __future__ import annotations

from firmware_bridge.board import CaptureDevices
from firmware_bridge.ports import BoardOptions, CaptureBoard, DeviceError, UnitBoard
from hw_sim import board
from hw_sim.devices.card import SimulatedCard


def unit_board(options: BoardOptions) -> UnitBoard:
    """Raises DeviceError when there is no world at ``options["world"]``."""
    return board.unit_board(options)


def capture_board(options: BoardOptions, camera_id: str) -> CaptureBoard:
    """Raises DeviceError when there is no world at ``options["world"]``, or no picamera2 in this environment."""
    # Imported here: the unit process loads this module too and has no use for 20 MB of codecs.
    from hw_sim.devices.microphone import SimulatedMicrophone
    from hw_sim.libcamera_stand_in import install
    from hw_sim.libcamera_stand_in.camera import CameraManager
    from hw_sim.libcamera_stand_in.sensor import WorldSensor

    try:
        install()
    except ImportError as error:
        raise DeviceError("camera", f"没有 picamera2 is not installed (./dev setup): {error}") from error
    from firmware_bridge.raspberry_pi.camera import Picamera2Camera

    client = board.connect(options, {"hello": "worker", "camera_id": camera_id})
    client.start()
    clock = board.clock_of(client)
    CameraManager.sensors = [WorldSensor(clock, client.get, client.connected)]
    return CaptureDevices(
        clock=clock,
        camera=Picamera2Camera(0, "libx264", clock),
        microphone=SimulatedMicrophone(clock, client.get, client.connected),
        medium=SimulatedCard(client.get, "media"),
        on_close=(client.close,),
    )
