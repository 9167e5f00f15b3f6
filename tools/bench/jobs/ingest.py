"""The ingest behind nginx: eight units at once, one stream beside ``curl -T`` to the same nginx's WebDAV, creations.

Every instance's peak memory is read while the eight are still connected.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from firmware_bridge.clock import SystemClock
from firmware_bridge.ports import Clock
from hw_sim.agency.authority import Authority
from hw_sim.agency.front import StoreFront, program
from hw_sim.agency.processes import accepts, free_port, stop, wait_until
from recorder.evidence.encoding import b64u
from recorder.evidence.enrol import CLIENT_REQUEST, DEVICE_REQUEST, make_requests
from recorder.evidence.files import OsFiles
from recorder.uplink.connection import ConnectionOptions
from recorder.uplink.facts import Segment
from recorder.uplink.http import StoreClient
from recorder.uplink.tus import Outcome, TusUploader
from tools.bench.jobs.upload import creation_headers
from tools.bench.processes import memory
from tools.bench.unit_side import new_id

OPTIONS = ConnectionOptions(connect_s=5.0, io_s=60.0, dscp=8)
INSTANCES = 2
DAV = """\
daemon off; pid {work}/pid; error_log {work}/error.log; user {user};
events {{}}
http {{
    access_log off; client_body_temp_path {work}/temp;
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {tls}/server-cert.pem; ssl_certificate_key {tls}/server-key.pem;
        ssl_client_certificate {ca}; ssl_verify_client on;
        client_max_body_size 0;
        location / {{ root {work}/files; dav_methods PUT; }}
    }}
}}
"""


class Unit:
    """One enrolled unit at the front on ``port``."""

    def __init__(self, authority: Authority, name: str, folder: Path, port: int, clock: Clock) -> None:
        self.tls = folder / "tls"
        self._clock = clock
        self._url = f"https://127.0.0.1:{port}"
        self.journal_id = new_id()
        bundle, files = folder / "bundle", OsFiles()
        make_requests(name, folder / "data", self.tls, bundle, files)
        enrolment = authority.enrol(
            name, (bundle / DEVICE_REQUEST).read_bytes(), (bundle / CLIENT_REQUEST).read_bytes()
        )
        (self.tls / "client-cert.pem").write_bytes(enrolment.client_cert_pem)
        (self.tls / "ca.pem").write_bytes(enrolment.ca_pem)

    def client(self) -> StoreClient:
        return StoreClient(self._url, self.tls, OPTIONS, self._clock)

    def segment(self, sha256: str, size: int) -> Segment:
        return Segment(
            journal_id=self.journal_id,
            seq=0,
            segment_id=new_id(),
            session_id=new_id(),
            sha256=sha256,
            size=size,
            closed_at=self._clock.wall_us() / 1e6,
        )

    def upload(self, file: Path, sha256: str, size: int) -> float:
        """Seconds for connection, creation and all bytes."""
        client = self.client()
        begin_us = self._clock.boottime_us()
        outcome = TusUploader(client, self._url, lambda: None).upload(self.segment(sha256, size), file, lambda: None)
        taken_us = self._clock.boottime_us() - begin_us
        client.close()
        if outcome is not Outcome.COMPLETE:
            raise click.ClickException(f"upload: {outcome}")
        return taken_us / 1e6

    def create(self, count: int) -> None:
        """On one connection, as an uplink does."""
        client = self.client()
        for _ in range(count):
            segment = self.segment(b64u(os.urandom(32)), 1000)
            answer = client.request("POST", "/uploads", creation_headers(segment))
            if answer.status != 201:
                raise click.ClickException(f"POST /uploads: {answer.status} {answer.body!r}")
        client.close()

    def put(self, file: Path, port: int) -> float:
        """Seconds of ``curl -T`` to the WebDAV server on ``port``, as curl reports them."""
        command = ["curl", "-sS", "-T", str(file), f"https://127.0.0.1:{port}/{new_id()}", "-H", "Expect:"]
        for name, option in (("ca.pem", "--cacert"), ("client-cert.pem", "--cert"), ("client-key.pem", "--key")):
            command += [option, str(self.tls / name)]
        command += ["-o", "/dev/null", "-w", "%{http_code} %{time_total}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        status, _, seconds = done.stdout.partition(" ")
        if status != "201":
            raise click.ClickException(f"curl: {done.returncode} {done.stdout} {done.stderr}")
        return float(seconds)


def together(works: list[Callable[[], object]]) -> None:
    """All at once, each on a thread. Raises what the first to fail raised."""
    errors: list[Exception] = []

    def run(work: Callable[[], object]) -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001  # raised below, on the thread that waits
            errors.append(error)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


@contextmanager
def webdav(folder: Path, authority: Authority, clock: Clock) -> Iterator[int]:
    """nginx's own WebDAV with the same certificates; gives its port."""
    work, port = folder / "dav", free_port()
    (work / "files").mkdir(parents=True)
    text = DAV.format(work=work, port=port, tls=authority.server_dir, ca=authority.ca_file, user="root root")
    (work / "nginx.conf").write_text(text, encoding="utf-8")
    log = work / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [program(), "-e", "stderr", "-p", str(work), "-c", str(work / "nginx.conf")], stdout=output, stderr=output
        )
        try:
            wait_until(lambda: accepts(port), process, clock, 20.0, "nginx", log)
            yield port
        finally:
            stop(process)


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--megabytes", default=40)
@click.option("--count", default=7, help="of each in turn, one stream")
@click.option("--streams", default=8)
@click.option("--creates", default=100, help="of each unit")
def main(folder: Path, megabytes: int, count: int, streams: int, creates: int) -> None:
    clock = SystemClock()
    folder = folder.absolute()
    size = megabytes * 1_000_000
    file = folder / "segment"
    file.write_bytes(os.urandom(size))
    sha256 = b64u(hashlib.sha256(file.read_bytes()).digest())
    authority = Authority(folder / "authority", clock)
    front = StoreFront(folder, folder / "store", authority, clock, instances=INSTANCES)
    front.start()
    try:
        units = [Unit(authority, f"bench-{n}", folder / f"unit-{n}", front.port, clock) for n in range(streams)]
        units[0].upload(file, sha256, size)  # the first request pays for imports
        ours, dav = [], []
        with webdav(folder, authority, clock) as port:
            for _ in range(count):
                ours.append(units[0].upload(file, sha256, size))
                dav.append(units[0].put(file, port))
        begin_us = clock.boottime_us()
        together([lambda unit=unit: unit.upload(file, sha256, size) for unit in units])  # type: ignore[misc]
        all_s = (clock.boottime_us() - begin_us) / 1e6
        begin_us = clock.boottime_us()
        together([lambda unit=unit: unit.create(creates) for unit in units])  # type: ignore[misc]
        creates_s = (clock.boottime_us() - begin_us) / 1e6
        pids = [pid for number in range(INSTANCES) if (pid := front.instance(number).pid) is not None]
        peaks = [memory(pid).peak for pid in pids]
    finally:
        front.stop()
    result = {
        "size": size,
        "ours_s": ours,
        "dav_s": dav,
        "streams": streams,
        "all_s": all_s,
        "creates": creates * streams,
        "creates_s": creates_s,
        "peaks": peaks,
    }
    click.echo(json.dumps(result))


if __name__ == "__main__":
    main()
