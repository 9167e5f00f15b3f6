"""MP4 → packet file: Annex-B frames and AAC units in order of time."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import av
import click
from av.bitstream import BitStreamFilterContext

from tools.bench.packet_file import RawPacket, write


def packets(source: Path) -> Iterator[RawPacket]:
    with av.open(str(source)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        annexb = BitStreamFilterContext("h264_mp4toannexb", video)
        for packet in container.demux(video, audio):
            if packet.pts is None or packet.time_base is None:
                continue  # the demuxer's flush packet
            at_us = round(packet.pts * packet.time_base * 1_000_000)
            if packet.stream is audio:
                if at_us >= 0:  # the encoder's priming lies before the first frame
                    yield RawPacket(False, False, at_us, bytes(packet))
                continue
            for whole in annexb.filter(packet):
                yield RawPacket(True, whole.is_keyframe, at_us, bytes(whole))


def main(source: Path, out: Path) -> None:
    ordered = sorted(packets(source), key=lambda packet: (packet.at_us, not packet.video))
    write(out, ordered)
    click.echo(json.dumps({"packets": len(ordered), "bytes": sum(len(packet.data) for packet in ordered)}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
