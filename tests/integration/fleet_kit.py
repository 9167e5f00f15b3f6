"""An admin with settings of his own, beside a running agency."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

from firmware_bridge.clock import SystemClock
from hw_sim.agency.agency import Agency
from hw_sim.runner.unit_config import to_toml
from recorder.evidence.desired import Desired, sign_desired
from recorder.evidence.signer import FileSigner, load_or_create_key
from recorder.fleet.config_commands import STORE_STATE
from recorder.fleet.connection import FleetConnection, real_link
from recorder.fleet.settings import load_settings


class Admin:
    """``folder``: his settings, his roll-outs."""

    def __init__(self, folder: Path, agency: Agency) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.settings = folder / "fleet.toml"
        self._key = agency.authority.command_key_file
        values = {
            "broker": {"host": agency.mqtt_host, "port": agency.broker.port},
            "tls": {"dir": str(agency.authority.desk_client_dir)},
            "store": {"url": f"https://{agency.mqtt_host}:{agency.store.port}"},
            "commands": {"key": str(self._key)},
        }
        self.settings.write_text(to_toml(values), encoding="utf-8")

    def layer(self, name: str, text: str) -> Path:
        path = self.folder / f"{name}.toml"
        path.write_text(text, encoding="utf-8")
        return path

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """``recorder fleet …`` in the background."""
        state = [] if arguments[0] == "units" else ["--state", str(self.folder / "rollouts")]
        settings = [] if arguments[:2] == ("config", "status") else ["--settings", str(self.settings)]
        environment = {**os.environ, "LANG": "en_US.UTF-8", "LC_ALL": ""}
        return subprocess.Popen(
            [sys.executable, "-m", "recorder", "fleet", *arguments, *settings, *state],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def fleet(self, *arguments: str, timeout_s: float = 60) -> tuple[int, str, str]:
        """To its end: (exit status, standard output, standard error)."""
        process = self.start(*arguments)
        try:
            out, err = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise
        return process.returncode, out, err

    def unit(self, unit_id: str) -> dict[str, Any]:
        """What the store tells of a unit; empty while it has heard nothing."""
        _, out, _ = self.fleet("show", unit_id, "--json")
        found = json.loads(out) if out else {}
        assert isinstance(found, dict)
        return found

    def send(self, unit_id: str, version: int, toml: str) -> None:
        """By hand, without any check: what a roll-out would refuse to send."""
        desired = Desired(ver=1, jti=str(uuid.uuid4()), unit_id=unit_id, version=version, iat=1.0, toml=toml)
        text = sign_desired(desired, FileSigner(load_or_create_key(self._key)))
        settings = load_settings(self.settings)
        clock = SystemClock()
        with FleetConnection(real_link(settings, clock, (STORE_STATE,)), clock, 10) as connection:
            connection.publish(f"fleet/v1/{unit_id}/down/desired", {"desired": text}, retain=True)
