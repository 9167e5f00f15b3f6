"""The simulated world: one process owns the truth, boards are its clients (docs/simulator-protocol.md).

``python -m hw_sim.world --socket PATH`` runs one alone and takes ``key=value`` lines on its standard input.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import threading
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from firmware_bridge.clock import SystemClock
from firmware_bridge.ports import Clock, DeviceError
from hw_sim.clock import WorldClock, drifted_us
from hw_sim.devices.gnss_feed import open_feed
from hw_sim.devices.gnss_pty import GnssPty
from hw_sim.devices.room import PlacedSound, to_text
from hw_sim.soundscape import from_loudspeaker, length_us, still_heard
from hw_sim.world_keys import KEYS, OWNED_BY_WORLD, State, Value, WorldError, checked, initial_state
from hw_sim.world_server import WorldServer

LOG = logging.getLogger(__name__)

BOOT_US: Final = 3_000_000
"""Boot-time at which a freshly started unit's programs begin to run: the kernel had the first three seconds."""

_FEED_KEYS: Final = frozenset({"gnss.file", "gnss.at_end", "gnss.retime", "gnss.rate_hz"})


@dataclass(frozen=True, slots=True)
class OutputEvent:
    """An LED, the motor, the IR lamp or the IR-cut moved. ``at_us``: boot-time of ``boot_id``."""

    name: str
    on: bool
    at_us: int
    boot_id: str


@dataclass(frozen=True, slots=True)
class SpeakerEvent:
    """The unit's loudspeaker played a file. ``at_us``: boot-time of ``boot_id`` at which its first sample sounds;
    ``duration_us``: how long it was heard, shorter than the file when it was cut."""

    wav: str
    at_us: int
    duration_us: int
    boot_id: str


@dataclass(frozen=True, slots=True)
class WorldChange:
    """Somebody changed the truth: what a fault that is found later is compared with. ``at_us``: boot-time of
    ``boot_id``."""

    key: str
    value: Value
    at_us: int
    boot_id: str


