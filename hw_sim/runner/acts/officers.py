"""What officers and their duty desk do: buttons, ``recorder ctl``, assignments, the answer to the unit's question."""

from __future__ import annotations

from hw_sim.awaited import Awaited, parse_awaited
from hw_sim.runner.stage import Pause, Stage, Taking
from hw_sim.runner.unit_processes import ProcessError
from hw_sim.scenario import clip_path
from hw_sim.scenario_actions import (
    GAIN_DB,
    Assign,
    Context,
    Ctl,
    Explain,
    MarkAs,
    Press,
    Shift,
    ShowCode,
    SignIn,
    Stop,
    Wait,
)

PRESS_S = 0.15
BETWEEN_PRESSES_S = 0.45
BREATH_S = 0.8
"""Longer than the 500 ms behind a prompt that do not count as an answer."""
ASKED_WITHIN_S = 30.0
ANSWERED_WITHIN_S = 15.0


def press(stage: Stage, action: Press) -> None:
    stage.press(action.button, action.hold_s)


def sign_in(stage: Stage, action: SignIn) -> None:
    stage.unit.control("sign-in", "--name", action.name, "--cert-no", action.cert_no)


def assign(stage: Stage, action: Assign) -> None:
    answer = stage.agency.assign(stage.run.unit_id, action.name, action.cert_no)
    stage.run.say(f"          {answer.get('result')} {answer.get('code', '')}".rstrip())


def show_code(stage: Stage, action: ShowCode) -> None:
    stage.world.set("camera.qr", stage.agency.authority.assignment(stage.run.unit_id, action.name, action.cert_no))
    stage.later(action.for_s, lambda: stage.world.set("camera.qr", ""))


def shift(stage: Stage, action: Shift) -> None:
    stage.unit.control("shift", action.action)


def mark_as(stage: Stage, action: MarkAs) -> None:
    stage.unit.control("mark", "--kind", action.kind)


def stop(stage: Stage, action: Stop) -> None:
    stage.unit.control("stop", *(("--reason", action.reason) if action.reason else ()))


def context(stage: Stage, action: Context) -> None:
    options: list[str] = []
    for name in ("mode", "stage", "kind", "item", "entrusting_agency"):
        if value := getattr(action, name):
            options += [f"--{name.replace('_', '-')}", value]
    for document in action.documents:
        options += ["--document", document]
    stage.unit.control("context", *options)


def ctl(stage: Stage, action: Ctl) -> None:
    if action.refused:
        refused(stage, *action.arguments)
    else:
        stage.unit.control(*action.arguments)


def refused(stage: Stage, *arguments: str) -> None:
    """A command that must not succeed; its reason is noted."""
    try:
        stage.unit.control(*arguments)
    except ProcessError as error:
        reason = str(error).splitlines()[-1]
        stage.run.notes.refused.append(reason)
        stage.run.say(f"          {reason}")
    else:
        stage.run.notes.unmet.append(f"没有被拒绝 was not refused: {' '.join(arguments)}")


def wait(stage: Stage, action: Wait) -> Taking:
    yield stage.until(parse_awaited(action.until), action.timeout_s)


def explain(stage: Stage, action: Explain) -> Taking:
    """Hear the question out, speak, press mark; choose the class when the unit offers it."""
    yield stage.until(Awaited("prompt", action.prompt), ASKED_WITHIN_S)
    yield Pause(BREATH_S)
    sound = stage.world.play(clip_path(action.clip), GAIN_DB["officer"])
    yield Pause((sound.end_us - sound.at_us) / 1e6 + BREATH_S)
    stage.press("mark", PRESS_S)
    yield stage.until(Awaited("record", "explanation"), ANSWERED_WITHIN_S)
    if action.presses:
        yield stage.until(Awaited("prompt", "reason-help"), ANSWERED_WITHIN_S)
        for _ in range(action.presses):
            stage.press("mark", PRESS_S)
            yield Pause(BETWEEN_PRESSES_S)
        yield stage.until(Awaited("record", "explanation"), ANSWERED_WITHIN_S)
