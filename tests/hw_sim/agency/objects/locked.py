"""One object under lock, for whoever tries to get it away."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hw_sim.agency.objects.ports import Content, ObjectStoreError, StoredVersion
from hw_sim.agency.objects.s3 import S3Store
from tests.hw_sim.agency.objects.engines import file_of

UNTIL = 2_000_000_000.0
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
