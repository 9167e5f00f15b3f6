"""S3 with Object Lock in COMPLIANCE mode: AWS S3, Ceph RGW, SeaweedFS.

Each put states its own retention, so nothing depends on a bucket's default. An object's name is free when no *version* of
it exists: versions nobody can delete are what Object Lock is about, and an overwrite is only one more of them. A version
that carries our own mark of these very bytes and holds others is the engine's damage: it stays, and another is put.
"""

from __future__ import annotations

import base64
import logging
import math
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from botocore.exceptions import BotoCoreError, ClientError

from hw_sim.agency.objects.ports import (
    BLOCK,
    Content,
    Lock,
    ObjectConflict,
    ObjectDamaged,
    ObjectStoreError,
    StoredVersion,
    content_of_blocks,
)
from hw_sim.agency.objects.s3_client import client_of, code_of, translated
from hw_sim.agency.objects.settings import S3Settings
from recorder.evidence.encoding import unb64u
from recorder.evidence.records import LockMode

log = logging.getLogger("agency.objects")

COMPLIANCE = "COMPLIANCE"
MARK = "sha256"
"""User metadata of our own puts: the base64url digest that was to be stored."""

ABANDON_DAYS = 7
LIFECYCLE_RULE: dict[str, Any] = {
    "ID": "abort-unfinished-uploads",
    "Status": "Enabled",
    "Filter": {"Prefix": ""},
    "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": ABANDON_DAYS},
}
"""Nothing but parts: a rule with ``Expiration`` would hide evidence behind delete markers (deploy/aws/lifecycle.json)."""

