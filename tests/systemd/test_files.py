"""Drop-ins, udev rules and limits: well-formed, and consistent with units and users."""

from __future__ import annotations

import configparser
import re

import pytest

from recorder.session.supervision import CONNECT_MOST_US
from tests.systemd.units import SYSTEMD, setting

RULES = SYSTEMD / "udev" / "60-zfy-recorder.rules"
TOKEN = re.compile(r'(?P<key>[A-Z]+(?:\{[^}]+\})?)(?P<op>==|!=|\+=|-=|:=|=)"(?P<value>[^"]*)"')
MATCHES = {"SUBSYSTEM", "KERNEL", "ATTR", "ATTRS", "ACTION", "ENV", "SUBSYSTEMS", "DRIVERS"}
ASSIGNS = {"GROUP", "MODE", "SYMLINK", "OWNER", "TAG"}


def rules() -> list[str]:
    lines = RULES.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def known_groups() -> set[str]:
    lines = (SYSTEMD / "sysusers.d" / "zfy-recorder.conf").read_text(encoding="utf-8").splitlines()
    return {line.split()[1] for line in lines if line[:1] in ("g", "u")}


@pytest.mark.parametrize("rule", rules())
def test_a_rule_matches_first_and_then_assigns_to_known_groups(rule: str) -> None:
    """The grammar of udev(7), as far as these rules use it. (``udevadm verify`` came with systemd 254.)"""
    tokens = list(TOKEN.finditer(rule))
    assert ", ".join(token.group() for token in tokens) == rule, "something between the tokens"
    kinds = []
    for token in tokens:
        name = token["key"].split("{")[0]
        is_match = token["op"] in ("==", "!=")
        assert name in (MATCHES if is_match else ASSIGNS), rule
        kinds.append(is_match)
        if name == "GROUP":
            assert token["value"] in known_groups()
        if name == "MODE":
            assert re.fullmatch(r"0[0-7]{3}", token["value"]) and token["value"][-1] == "0", "not for everybody"
    assert kinds == sorted(kinds, reverse=True) and kinds[0] and not kinds[-1]


def test_no_device_has_two_rules() -> None:
    """The later one wins, and whoever changes the first wonders why nothing happens."""
    matched: dict[str, set[str]] = {}
    for rule in rules():
        tokens = {token["key"]: token["value"] for token in TOKEN.finditer(rule) if token["op"] == "=="}
        subsystem = tokens.pop("SUBSYSTEM", "")
        others = matched.setdefault(subsystem, set())
        what = "".join(f"{key}={value}" for key, value in sorted(tokens.items()))
        assert what not in others and (not others or (what and "" not in others)), rule
        if subsystem in ("watchdog", "i2c-dev", "pps"):
            assert not others, rule
        others.add(what)


def drop_in(folder: str, section: str) -> dict[str, str]:
    parser = configparser.ConfigParser(strict=True, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    (path,) = (SYSTEMD / folder).iterdir()
    parser.read_string(path.read_text(encoding="utf-8"))
    assert parser.sections() == [section]
    return dict(parser[section])


def test_the_systems_log_is_bounded() -> None:
    journal = drop_in("journald.conf.d", "Journal")
    assert {"SystemMaxUse", "SystemKeepFree", "RuntimeMaxUse"} <= journal.keys()


def test_the_boards_watchdog_is_within_what_a_pi_can_count() -> None:
    assert int(drop_in("system.conf.d", "Manager")["RuntimeWatchdogSec"]) <= 15


def test_systemd_waits_longer_for_a_worker_than_the_unit_process_does() -> None:
    (longest,) = setting(SYSTEMD / "recorder-capture@.service", "TimeoutStartSec")
    assert int(longest.removesuffix("s")) * 1_000_000 > CONNECT_MOST_US


def test_the_data_folder_is_the_same_in_both_slots() -> None:
    lines = (SYSTEMD / "slot-shared.d" / "zfy-recorder.conf").read_text(encoding="utf-8").splitlines()
    said = [line for line in lines if line and not line.startswith("#")]
    assert said == ["Version=1", "Path=/var/lib/recorder", "Path=/var/lib/recorder-update", "Path=/etc/recorder"]


@pytest.mark.parametrize("name", ["recorder-unit.service", "recorder-uplink.service"])
def test_a_data_partition_that_is_late_is_waited_for_and_never_written_around(name: str) -> None:
    """A required mount that fails takes the start with it, and nobody tries again (tests/virtual_pi/test_late_disk.py)."""
    unit = SYSTEMD / name
    assert setting(unit, "RequiresMountsFor") == ["/var/lib"]
    assert "var-lib-recorder.mount" in setting(unit, "Wants")[0].split()
    assert "var-lib-recorder.mount" in setting(unit, "After")[0].split()
    assert setting(unit, "ExecStartPre")[0] == "+/usr/lib/zfy-recorder/await-data"
    assert setting(unit, "Restart") == ["always"]


def test_what_faces_the_network_cannot_take_the_recorders_memory() -> None:
    assert setting(SYSTEMD / "recorder-uplink.service", "MemoryMax") == ["96M"]
