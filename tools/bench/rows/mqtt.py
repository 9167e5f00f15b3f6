"""MQTT: how fast a fleet comes back to its broker, against a bare paho loop."""

from __future__ import annotations

from collections.abc import Sequence

from tools.bench.measure import program
from tools.bench.model import Limit, Line, Spread
from tools.bench.workshop import Row, Workshop


def measure(shop: Workshop) -> Sequence[Line]:
    program("mosquitto")
    with shop.folder("mqtt") as folder:
        options = ["--units", str(shop.count(100, 20)), "--count", str(shop.count(9, 3))]
        _, answer = shop.job("mqtt", str(folder), *options)
    mine, bare, units = answer["ours_s"], answer["paho_s"], answer["units"]
    ratio = Spread.of([theirs / ours for ours, theirs in zip(mine, bare, strict=True)])
    return [
        Line(
            "mqtt",
            "双向 TLS 的 MQTT 连接速率，对裸 paho",
            "mutual TLS MQTT connects, against a bare paho loop",
            "×",
            ratio.median,
            ratio,
            f"{units / Spread.of(mine).median:.0f} /s",
            f"{units / Spread.of(bare).median:.0f} /s",
            Limit(">=", 0.75),
            Limit(">=", 0.95),
            f"{units} 个单元同时连接并订阅，客户端与 mosquitto 在同一台机器，TLS 1.3、P-256；证书每次重新读取",
            f"{units} units connect and subscribe at once, clients and mosquitto on one machine, TLS 1.3, P-256; "
            "credentials are read anew each time",
        )
    ]


ROW = Row("mqtt", "消息连接", "MQTT connects", measure)
