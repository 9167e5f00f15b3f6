"""Row 8: goodput of the uplink's client against curl to the same store, and what a broken line costs."""

from __future__ import annotations

from collections.abc import Sequence

from tools.bench.measure import program
from tools.bench.model import Limit, Line, MeasurementError, Spread
from tools.bench.workshop import Row, Workshop

CUT_MB, RATE_MB = 4.0, 8.0


def measure(shop: Workshop) -> Sequence[Line]:
    program("curl")
    count, megabytes = shop.count(9, 3), shop.count(48, 24)
    with shop.folder("upload") as folder:
        options = ["--megabytes", str(megabytes), "--count", str(count)]
        options += ["--cut-after-mb", str(CUT_MB), "--rate-mb", str(RATE_MB)]
        _, answer = shop.job("upload", str(folder), *options)
    mine, curl = answer["ours_s"], answer["curl_s"]
    ratio = Spread.of([theirs / ours for ours, theirs in zip(mine, curl, strict=True)])
    if not answer["faults"]:
        raise MeasurementError("upload: 线路没有中断 the line never broke")
    per_fault = answer["twice"] / answer["faults"] / 1e6
    size_mb = answer["size"] / 1e6
    return [
        Line(
            "upload",
            "上传有效速率，对 curl",
            "upload goodput against curl",
            "×",
            ratio.median,
            ratio,
            f"{size_mb / Spread.of(mine).median:.0f} MB/s",
            f"{size_mb / Spread.of(curl).median:.0f} MB/s",
            Limit(">=", 0.75),
            Limit(">=", 0.95),
            f"{size_mb:.0f} MB，双向 TLS，本机回环，同一存储及其 fsync 与回读校验；我方时间含建立上传的请求",
            f"{size_mb:.0f} MB, mutual TLS on loopback, the same store with its fsync and read-back; ours includes the "
            "creation request, curl's does not",
        ),
        Line(
            "upload",
            "每次断线重发的字节",
            "bytes sent twice per fault",
            "MB",
            per_fault,
            None,
            f"{answer['twice'] / 1e6:.2f} MB / {answer['faults']} 次 faults",
            "",
            Limit("<=", 0.5),
            Limit("<=", 0.1),
            f"每 {CUT_MB:g} MB 一次 RST，线路 {RATE_MB:g} MB/s、缓冲 128 KiB；发送缓冲 128 KiB",
            f"a reset each {CUT_MB:g} MB on a line of {RATE_MB:g} MB/s that buffers 128 KiB; send buffer 128 KiB",
        ),
    ]


ROW = Row("upload", "上传", "upload", measure)
