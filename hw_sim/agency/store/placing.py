"""From uploads that are whole and named by their journal to objects: the part of a journal's work that moves segments."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from hw_sim.agency.objects.ports import ObjectConflict, ObjectStoreError
from hw_sim.agency.store.apart import ApartDesk, Contradiction
from hw_sim.agency.store.keeping import Keeper, Kept
from hw_sim.agency.store.register import Named, Register, Upload
from hw_sim.agency.store.troubles import Troubles
from hw_sim.agency.store.vault import Vault
from recorder.evidence.records import Record, Recovery, SegmentClose

log = logging.getLogger("agency.store")

INLINE_BYTES = 64 << 20
"""How much a journal post stores in the object store before it is answered; the rest follows with ``settle``."""


class Placer:
    """Used under the journal's lock. ``staged(upload_id)``: path of a verified upload's bytes. Raises OSError."""

    def __init__(
        self,
        register: Register,
        keeper: Keeper,
        troubles: Troubles,
        apart: ApartDesk,
        staged: Callable[[str], Path],
    ) -> None:
        self._register = register
        self._keeper = keeper
        self._troubles = troubles
        self._apart = apart
        self._staged = staged

    def place_named(self, vault: Vault, records: Sequence[Record | None]) -> list[Kept]:
        """What these lines name and what has come of it."""
        placed: list[Kept] = []
        for record in records:
            if sum(kept.named.size for kept in placed) >= INLINE_BYTES:
                break  # the unit waits for its answer
            if isinstance(record, SegmentClose | Recovery) and record.segment_id is not None:
                named = self._register.named(vault.unit_id, record.segment_id)
                item = None if named is None else self.place(vault, named)
                if item is not None:
                    placed.append(item)
        return placed

    def place(self, vault: Vault, named: Named) -> Kept | None:
        """Place the whole upload that fits; set others aside. None: nothing to place (any more), or not now."""
        stored = self._register.object(named.unit_id, named.segment_id) is not None
        kept = None
        for upload in self._register.uploads_of(named.unit_id, named.segment_id):
            if upload.state != "whole":
                continue
            if (upload.sha256, upload.size) == (named.sha256, named.size) and not stored:
                if not self._troubles.may_try():
                    continue
                try:
                    kept = self._keeper.keep(self._staged(upload.upload_id), named)
                    self._troubles.over(named)
                    continue
                except ObjectConflict:
                    log.exception("object name taken")
                except ObjectStoreError as error:
                    self._troubles.met(named, error)
                    continue
            self._contradicts(vault, upload, named)
        return kept

    def clean(self, placed: list[Kept]) -> None:
        """The staged name of placed bytes is no longer needed once they are registered."""
        for named in [kept.named for kept in placed]:
            for upload in self._register.uploads_of(named.unit_id, named.segment_id):
                if upload.state == "stored":
                    self._staged(upload.upload_id).unlink(missing_ok=True)

    def _contradicts(self, vault: Vault, upload: Upload, named: Named) -> None:
        whole = self._staged(upload.upload_id)
        kept = self._apart.contradicts(
            vault,
            whole,
            Contradiction(named.segment_id, upload.sha256, named.sha256),
            "digest-conflict",
            "上传的片段与日志记载的摘要不符",
            "uploaded bytes contradict the journal's digest",
            segment_id=named.segment_id,
        )
        self._register.upload_state(upload.upload_id, "conflict")
        if not kept:
            whole.unlink(missing_ok=True)
