"""Row 7: the capture worker is killed, and the camera stalls: how soon there are frames again, how soon it is noticed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tools.bench.measure import program
from tools.bench.model import Limit, Line, MeasurementError, Spread
from tools.bench.simulation import Outcome, scenario, simulate, unit
from tools.bench.workshop import Row, Workshop

APART_S = 33.0
"""A worker counts as healthy after 30 s; sooner, the next restart would wait longer, as it should."""
STALL_S = 5.0


def shift(kills: int, stalls: int) -> str:
    actions: list[dict[str, Any]] = [{"at_s": 2.0, "do": "press", "button": "record"}]
    at_s = 5.0
    for number in range(kills):
        actions.append({"at_s": at_s + 0.237 * number, "do": "kill", "process": "worker"})
        at_s += APART_S
    for number in range(stalls):
        begin_s = at_s + 0.237 * number
        actions.append({"at_s": begin_s, "do": "fault", "component": "worker", "mode": "stuck"})
        actions.append({"at_s": begin_s + STALL_S, "do": "fault", "component": "worker", "mode": "ok"})
        at_s += APART_S
    actions.append({"at_s": at_s, "do": "press", "button": "record", "hold_s": 2.0})
    values = unit(segment_s=10, pre_event_s=3, post_event_s=0)
    return scenario("bench-worker", at_s + 4.0, actions, values, {"lux": 200.0})


def restarts(outcome: Outcome) -> list[float]:
    """Seconds from each kill of a worker to the first new frame."""
    ends = [r.payload["to_us"] for r in outcome.of("resumption")]
    kills = [kill["at_us"] for kill in outcome.result["kills"] if kill["process"] == "worker"]
    return [(min(end for end in ends if end > at) - at) / 1e6 for at in kills if any(end > at for end in ends)]


def noticed(outcome: Outcome) -> list[float]:
    """Seconds from each moment the camera stopped to the record that says so. The world's moment, not the interruption's
    ``from_us``: sound goes on when the picture stops, and what is signed reaches as far as the sound."""
    faults = [
        r.payload["uptime_us"]
        for r in outcome.of("fault")
        if r.payload["code"] == "camera-stall" and r.payload["phase"] == "onset"
    ]
    stops = [change.at_us for change in outcome.changes if (change.key, change.value) == ("worker.failure", "stuck")]
    return [(min(at for at in faults if at > stop) - stop) / 1e6 for stop in stops if any(at > stop for at in faults)]


def measure(shop: Workshop) -> Sequence[Line]:
    program("mosquitto")
    kills, stalls = shop.count(4, 1), shop.count(3, 1)
    with shop.folder("worker") as folder:
        outcome = simulate(shop, folder, shift(kills, stalls), observe=True)
    again, seen = restarts(outcome), noticed(outcome)
    if len(again) != kills or len(seen) != stalls:
        raise MeasurementError(f"worker: {len(again)}/{kills} 重启 restarts, {len(seen)}/{stalls} 停顿 stalls")
    first, stall = Spread.of(again), Spread.of(seen)
    return [
        Line(
            "worker",
            "采集进程被杀到首个新帧，最长",
            "worker killed to first new frame, longest",
            "s",
            first.high,
            first,
            "",
            "",
            Limit("<=", 1.5),
            Limit("<=", 0.7),
            "SIGKILL 到日志 resumption 的画面时刻，640×360 软件编码",
            "from SIGKILL to the frame of the journal's resumption record, 640×360, software encoder",
        ),
        Line(
            "worker",
            "摄像头停顿到被发现，最长",
            "camera stall noticed, longest",
            "s",
            stall.high,
            stall,
            "",
            "",
            Limit("<=", 2.0),
            None,
            "仿真摄像头停止到日志写入 camera-stall 故障",
            "from the moment the simulated camera stops to the journal's camera-stall fault",
        ),
    ]


ROW = Row("worker", "采集进程重启", "worker restart", measure)