class World:
    """Truth and socket of one simulated unit. Context manager; all methods may be called from any thread.

    ``state``: any keys of :data:`hw_sim.world_keys.KEYS` that shall differ from their defaults. Raises WorldError for
    keys or values the world does not have.
    """

    def __init__(self, state: Mapping[str, object], socket_path: Path, *, host_clock: Clock | None = None) -> None:
        self._host = host_clock or SystemClock()
        self._state = initial_state(state)
        self._changed = threading.Condition(threading.RLock())
        self._outputs: list[OutputEvent] = []
        self._lit: dict[str, bool] = {}
        self._spoken: list[SpeakerEvent] = []
        self._changes: list[WorldChange] = []
        self._placed: list[PlacedSound] = []
        self._server = WorldServer(socket_path, self._on_message)
        self._gnss = GnssPty(socket_path.with_name(socket_path.name + ".gnss"), self._host)
        self.clock: Clock = WorldClock(self._host, self.get)

    # --- life ---------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin the first boot and serve. Raises DeviceError when ``gnss.file`` cannot be played, OSError when the socket
        cannot be made; everything is closed then."""
        try:
            feed = open_feed(self._state)
            self._state["gnss.tty"] = str(self._gnss.path)
            self._state.update(self._fresh_boot())
            self._gnss.set_failure(str(self._state["gnss.failure"]))
            self._gnss.start(feed)
            self._server.start(self._state)
        except (DeviceError, OSError):
            self.close()
            raise

    def close(self) -> None:
        self._server.close()
        self._gnss.close()

    def __enter__(self) -> World:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def power_cut(self) -> None:
        """Every connection ends and every light goes out. Killing the processes is the caller's part."""
        with self._changed:
            at_us, boot_id = self.clock.boottime_us(), self.clock.boot_id()
            for name in [name for name, on in self._lit.items() if on]:
                self._note(OutputEvent(name, False, at_us, boot_id))
            self._silence(at_us)
            self._server.disconnect_all()

    def boot(self) -> None:
        """A new boot: new boot id, boot-time starts near zero again."""
        with self._changed:
            self._apply(self._fresh_boot())

    def new_boot(self) -> None:
        """``power_cut`` and ``boot`` in one."""
        self.power_cut()
        self.boot()

    # --- truth --------------------------------------------------------------------------------------------------------

    def get(self, key: str) -> Value:
        """Raises WorldError for a key the world does not have."""
        if key not in KEYS:
            checked(key, None)
        return self._state[key]

    def state(self) -> State:
        with self._changed:
            return dict(self._state)

    def set(self, key: str, value: object) -> None:
        """Change one key; clients are told in the order of calls. Raises WorldError, and DeviceError for a GNSS log that
        cannot be read; nothing is changed then."""
        if key in OWNED_BY_WORLD:
            raise WorldError(f"{key}: 由世界自己决定 decided by the world itself")
        new = checked(key, value)
        with self._changed:
            if self._state[key] == new:
                return
            if key in _FEED_KEYS:
                self._gnss.play(open_feed({**self._state, key: new}))
            changes: State = {key: new}
            if key == "wall_drift_ppm":
                # What it has drifted so far stays: a clock that runs at another rate from now on does not step.
                now_us = self._host.boottime_us()
                changes["wall_offset_us"] = int(self._state["wall_offset_us"]) + drifted_us(self.get, now_us)
                changes["wall_drift_from_us"] = now_us
            self._changes.append(WorldChange(key, new, self.clock.boottime_us(), self.clock.boot_id()))
            self._apply(changes)
            if key == "gnss.failure":
                self._gnss.set_failure(str(new))

    def changes(self) -> tuple[WorldChange, ...]:
        """Every change made by ``set``, in order."""
        with self._changed:
            return tuple(self._changes)

    def play(self, wav: Path, gain_db: float = 0.0) -> PlacedSound:
        """Somebody or something sounds from now on; the microphone hears it besides its scene. Raises WorldError for a file
        that is no WAV."""
        duration_us = length_us(wav)
        with self._changed:
            sound = PlacedSound(str(wav.absolute()), self.clock.boottime_us(), duration_us, gain_db)
            self._placed.append(sound)
            self._tell_air()
            return sound

    def step_wall_clock(self, by_us: int) -> None:
        """The unit's wall clock jumps; boot-time does not."""
        with self._changed:
            self.set("wall_offset_us", int(self.get("wall_offset_us")) + by_us)

    def _fresh_boot(self) -> State:
        released: State = {key: False for key in KEYS if key.startswith("button.")}
        self._placed = []  # the new boot's time says nothing about sounds of the last one
        return {
            "sounds": "[]",
            "boot_id": str(uuid.uuid4()),
            "boot_offset_us": self._host.boottime_us() - BOOT_US,
            **released,
        }

    def _apply(self, changes: State) -> None:
        self._state.update(changes)
        self._server.publish(changes)
        self._changed.notify_all()

    # --- what the unit shows ------------------------------------------------------------------------------------------

    def outputs(self) -> tuple[OutputEvent, ...]:
        """Every change of an output since the start, in order of arrival."""
        with self._changed:
            return tuple(self._outputs)

    def is_lit(self, name: str) -> bool:
        with self._changed:
            return self._lit.get(name, False)

    def wait_for_output(self, name: str, on: bool, timeout_s: float, after: int = 0) -> OutputEvent | None:
        """The first such change at or after index ``after`` of :meth:`outputs`, or None at the time-out."""

        def found() -> OutputEvent | None:
            return next((event for event in self._outputs[after:] if event.name == name and event.on == on), None)

        with self._changed:
            return self._changed.wait_for(found, timeout_s)

    def speaker_events(self) -> tuple[SpeakerEvent, ...]:
        """Everything the loudspeaker played since the start, in order."""
        with self._changed:
            return tuple(self._spoken)

    def wait_for_speaker(self, timeout_s: float, after: int = 0) -> SpeakerEvent | None:
        """The first piece at or after index ``after`` of :meth:`speaker_events`, or None at the time-out."""
        with self._changed:
            found = self._changed.wait_for(lambda: len(self._spoken) > after, timeout_s)
            return self._spoken[after] if found else None

    def clients(self) -> tuple[str, ...]:
        """Names of the boards that are connected: ``unit``, ``worker:cam0``."""
        return self._server.clients()

    def _on_message(self, client: str, message: dict[str, Any]) -> None:
        match message.get("op", "output"):
            case "output":
                self._on_output(client, message)
            case "speaker":
                self._on_speaker(client, message)
            case "speaker-stop":
                with self._changed:
                    self._silence(int(message["at_us"]))
            case unknown:
                raise ValueError(f"{client}: no such op: {unknown!r}")

    def _on_speaker(self, client: str, message: dict[str, Any]) -> None:
        wav, at_us, duration_us = message["wav"], message["at_us"], message["duration_us"]
        if not (isinstance(wav, str) and isinstance(at_us, int) and isinstance(duration_us, int)):
            raise ValueError(f"{client}: speaker needs a file, a time and a duration")
        with self._changed:
            self._spoken.append(SpeakerEvent(wav, at_us, duration_us, str(self._state["boot_id"])))
            self._tell_air()
            self._changed.notify_all()

    def _silence(self, at_us: int) -> None:
        """What still sounds or was to come is heard only until ``at_us``."""
        boot_id = str(self._state["boot_id"])
        for index, event in enumerate(self._spoken):
            if event.boot_id == boot_id and event.at_us + event.duration_us > at_us:
                self._spoken[index] = replace(event, duration_us=max(0, at_us - event.at_us))
        self._tell_air()
        self._changed.notify_all()

    def _tell_air(self) -> None:
        """Every microphone hears what was placed, and the unit's own loudspeaker."""
        now_us, boot_id = self.clock.boottime_us(), self.clock.boot_id()
        self._placed = still_heard(self._placed, now_us)
        spoken = [
            from_loudspeaker(event.wav, event.at_us, event.duration_us)
            for event in self._spoken
            if event.boot_id == boot_id
        ]
        text = to_text([*self._placed, *still_heard(spoken, now_us)])
        if text != self._state["sounds"]:
            self._apply({"sounds": text})

    def _on_output(self, client: str, message: dict[str, Any]) -> None:
        name, on, at_us = message["output"], message["on"], message["at_us"]
        if not (isinstance(name, str) and isinstance(on, bool) and isinstance(at_us, int)):
            raise ValueError(f"{client}: output needs a name, true or false, and a time")
        with self._changed:
            self._note(OutputEvent(name, on, at_us, str(self._state["boot_id"])))

    def _note(self, event: OutputEvent) -> None:
        self._outputs.append(event)
        self._lit[event.name] = event.on
        self._changed.notify_all()


