"""``recorder status``: what the unit is doing, also when it is not doing anything any more."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from recorder.channel.places import control_socket
from recorder.cli import config_option, language, load, say
from recorder.health.status_file import STATUS_FILE, UPLINK_STATUS_FILE, last_word
from recorder.health.text import standing_line, status_lines
from recorder.loading import system_clock
from recorder.unit.control_client import ControlError, request

HEALTHY, FAULTS, UNREACHABLE = 0, 1, 2
TIMEOUT_S = 5.0


@click.command("status")
@click.option("--json", "as_json", is_flag=True, help="JSON 输出 as JSON")
@config_option
def status_command(as_json: bool, config_files: tuple[Path, ...]) -> None:
    """显示状态 · what the unit is doing. 退出码 exit: 0 正常 healthy · 1 有故障 faults · 2 无法连接 unreachable."""
    run_dir = Path(load(config_files).config.storage.run_dir)
    # The file outlives a unit that was killed, and then still says that it records: ask the unit itself first.
    try:
        answer = request(control_socket(run_dir), {"cmd": "status"}, timeout_s=TIMEOUT_S)
        boot_id, now_us, reachable = str(answer.get("boot_id")), int(answer.get("at_us", 0)), True
    except ControlError as error:
        click.echo(say(f"错误：{error.zh}", f"error: {error.en}"), err=True)
        clock = system_clock()
        boot_id, now_us, reachable = clock.boot_id(), clock.boottime_us(), False
    word = last_word(run_dir / STATUS_FILE, boot_id, now_us)
    uplink = uplink_status(run_dir)
    if as_json:
        about = {"reachable": reachable, "standing": word.standing, "age_s": word.age_s, "uplink": uplink}
        click.echo(json.dumps({**about, **word.status}, ensure_ascii=False, indent=2))
    else:
        if not reachable or word.standing != "fresh":
            click.echo(standing_line(word.standing, word.age_s, word.status.get("boot_id"), language()))
        for line in status_lines(word.status, uplink, language()) if word.status else ():
            click.echo(line)
    if not reachable or not word.status:
        sys.exit(UNREACHABLE)
    sys.exit(FAULTS if word.status.get("faults") or (uplink or {}).get("faults") else HEALTHY)


def uplink_status(run_dir: Path) -> dict[str, Any] | None:
    """What the uplink last wrote; None without a readable file or when the process that wrote it is gone."""
    try:
        status = json.loads((run_dir / UPLINK_STATUS_FILE).read_bytes())
    except (OSError, ValueError):
        return None
    if not isinstance(status, dict) or not Path(f"/proc/{status.get('pid')}").exists():
        return None
    return status
