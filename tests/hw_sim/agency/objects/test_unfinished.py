"""Unfinished multipart uploads: all of them are found, however many, and the bucket's own rule ends them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from hw_sim.agency.objects.ports import ObjectStoreError
from hw_sim.agency.objects.s3 import LIFECYCLE_RULE, S3Store
from tests.hw_sim.agency.objects.engines import SeaweedEngine

PAGE = 1000
"""What S3 returns at most in one answer."""
BEGUN = datetime(2026, 1, 1, tzinfo=UTC)
OLDER, YOUNGER = BEGUN.timestamp() + 1, BEGUN.timestamp() - 1


class PagingClient:
    """Lists as S3 does: ordered by key, one page at a time, from behind the markers on."""

    def __init__(self, count: int) -> None:
        self.uploads = [(f"p/k{number // 2:05}", f"u{number:05}") for number in range(count)]
        self.pages = 0

    def list_multipart_uploads(
        self, *, Bucket: str, Prefix: str, KeyMarker: str = "", UploadIdMarker: str = ""
    ) -> dict[str, Any]:
        self.pages += 1
        behind = [found for found in self.uploads if found > (KeyMarker, UploadIdMarker)]
        page = behind[:PAGE]
        answer: dict[str, Any] = {
            "IsTruncated": len(behind) > PAGE,
            "Uploads": [{"Key": key, "UploadId": upload, "Initiated": BEGUN} for key, upload in page],
        }
        if answer["IsTruncated"]:
            answer |= {"NextKeyMarker": page[-1][0], "NextUploadIdMarker": page[-1][1]}
        return answer

    def abort_multipart_upload(self, *, Bucket: str, Key: str, UploadId: str) -> None:
        self.uploads.remove((Key, UploadId))


@pytest.mark.parametrize(("count", "pages"), [(0, 1), (PAGE, 1), (PAGE + 1, 2), (2 * PAGE + 301, 3)])
def test_beyond_a_page_all_are_given_up(count: int, pages: int) -> None:
    client = PagingClient(count)
    assert S3Store(client, "evidence", "p/").abandon_parts(OLDER) == count
    assert (client.uploads, client.pages) == ([], pages)


def test_what_is_young_stays_on_every_page() -> None:
    client = PagingClient(PAGE + 7)
    assert S3Store(client, "evidence", "p/").abandon_parts(YOUNGER) == 0
    assert (len(client.uploads), client.pages) == (PAGE + 7, 2)


class RulesClient:
    """A bucket's life cycle; ``error``: what asking for it yields."""

    def __init__(self, rules: list[dict[str, Any]] | None, error: str = "NoSuchLifecycleConfiguration") -> None:
        self.rules = rules
        self.error = error

    def get_bucket_lifecycle_configuration(self, *, Bucket: str) -> dict[str, Any]:
        if self.rules is None:
            raise ClientError({"Error": {"Code": self.error}}, "GetBucketLifecycleConfiguration")
        return {"Rules": self.rules}

    def put_bucket_lifecycle_configuration(self, *, Bucket: str, LifecycleConfiguration: dict[str, Any]) -> None:
        self.rules = LifecycleConfiguration["Rules"]


OTHER = {"ID": "to-cold", "Status": "Enabled", "Filter": {"Prefix": ""}, "Transitions": [{"Days": 30}]}


@pytest.mark.parametrize("before", [None, [], [OTHER], [OTHER, {**LIFECYCLE_RULE, "Status": "Disabled"}]])
def test_the_rule_is_set_once_and_others_stay(before: list[dict[str, Any]] | None) -> None:
    client = RulesClient(before)
    for _ in range(2):
        S3Store(client, "evidence").set_lifecycle()
        assert client.rules == [rule for rule in before or [] if rule is OTHER] + [LIFECYCLE_RULE]


def test_rules_that_cannot_be_read_are_not_replaced() -> None:
    client = RulesClient(None, "AccessDenied")
    with pytest.raises(ObjectStoreError, match="AccessDenied"):
        S3Store(client, "evidence").set_lifecycle()
    assert client.rules is None


def test_an_engine_takes_the_rule(seaweed: SeaweedEngine) -> None:
    seaweed.start()
    store = seaweed.stores.new()
    store.set_lifecycle()
    (rule,) = store.client.get_bucket_lifecycle_configuration(Bucket=store.bucket)["Rules"]
    assert rule["AbortIncompleteMultipartUpload"] == LIFECYCLE_RULE["AbortIncompleteMultipartUpload"]
    assert "Expiration" not in rule and "NoncurrentVersionExpiration" not in rule
