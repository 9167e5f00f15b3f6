"""Cameras, encoders, microphones: against what libcamera and PortAudio would list."""

from __future__ import annotations

from pathlib import Path

import pytest

from firmware_bridge.ports import Check, DeviceError
from firmware_bridge.raspberry_pi.camera import AttachedCamera
from firmware_bridge.raspberry_pi.camera_settings import Machine
from firmware_bridge.raspberry_pi.checks.cameras import cameras
from firmware_bridge.raspberry_pi.checks.sound import sound
from firmware_bridge.raspberry_pi.options import OptionReader
from firmware_bridge.raspberry_pi.portaudio import SoundDevice

ATTACHED = [AttachedCamera(0, "imx708_wide", "/base/soc/i2c0mux/i2c@1/imx708@1a")]
LISTED = [SoundDevice(0, "USB Audio: - (hw:1,0)", 1, 2), SoundDevice(1, "vc4hdmi", 0, 8)]


def pictures(options: dict[str, str], codec: Path, found: list[AttachedCamera] | DeviceError = ATTACHED) -> list[Check]:
    machine = Machine(codec, codec.parent, codec.parent / "compatible")

    def attached() -> list[AttachedCamera]:
        if isinstance(found, DeviceError):
            raise found
        return found

    return list(cameras(OptionReader(options), ["cam0"], attached, machine))


@pytest.fixture
def codec(tmp_path: Path) -> Path:
    path = tmp_path / "video11"
    path.touch()
    return path


def test_the_camera_and_its_encoder_are_there(codec: Path) -> None:
    camera, encoder = pictures({"camera.cam0.sensor": "imx708_wide", "camera.cam0.encoder": "v4l2"}, codec)
    assert (camera.verdict, encoder.verdict) == ("ok", "ok") and "imx708_wide" in camera.en


def test_another_module_than_the_board_file_says(codec: Path) -> None:
    camera, _ = pictures({"camera.cam0.sensor": "imx219", "camera.cam0.index": "0"}, codec)
    assert camera.verdict == "warning" and "imx708_wide" in camera.en and "imx219" in camera.en


def test_a_camera_named_by_its_model(codec: Path) -> None:
    assert pictures({"camera.cam0.sensor": "imx708_wide"}, codec)[0].verdict == "ok"
    camera, _ = pictures({"camera.cam0.sensor": "imx219"}, codec)
    assert camera.verdict == "fault" and "no camera imx219" in camera.en


def test_a_socket_without_camera_names_what_there_is(codec: Path) -> None:
    camera, _ = pictures({"camera.cam0.index": "1"}, codec)
    assert camera.verdict == "fault" and "0: imx708_wide" in camera.en and "camera_auto_detect" in camera.advice_en


def test_without_picamera2_the_encoder_is_looked_at_all_the_same(codec: Path) -> None:
    camera, encoder = pictures({}, codec, DeviceError("camera", "picamera2 is missing"))
    assert (camera.verdict, encoder.verdict) == ("fault", "ok") and "python3-picamera2" in camera.advice_zh


def test_a_board_without_the_hardware_encoder(tmp_path: Path) -> None:
    _, encoder = pictures({"camera.cam0.encoder": "v4l2"}, tmp_path / "video11")
    assert encoder.verdict == "fault" and "libx264" in encoder.advice_en
    _, encoder = pictures({}, tmp_path / "video11")
    assert (encoder.verdict, encoder.en) == ("ok", "libx264"), "chosen where nothing else is there"


def test_a_tuning_file_is_looked_for_among_the_system_s(codec: Path, tmp_path: Path) -> None:
    options = {"camera.cam0.tuning": "imx708_wide_noir.json"}
    (missing,) = [check for check in pictures(options, codec) if check.device == "camera.cam0.tuning"]
    assert (
        missing.verdict == "fault"
        and "vc4/imx708_wide_noir.json" in missing.en
        and "libcamera-ipa" in missing.advice_en
    )
    (tmp_path / "vc4").mkdir()
    (tmp_path / "vc4" / "imx708_wide_noir.json").write_text("{}")
    (found,) = [check for check in pictures(options, codec) if check.device == "camera.cam0.tuning"]
    assert found.verdict == "ok"


def sounds(options: dict[str, str], found: list[SoundDevice] | DeviceError = LISTED) -> list[tuple[str, str]]:
    def devices() -> list[SoundDevice]:
        if isinstance(found, DeviceError):
            raise found
        return found

    checks = list(sound(OptionReader(options), ["cam0", "cam1"], devices))
    assert all(check.verdict == "ok" or (check.advice_zh and check.advice_en) for check in checks)
    return [(check.device, check.verdict) for check in checks]


def test_devices_by_a_part_of_their_name() -> None:
    named = {"microphone_device": "USB Audio", "speaker_device": "USB Audio", "camera.cam1.microphone": "none"}
    assert sounds(named) == [("microphone", "ok"), ("speaker", "ok")]
    assert sounds({**named, "camera.cam1.microphone": "cabin"}) == [
        ("microphone", "ok"),
        ("microphone", "fault"),
        ("speaker", "ok"),
    ]
    assert sounds({**named, "microphone_device": "vc4hdmi"})[0] == ("microphone", "fault"), "it has no inputs"


def test_a_board_without_sound_is_told() -> None:
    silent = {"microphone_device": "none", "camera.cam0.microphone": "none"}
    assert sounds(silent, []) == [("microphone", "warning"), ("speaker", "warning")]


def test_a_device_in_use_is_not_taken_for_one_that_is_gone(tmp_path: Path) -> None:
    """As /proc/asound shows a microphone that the unit is recording, and a loudspeaker nobody uses."""
    for pcm, status in (("pcm0c", "state: RUNNING\nowner_pid   : 4711"), ("pcm0p", "closed")):
        (tmp_path / "card1" / pcm / "sub0").mkdir(parents=True)
        (tmp_path / "card1" / pcm / "sub0" / "status").write_text(f"{status}\n", encoding="ascii")
        (tmp_path / "card1" / pcm / "info").write_text("card: 1\nid: USB\nname: USB Audio\n", encoding="ascii")
    reader = OptionReader({"microphone_device": "USB Audio", "speaker_device": "USB Audio"})
    microphone, speaker = sound(reader, ["cam0"], lambda: [], tmp_path)
    assert microphone.verdict == "warning" and "card1 USB Audio" in microphone.en
    assert speaker.verdict == "fault"


def test_an_alsa_configuration_that_would_end_the_process() -> None:
    assert sounds({"speaker_device": "x"}, DeviceError("alsa", "no pcm.default")) == [
        ("microphone", "fault"),
        ("speaker", "fault"),
    ]
