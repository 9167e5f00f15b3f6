"""What cannot be wired like that is found before anything is soldered."""

from __future__ import annotations

import pytest

from recorder.config.layers import Layer
from recorder.config.validate import Outcome, validate
from tests.config.conftest import SEALED, layer_of


def outcome(defaults: Layer, text: str) -> Outcome:
    return validate([defaults, layer_of(SEALED + text)])


@pytest.mark.parametrize(
    ("text", "key", "severity", "says"),
    [
        (
            '[board.gpio]\nled_red = "GPIO5"\nvibration = "GPIO5:low"',
            "board.gpio.vibration",
            "error",
            "board.gpio.led_red",
        ),
        (
            '[board.gpio]\nled_red = "GPIO3"\n[board.battery]\ngauge = "max17048"',
            "board.gpio.led_red",
            "error",
            "belongs to I²C 1",
        ),
        (
            '[board.gpio]\nled_red = "GPIO14"\n[board.gnss]\ndevice = "/dev/serial0"',
            "board.gpio.led_red",
            "error",
            "UART",
        ),
        (
            '[board.gpio]\nled_red = "GPIO4"\n[board.gnss]\npps = "/dev/pps0"',
            "board.gpio.led_red",
            "warning",
            "pulse per second",
        ),
        (
            '[board.battery]\ngauge = "max17048"\naddress = 0x40\n[board.power]\nmonitor = "ina219"\nmeasures = "supply"\n'
            "shunt_ohm = 0.1",
            "board.power.monitor",
            "error",
            "0x40 on I²C bus 1",
        ),
        ("[board.camera.cam1]\nindex = 0\n[cameras.cam0]\nwidth = 1280", "cameras.cam0", "warning", "it has cam1"),
        (
            "[board.camera.cam0]\nindex = 0\n[board.camera.cam1]\nindex = 0",
            "board.camera.cam1.index",
            "error",
            "used by cam0",
        ),
        (
            '[board.camera.cam0]\nsensor = "imx708"\nindex = 0\n[board.camera.cam1]\nsensor = "imx708"',
            "board.camera.cam1.sensor",
            "error",
            "cam0 is a imx708, too",
        ),
        (
            '[board.camera.cam0]\nencoder = "v4l2"\n[cameras.cam0]\nframe_rate = 50',
            "board.camera.cam0.encoder",
            "warning",
            "1.7",
        ),
        ("[board.battery]\naddress = 0x36", "board.battery.address", "warning", "no effect without gauge"),
        ('[board.power]\nmonitor = "ina219"\nmeasures = "supply"', "board.power.monitor", "warning", "shunt_ohm"),
        ('[board.power]\nmonitor = "ina219"\nshunt_ohm = 0.1', "board.power.monitor", "warning", "measures"),
        ("[board.power]\nreversed = true", "board.power.reversed", "warning", "no effect without monitor"),
    ],
)
def test_each_rule(defaults: Layer, text: str, key: str, severity: str, says: str) -> None:
    found = outcome(defaults, text)
    assert [(problem.severity, says in problem.en) for problem in found.problems] == [(severity, True)]
    assert found.problems[0].key in (key, key.rpartition(".")[0])
    assert found.config is not None and not found.blocking, "never a reason not to record"


@pytest.mark.parametrize(
    "text",
    [
        '[board.gpio]\nled_red = "none"\nled_green = "none"\n',
        '[board.gpio]\nled_red = "GPIO3"\n',
        '[board.gpio]\nled_red = "GPIO2"\n[board.battery]\ngauge = "max17048"\nbus = 3\n',
        '[board.battery]\ngauge = "max17048"\n[board.power]\nmonitor = "ina219"\nmeasures = "battery"\nshunt_ohm = 0.1\n',
        '[board.camera.cam0]\nencoder = "libx264"\n[cameras.cam0]\nframe_rate = 60\n',
    ],
)
def test_what_is_well_wired_is_not_complained_of(defaults: Layer, text: str) -> None:
    assert outcome(defaults, text).problems == ()


def test_two_cameras_named_by_one_model_are_refused_with_file_line_and_key_of_each(defaults: Layer) -> None:
    """Both would have opened the first one of that model."""
    found = outcome(defaults, '[board.camera.cam0]\nsensor = "imx708"\n[board.camera.cabin]\nsensor = "imx708"\n')
    first = (SEALED + "[board.camera.cam0]\n").count("\n") + 1
    assert [(str(each.place), each.key, each.severity) for each in found.problems] == [
        (f"agency.toml:{first}:1", "board.camera.cam0.sensor", "error"),
        (f"agency.toml:{first + 2}:1", "board.camera.cabin.sensor", "error"),
    ]
    assert all("index" in each.en and "index" in each.zh for each in found.problems)


@pytest.mark.parametrize(
    "other",
    ['sensor = "imx708"\nindex = 1', 'sensor = "imx708_wide"'],
)
def test_two_cameras_told_apart_by_number_or_model(defaults: Layer, other: str) -> None:
    text = f'[board.camera.cam0]\nsensor = "imx708"\nindex = 0\n[board.camera.cabin]\n{other}\n'
    assert outcome(defaults, text).problems == ()
