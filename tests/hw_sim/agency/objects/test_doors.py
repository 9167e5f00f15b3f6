"""Early deletion through every door there is: the S3 API of each locking engine, and SeaweedFS's own doors beside it.

Each door is tried on a SeaweedFS as it comes (the object is gone: the door is real) and on one configured as
docs/object-stores.md says (refused, the object still reads back).
"""

from __future__ import annotations

import http.client
import os
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from firmware_bridge.clock import SystemClock
from hw_sim.agency.objects.ports import Content, ObjectStoreError, StoredVersion
from hw_sim.agency.objects.s3 import COMPLIANCE, S3Store
from hw_sim.agency.objects.s3_client import client_of
from hw_sim.agency.objects.seaweed import HOST, SeaweedFS, program
from hw_sim.agency.objects.settings import S3Settings, parse_objects
from tests.hw_sim.agency.objects.engines import LOCKING, Engine, SeaweedEngine, file_of

UNTIL = 2_000_000_000.0
SOON = datetime(2027, 1, 1, tzinfo=UTC)
KEY = "zfy-1/journal/segments/s/a.mp4.age"


@dataclass(slots=True)
class Locked:
    """One object under lock."""

    store: S3Store
    stored: StoredVersion
    content: Content

    @property
    def client(self) -> Any:
        return self.store.client

    @property
    def at(self) -> dict[str, str]:
        return {
            "Bucket": self.store.bucket,
            "Key": self.store.prefix + self.stored.key,
            "VersionId": self.stored.version,
        }

    def alive(self) -> bool:
        try:
            return self.store.digest_of(self.stored) == self.content
        except ObjectStoreError:
            return False


def lock_one(store: S3Store, folder: Path, size: int = 300_000) -> Locked:
    source, content = file_of(folder, os.urandom(size))
    return Locked(store, store.put_locked(KEY, source, content, UNTIL), content)


# --- the S3 API -------------------------------------------------------------------------------------------------------

S3_DOORS: dict[str, Callable[[Locked], object]] = {
    "delete the version": lambda it: it.client.delete_object(**it.at),
    "delete it with bypass": lambda it: it.client.delete_object(**it.at, BypassGovernanceRetention=True),
    "shorten the retention": lambda it: it.client.put_object_retention(
        **it.at, Retention={"Mode": COMPLIANCE, "RetainUntilDate": SOON}
    ),
    "weaken it to GOVERNANCE": lambda it: it.client.put_object_retention(
        **it.at, Retention={"Mode": "GOVERNANCE", "RetainUntilDate": SOON}, BypassGovernanceRetention=True
    ),
    "take the retention away": lambda it: it.client.put_object_retention(
        **it.at, Retention={}, BypassGovernanceRetention=True
    ),
    "delete the bucket": lambda it: it.client.delete_bucket(Bucket=it.store.bucket),
    "suspend versioning": lambda it: it.client.put_bucket_versioning(
        Bucket=it.store.bucket, VersioningConfiguration={"Status": "Suspended"}
    ),
}


@pytest.mark.parametrize("engine", LOCKING, indirect=True)
@pytest.mark.parametrize("door", sorted(S3_DOORS))
def test_the_s3_door_is_closed(engine: Engine, tmp_path: Path, door: str) -> None:
    engine.start()
    store = engine.store(tmp_path)
    assert isinstance(store, S3Store)
    locked = lock_one(store, tmp_path)
    with pytest.raises(ClientError):
        S3_DOORS[door](locked)
    assert locked.alive()
    lock = store.lock_of(locked.stored)
    assert (lock.mode, lock.retain_until) == ("compliance", UNTIL)


@pytest.mark.parametrize("engine", LOCKING, indirect=True)
def test_many_at_once_are_refused_one_by_one(engine: Engine, tmp_path: Path) -> None:
    engine.start()
    store = engine.store(tmp_path)
    assert isinstance(store, S3Store)
    locked = lock_one(store, tmp_path)
    wanted = {"Key": locked.at["Key"], "VersionId": locked.stored.version}
    answer = store.client.delete_objects(
        Bucket=store.bucket, Delete={"Objects": [wanted]}, BypassGovernanceRetention=True
    )
    assert [error["Key"] for error in answer.get("Errors", [])] == [locked.at["Key"]]
    assert locked.alive()


@pytest.mark.parametrize("engine", LOCKING, indirect=True)
def test_an_overwrite_or_a_delete_marker_hides_the_version_and_does_not_harm_it(engine: Engine, tmp_path: Path) -> None:
    """And the next put of the same segment finds it again; one of other bytes is told apart."""
    engine.start()
    store = engine.store(tmp_path)
    assert isinstance(store, S3Store)
    locked = lock_one(store, tmp_path)
    store.client.delete_object(Bucket=store.bucket, Key=locked.at["Key"])
    store.client.put_object(Bucket=store.bucket, Key=locked.at["Key"], Body=b"something else")
    assert locked.alive()
    with locked.store.open(locked.stored) as blocks:
        source, content = file_of(tmp_path, b"".join(blocks))
    assert store.put_locked(KEY, source, content, UNTIL) == locked.stored


# --- SeaweedFS's other doors ------------------------------------------------------------------------------------------


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
