"""Early deletion through every door of the S3 API of each locking engine."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from firmware_bridge.clock import SystemClock
from hw_sim.agency.objects.s3 import COMPLIANCE, S3Store
from tests.hw_sim.agency.objects.engines import Engine, file_of
from tests.hw_sim.agency.objects.locked import KEY, UNTIL, Locked, lock_one

SOON = datetime.fromtimestamp(SystemClock().wall_us() / 1e6, UTC) + timedelta(days=30)
"""In the future, so that an engine refuses it for the lock and not for its date; before ``UNTIL``."""

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


@pytest.mark.parametrize("door", sorted(S3_DOORS))
def test_the_s3_door_is_closed(s3_engine: Engine, tmp_path: Path, door: str) -> None:
    s3_engine.start()
    store = s3_engine.store(tmp_path)
    assert isinstance(store, S3Store)
    locked = lock_one(store, tmp_path)
    with pytest.raises(ClientError):
        S3_DOORS[door](locked)
    assert locked.alive()
    lock = store.lock_of(locked.stored)
    assert (lock.mode, lock.retain_until) == ("compliance", UNTIL)


def test_many_at_once_are_refused_one_by_one(s3_engine: Engine, tmp_path: Path) -> None:
    s3_engine.start()
    store = s3_engine.store(tmp_path)
    assert isinstance(store, S3Store)
    locked = lock_one(store, tmp_path)
    wanted = {"Key": locked.at["Key"], "VersionId": locked.stored.version}
    answer = store.client.delete_objects(
        Bucket=store.bucket, Delete={"Objects": [wanted]}, BypassGovernanceRetention=True
    )
    assert [error["Key"] for error in answer.get("Errors", [])] == [locked.at["Key"]]
    assert locked.alive()


def test_an_overwrite_or_a_delete_marker_hides_the_version_and_does_not_harm_it(
    s3_engine: Engine, tmp_path: Path
) -> None:
    """And the next put of the same segment finds it again; one of other bytes is told apart."""
    s3_engine.start()
    store = s3_engine.store(tmp_path)
    assert isinstance(store, S3Store)
    locked = lock_one(store, tmp_path)
    store.client.delete_object(Bucket=store.bucket, Key=locked.at["Key"])
    store.client.put_object(Bucket=store.bucket, Key=locked.at["Key"], Body=b"something else")
    assert locked.alive()
    with locked.store.open(locked.stored) as blocks:
        source, content = file_of(tmp_path, b"".join(blocks))
    assert store.put_locked(KEY, source, content, UNTIL) == locked.stored
