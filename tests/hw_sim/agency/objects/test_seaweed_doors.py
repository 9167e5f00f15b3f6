"""SeaweedFS's own doors beside S3.

Each is tried on a SeaweedFS as it comes (the object is gone: the door is real) and on one configured as
docs/object-stores.md says (refused, the object still reads back).
"""

from __future__ import annotations

import http.client
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from firmware_bridge.clock import SystemClock
from hw_sim.agency.objects.s3 import S3Store
from hw_sim.agency.objects.s3_client import client_of
from hw_sim.agency.objects.seaweed import HOST, SeaweedFS, program
from hw_sim.agency.objects.settings import S3Settings, parse_objects
from tests.hw_sim.agency.objects.engines import SeaweedEngine
from tests.hw_sim.agency.objects.locked import Locked, lock_one
from tests.support import leave_to_ci


def request(port: int, method: str, path: str) -> int:
    link = http.client.HTTPConnection(HOST, port, timeout=10)
    try:
        link.request(method, path)
        answer = link.getresponse()
        answer.read()
        return answer.status
    finally:
        link.close()


def shell(weed: SeaweedFS, command: str, folder: Path, timeout_s: float = 30.0) -> None:
    """``weed shell`` of somebody who has none of the cluster's certificates; over gRPC."""
    path, ports = program(), weed.ports
    assert path is not None
    try:
        subprocess.run(
            [
                path,
                "shell",
                f"-master={HOST}:{ports.master}.{ports.master_grpc}",
                f"-filer={HOST}:{ports.filer}.{ports.filer_grpc}",
            ],
            input=f"{command}\nexit\n",
            text=True,
            capture_output=True,
            cwd=folder,
            env={"HOME": str(folder)},
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return  # it tries to connect for ever


def filer_delete(weed: SeaweedFS, locked: Locked, folder: Path) -> None:
    request(weed.ports.filer, "DELETE", f"/buckets/{locked.store.bucket}/{locked.at['Key']}.versions?recursive=true")


def filer_delete_tree(weed: SeaweedFS, locked: Locked, folder: Path) -> None:
    request(weed.ports.filer, "DELETE", f"/buckets/{locked.store.bucket}/zfy-1?recursive=true")
    request(weed.ports.filer, "DELETE", f"/buckets/{locked.at['Bucket']}/{locked.store.prefix}?recursive=true")


def master_delete(weed: SeaweedFS, locked: Locked, folder: Path) -> None:
    request(weed.ports.master, "GET", f"/col/delete?collection={locked.store.bucket}")


def shell_remove(weed: SeaweedFS, locked: Locked, folder: Path) -> None:
    shell(weed, f"fs.rm -rf /buckets/{locked.store.bucket}/{locked.at['Key']}.versions", folder, 5.0)


SEAWEED_DOORS = {
    "filer, one object": filer_delete,
    "filer, a whole tree": filer_delete_tree,
    "gRPC, weed shell fs.rm": shell_remove,
    "master, /col/delete": master_delete,
}


@pytest.fixture(scope="module")
def as_it_comes(tmp_path_factory: pytest.TempPathFactory, seaweed: SeaweedEngine) -> Iterator[SeaweedFS]:
    """``seaweed`` gives the environment its credentials; this one takes them over."""
    leave_to_ci("未加固的 SeaweedFS its doors as it comes, 15 s")
    weed = SeaweedFS(tmp_path_factory.mktemp("weed"), SystemClock(), secured=False)
    weed.credentials = seaweed.weed.credentials
    weed.start()
    yield weed
    weed.kill()


def store_on(weed: SeaweedFS, bucket: str) -> S3Store:
    settings = parse_objects(weed.url(bucket))
    assert isinstance(settings, S3Settings)
    store = S3Store(client_of(settings), bucket)
    store.prepare()
    return store


@pytest.mark.parametrize("door", sorted(SEAWEED_DOORS))
def test_the_door_is_open_in_seaweedfs_as_it_comes(as_it_comes: SeaweedFS, tmp_path: Path, door: str) -> None:
    locked = lock_one(store_on(as_it_comes, f"open-{sorted(SEAWEED_DOORS).index(door)}"), tmp_path)
    assert locked.alive()
    SEAWEED_DOORS[door](as_it_comes, locked, tmp_path)
    assert not locked.alive()


@pytest.mark.parametrize("door", sorted(SEAWEED_DOORS))
def test_the_door_is_closed_by_our_configuration(seaweed: SeaweedEngine, tmp_path: Path, door: str) -> None:
    seaweed.start()
    store = seaweed.store(tmp_path)
    locked = lock_one(store, tmp_path)
    SEAWEED_DOORS[door](seaweed.weed, locked, tmp_path)
    assert locked.alive()


def test_a_bucket_with_locked_objects_is_not_deleted_even_as_it_comes(as_it_comes: SeaweedFS, tmp_path: Path) -> None:
    """``-s3.allowDeleteBucketNotEmpty`` is on by default; Object Lock comes before it."""
    locked = lock_one(store_on(as_it_comes, "whole-bucket"), tmp_path)
    with pytest.raises(ClientError):
        locked.client.delete_bucket(Bucket="whole-bucket")
    assert locked.alive()


def test_volume_servers_want_a_token_and_grpc_a_certificate(seaweed: SeaweedEngine) -> None:
    seaweed.start()
    ports = seaweed.weed.ports
    assert request(ports.volume, "DELETE", "/1,01637037d6") == http.client.UNAUTHORIZED
    for port in (ports.master_grpc, ports.filer_grpc, ports.volume_grpc, ports.s3_grpc):
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_alpn_protocols(["h2"])
        with (
            pytest.raises(ssl.SSLError, match=r"certificate required|bad certificate"),
            socket.create_connection((HOST, port), 5) as plain,
            context.wrap_socket(plain) as tls,
        ):
            tls.recv(1)