DAMAGED_MAX = 3
"""Damaged versions of one object after which people must look before more are put."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """``single``: the largest object put in one request (S3 permits 5 GiB); above it parts of ``part`` (5 MiB to 5 GiB, at
    most 10 000 of them)."""

    single: int = 64 << 20
    part: int = 32 << 20


@dataclass(frozen=True, slots=True)
class _Found:
    version: str
    size: int


class S3Store:
    """An ObjectStore. ``client``: botocore's S3 client."""

    lock_mode: LockMode = "compliance"

    def __init__(self, client: Any, bucket: str, prefix: str = "", sizes: Sizes | None = None) -> None:
        self.client = client
        self.bucket = bucket
        self.prefix = prefix
        self._sizes = sizes or Sizes()

    @classmethod
    def connect(cls, settings: S3Settings) -> S3Store:
        return cls(client_of(settings), settings.bucket, settings.prefix)

    # --- the bucket --------------------------------------------------------------------------------------------------

    def check(self) -> None:
        """Raises ObjectStoreError naming what is missing when the bucket is not one evidence may be put into."""
        bucket = self.bucket
        with translated(f"bucket {bucket}"):
            self.client.head_bucket(Bucket=bucket)
            versioning = self.client.get_bucket_versioning(Bucket=bucket).get("Status")
        if versioning != "Enabled":
            raise ObjectStoreError(f"bucket {bucket}: 未启用版本控制 versioning is not enabled")
        try:
            answer = self.client.get_object_lock_configuration(Bucket=bucket)
        except ClientError as error:
            raise ObjectStoreError(
                f"bucket {bucket}: 未启用对象锁定 Object Lock is not enabled: {code_of(error)}"
            ) from error
        except BotoCoreError as error:
            raise ObjectStoreError(f"bucket {bucket}: {error}") from error
        if answer.get("ObjectLockConfiguration", {}).get("ObjectLockEnabled") != "Enabled":
            raise ObjectStoreError(f"bucket {bucket}: 未启用对象锁定 Object Lock is not enabled")

    def prepare(self) -> bool:
        """Make the bucket with Object Lock. False when it is there (``check`` says whether it is fit)."""
        try:
            self.client.create_bucket(Bucket=self.bucket, ObjectLockEnabledForBucket=True)
        except ClientError as error:
            if code_of(error) in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists"):
                return False
            raise ObjectStoreError(f"bucket {self.bucket}: {error}") from error
        except BotoCoreError as error:
            raise ObjectStoreError(f"bucket {self.bucket}: {error}") from error
        return True

    def abandon_parts(self, before: float) -> int:
        """Give up multipart uploads begun before ``before`` (seconds): a kill left them, and they cost room that no
        listing of objects shows. How many."""
        count = 0
        marker: dict[str, str] = {}
        with translated("unfinished parts"):
            while True:
                answer = self.client.list_multipart_uploads(Bucket=self.bucket, Prefix=self.prefix, **marker)
                for upload in answer.get("Uploads", []):
                    if upload["Initiated"].timestamp() < before:
                        self.client.abort_multipart_upload(
                            Bucket=self.bucket, Key=upload["Key"], UploadId=upload["UploadId"]
                        )
                        count += 1
                if not answer.get("IsTruncated"):
                    return count
                # A page holds at most 1 000; the markers name the last one seen, whether it was given up or not.
                marker = {"KeyMarker": answer["NextKeyMarker"]}
                if answer.get("NextUploadIdMarker"):
                    marker["UploadIdMarker"] = answer["NextUploadIdMarker"]

    def set_lifecycle(self) -> None:
        """Let the engine itself give up unfinished multipart uploads after ``ABANDON_DAYS``. The bucket's other rules stay
        as they are; ours expires no object and no version. Raises ObjectStoreError."""
        with translated(f"life cycle of bucket {self.bucket}"):
            rules = [rule for rule in self._lifecycle_rules() if rule.get("ID") != LIFECYCLE_RULE["ID"]]
            # The request replaces the whole configuration.
            self.client.put_bucket_lifecycle_configuration(
                Bucket=self.bucket, LifecycleConfiguration={"Rules": [*rules, LIFECYCLE_RULE]}
            )

    def _lifecycle_rules(self) -> list[dict[str, Any]]:
        try:
            answer = self.client.get_bucket_lifecycle_configuration(Bucket=self.bucket)
        except ClientError as error:
            if code_of(error) == "NoSuchLifecycleConfiguration":
                return []
            raise
        return list(answer.get("Rules", []))

    # --- ObjectStore -------------------------------------------------------------------------------------------------

    def put_locked(self, key: str, source: Path, content: Content, retain_until: float) -> StoredVersion:
        until = datetime.fromtimestamp(math.ceil(retain_until), UTC)
        there = self._there(key, content)
        if there is not None:
            self._extend(there, until)
            return there
        lock = {
            "ObjectLockMode": COMPLIANCE,
            "ObjectLockRetainUntilDate": until,
            "Metadata": {MARK: content.sha256},
            "ContentType": "application/octet-stream",
        }
        with translated(f"put {key}"), source.open("rb") as file:
            if content.size <= self._sizes.single:
                version = self._put(key, file, content, lock)
            else:
                version = self._put_parts(key, file, content, lock)
        if not version or version == "null":
            raise ObjectStoreError(f"put {key}: 没有版本号，存储桶未启用版本控制 no version id: is versioning enabled?")
        stored = StoredVersion(key, version)
        if content.size > self._sizes.single:
            # Ceph 18 takes the lock given with the first request of many and forgets it (tests/ceph).
            self._extend(stored, until)
        return stored

    def digest_of(self, stored: StoredVersion) -> Content:
        with self.open(stored) as blocks:
            return content_of_blocks(blocks)

    def lock_of(self, stored: StoredVersion) -> Lock:
        try:
            answer = self.client.get_object_retention(**self._at(stored))
        except ClientError as error:
            if code_of(error) in (
                "NoSuchObjectLockConfiguration",
                "InvalidRequest",
                "ObjectLockConfigurationNotFoundError",
            ):
                return Lock("none", None)
            raise ObjectStoreError(f"lock of {stored.key}: {error}") from error
        except BotoCoreError as error:
            raise ObjectStoreError(f"lock of {stored.key}: {error}") from error
        retention = answer.get("Retention", {})
        # GOVERNANCE can be lifted by whoever has the permission: for evidence that is no lock.
        if retention.get("Mode") != COMPLIANCE or "RetainUntilDate" not in retention:
            return Lock("none", None)
        return Lock("compliance", retention["RetainUntilDate"].timestamp())

    @contextmanager
    def open(self, stored: StoredVersion) -> Iterator[Iterator[bytes]]:
        with translated(f"read {stored.key}"):
            answer = self.client.get_object(**self._at(stored))
            with closing(answer["Body"]) as body:
                yield body.iter_chunks(BLOCK)

    # --- what is there -----------------------------------------------------------------------------------------------

    def _there(self, key: str, content: Content) -> StoredVersion | None:
        """The oldest version with these bytes. None: the name is free, or holds only damage of our own puts."""
        damaged = others = 0
        for found in self.versions(key):
            stored = StoredVersion(key, found.version)
            if found.size == content.size and self.digest_of(stored) == content:
                return stored
            if self._mark_of(stored) == content.sha256:
                damaged += 1
            else:
                others += 1
        if others:
            raise ObjectConflict(f"{key}: 已有 {others} 个内容不同的版本 {others} version(s) with other bytes")
        if damaged >= DAMAGED_MAX:
            raise ObjectDamaged(f"{key}: {damaged} 个版本读出的内容有误 {damaged} versions read back wrong")
        return None

    def versions(self, key: str) -> list[_Found]:
        """All versions of exactly this name, oldest first."""
        found: list[_Found] = []
        wanted = self.prefix + key
        marker: dict[str, str] = {}
        with translated(f"versions of {key}"):
            while True:
                answer = self.client.list_object_versions(Bucket=self.bucket, Prefix=wanted, **marker)
                found += [
                    _Found(item["VersionId"], item["Size"])
                    for item in answer.get("Versions", [])
                    if item["Key"] == wanted
                ]
                if not answer.get("IsTruncated"):
                    return found[::-1]
                marker = {"KeyMarker": answer["NextKeyMarker"]}
                if answer.get("NextVersionIdMarker"):
                    marker["VersionIdMarker"] = answer["NextVersionIdMarker"]

    def _mark_of(self, stored: StoredVersion) -> str | None:
        with translated(f"head {stored.key}"):
            mark = self.client.head_object(**self._at(stored)).get("Metadata", {}).get(MARK)
        return None if mark is None else str(mark)

    def _extend(self, stored: StoredVersion, until: datetime) -> None:
        """A lock may be made longer, never shorter: what an earlier attempt put is locked from then on."""
        lock = self.lock_of(stored)
        if lock.retain_until is not None and lock.retain_until >= until.timestamp():
            return
        with translated(f"extend {stored.key}"):
            self.client.put_object_retention(
                **self._at(stored), Retention={"Mode": COMPLIANCE, "RetainUntilDate": until}
            )

    # --- putting -----------------------------------------------------------------------------------------------------

    def _put(self, key: str, file: BinaryIO, content: Content, lock: dict[str, Any]) -> str:
        answer = self.client.put_object(
            Bucket=self.bucket,
            Key=self.prefix + key,
            Body=file,
            ContentLength=content.size,
            ChecksumSHA256=base64.b64encode(unb64u(content.sha256)).decode("ascii"),
            **lock,
        )
        return str(answer.get("VersionId", ""))

    def _put_parts(self, key: str, file: BinaryIO, content: Content, lock: dict[str, Any]) -> str:
        where = {"Bucket": self.bucket, "Key": self.prefix + key}
        where["UploadId"] = self.client.create_multipart_upload(**where, **lock)["UploadId"]
        parts: list[dict[str, Any]] = []
        try:
            for number in range(1, math.ceil(content.size / self._sizes.part) + 1):
                body = file.read(self._sizes.part)
                etag = self.client.upload_part(**where, PartNumber=number, Body=body)["ETag"]
                parts.append({"PartNumber": number, "ETag": etag})
            answer = self.client.complete_multipart_upload(**where, MultipartUpload={"Parts": parts})
        except (ClientError, BotoCoreError, OSError):
            self._abort(where)
            raise
        return str(answer.get("VersionId", ""))

    def _abort(self, where: dict[str, str]) -> None:
        """Best effort: what stays is found by ``abandon_parts`` and the bucket's life cycle rule."""
        try:
            self.client.abort_multipart_upload(**where)
        except (ClientError, BotoCoreError) as error:
            log.warning("abort of parts of %s: %s", where["Key"], error)

    def _at(self, stored: StoredVersion) -> dict[str, str]:
        return {"Bucket": self.bucket, "Key": self.prefix + stored.key, "VersionId": stored.version}
