"""Devices as the main loop uses them: one that breaks is a fault, never the end of a recording."""

from __future__ import annotations

import queue
from collections.abc import Callable
from functools import partial

from firmware_bridge.ports import DeviceError, Output, Sound, Speaker, UnitBoard
from recorder.evidence.journal_loader import Finding
from recorder.unit.events import ButtonEdge, FixReceived, IgnitionChanged, UnitEvent


class GuardedOutput:
    """``ports.Output`` that does not raise. A ``failure`` until it can be driven again."""

    def __init__(self, name: str, output: Output) -> None:
        self.name = name
        self._failure: DeviceError | None = None
        self._output = output

    def set(self, on: bool) -> None:
        try:
            self._output.set(on)
        except DeviceError as error:
            self._failure = error
        else:
            self._failure = None

    def failure(self) -> DeviceError | None:
        return self._failure

    def is_on(self) -> bool:
        return self._output.is_on()

    def close(self) -> None:
        self._output.close()


class GuardedSpeaker:
    """``ports.Speaker`` that does not raise; a silent one is a fault of the same kind."""

    def __init__(self, speaker: Speaker) -> None:
        self.name = "speaker"
        self._refusal: DeviceError | None = None
        """Of the last sound, for a reason the driver itself has forgotten."""
        self._speaker = speaker

    def play(self, samples: Sound, rate: int) -> None:
        try:
            self._speaker.play(samples, rate)
        except DeviceError as error:
            # A failure of the driver's own ends when the driver says so, not with the next sound.
            self._refusal = error if self._speaker.failure() is None else None
        else:
            self._refusal = None

    def playing(self) -> bool:
        return self._speaker.playing()

    def stop(self) -> None:
        self._speaker.stop()

    def failure(self) -> DeviceError | None:
        """The driver's own, asked now: a loudspeaker that dies in standby, or is back, is noticed without a sound."""
        return self._speaker.failure() or self._refusal


Guarded = GuardedOutput | GuardedSpeaker


def guard(board: UnitBoard) -> tuple[Guarded, ...]:
    """Put a guard before each output and the loudspeaker of ``board``; returns the guards."""
    outputs = [GuardedOutput(name, output) for name, output in board.outputs.items()]
    board.outputs.update({output.name: output for output in outputs})
    if board.speaker is None:
        return tuple(outputs)
    speaker = GuardedSpeaker(board.speaker)
    board.speaker = speaker
    return (*outputs, speaker)


def listen(board: UnitBoard, events: queue.Queue[UnitEvent], *, gnss: bool) -> list[Finding]:
    """Start buttons, ignition sense and, where wanted, GNSS: they enqueue, nothing else happens on their threads. One that
    does not start is a finding, and so is every device the board could not get: a unit without GNSS, or with one button,
    records."""
    findings = [_not_had(error.device, error) for error in board.faults]

    def attempt(name: str, start: Callable[[], None]) -> None:
        try:
            start()
        except DeviceError as error:
            findings.append(_not_had(name, error))

    for name, button in board.buttons.items():
        attempt(f"button-{name}", partial(button.start, partial(_edge, name, events)))
    if board.gnss is not None and gnss:
        attempt("gnss", partial(board.gnss.start, lambda fix: events.put(FixReceived(fix))))
    if board.ignition is not None:
        attempt(
            "ignition", partial(board.ignition.start, lambda on, since_us: events.put(IgnitionChanged(on, since_us)))
        )
    return findings


def _not_had(name: str, error: DeviceError) -> Finding:
    return Finding("device-fault", f"{name}: 无法启用：{error}", f"{name}: cannot be used: {error}", name)


def _edge(name: str, events: queue.Queue[UnitEvent], pressed: bool, at_us: int) -> None:
    events.put(ButtonEdge(name, pressed, at_us))
