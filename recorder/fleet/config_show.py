"""Roll-outs as people read them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

import click

from recorder.cli import say
from recorder.fleet import rollout as ro
from recorder.fleet.rollout import Rollout
from recorder.fleet.units_commands import moment, table
from recorder.fleet.words import fault_words, phase_word, state_word

SHOWN: Final = 10
"""Names of units on one line; all of them are in the table of ``status`` and in ``--json``."""


def print_rollout(rollout: Rollout) -> None:
    plan = rollout.plan
    counted = [f"{state_word(state)} {count}" for state, count in ro.counts(rollout).items()]
    told, phase = say("，", ", ").join(counted), phase_word(rollout.phase)
    stage = f"{rollout.stage + 1}/{len(plan.percent)}"
    click.echo(
        say(
            f"{plan.rollout_id}  版本 {_span(rollout)}  {phase}  阶段 {stage}  {told}",
            f"{plan.rollout_id}  version {_span(rollout)}  {phase}  stage {stage}  {told}",
        )
    )
    if rollout.why is not None:
        click.echo(f"  {say(rollout.why.zh, rollout.why.en)}")
    _named(ro.without_result(rollout), "尚无结果（不计为失败）", "without a result (not counted as failed)")
    _named(
        ro.not_taken_back(rollout),
        "未能恢复原配置（设备拒绝或撤回了恢复指令），请逐台查看",
        "not taken back, the unit refused what it had before or rolled it back; look into each",
    )
    _named(
        ro.passed_over(rollout), "已有更新的下发，本任务不再下发", "a newer order is out, this one is not sent any more"
    )


def _named(units: Sequence[str], zh: str, en: str) -> None:
    if units:
        names = " ".join(units[:SHOWN]) + (" …" if len(units) > SHOWN else "")
        click.echo(say(f"  {zh}：{len(units)} 台：{names}", f"  {en}: {len(units)}: {names}"))


def _span(rollout: Rollout) -> str:
    """Units may have it under versions of their own."""
    versions = sorted({member.version for member in rollout.members})
    return f"{versions[0]}" if len(versions) == 1 else f"{versions[0]}–{versions[-1]}"


def print_all(rollouts: Sequence[Rollout], as_json: bool) -> None:
    if as_json:
        told = [
            {
                "rollout_id": each.plan.rollout_id,
                "created_at": each.plan.created_at,
                "versions": sorted({member.version for member in each.members}),
                "phase": each.phase,
                "stage": each.stage,
                "counts": ro.counts(each),
                "without_result": list(ro.without_result(each)),
            }
            for each in rollouts
        ]
        click.echo(json.dumps(told, ensure_ascii=False, indent=2))
        return
    if not rollouts:
        click.echo(say("还没有下发任务", "there is no roll-out yet"))
    for each in rollouts:
        print_rollout(each)


def print_members(rollout: Rollout) -> None:
    rows = [
        [
            each.unit_id,
            str(each.version),
            state_word(each.state) + say("（超时未定）", " (overdue)") * each.overdue,
            fault_words(each.new_faults) or "–",
            moment(each.sent_at),
            moment(each.applied_at),
        ]
        for each in rollout.members
    ]
    titles = [
        ("设备", "unit"),
        ("版本", "version"),
        ("状态", "state"),
        ("新故障", "new faults"),
        ("下发", "sent"),
        ("生效", "applied"),
    ]
    table([say(*title) for title in titles], rows)
