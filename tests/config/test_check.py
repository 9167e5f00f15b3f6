"""``check_files``: all problems of all files at once, in reading order, each once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from recorder.config.check import check_files
from recorder.config.layers import Layer
from tests.config.conftest import KEY_A, SEALED

Write = Callable[[str, str], Path]


def found(defaults: Layer, *files: Path) -> list[tuple[str, int | None, str]]:
    return [(Path(p.place.source).name, p.place.line, p.key) for p in check_files(files, defaults)]


def test_everything_at_once_in_reading_order(defaults: Layer, write: Write) -> None:
    agency = write(
        "agency.toml",
        '[capture]\nsegmnt_s = 1\ngop_s = "1"\n[night]\non_below_lux = 99\n[controls.stop]\nkind = "press"\n'
        + '[uplink]\nstore_url = "ftp://x"\n'
        + SEALED,
    )
    unit = write("unit.toml", "[cameras.cam1]\nwidth = 640\n[mqtt]\nport = 0\n")
    torn = write("torn.toml", "[a\n")
    assert found(defaults, agency, unit, torn) == [
        ("torn.toml", 1, ""),
        ("agency.toml", 2, "capture.segmnt_s"),
        ("agency.toml", 3, "capture.gop_s"),
        ("agency.toml", 5, "night.on_below_lux"),
        ("agency.toml", 7, "controls.stop.kind"),
        ("agency.toml", 9, "uplink.store_url"),
        ("unit.toml", 1, "cameras.cam1.height"),
        ("unit.toml", 1, "cameras.cam1.frame_rate"),
        ("unit.toml", 1, "cameras.cam1.bitrate_kbps"),
        ("unit.toml", 4, "mqtt.port"),
    ]


def test_a_bad_value_is_found_though_a_higher_layer_covers_it(defaults: Layer, write: Write) -> None:
    agency = write("agency.toml", SEALED + "[capture]\ngop_s = 99\n")
    unit = write("unit.toml", "[capture]\ngop_s = 1\n")
    assert found(defaults, agency, unit) == [("agency.toml", 4, "capture.gop_s")]


def test_a_camera_may_be_spread_over_layers(defaults: Layer, write: Write) -> None:
    agency = write("agency.toml", SEALED + "[cameras.cam1]\nwidth = 640\nheight = 480\n")
    unit = write("unit.toml", "[cameras.cam1]\nframe_rate = 15\nbitrate_kbps = 1000\n")
    assert found(defaults, agency, unit) == []


def test_a_rule_is_silent_where_its_own_setting_is_in_error(defaults: Layer, write: Write) -> None:
    agency = write("agency.toml", f'[sealing]\nrecipients = ["{KEY_A}", "age1x"]\n')
    assert found(defaults, agency) == [("agency.toml", 2, "sealing.recipients.1")]


def test_contradictions_between_two_files_name_the_higher(defaults: Layer, write: Write) -> None:
    agency = write("agency.toml", SEALED + "[night]\noff_above_lux = 20\n")
    unit = write("unit.toml", "[night]\non_below_lux = 30\n")
    assert [name for name, _, key in found(defaults, agency, unit) if key.startswith("night")] in (
        ["agency.toml"],
        ["unit.toml"],
    )
