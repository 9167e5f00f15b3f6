"""Configuration, uplink, and the unit itself if it runs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from firmware_bridge.ports import Check, Verdict
from recorder.channel.places import control_socket
from recorder.config.load import Loaded
from recorder.config.models import RecorderConfig
from recorder.unit.control_client import ControlError

Ask = Callable[[Path, dict[str, Any]], dict[str, Any]]
"""``ask(control socket, request)`` → answer. Raises ControlError."""


def configuration(loaded: Loaded) -> Iterator[Check]:
    advice = ("recorder config check", "recorder config check")
    for problem in loaded.problems:
        verdict: Verdict = "warning" if problem.severity == "warning" else "fault"
        yield Check("configuration", verdict, problem.text("zh"), problem.text("en"), *advice)
    if not loaded.problems:
        names = ", ".join(Path(name).name for name in loaded.layer_names)
        yield Check("configuration", "ok", names, names)


def uplink(config: RecorderConfig) -> Iterator[Check]:
    # Imported here: ssl and http are 10 MB, and a unit without uplink has no use for them.
    from recorder.uplink.faults import UplinkFault
    from recorder.uplink.http import parse_store_url, tls_context

    if not config.uplink.enabled:
        advice = (
            "二十四小时内须用其他方式储存（第二十四条）",
            "recordings must be stored within 24 hours in another way (art. 24)",
        )
        yield Check("uplink", "warning", "上传已关闭", "uploads are switched off", *advice)
        return
    try:
        address = parse_store_url(config.uplink.store_url)
        tls_context(Path(config.uplink.tls_dir))
    except UplinkFault as fault:
        advice = (
            f"[uplink] store_url 和 {config.uplink.tls_dir}；recorder enrol",
            f"[uplink] store_url and {config.uplink.tls_dir}; recorder enrol",
        )
        yield Check("uplink", "fault", str(fault), str(fault), *advice)
    else:
        yield Check("uplink", "ok", f"{address.host}:{address.port}", f"{address.host}:{address.port}")
    if config.mqtt.enabled and not config.mqtt.host:
        advice = (
            "填写 [mqtt] host，或设 enabled = false",
            "fill in [mqtt] host, or set enabled = false",
        )
        yield Check("mqtt", "warning", "没有 [mqtt] host", "there is no [mqtt] host", *advice)


def unit(run_dir: Path, ask: Ask) -> Check:
    """Is it running, and what is it itself complaining of?"""
    advice = (
        "systemctl start recorder-unit；journalctl -u recorder-unit",
        "systemctl start recorder-unit; journalctl -u recorder-unit",
    )
    try:
        ask(control_socket(run_dir), {"cmd": "status"})
        status = json.loads((run_dir / "status.json").read_text(encoding="utf-8"))
        state, faults = str(status["state"]), [str(code) for code in status["faults"]]
    except ControlError as error:
        return Check("unit", "warning", f"没有运行：{error.zh}", f"not running: {error.en}", *advice)
    except (OSError, ValueError, KeyError, TypeError) as error:
        return Check("unit", "warning", f"状态无法读取：{error}", f"its status cannot be read: {error}", *advice)
    if faults:
        listed = ", ".join(faults)
        more = ("docs/faults.md", "docs/faults.md")
        return Check("unit", "fault", f"{state}；故障 {listed}", f"{state}; faults: {listed}", *more)
    return Check("unit", "ok", state, state)
