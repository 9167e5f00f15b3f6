"""Row 4: every frame exactly once across splits, and how far sound is from picture with a microphone that drifts."""

from __future__ import annotations

from collections.abc import Sequence

from tools.bench.footage import Shape, footage
from tools.bench.model import Limit, Line
from tools.bench.workshop import Row, Workshop

STREAM = Shape(10, 320, 180, 300)
PPM = (200.0, -200.0)


def measure(shop: Workshop) -> Sequence[Line]:
    packets = str(footage(shop, STREAM).packets)
    seconds = shop.count(3600, 300)
    answers = []
    for ppm in PPM:
        with shop.folder("splits") as out:
            _, answer = shop.job("splits", packets, str(out), "--seconds", str(seconds), "--ppm", str(ppm))
            answers.append(answer)
    wrong = sum(answer["missing"] + answer["repeated"] + answer["out_of_order"] for answer in answers)
    stamped = max(answer["stamped_ms"] for answer in answers)
    straight = max(answer["straight_ms"] for answer in answers)
    segments = sum(answer["segments"] for answer in answers)
    frames = sum(answer["in_files"] for answer in answers)
    tones = sum(answer["tones"] for answer in answers)
    lost = sum(answer["lost_tones"] for answer in answers)
    length = f"2 × {seconds // 60} min"
    return [
        Line(
            "splits",
            "分段处缺失、重复、错序的帧",
            "frames missing, repeated or out of order",
            "",
            wrong,
            None,
            f"{frames} 帧 frames, {segments} 段 segments",
            f"{sum(answer['fed'] for answer in answers)} 帧送入 frames fed",
            Limit("<=", 0),
            None,
            f"{length}，时间戳抖动 ±300 µs；按文件中的 SEI 编号逐帧核对",
            f"{length}, time stamps jittered by ±300 µs; counted by the SEI numbers in the files",
        ),
        Line(
            "splits",
            "音画偏差最大值，麦克风 ±200 ppm",
            "A/V, largest, microphone ±200 ppm",
            "ms",
            straight,
            None,
            f"{tones} 个提示音 tones, {lost} 缺 lost",
            "",
            Limit("<=", 20),
            Limit("<=", 5),
            f"最坏情形：播放器在一段内只按采样数播放，不看时间戳；按时间戳播放时最大 {stamped:.1f} ms",
            "worst case: a player that counts samples through a segment and ignores time stamps; following them it is at "
            f"most {stamped:.1f} ms",
        ),
    ]


ROW = Row("splits", "分段处的帧与音画同步", "frames and sound at splits", measure)