def parse_assignment(text: str) -> tuple[str, object]:
    """``lux=0.5`` → ("lux", 0.5); what is not JSON is text. Raises WorldError without an equals sign."""
    key, equals, value = text.partition("=")
    if not equals:
        raise WorldError(f"{text!r}: 应为 键=值 expected key=value")
    try:
        return key.strip(), json.loads(value)
    except ValueError:
        return key.strip(), value.strip()


def main(arguments: list[str] | None = None) -> int:
    """``--socket PATH [--gnss FILE] [KEY=VALUE …]``; then ``KEY=VALUE``, ``power-cut`` or ``outputs`` on standard input."""
    parser = argparse.ArgumentParser(prog="python -m hw_sim.world", description=main.__doc__)
    parser.add_argument("--socket", type=Path, required=True)
    parser.add_argument("--gnss", type=Path, help="NMEA log to play")
    parser.add_argument("state", nargs="*", metavar="KEY=VALUE")
    options = parser.parse_args(arguments)
    try:
        state = dict(parse_assignment(text) for text in options.state)
        if options.gnss is not None:
            state["gnss.file"] = str(options.gnss)
        world = World(state, options.socket)
        world.start()
    except (WorldError, DeviceError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    try:
        sys.stdout.write(f"{options.socket}\n")
        sys.stdout.flush()
        for line in sys.stdin:
            _command(world, line.strip())
    finally:
        world.close()
    return 0


def _command(world: World, line: str) -> None:
    if line == "power-cut":
        world.new_boot()
    elif line == "outputs":
        for event in world.outputs():
            sys.stdout.write(f"{event.at_us} {event.name} {'on' if event.on else 'off'}\n")
        sys.stdout.flush()
    elif line:
        try:
            world.set(*parse_assignment(line))
        except (WorldError, DeviceError) as error:
            sys.stderr.write(f"{error}\n")


if __name__ == "__main__":
    sys.exit(main())
