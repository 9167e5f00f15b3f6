"""A wrong option is named, its default used, and the rest stands."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, get_args

import pytest

from firmware_bridge.raspberry_pi.board import compose
from firmware_bridge.raspberry_pi.camera_settings import Machine, camera_settings, number_of
from firmware_bridge.raspberry_pi.options import CAMERA_OPTIONS, OPTIONS, OptionReader
from recorder.board_options import board_options
from recorder.config.board_file import BoardCamera, BoardDevices, GpioSection
from recorder.config.load import load_config
from recorder.config.paths import boards_dir
from tests.firmware_bridge.manual_clock import ManualClock
from tests.firmware_bridge.raspberry_pi.test_board import IDENTITY, no_bus


def test_values_of_each_kind() -> None:
    reader = OptionReader(
        {
            "debounce_ms": "12.5",
            "battery_address": "0x36",
            "power_bus": "1",
            "power_reversed": "true",
            "camera.cam0.controls": '{"AfMode": 0}',
            "led_red": "GPIO5:low",
            "led_green": "none",
        }
    )
    assert reader.number("debounce_ms", 20, 0, 500) == 12.5
    assert reader.integer("battery_address", 0, 8, 0x77) == 0x36
    assert reader.integer("power_address", 0x40, 8, 0x77) == 0x40, "absent"
    assert reader.choice("power_bus", 0, Literal[0, 1]) == 1
    assert reader.flag("power_reversed", False) is True and reader.flag("absent", True) is True
    assert reader.table("camera.cam0.controls") == {"AfMode": 0}
    red = reader.pin("led_red", default_high=True)
    assert red is not None and (red.pin, red.active_high) == ("GPIO5", False)
    assert reader.pin("led_green", default_high=True) is None
    assert reader.given(("led_red", "led_green", "led_yellow")) == ["led_red"]
    assert reader.cameras() == ["cam0"] and reader.faults == []


@pytest.mark.parametrize(
    ("name", "text", "read", "default"),
    [
        ("debounce_ms", "soon", lambda r: r.number("debounce_ms", 20, 0, 500), 20),
        ("debounce_ms", "-1", lambda r: r.number("debounce_ms", 20, 0, 500), 20),
        ("debounce_ms", "nan", lambda r: r.number("debounce_ms", 20, 0, 500), 20),
        ("battery_bus", "1.5", lambda r: r.integer("battery_bus", 1, 0, 255), 1),
        ("battery_gauge", "max1", lambda r: r.choice("battery_gauge", None, Literal["max17048"]), None),
        ("camera.a.controls", "[]", lambda r: r.table("camera.a.controls"), {}),
        ("camera.a.controls", "{", lambda r: r.table("camera.a.controls"), {}),
        ("led_red", "GPIO5:sideways", lambda r: r.pin("led_red", default_high=True), None),
    ],
)
def test_a_wrong_one_is_named_and_its_default_taken(
    name: str, text: str, read: Callable[[OptionReader], Any], default: object
) -> None:
    reader = OptionReader({name: text})
    assert read(reader) == default
    (fault,) = reader.faults
    assert fault.device.endswith(name) and repr(text) in str(fault)


@pytest.mark.parametrize("name", ["buton_record", "camera.cam0.indx", "camera..index"])
def test_unknown_options_are_named(name: str) -> None:
    (fault,) = OptionReader({name: "GPIO17", "led_red": "GPIO5"}).faults
    assert name in str(fault) and "led_red" in str(fault)


def test_a_camera_without_options_is_the_first_with_the_encoder_this_board_has(tmp_path: Path) -> None:
    settings = camera_settings(OptionReader({}), "cam0", Machine(tmp_path / "video11"))
    assert (settings.index, settings.encoder, settings.rotation, settings.microphone) == (0, "libx264", 0, "default")
    (tmp_path / "video11").touch()
    assert camera_settings(OptionReader({}), "cam0", Machine(tmp_path / "video11")).encoder == "v4l2"


def test_the_hardware_encoder_of_another_board_is_told_and_replaced(tmp_path: Path) -> None:
    reader = OptionReader({"camera.cam0.encoder": "v4l2"})
    settings = camera_settings(reader, "cam0", Machine(tmp_path / "video11"))
    assert settings.encoder == "libx264" and "video11" in str(settings.lacking["encoder"])
    (tmp_path / "video11").touch()
    settings = camera_settings(reader, "cam0", Machine(tmp_path / "video11"))
    assert settings.encoder == "v4l2" and not settings.lacking


def test_a_tuning_file_by_its_bare_name_is_the_one_of_this_board_s_image_processor(tmp_path: Path) -> None:
    compatible = tmp_path / "compatible"
    machine = Machine(tuning=tmp_path, compatible=compatible)
    for processor in ("vc4", "pisp"):
        (tmp_path / processor).mkdir()
        (tmp_path / processor / "imx708_noir.json").write_text("{}")
    reader = OptionReader({"camera.cam0.tuning": "imx708_noir.json"})
    assert camera_settings(reader, "cam0", machine).tuning == str(tmp_path / "vc4" / "imx708_noir.json")
    compatible.write_bytes(b"raspberrypi,5-model-b\0brcm,bcm2712\0")
    assert camera_settings(reader, "cam0", machine).tuning == str(tmp_path / "pisp" / "imx708_noir.json")
    own = OptionReader({"camera.cam0.tuning": str(tmp_path / "vc4" / "imx708_noir.json")})
    assert camera_settings(own, "cam0", machine).tuning == str(tmp_path / "vc4" / "imx708_noir.json")


def test_a_tuning_file_that_is_not_there_is_told_and_left_out(tmp_path: Path) -> None:
    reader = OptionReader({"camera.cam0.tuning": "imx708_noir.json"})
    settings = camera_settings(reader, "cam0", Machine(tuning=tmp_path))
    assert settings.tuning is None and "imx708_noir.json" in str(settings.lacking["tuning"])


def test_a_camera_may_be_named_by_its_model() -> None:
    wide = camera_settings(OptionReader({"camera.cam0.sensor": "imx708_wide"}), "cam0")
    assert number_of(wide, ["imx219", "imx708_wide"]) == 1
    assert number_of(wide, ["imx219"]) == 1, "a number nobody has"
    numbered = camera_settings(OptionReader({"camera.cam0.sensor": "imx708_wide", "camera.cam0.index": "0"}), "cam0")
    assert number_of(numbered, ["imx219", "imx708_wide"]) == 0


def test_each_camera_has_its_own_microphone_or_none() -> None:
    reader = OptionReader(
        {"microphone_device": "USB Audio", "camera.cam1.microphone": "none", "camera.cam2.microphone": "cabin"}
    )
    assert [camera_settings(reader, f"cam{n}").microphone for n in range(3)] == ["USB Audio", None, "cabin"]
    assert camera_settings(OptionReader({"microphone_device": "none"}), "cam0").microphone is None


def test_every_key_of_a_board_file_is_an_option_and_the_other_way_round() -> None:
    """The two sides never import each other: this keeps the names together."""
    gpio = dict.fromkeys(GpioSection.model_fields, "x")
    tables: dict[str, Any] = {"camera": {"a": dict.fromkeys(BoardCamera.model_fields, "x")}, "gpio": gpio}
    for section, field in BoardDevices.model_fields.items():
        (model, *_) = get_args(field.annotation)
        if section not in tables:
            tables[section] = dict.fromkeys(model.model_fields, "x")
    config = {"controls": {"debounce_ms": 20}, "gnss": {"max_speed_mps": 9}, "cameras": ["a"], "board": tables}
    made = set(board_options({**config, "board": {**tables, "options": {}}}))
    assert {name for name in made if not name.startswith("camera.")} == OPTIONS - {"ueid"}
    assert {name.removeprefix("camera.a.") for name in made if name.startswith("camera.")} == CAMERA_OPTIONS


def test_the_shipped_boards_have_no_wrong_option(tmp_path: Path) -> None:
    codec = tmp_path / "video11"
    codec.touch()
    for board in boards_dir().glob("*.toml"):
        config = load_config([], {"RECORDER__BOARD__FILE": board.stem}, tmp_path).config
        assert config.board.file == board.stem
        faults = compose(
            board_options(config.model_dump(mode="json")), None, ManualClock(), IDENTITY, no_bus, Machine(codec)
        ).faults
        assert [fault for fault in faults if not fault.device.startswith("i2c")] == []
