"""The kernel's fragment is asserted, line by line."""

from __future__ import annotations

from hw_sim.virtual_pi.kernel import CONFIG, dropped_lines


def test_a_setting_that_kconfig_dropped_is_named() -> None:
    wanted = ["# a comment", "", "CONFIG_SOUND=y", "CONFIG_I2C_STUB=m", "# CONFIG_RTC_HCTOSYS is not set"]
    assert dropped_lines(wanted, wanted) == []
    assert dropped_lines(wanted, ["CONFIG_SOUND=m", "CONFIG_I2C_STUB=m"]) == [
        "CONFIG_SOUND=y",
        "# CONFIG_RTC_HCTOSYS is not set",
    ]


def test_the_fragment_has_no_line_twice() -> None:
    lines = [line for line in CONFIG.read_text(encoding="utf-8").splitlines() if line.startswith("CONFIG_")]
    assert len(lines) == len({line.partition("=")[0] for line in lines})
