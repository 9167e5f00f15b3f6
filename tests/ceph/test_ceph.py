"""The same suite on Ceph, and where Ceph differs (docs/object-stores.md)."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

from tests.ceph.engine import CephEngine
from tests.hw_sim.agency.objects.locked import KEY, lock_one
from tests.hw_sim.agency.objects.test_conformance import (  # noqa: F401  # collected here once more
    test_a_lock_is_extended_by_a_repeat_and_never_shortened,
    test_a_name_that_only_begins_like_another_is_free,
    test_a_wrong_digest_is_found_by_reading_back_whatever_the_engine_says,
    test_other_bytes_under_a_taken_name_are_a_conflict,
    test_the_same_bytes_again_are_the_same_version,
    test_what_is_put_is_read_back_and_locked,
)
from tests.hw_sim.agency.objects.test_fault_points import (  # noqa: F401
    ingest,
    test_a_death_at_any_step_is_finished_by_the_next_life,
    test_damage_of_our_own_put_is_put_once_more_and_not_for_ever,
    test_the_order_is_put_read_back_lock_sign_register_file_publish,
    unit,
)
from tests.hw_sim.agency.objects.test_s3_doors import (  # noqa: F401
    test_an_overwrite_or_a_delete_marker_hides_the_version_and_does_not_harm_it,
    test_many_at_once_are_refused_one_by_one,
    test_the_s3_door_is_closed,
)


def test_ceph_believes_a_wrong_checksum(engine: CephEngine, tmp_path: Path) -> None:
    """Why integrity is in reading back. The day this fails, the table of deviations has to be changed."""
    store = engine.store(tmp_path)
    wrong = base64.b64encode(hashlib.sha256(b"other bytes").digest()).decode()
    store.client.put_object(Bucket=store.bucket, Key=store.prefix + "u/j/a", Body=b"bytes", ChecksumSHA256=wrong)


def test_ceph_ignores_if_none_match(engine: CephEngine, tmp_path: Path) -> None:
    """Why idempotency is in our register and in looking at all versions."""
    store = engine.store(tmp_path)
    for body in (b"one", b"two"):
        store.client.put_object(Bucket=store.bucket, Key=store.prefix + "u/j/a", Body=body, IfNoneMatch="*")
    assert len(store.versions("u/j/a")) == 2


def test_all_daemons_killed_the_object_is_there_and_locked(engine: CephEngine, tmp_path: Path) -> None:
    locked = lock_one(engine.store(tmp_path), tmp_path)
    engine.kill()
    engine.start()
    assert locked.alive()
    assert locked.store.lock_of(locked.stored).mode == "compliance"
    assert locked.at["Key"].endswith(KEY)
