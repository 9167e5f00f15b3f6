"""The agency's command key as the unit pins it: who signs assignments, commands and pushed configurations."""

from __future__ import annotations

import logging
from pathlib import Path

from recorder.evidence.files import Files
from recorder.evidence.p256 import PublicKey
from recorder.evidence.receipts import StoreKeyError, load_store_key

log = logging.getLogger("recorder.unit")

KEY_FILE = "command-key.pem"


def agency_key(trust_dir: Path, files: Files) -> PublicKey | None:
    """As it is now: an enrolment may have come since the last look. None where there is none that can be used."""
    path = trust_dir / KEY_FILE
    try:
        return load_store_key(files.read(path), str(path))
    except (OSError, StoreKeyError) as error:
        log.error("trust.command-key", extra={"fields": {"path": str(path), "error": str(error)}})
        return None
