"""A new configuration for the parts of the running unit process (duties have ``Duty.reconfigured``)."""

from __future__ import annotations

from recorder.config.load import canonical
from recorder.config.models import RecorderConfig
from recorder.session.gestures import GestureRecogniser
from recorder.session.session_state import MachineSettings
from recorder.session.supervision import Limits
from recorder.unit.parts import Parts


def reconfigure(parts: Parts, config: RecorderConfig) -> None:
    before, parts.config = parts.config, config
    parts.machine.reconfigure(MachineSettings.of(config))
    if config.controls != before.controls:
        parts.gestures = GestureRecogniser(config.controls)  # a press begun before counts as none
    parts.indicators.reconfigure(config.indicators)
    parts.sensors.reconfigure(config)
    parts.custody.reconfigure(config)
    limits = Limits.of(config.supervision)
    for camera in parts.cameras.values():
        camera.supervisor.reconfigure(limits)
    parts.launcher.configure(canonical(config))
