"""``hw-sim fleet --units N``: from the options to a run, its judgement and what is written of it."""

from __future__ import annotations

import shutil
import signal
import threading
from collections.abc import Callable
from pathlib import Path

from hw_sim.agency.authority import AuthorityError
from hw_sim.agency.objects.ports import ObjectStoreError
from hw_sim.agency.objects.settings import SettingsError
from hw_sim.agency.processes import AgencyError
from hw_sim.fleet_run.judge import judge
from hw_sim.fleet_run.page import write_section
from hw_sim.fleet_run.picture import picture
from hw_sim.fleet_run.plan import FleetPlan
from hw_sim.fleet_run.report import summary, table, write_database, write_result
from hw_sim.fleet_run.run import FleetRun
from recorder.evidence.enrol import EnrolError
from recorder.loading import system_clock

PASSED, VIOLATED, CANNOT_RUN, INTERRUPTED = 0, 1, 2, 130
MARKER = "unit.toml"
"""What every folder of a run holds: another folder is nobody's to clear."""


def limit_s(units: int) -> float:
    """A run that is not finished by then is judged as it is: unfinished units are violations."""
    return 120.0 + 4.0 * units


def run_fleet(
    plan: FleetPlan,
    out: Path,
    objects: str,
    write: Path | None,
    say: Callable[[str], None],
    complain: Callable[[str], None],
) -> int:
    """The exit code. Everything that was started has ended when it returns, however it ends."""
    out = out.absolute()
    if out.exists() and any(out.iterdir()):
        if not (out / MARKER).is_file():
            complain(f"{out}: 不是先前运行的文件夹，不会清空 is no folder of an earlier run and will not be cleared")
            return CANNOT_RUN
        shutil.rmtree(out)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    run = FleetRun(plan, out, system_clock(), stop, say, limit_s(plan.units), objects)
    try:
        run.execute()
        if stop.is_set():
            complain("已中断 interrupted")
            return INTERRUPTED
        say(f"运行 the run: {run.seconds:.0f} s; 从磁盘判定 judging from the disk …")
        judged = judge(out, objects, plan.seed)
    except (AgencyError, AuthorityError, EnrolError, ObjectStoreError, SettingsError, OSError, RuntimeError) as error:
        complain(f"{error}\n日志 logs: {out / 'agency'}")
        return CANNOT_RUN
    values = summary(run, judged)
    say(table(values))
    say(f"{write_result(out, values)}\n{write_database(out, run, judged, values)}")
    for text in values["violations"]:
        complain(text)
    if write is not None:
        drawing = write_section(write, values, picture(judged, plan.line_rate))
        say(f"{write}\n{drawing}")
    return PASSED if values["passed"] else VIOLATED
