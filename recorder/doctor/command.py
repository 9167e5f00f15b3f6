"""``recorder doctor``. Exit codes: 0 all well · 1 warnings · 2 faults, or the check itself could not begin."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import click

from firmware_bridge.in_time import in_time, leave
from firmware_bridge.ports import Check, Clock, Verdict
from recorder.cli import config_option, language, load, say

if TYPE_CHECKING:
    from recorder.config.load import Loaded
    from recorder.doctor.devices import Limits

EXIT: Final[dict[Verdict, int]] = {"ok": 0, "warning": 1, "fault": 2}
SIGN: Final[dict[Verdict, str]] = {"ok": "✓", "warning": "!", "fault": "✗"}
MARGIN_S: Final = 5.0
SILENCE_S: Final = 40.0
"""For all but the board, which takes longer: :func:`board_silence_s`."""
MOUNTINFO: Final = Path("/proc/self/mountinfo")


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="JSON 输出 as JSON")
@config_option
def doctor_command(as_json: bool, config_files: tuple[Path, ...]) -> None:
    """检查设备 · check every device of the board and what else a recording needs; say what to do about each.

    可在记录单元运行时使用 it may run beside the unit. 退出码 exit: 0 正常 well · 1 有警告 warnings · 2 有故障 faults.
    """
    from recorder.loading import system_clock

    loaded, worst = load(config_files, quiet=True), 0
    found: list[Check] = []
    for check in examine(loaded, system_clock()):
        found.append(check)
        worst = max(worst, EXIT[check.verdict])
        if not as_json:
            click.echo(line(check, language()))
    if as_json:
        click.echo(json.dumps([asdict(check) for check in found], ensure_ascii=False, indent=2))
    else:
        click.echo(summary(found))
    leave(worst)


def examine(loaded: Loaded, clock: Clock, limits: Limits | None = None) -> Iterator[Check]:
    """All checks, in order. Raises nothing: what breaks or hangs is a fault of its own and the next device is looked at.
    ``limits``: of the board's devices."""
    from recorder.doctor import identity, software, storage
    from recorder.unit.control_client import request

    config = loaded.config

    def ask(path: Path, message: dict[str, Any]) -> dict[str, Any]:
        return request(path, message, timeout_s=3)

    steps: tuple[tuple[str, Callable[[], Iterator[Check]]], ...] = (
        ("configuration", lambda: software.configuration(loaded)),
        ("unit", lambda: iter([software.unit(Path(config.storage.run_dir), ask)])),
        ("board", lambda: board(loaded, limits)),
        ("storage", lambda: storage.storage(config, clock, MOUNTINFO.read_text(encoding="utf-8"))),
        ("keys", lambda: identity.identity(config, clock)),
        ("uplink", lambda: software.uplink(config)),
    )
    for device, step in steps:
        yield from in_time(device, step, board_silence_s(limits) if device == "board" else SILENCE_S)


def board_silence_s(limits: Limits | None = None) -> float:
    """Longer than the board's process may be silent in order, or the board would be named and not the device that hangs,
    and the others left out: one is killed, the next loads the board's module, begins a device and looks at it, and ends."""
    from recorder.doctor.devices import KILLED_S, Limits

    limits = limits or Limits()
    return KILLED_S + limits.start_s + 2 * limits.look_s + KILLED_S + MARGIN_S


def board(loaded: Loaded, limits: Limits | None = None) -> Iterator[Check]:
    """The board's own checks, in another process."""
    from recorder.board_options import board_options
    from recorder.doctor.devices import CannotDiagnose, devices
    from recorder.doctor.looking import Question

    config = loaded.config
    named = config.board.file or say("（无板卡文件）", "(no board file)")
    options = board_options(config.model_dump(mode="json"))
    found = devices(Question(config.board.module, options, sorted(config.cameras)), limits)
    try:
        first = next(found, None)
    except CannotDiagnose as error:
        if error.reason:
            yield Check("board", "fault", error.reason, error.reason, "核对 [board] module", "check [board] module")
            return
        seen = (f"{config.board.module} 不能自检", f"{config.board.module} cannot look at itself")
        advice = ("其设备须另行检查", "look at its devices in another way")
        yield Check("board", "warning", *seen, *advice)
        return
    if first is None or first.device != "board":
        yield Check("board", "ok", f"{named} · {config.board.module}", f"{named} · {config.board.module}")
    for check in chain([first] if first is not None else [], found):
        if check.device != "microphone" or config.audio.enabled:
            yield check


def line(check: Check, tongue: Literal["zh", "en"]) -> str:
    """One or two lines: what was seen, and what to do."""
    seen, advice = (check.zh, check.advice_zh) if tongue == "zh" else (check.en, check.advice_en)
    text = f"{SIGN[check.verdict]} {check.device:<22} {seen}"
    return f"{text}\n{'':25}→ {advice}" if advice else text


def summary(found: list[Check]) -> str:
    faults = sum(check.verdict == "fault" for check in found)
    warnings = sum(check.verdict == "warning" for check in found)
    return say(
        f"{len(found)} 项检查：{faults} 项故障，{warnings} 项警告",
        f"{len(found)} check(s): {faults} fault(s), {warnings} warning(s)",
    )
