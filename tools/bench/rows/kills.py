"""Row 5: media lost when the power is cut while recording. SIGKILL keeps the page cache: order is shown, not durability."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from tools.bench.measure import program
from tools.bench.model import Limit, Line, MeasurementError, Spread
from tools.bench.simulation import scenario, simulate, unit
from tools.bench.workshop import Row, Workshop

SEED = 20191201


def shift(cuts: int) -> str:
    """Record, cut the power at random moments, let it record on by itself, and stop at the end."""
    rng = random.Random(SEED)
    actions: list[dict[str, Any]] = [{"at_s": 2.0, "do": "press", "button": "record"}]
    at_s = 3.0
    for _ in range(cuts):
        at_s += rng.uniform(4.0, 7.0)
        actions.append({"at_s": round(at_s, 3), "do": "power-cut", "off_s": 0.5})
    actions.append({"at_s": round(at_s + 6.0, 3), "do": "press", "button": "record", "hold_s": 2.0})
    return scenario(
        "bench-kills", at_s + 9.0, actions, unit(segment_s=5, pre_event_s=3, post_event_s=0), {"lux": 200.0}
    )


def losses(result: dict[str, Any], cuts: int) -> list[float]:
    """Seconds lost at each cut. The simulator leaves out a loss of more than 3 s, taking the unit to have been in standby;
    here every cut meets a recording, so one that is missing may be the worst of all. Raises MeasurementError then."""
    lost = [float(value) for value in result["media_lost_per_kill_s"]]
    if len(lost) != cuts:
        raise MeasurementError(
            f"kills: {len(lost)} / {cuts} 次断电有数字，其余可能丢失超过 3 s the others may have lost over 3 s"
        )
    return lost


def measure(shop: Workshop) -> Sequence[Line]:
    program("mosquitto")
    cuts = shop.count(12, 5)
    with shop.folder("kills") as folder:
        outcome = simulate(shop, folder, shift(cuts))
    lost = losses(outcome.result, cuts)
    spread = Spread.of(lost)
    wrong = outcome.result["frames_repeated"]
    note_zh = (
        "从断电到文件中最后一帧（逐帧解码核对），640×360、1.5 Mbit/s；"
        "断电是对全部进程 SIGKILL，页缓存仍在：证明次序，不证明落盘"
    )
    note_en = (
        "from the cut to the last frame that decodes from a file; the cut is SIGKILL of every process, which keeps the "
        "page cache: order is shown, not durability"
    )
    return [
        Line(
            "kills",
            "断电丢失的画面，最多",
            "media lost at a cut, most",
            "s",
            spread.high,
            spread,
            f"{len(lost)} 次 cuts, {wrong} 重复帧 frames repeated",
            "",
            Limit("<=", 1.0),
            None,
            note_zh,
            note_en,
        ),
        Line(
            "kills",
            "断电丢失的画面，中位数",
            "media lost at a cut, median",
            "s",
            spread.median,
            spread,
            "",
            "",
            None,
            Limit("<=", 0.4),
        ),
    ]


ROW = Row("kills", "断电丢失", "media lost at a power cut", measure)
