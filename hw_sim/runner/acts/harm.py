"""Kills, power, files that somebody removes: what no unit is asked about."""

from __future__ import annotations

from pathlib import Path

from hw_sim.devices.battery import Cell
from hw_sim.runner.journal_view import JournalView
from hw_sim.runner.result import Kill as KillFact
from hw_sim.runner.stage import Stage
from hw_sim.scenario_actions import DeleteFile, Discharge, Kill, PowerCut

DISCHARGE_STEP_S = 0.2


def kill(stage: Stage, action: Kill) -> None:
    _note(stage, action.process)
    if action.process in ("unit", "worker", "uplink"):
        stage.unit.kill(action.process)
        if action.process == "unit" and action.restart:
            stage.unit.start_unit()
        if action.process == "uplink" and action.restart:
            stage.unit.start_uplink()
    elif action.process == "store":
        stage.agency.kill_store()
        if action.restart:
            stage.agency.start_store()
    else:
        stage.agency.kill_broker()
        if action.restart:
            stage.agency.start_broker()


def power_cut(stage: Stage, action: PowerCut) -> None:
    _lose_power(stage, action.off_s)


def discharge(stage: Stage, action: Discharge) -> None:
    stage.world.set("external_power", False)
    cell = Cell(action.capacity_mah, action.resistance_mohm / 1000, action.percent / 100, noise_v=0.003, load_noise=0.1)
    _discharge_on(stage, cell, action, stage.now_s())


def _discharge_on(stage: Stage, cell: Cell, action: Discharge, before_s: float) -> None:
    now_s = stage.now_s()
    cell.draw(action.load_ma, now_s - before_s)
    if cell.empty:
        stage.world.set("external_power", True)  # what the unit finds when it starts again
        _lose_power(stage, action.off_s)
        return
    stage.world.set("battery_percent", cell.percent())
    stage.world.set("battery_voltage_v", max(0.0, cell.voltage_v()))
    stage.later(DISCHARGE_STEP_S, lambda: _discharge_on(stage, cell, action, now_s))


def _lose_power(stage: Stage, off_s: float) -> None:
    _note(stage, "all")
    stage.unit.power_cut()
    stage.run.stop.wait(off_s)
    stage.world.new_boot()
    stage.unit.start_unit()
    stage.unit.start_uplink()


def _note(stage: Stage, process: str) -> None:
    clock = stage.world.clock
    stage.run.kills.append(KillFact(process=process, boot=clock.boot_id(), at_us=clock.boottime_us()))


def delete_file(stage: Stage, action: DeleteFile) -> None:
    folder = stage.run.layout.unit
    view = stage.journal()
    found = sorted(folder.glob(action.pattern), key=lambda path: (path.stat().st_mtime_ns, path.name))
    chosen = [path for path in found if path.is_file() and may_be_taken(path, view, action.stored)][: action.count]
    if len(chosen) < action.count:
        stage.run.notes.unmet.append(f"delete-file {action.pattern}: {len(chosen)} / {action.count}")
    for path in chosen:
        path.unlink()
        name = path.relative_to(folder).as_posix()
        stage.run.notes.deleted.append(name)
        stage.run.say(f"          {name}")


def may_be_taken(path: Path, view: JournalView, stored: bool | None) -> bool:
    """No segment that is still open: that would be a fault of the disk, not a deleted recording."""
    segment = view.segments.get(path.name.partition(".")[0])
    if segment is None:
        return stored is None
    if segment.state == "open":
        return False
    return stored is None or stored == (segment.segment_id in view.receipted)
