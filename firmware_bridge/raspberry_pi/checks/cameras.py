"""Cameras as libcamera lists them, and the encoder each is to use. Nothing is opened: a unit may be recording."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from firmware_bridge.ports import Check, DeviceError
from firmware_bridge.raspberry_pi.camera import AttachedCamera
from firmware_bridge.raspberry_pi.camera_settings import CameraSettings, Machine, camera_settings, number_of
from firmware_bridge.raspberry_pi.checks.verdicts import fault, ok, refused, warning
from firmware_bridge.raspberry_pi.options import OptionReader

ListCameras = Callable[[], list[AttachedCamera]]


def cameras(
    reader: OptionReader, ids: Sequence[str], attached: ListCameras, machine: Machine | None = None
) -> Iterator[Check]:
    """``ids``: cameras of the configuration. Raises nothing."""
    machine = machine or Machine()
    try:
        found: list[AttachedCamera] | DeviceError = attached()
    except DeviceError as error:
        found = error
    for camera_id in ids:
        settings = camera_settings(reader, camera_id, machine)
        yield _camera(f"camera.{camera_id}", settings, found)
        yield _encoder(f"camera.{camera_id}.encoder", settings, machine.codec)
        yield from _tuning(f"camera.{camera_id}.tuning", settings)


def _camera(device: str, settings: CameraSettings, found: list[AttachedCamera] | DeviceError) -> Check:
    if isinstance(found, DeviceError):
        return refused(
            device,
            found,
            "apt install python3-picamera2（树莓派操作系统）",
            "apt install python3-picamera2 (Raspberry Pi OS)",
        )
    there = ", ".join(f"{each.num}: {each.model}" for each in found)
    number = number_of(settings, [each.model for each in found])
    camera = next((each for each in found if each.num == number), None)
    if camera is None:
        wanted = settings.sensor if settings.index is None else str(number)
        return fault(
            device,
            f"没有摄像头 {wanted}（现有 {there or '无'}）",
            f"there is no camera {wanted} (there are: {there or 'none'})",
            "断电后检查排线的方向和锁扣；config.txt: camera_auto_detect=1 或模块的 dtoverlay",
            "power off, check the ribbon's side and latch; config.txt: camera_auto_detect=1 or the module's dtoverlay",
        )
    if settings.sensor and camera.model != settings.sensor:
        return warning(
            device,
            f"{number} 号是 {camera.model}，板卡文件写的是 {settings.sensor}",
            f"camera {number} is {camera.model}, the board file says {settings.sensor}",
            "核对摄像头是否接对插座，或更正 sensor 和 tuning",
            "is the camera in the right socket? Else correct sensor and tuning",
        )
    return ok(device, f"{camera.num}: {camera.model}", f"{camera.num}: {camera.model}")


def _tuning(device: str, settings: CameraSettings) -> Iterator[Check]:
    """Nothing to say where none is named: libcamera takes the one of the sensor's model."""
    if (error := settings.lacking.get("tuning")) is not None:
        yield refused(
            device,
            error,
            "apt install libcamera-ipa，或更正板卡文件中的 tuning；通常可不写，libcamera 按型号选择",
            "apt install libcamera-ipa, or correct tuning in the board file; without, libcamera chooses by the model",
        )
    elif settings.tuning is not None:
        yield ok(device, settings.tuning, settings.tuning)


def _encoder(device: str, settings: CameraSettings, codec: Path) -> Check:
    if "encoder" in settings.lacking:
        return fault(
            device,
            f"没有硬件编码器 {codec}，改用 libx264",
            f"there is no hardware encoder {codec}, libx264 is used",
            '树莓派 5 没有硬件 H.264 编码器：encoder = "libx264"；其他型号加载内核模块 bcm2835-codec',
            'a Pi 5 has none: encoder = "libx264"; on others load the kernel module bcm2835-codec',
        )
    if settings.encoder == "libx264":
        return _software(device)
    if not os.access(codec, os.R_OK | os.W_OK):
        return refused(
            device,
            PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(codec)),
            "把用户加入 video 组",
            "add the user to group video",
        )
    return ok(device, f"{codec}", f"{codec}")


def _software(device: str) -> Check:
    import av  # 18 MB: only where it is asked for

    try:
        av.Codec("libx264", "w")
    except ValueError:
        return fault(
            device,
            "PyAV 不含 libx264",
            "PyAV comes without libx264",
            "请用 64 位系统：32 位的 PyAV 没有 libx264",
            "use a 64-bit system: PyAV for 32 bits has no libx264",
        )
    return ok(device, "libx264", "libx264")
