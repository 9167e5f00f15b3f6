"""Uploads of one file to an agency store, by the uplink's own client and by curl in turn; then over a line that breaks."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from firmware_bridge.clock import SystemClock
from firmware_bridge.ports import Clock
from recorder.evidence.encoding import b64u
from recorder.evidence.signer import load_or_create_key
from recorder.uplink.connection import ConnectionOptions
from recorder.uplink.facts import Segment
from recorder.uplink.faults import LinkFault
from recorder.uplink.http import StoreClient
from recorder.uplink.tus import TUS, Outcome, TusUploader
from tools.bench.cut_proxy import CutProxy
from tools.bench.pki import tls
from tools.bench.unit_side import new_id

READY_S = 20.0
OPTIONS = ConnectionOptions(connect_s=5.0, io_s=20.0, dscp=8)


@contextmanager
def store(folder: Path, clock: Clock) -> Iterator[int]:
    """A running agency store (a process of its own); gives its port."""
    tls(folder / "client", folder / "server", clock)
    load_or_create_key(folder / "store-key.pem")
    ready, log = folder / "ready", folder / "store.log"
    command = [sys.executable, "-m", "hw_sim.agency.store", "--root", str(folder / "store")]
    command += ["--tls", str(folder / "server"), "--ca", str(folder / "client" / "ca.pem")]
    command += ["--store-key", str(folder / "store-key.pem"), "--ready-file", str(ready)]
    pause = threading.Event()
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT) as process:
        try:
            deadline_us = clock.boottime_us() + round(READY_S * 1e6)
            while not ready.exists():
                if process.poll() is not None or clock.boottime_us() > deadline_us:
                    raise click.ClickException(
                        f"存储未启动 the store did not start:\n{log.read_text(errors='replace')}"
                    )
                pause.wait(0.02)
            yield int(ready.read_text())
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(20)


def creation_headers(segment: Segment) -> dict[str, str]:
    """Of ``POST /uploads`` (docs/wire.md)."""
    members = {
        "journal_id": segment.journal_id,
        "session_id": segment.session_id,
        "segment_id": segment.segment_id,
        "sha256": segment.sha256,
    }
    metadata = ",".join(f"{name} {base64.b64encode(value.encode()).decode()}" for name, value in members.items())
    return {**TUS, "Upload-Length": str(segment.size), "Upload-Metadata": metadata, "Content-Length": "0"}


class Uploads:
    """``file`` to the store on ``port``, as a new segment each time."""

    def __init__(self, file: Path, client: Path, port: int, clock: Clock) -> None:
        self._file = file
        self._client = client
        self._port = port
        self._clock = clock
        self._size = file.stat().st_size
        self._sha256 = b64u(hashlib.sha256(file.read_bytes()).digest())
        self._journal_id = new_id()

    def _segment(self) -> Segment:
        return Segment(
            journal_id=self._journal_id,
            seq=0,
            segment_id=new_id(),
            session_id=new_id(),
            sha256=self._sha256,
            size=self._size,
            closed_at=self._clock.wall_us() / 1e6,
        )

    def ours(self) -> float:
        """Seconds for connection, creation and all bytes."""
        store_client = StoreClient(f"https://127.0.0.1:{self._port}", self._client, OPTIONS, self._clock)
        uploader = TusUploader(store_client, f"https://127.0.0.1:{self._port}", lambda: None)
        begin_us = self._clock.boottime_us()
        outcome = uploader.upload(self._segment(), self._file, lambda: None)
        taken_us = self._clock.boottime_us() - begin_us
        store_client.close()
        if outcome is not Outcome.COMPLETE:
            raise click.ClickException(f"upload: {outcome}")
        return taken_us / 1e6

    def curl(self) -> float:
        """Seconds for connection and all bytes, as curl itself reports; creation is done before."""
        location = self._create(self._segment())
        command = ["curl", "-sS", "-X", "PATCH", "-T", str(self._file), f"https://127.0.0.1:{self._port}{location}"]
        for name, option in (("ca.pem", "--cacert"), ("client-cert.pem", "--cert"), ("client-key.pem", "--key")):
            command += [option, str(self._client / name)]
        for header in (
            "Tus-Resumable: 1.0.0",
            "Upload-Offset: 0",
            "Content-Type: application/offset+octet-stream",
            "Expect:",
        ):
            command += ["-H", header]
        done = subprocess.run(
            [*command, "-o", "/dev/null", "-w", "%{http_code} %{time_total}"],
            capture_output=True,
            text=True,
            check=False,
        )
        status, _, seconds = done.stdout.partition(" ")
        if status != "204":
            raise click.ClickException(f"curl: {done.returncode} {done.stdout} {done.stderr}")
        return float(seconds)

    def _create(self, segment: Segment) -> str:
        """Path of a new upload (docs/wire.md)."""
        client = StoreClient(f"https://127.0.0.1:{self._port}", self._client, OPTIONS, self._clock)
        answer = client.request("POST", "/uploads", creation_headers(segment))
        client.close()
        if answer.status != 201:
            raise click.ClickException(f"POST /uploads: {answer.status} {answer.body!r}")
        return answer.headers["location"]

    def over(self, proxy: CutProxy) -> tuple[int, int]:
        """(bytes sent more than once, faults) over a line that breaks."""
        url = f"https://127.0.0.1:{proxy.port}"
        client = StoreClient(url, self._client, OPTIONS, self._clock)
        uploader = TusUploader(client, url, lambda: None)
        segment = self._segment()
        while True:
            try:
                outcome = uploader.upload(segment, self._file, lambda: None)
                break
            except LinkFault:
                continue  # the scheduler would wait; here the line is back at once
        client.close()
        if outcome is not Outcome.COMPLETE:
            raise click.ClickException(f"upload: {outcome}")
        return client.body_bytes_sent - self._size, proxy.cuts


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--megabytes", default=48)
@click.option("--count", default=7)
@click.option("--cut-after-mb", default=4.0)
@click.option("--rate-mb", default=8.0, help="of the line that breaks, MB/s")
def main(folder: Path, megabytes: int, count: int, cut_after_mb: float, rate_mb: float) -> None:
    clock = SystemClock()
    file = folder / "segment"
    file.write_bytes(os.urandom(megabytes * 1_000_000))
    mine, curl = [], []
    with store(folder, clock) as port:
        uploads = Uploads(file, folder / "client", port, clock)
        uploads.ours()  # the store's first request pays for its imports
        for _ in range(count):
            mine.append(uploads.ours())
            curl.append(uploads.curl())
        proxy = CutProxy(port, clock, cut_after=round(cut_after_mb * 1e6), rate=rate_mb * 1e6)
        try:
            twice, faults = uploads.over(proxy)
        finally:
            proxy.close()
    size = megabytes * 1_000_000
    click.echo(json.dumps({"size": size, "ours_s": mine, "curl_s": curl, "twice": twice, "faults": faults}))


if __name__ == "__main__":
    main()
