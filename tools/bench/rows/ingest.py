"""The store's ingest behind nginx: memory at eight streams, one stream against nginx's own WebDAV, creations a second."""

from __future__ import annotations

from collections.abc import Sequence

from tools.bench.measure import program
from tools.bench.model import Limit, Line, Spread
from tools.bench.workshop import Row, Workshop


def measure(shop: Workshop) -> Sequence[Line]:
    program("curl")
    program("nginx")
    with shop.folder("ingest") as folder:
        options = ["--megabytes", str(shop.count(40, 16)), "--count", str(shop.count(7, 3))]
        options += ["--creates", str(shop.count(200, 40))]
        _, answer = shop.job("ingest", str(folder), *options)
    size_mb, streams = answer["size"] / 1e6, answer["streams"]
    ours, dav = answer["ours_s"], answer["dav_s"]
    ratio = Spread.of([theirs / mine for mine, theirs in zip(ours, dav, strict=True)])
    peaks = Spread.of([peak / 1e6 for peak in answer["peaks"]])
    where_zh = f"nginx 之后两个实例，双向 TLS，本机回环；{size_mb:.0f} MB 的片段，fsync 与回读校验"
    where_en = f"two instances behind nginx, mutual TLS on loopback; segments of {size_mb:.0f} MB, fsync and read-back"
    return [
        Line(
            "ingest",
            f"接收进程内存峰值，{streams} 路",
            f"peak RSS of an ingest instance, {streams} streams",
            "MB",
            peaks.high,
            peaks,
            hold=Limit("<=", 64),
            note_zh=where_zh,
            note_en=where_en,
        ),
        Line(
            "ingest",
            "单路有效速率，对 nginx WebDAV",
            "goodput of one stream against nginx WebDAV",
            "×",
            ratio.median,
            ratio,
            f"{size_mb / Spread.of(ours).median:.0f} MB/s",
            f"{size_mb / Spread.of(dav).median:.0f} MB/s",
            Limit(">=", 0.5),
            note_zh="我方：上传客户端，含建立请求、fsync、回读校验；对方：curl -T，无 fsync、无校验",
            note_en="ours: the uplink's client with its creation, fsync and read-back; curl -T has neither sync nor check",
        ),
        Line(
            "ingest",
            f"{streams} 路合计",
            f"{streams} streams together",
            "MB/s",
            size_mb * streams / answer["all_s"],
            note_zh="客户端、nginx 与存储在同样的两个核上",
            note_en="clients, nginx and store on the same two cores",
        ),
        Line(
            "ingest",
            "每秒新建上传",
            "creations per second",
            "/s",
            answer["creates"] / answer["creates_s"],
            note_zh=f"{streams} 台设备，各一条连接；每次创建三次提交（限额、登记）和一个文件",
            note_en=f"{streams} units, a connection each; every creation is a file and its commits",
        ),
    ]


ROW = Row("ingest", "接收", "ingest", measure)
