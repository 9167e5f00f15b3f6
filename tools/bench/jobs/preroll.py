"""Fill the pre-event ring with fresh packets, let it turn over, and say what the process grew by."""

from __future__ import annotations

import gc
import json
from pathlib import Path

import click

from recorder.capture.packet_log import PacketLog
from tools.bench.packet_file import read
from tools.bench.processes import memory


@click.command()
@click.argument("packets", type=click.Path(path_type=Path))
@click.option("--pre-s", default=30.0)
@click.option("--turns", default=3, help="how often the stream passes through the ring")
def main(packets: Path, pre_s: float, turns: int) -> None:
    log = PacketLog(round(pre_s * 1e6), 512 << 20)
    for packet in read(packets):
        if packet.at_us > 2_000_000:
            break
    last = 0
    gc.collect()
    before = memory("self")
    shift = 0
    for _ in range(turns):
        for packet in read(packets):
            last = packet.at_us
            log.push(packet.at(shift))
        shift += last + 33_333
    gc.collect()
    after = memory("self")
    payload = log.state().bytes
    click.echo(json.dumps({"payload": payload, "grown": after.rss - before.rss, "frames": log.state().frames}))


if __name__ == "__main__":
    main()
