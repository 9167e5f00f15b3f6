"""From settings to a store that is ready: the one place that knows the drivers."""

from __future__ import annotations

from pathlib import Path

from hw_sim.agency.objects.folder import FolderStore
from hw_sim.agency.objects.ports import ObjectStore
from hw_sim.agency.objects.settings import FolderSettings, ObjectSettings


def open_objects(settings: ObjectSettings, root: Path) -> ObjectStore:
    """``root``: the ingest service's folder. Raises ObjectStoreError when the store is not fit for evidence: not there, not
    versioned, without Object Lock, without the right to lock."""
    if isinstance(settings, FolderSettings):
        folder = FolderStore(Path(settings.path) if settings.path else root, settings.immutable)
        folder.check()
        return folder
    # Only here: botocore costs 30 MB, and a store in a folder needs nothing of it.
    from hw_sim.agency.objects.s3 import S3Store

    store = S3Store.connect(settings)
    store.check()
    return store
