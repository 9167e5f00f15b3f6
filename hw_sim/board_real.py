"""The simulated board on the Raspberry Pi's own drivers wherever a stand-in for what is below them exists.

``[board] module = "hw_sim.board_real"``, the same options and the same world as ``hw_sim.board``. On top of that board's
real parts (gpiozero, pyserial, pynmea2) the camera is picamera2 with libx264, on ``hw_sim.libcamera_stand_in``, and
microphone and loudspeaker are PyAudio, PortAudio and ALSA, on ``hw_sim.devices.alsa_fifo``. The worker's devices are put
together by the Raspberry Pi's board itself.
"""

from __future__ import annotations

import os
from pathlib import Path

from firmware_bridge.ports import BoardOptions, CaptureBoard, DeviceError, Sound, Speaker, UnitBoard
from firmware_bridge.raspberry_pi.board import compose_capture
from firmware_bridge.raspberry_pi.options import NONE
from hw_sim import board
from hw_sim.board_link import clock_of, connect
from hw_sim.devices.alsa_fifo import SoundCards
from hw_sim.devices.card import SimulatedCard

diagnose = board.diagnose


def unit_board(options: BoardOptions) -> UnitBoard:
    """Raises DeviceError when there is no world at ``options["world"]`` or an option is wrong."""
    from firmware_bridge.raspberry_pi.speaker import PyAudioSpeaker

    unit = board.unit_board(options)
    _sound_cards(options, "unit")
    if unit.speaker is not None:
        driver = PyAudioSpeaker("spk", unit.clock)
        unit.speaker = _HeardSpeaker(driver, unit.speaker)
        unit.on_close = (driver.close, *unit.on_close)
    return unit


def capture_board(options: BoardOptions, camera_id: str) -> CaptureBoard:
    """Raises DeviceError when there is no world at ``options["world"]``, or no picamera2 in this environment."""
    # Imported here: the unit process loads this module too and has no use for 20 MB of codecs.
    from hw_sim.devices.alsa_fifo import FedMicrophone, Feeder
    from hw_sim.devices.microphone import SimulatedMicrophone
    from hw_sim.libcamera_stand_in import install
    from hw_sim.libcamera_stand_in.camera import CameraManager
    from hw_sim.libcamera_stand_in.sensor import WorldSensor
    from hw_sim.libcamera_stand_in.witness import Witness, log_path

    try:
        install()
    except ImportError as error:
        raise DeviceError("camera", f"没有 picamera2 is not installed (./dev setup): {error}") from error
    client = connect(options, {"hello": "worker", "camera_id": camera_id})
    client.start()
    clock = clock_of(client)
    sensor = WorldSensor(clock, client.get, client.connected)
    CameraManager.sensors = [
        Witness(sensor, lambda: log_path(str(client.get("camera.frame_log")), clock.boot_id(), camera_id))
    ]
    cards = _sound_cards(options, camera_id)
    made = compose_capture(stand_ins(options, camera_id), camera_id, clock)
    made.medium = SimulatedCard(client.get, "media")
    made.on_close = (client.close,)
    if made.microphone is not None:
        feeder = Feeder(SimulatedMicrophone(clock, client.get, client.connected), cards.fifo)
        made.microphone = microphone = FedMicrophone(made.microphone, feeder)
        made.on_close = (microphone.end, client.close)
    return made


def stand_ins(options: BoardOptions, camera_id: str) -> BoardOptions:
    """The unit's options with the names of what stands in for its camera, encoder and sound card; all else as it is."""
    at = f"camera.{camera_id}."
    real = {key: value for key, value in options.items() if key != "world"}
    real |= {f"{at}index": "0", f"{at}encoder": "libx264", "microphone_device": "mic"}
    if real.get(f"{at}microphone") != NONE:
        real[f"{at}microphone"] = "mic"
    return real


def _sound_cards(options: BoardOptions, owner: str) -> SoundCards:
    """This process's own ALSA, beside the world's socket."""
    folder = Path(f"{options['world']}.sound-{owner}")
    folder.mkdir(exist_ok=True)
    cards = SoundCards(folder)
    os.environ.update(cards.environment)  # read by the C libraries when they start
    return cards


class _HeardSpeaker:
    """``ports.Speaker``: the real driver, and behind it the room in which it is heard, for as long as it sounds there."""

    def __init__(self, driver: Speaker, room: Speaker) -> None:
        self._driver = driver
        self._room = room

    def play(self, samples: Sound, rate: int) -> None:
        self._driver.play(samples, rate)
        self._room.play(samples, rate)

    def playing(self) -> bool:
        return self._driver.playing() or self._room.playing()

    def stop(self) -> None:
        self._driver.stop()
        self._room.stop()

    def failure(self) -> DeviceError | None:
        return self._driver.failure() or self._room.failure()
