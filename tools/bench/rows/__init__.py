"""The rows of the table, in the order of design §10."""

from __future__ import annotations

from tools.bench.rows import (
    button,
    camera,
    capture,
    ingest,
    kills,
    large,
    memory,
    mqtt,
    preroll,
    splits,
    start,
    upload,
    verify,
    worker,
)
from tools.bench.workshop import Row

ROWS: tuple[Row, ...] = (
    capture.ROW,
    memory.ROW,
    preroll.ROW,
    splits.ROW,
    kills.ROW,
    button.ROW,
    worker.ROW,
    upload.ROW,
    large.ROW,
    ingest.ROW,
    mqtt.ROW,
    verify.ROW,
    start.ROW,
    camera.ROW,
)
