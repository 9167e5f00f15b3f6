"""Unit process and worker give the driver the same flat options, made from the same signed configuration."""

from __future__ import annotations

import json
import tomllib
from typing import Any

import msgspec

from recorder.board_options import board_options
from recorder.config.load import canonical
from recorder.config.models import RecorderConfig
from recorder.config.paths import boards_dir, defaults_file


def config(board: dict[str, Any], cameras: tuple[str, ...] = ("cam0",)) -> RecorderConfig:
    data = tomllib.loads(defaults_file().read_text(encoding="utf-8"))
    data["board"] |= board
    data["cameras"] = dict.fromkeys(cameras, data["cameras"]["cam0"])
    return RecorderConfig.model_validate(data)


def options(board: dict[str, Any], cameras: tuple[str, ...] = ("cam0",)) -> dict[str, str]:
    return board_options(config(board, cameras).model_dump(mode="json"))


def test_names_of_the_options() -> None:
    flat = options(
        {
            "identity": {"hwmodel": "m"},
            "gpio": {"chip": 4, "led_red": "GPIO5", "led_green": "none"},
            "gnss": {"device": "/dev/gnss0", "baud": 38400},
            "battery": {"gauge": "max17048", "address": 0x36},
            "power": {"monitor": "ina226", "measures": "battery", "reversed": True, "shunt_ohm": 0.01},
            "camera": {"cam0": {"index": 1, "microphone": "none", "controls": {"LensPosition": 0.5}}},
            "options": {"led_red": "GPIO16", "ueid": "u1"},
        }
    )
    assert flat == {
        "debounce_ms": "20",
        "gnss_max_speed_mps": "120.0",
        "hwmodel": "m",
        "gpio_chip": "4",
        "led_red": "GPIO16",
        "led_green": "none",
        "gnss_device": "/dev/gnss0",
        "gnss_baud": "38400",
        "battery_gauge": "max17048",
        "battery_address": "54",
        "power_monitor": "ina226",
        "power_measures": "battery",
        "power_reversed": "true",
        "power_shunt_ohm": "0.01",
        "camera.cam0.index": "1",
        "camera.cam0.microphone": "none",
        "camera.cam0.controls": '{"LensPosition": 0.5}',
        "ueid": "u1",
    }


def test_unit_and_worker_agree() -> None:
    for path in boards_dir().glob("*.toml"):
        whole = config(tomllib.loads(path.read_text(encoding="utf-8")))
        worker = board_options(msgspec.json.decode(canonical(whole)))
        assert worker == board_options(whole.model_dump(mode="json")), path.name
        assert worker == board_options(json.loads(canonical(whole)))


def test_a_camera_the_board_does_not_name_is_tried_as_the_next_one() -> None:
    flat = options({"camera": {"cam0": {"index": 0}}}, ("cam0", "front", "rear"))
    numbers = {key: value for key, value in flat.items() if key.endswith(".index")}
    assert numbers == {"camera.cam0.index": "0", "camera.front.index": "1", "camera.rear.index": "2"}
    assert options({}, ("cam0",))["camera.cam0.index"] == "0", "no board file at all"
    assert "camera.cam0.index" not in options({"camera": {"cam0": {"sensor": "imx708"}}}), "named by its model"
