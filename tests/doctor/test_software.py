"""Configuration, uplink, and what a running unit says of itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from firmware_bridge.ports import Check
from recorder.config.load import load_config
from recorder.doctor import software
from recorder.unit.control_client import ControlError
from tests.unit.unit_kit import configuration


def test_every_problem_of_the_configuration_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / "unit.toml"
    file.write_text("[capture]\ngop_s = 9\n", encoding="utf-8")
    found = list(software.configuration(load_config([file], {}, tmp_path)))
    assert any(check.verdict == "fault" and f"{file}:2:1" in check.en for check in found)


def test_uplink(tmp_path: Path) -> None:
    def looked(**settings: object) -> list[Check]:
        return list(software.uplink(configuration(tmp_path, {"uplink": {"tls_dir": str(tmp_path), **settings}})))

    assert [check.verdict for check in looked(enabled=False)] == ["warning"]
    store, mqtt = looked(store_url="https://store.example:8443")
    assert (store.device, store.verdict) == ("uplink", "fault") and "ca.pem" in store.en, "no certificates"
    assert (mqtt.device, mqtt.verdict) == ("mqtt", "warning")
    assert looked(store_url="")[0].verdict == "fault"


def test_the_unit_is_asked_itself(tmp_path: Path) -> None:
    status = tmp_path / "status.json"

    def running(path: Path, message: dict[str, Any]) -> dict[str, Any]:
        assert path == tmp_path / "control.sock" and message == {"cmd": "status"}
        return {"ok": True}

    def dead(path: Path, message: dict[str, Any]) -> dict[str, Any]:
        raise ControlError("没有", "nobody there")

    status.write_text(json.dumps({"state": "standby", "faults": []}), encoding="utf-8")
    assert software.unit(tmp_path, running).verdict == "ok"
    assert software.unit(tmp_path, dead).verdict == "warning", "a file of a dead unit is not believed"
    status.write_text(json.dumps({"state": "recording", "faults": ["gnss-lost"]}), encoding="utf-8")
    check = software.unit(tmp_path, running)
    assert check.verdict == "fault" and "gnss-lost" in check.en
    status.write_text("{}", encoding="utf-8")
    assert software.unit(tmp_path, running).verdict == "warning"
