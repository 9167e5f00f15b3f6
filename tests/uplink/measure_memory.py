"""A process of its own for ``test_memory``: upload the files given, print the peak of resident memory after each.

``python -m tests.uplink.measure_memory URL TLS_DIR FILE…``; one number of kilobytes per line.
"""

from __future__ import annotations

import resource
import sys
from pathlib import Path

from firmware_bridge.clock import SystemClock
from recorder.evidence.encoding import b64u
from recorder.lean import give_memory_back
from recorder.uplink.connection import ConnectionOptions
from recorder.uplink.facts import Segment
from recorder.uplink.http import StoreClient
from recorder.uplink.tus import Outcome, TusUploader

ID = "00000000-0000-4000-8000-000000000000"


def main(url: str, tls_dir: str, *files: str) -> None:
    give_memory_back()  # as the uplink's process does
    client = StoreClient(url, Path(tls_dir), ConnectionOptions(10.0, 20.0), SystemClock())
    for name in files:
        path = Path(name)
        segment = Segment(ID, 0, ID, ID, b64u(bytes(32)), path.stat().st_size, 0.0)
        outcome = TusUploader(client, url, lambda: None).upload(segment, path, lambda: None)
        assert outcome is Outcome.COMPLETE
        sys.stdout.write(f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
