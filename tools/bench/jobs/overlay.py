"""What a frame costs between camera and encoder, with the watermark and without: time in picamera2's ``pre_callback``."""

from __future__ import annotations

import json
import threading
from typing import Any

import click

from firmware_bridge.clock import SystemClock
from firmware_bridge.ports import EncodedFrame, VideoMode
from hw_sim.libcamera_stand_in import install
from hw_sim.libcamera_stand_in.camera import CameraManager
from recorder.capture.watermark import Watermark
from tools.bench.picamera2_board import PlainSensor

install()

from picamera2.encoders.encoder import Encoder  # noqa: E402

from firmware_bridge.raspberry_pi.camera_run import CameraRun, CameraSettings  # noqa: E402


class NoEncoder(Encoder):  # type: ignore[misc]
    """Takes every frame and makes nothing of it."""

    def _encode(self, stream: Any, request: Any) -> None:
        self._timestamp(request)


class TimedRun(CameraRun):
    """``took_us``: of each frame."""

    took_us: list[int]

    def _before_encoding(self, request: Any) -> None:
        begin_us = self._clock.boottime_us()
        super()._before_encoding(request)
        self.took_us.append(self._clock.boottime_us() - begin_us)


def measure(mode: VideoMode, seconds: float, *, marked: bool) -> list[int]:
    clock, failures = SystemClock(), list[Exception]()
    mark = Watermark(clock, 16, 32, "BENCH-000001")
    mark.set_text("BENCH-000001", ("13010020190001", "13010020190002"))

    def deliver(frame: EncodedFrame) -> None:
        raise AssertionError("nothing is encoded")

    settings = CameraSettings(0, lambda mode, failed: NoEncoder())
    run = TimedRun(settings, mode, clock, mark.paint if marked else None, deliver, failures.append)
    run.took_us = []
    run.open()
    threading.Event().wait(seconds)
    run.close()
    if failures or run.paint_failures:
        raise click.ClickException(f"{failures} {run.paint_failures}")
    return run.took_us


@click.command()
@click.option("--seconds", default=20.0)
@click.option("--size", type=(int, int), default=(1920, 1080))
def main(seconds: float, size: tuple[int, int]) -> None:
    CameraManager.sensors = [PlainSensor(blank=True)]
    mode = VideoMode(*size, 60, 6_000_000, 60)
    bare, marked = (sorted(measure(mode, seconds, marked=marked)) for marked in (False, True))
    click.echo(json.dumps({"bare_us": bare, "marked_us": marked}))


if __name__ == "__main__":
    main()
